"""A model laid open: its last layer folded, every other layer to be read and edited."""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from lib import memory
from lib import text as text_module
from lib.final_layer import FinalLayer
from lib.model import branching, continuing, first_token, generating, remembering, running, sites
from lib.model import path as paths
from lib.model.edits import Edit
from lib.model.path import Path
from lib.model.remembering import Remembered
from lib.model.running import Recorded, Run
from lib.model.sites import Site
from lib.model.tokenizer import Tokenizer
from lib.source import Source


@dataclass(frozen=True, eq=False)
class Model:
    """A language model whose last layer is laid open."""

    source: Source
    tokenizer: Tokenizer
    final_layer: FinalLayer
    """Folded final norm and unembedding, on the real tokens of the vocabulary."""
    W_out: Float[Tensor, "d_mlp d_model"]
    """Output weights of the last layer's neurons, centred as the final norm centres."""
    not_exact: tuple[str, ...]
    """Details of the architecture under which a neuron's write is not `W_out` times its activation, or
    a larger scale is not only a higher temperature; empty for most models."""
    bridge: Any
    """The plain TransformerBridge around the Hugging Face model."""

    @property
    def name(self) -> str:
        """The model's name as the reader wrote it."""
        return self.source.name

    @cached_property
    def n_layers(self) -> int:
        """Transformer blocks."""
        return self.bridge.cfg.n_layers

    @property
    def n_heads(self) -> int:
        """Attention heads of a layer."""
        return self.bridge.cfg.n_heads

    @property
    def n_positions(self) -> int:
        """The longest sequence that the model was built for, BOS included."""
        return self.bridge.cfg.n_ctx

    def encoded(self, text: str) -> Iterator[list[int]]:
        """The documents of a text, of what suits this model where none is named (`documents.suiting`), as token ids.

        Raises TextError as `documents.documents` does."""
        documents = text_module.documents(text_module.suiting(text, kind=self.source.kind))
        return (self.tokenizer.encode_text(document) for document in documents)

    def sequences(self, text: str, *, n_sequences: int, sequence_length: int) -> Int[Tensor, "sequence position"]:
        """Sequences of running text in this model's tokens, on its device; see `text.sequences`, and for errors too."""
        found = text_module.sequences(
            self.encoded(text),
            bos=self.tokenizer.bos,
            eos=self.tokenizer.eos,
            n_sequences=n_sequences,
            sequence_length=sequence_length,
        )
        return found.to(self.W_out.device)

    def scored(self, tokens: Int[Tensor, "sequence position"]) -> Bool[Tensor, "sequence position"]:
        """The positions of these sequences that statistics are over; see `text.scored`."""
        return text_module.scored(tokens, bos=self.tokenizer.bos, eos=self.tokenizer.eos)

    def write(
        self, activation: Float[Tensor, "*token d_mlp"], *, beside: Float[Tensor, "*#token d_model"] | float = 0.0
    ) -> Float[Tensor, "*token d_model"]:
        """What the last MLP writes into the residual stream when its neurons have these activations, and something is
        written `beside` them, centred as the final norm centres; a norm after the MLP, if there is one, is applied."""
        block, dtype = self.bridge.blocks[self.n_layers - 1], self.W_out.dtype
        raw = activation.to(dtype) @ block.mlp.W_out.detach().to(dtype) + beside
        if getattr(block.mlp, "b_out", None) is not None:
            raw = raw + block.mlp.b_out.detach().to(dtype)
        with torch.inference_mode():
            post = getattr(block, "ln2_post", None)
            return self.final_layer.centre(raw if post is None else post.original_component(raw).to(dtype))

    def output_weights(self, layer: int) -> Float[Tensor, "d_mlp d_model"]:
        """Output weights of a layer's neurons, centred as the final norm centres; -1 is the last layer.

        Raises ValueError for a layer that the model does not have, ModelError for one without a single MLP."""
        if not -self.n_layers <= layer < self.n_layers:
            raise ValueError(f"{self.name} has layers 0 … {self.n_layers - 1} (-1 is the last), got {layer}")
        layer %= self.n_layers
        W_out = sites.output_weights(self.bridge.blocks[layer], f"layer {layer} of {self.name}")
        return self.final_layer.centre(W_out.to(self.final_layer.W_U.dtype))

    def weights(self, layer: int = -1) -> tuple[Float[Tensor, "d_mlp d_model"], Float[Tensor, "d_model d_vocab"]]:
        """Output weights of a layer's neurons, and the unembedding as weight statistics read it (see
        `FinalLayer.weight_coordinates`): both on the CPU, where these are made. Raises as `output_weights` does."""
        W_out = self.W_out if layer in (-1, self.n_layers - 1) else self.output_weights(layer)
        return W_out.cpu(), self.final_layer.weight_coordinates().cpu()

    def run(
        self,
        tokens: Int[Tensor, "sequence position"],
        *names: Recorded,
        edits: Sequence[Edit] = (),
        batch_size: int = 8,
    ) -> Run:
        """Runs sequences and hands back exactly what was named; the first three of a clean run from memory, where the
        same sequences ran before (see `remembering`).

        - `resid` sequence position d_model: the residual stream entering the final norm
        - `scale` sequence position: what the final norm divides by
        - `activation` sequence position d_mlp: the last layer's neurons, after the nonlinearity
        - `logits` sequence position d_vocab: the model's own, float32
        - `pattern` sequence layer head query key: attention

        Raises ValueError for a token id outside the vocabulary, for sequences longer than the model has positions, and
        for edits that do not belong to these sequences, ModelError when a hook did not fire."""
        self._check(tokens, edits)
        if not edits and {*names} <= {"resid", "scale", "activation"} and len(tokens):
            return self._remembered(tokens, names, batch_size)
        if "logits" in names:
            batch_size = min(batch_size, memory.rows(self.final_layer.d_vocab * tokens.shape[1]))
        return self._run(tokens, names, edits, batch_size)

    def record(
        self,
        tokens: Int[Tensor, "sequence position"],
        asked: Collection[Site],
        *,
        positions: slice | Int[Tensor, "sequence place"] = slice(None),
        edits: Sequence[Edit] = (),
        batch_size: int = 8,
    ) -> dict[Site, Float[Tensor, "sequence place width"]]:
        """Runs sequences and keeps what flows on from each site (see `sites`) at the positions, and nothing else.

        `positions` is a slice of the sequence or names some for each sequence; what an edit puts in is what is kept.
        Raises as `run` does, and ModelError for a site that this architecture does not have."""
        self._check(tokens, edits, asked=asked)
        if isinstance(positions, Tensor) and len(positions) != len(tokens):
            raise ValueError(f"positions are given for {len(positions)} sequences, but {len(tokens)} are run")
        chosen: dict[str, Any] = {"positions": positions, "edits": edits, "batch_size": batch_size}
        return running.record(self.bridge, tokens, asked, **chosen)

    def path(
        self,
        tokens: Int[Tensor, "prompt position"],
        *,
        n_tokens: int,
        stops: Collection[int] = (),
        n_top: int = 2,
        edits: Sequence[Edit] = (),
        with_cache: bool | None = None,
        whole: bool = False,
        at_most: Int[Tensor, " prompt"] | None = None,
        batch_size: int = 64,
    ) -> Path:
        """The greedy path after prompts of one length, up to one of the `stops`, and the last layer's state along it.

        Of every step the `n_top` most likely tokens are kept. `with_cache` says whether earlier positions are kept or
        run anew for every token; both give the same, and None takes the cache wherever the edits allow it.
        `whole` keeps the activations at all positions of the prompts as well, and `at_most` ends the path of each
        prompt after its own number of steps, 1 or more.
        Raises as `run` does, ValueError for a number of tokens that is not positive or does not fit behind the prompts,
        for a stop that is no token, and for a number in `at_most` that is not positive."""
        continuing.check(self, tokens.shape[1], n_tokens, {*stops})
        if n_tokens < 1:
            raise ValueError(f"a path has 1 step or more, got n_tokens={n_tokens}")
        if at_most is not None and bool((at_most < 1).any()):
            raise ValueError(f"a path has 1 step or more, got at_most={int(at_most.min())} for one of the prompts")
        self._check(tokens, edits, n_tokens=n_tokens)
        chosen: dict[str, Any] = {"n_tokens": n_tokens, "stops": stops, "n_top": n_top, "with_cache": with_cache}
        chosen["whole"] = whole
        parts = [
            paths.follow(
                self.bridge,
                tokens[rows],
                edits=[edit.rows(rows) for edit in edits],
                d_vocab=self.final_layer.d_vocab,
                at_most=None if at_most is None else at_most[rows],
                **chosen,
            )
            for rows in torch.arange(len(tokens)).split(batch_size)
        ]
        return paths.joined(parts)

    def branches(self, tokens: Int[Tensor, "row position"], ways: Sequence[branching.Way]) -> list[branching.Left]:
        """For each of several ways to go on from some beginnings of one length, the residual stream entering the final
        norm and the last layer's neurons, where the beginning ends and at every token behind it; see `branching`.

        Raises as `run` does."""
        self._check(tokens, ())
        continuing.check(self, tokens.shape[1], max(len(behind) for _, behind in ways), set())
        return branching.states(self.bridge, tokens, ways)

    def continuations(
        self,
        prompts: list[str],
        *,
        n_tokens: int,
        stops: Collection[int] = (),
        edits: Sequence[Edit] = (),
        batch_size: int = 64,
    ) -> list[str]:
        """What the model writes after each prompt: its most likely tokens, `n_tokens` at most, up to the EOS or one
        of the `stops`, whatever the checkpoint's generation settings say (see `generating`).

        Each prompt follows one BOS. Prompts of one length run together, so that nothing is ever padded.
        Raises ValueError for an empty prompt, for more tokens than the model has positions, for fewer than none, and
        for a stop that is no token."""
        return continuing.texts(self, prompts, n_tokens=n_tokens, stops=stops, edits=edits, batch_size=batch_size)

    @property
    def stop_ids(self) -> tuple[int, ...]:
        """Where the checkpoint says that its texts end: the tokenizer's EOS, then what its own settings name (a chat
        model's end of turn, say). For the caller of `continuations` to pass on, or not."""
        named = (self.tokenizer.eos, *generating.stops_of(self.bridge.original_model))
        return tuple(dict.fromkeys(id for id in named if 0 <= id < self.final_layer.d_vocab))

    @contextmanager
    def bos_ablated(self, heads: Bool[Tensor, "layer head"], *, queries: slice = slice(None)) -> Iterator[None]:
        """Within the context these heads attend to the first token only, at the query positions of `queries`.

        That is where a head looks when it has nothing to do (Stolfo et al. 2024, section 6.2). The head's output is
        set to the first token's value vector, which is the same thing and works on every architecture; a recorded
        `pattern` therefore still shows where the head would have looked.
        Raises ValueError for a mask of another shape."""
        if heads.shape != (self.n_layers, self.n_heads):
            needed = f"{self.n_layers} layers of {self.n_heads} heads"
            raise ValueError(f"{self.name} has {needed}, got a mask of shape {tuple(heads.shape)}")
        with first_token.first_token_only(self.bridge, heads, queries):
            yield

    @cached_property
    def sums_hold(self) -> bool:
        """True where every layer adds its `attn_out` and `mlp_out` to the stream, checked on a few tokens once.

        Raises ModelError where one does not; the sites that it is about are then neither read nor edited."""
        tokens = torch.arange(4)[None] % self.final_layer.d_vocab
        chosen: dict[str, Any] = {"positions": slice(None), "edits": (), "batch_size": 1}
        sites.prove_sums(self.n_layers, lambda asked: running.record(self.bridge, tokens, asked, **chosen))
        return True

    def _run(
        self,
        tokens: Int[Tensor, "sequence position"],
        names: Sequence[Recorded],
        edits: Sequence[Edit],
        batch_size: int,
    ) -> Run:
        parts = [
            running.run(self.bridge, self.final_layer, tokens[rows], names, [edit.rows(rows) for edit in edits])
            for rows in torch.arange(len(tokens)).split(batch_size)
        ]
        return Run({name: torch.cat([part[name] for part in parts]) for name in names})

    def forget(self) -> None:
        """Gives up what is remembered of sequences that ran, so that they run again."""
        self._memory.states.clear()

    @cached_property
    def _memory(self) -> Remembered:
        return Remembered(self.bridge)

    def _remembered(self, tokens: Int[Tensor, "sequence position"], names: Sequence[Recorded], batch_size: int) -> Run:
        """The clean run, from memory where these sequences ran before."""
        found = self._memory.runs(tokens, lambda new: self._run(new, remembering.KEPT, (), batch_size))
        if "scale" in names:
            found["scale"] = self.final_layer.scale(found["resid"].to(self.final_layer.W_U.dtype))
        return Run({name: found[name] for name in names})

    def _check(
        self,
        tokens: Int[Tensor, "sequence position"],
        edits: Sequence[Edit],
        *,
        asked: Collection[Site] = (),
        n_tokens: int = 0,
    ) -> None:
        d_vocab = self.final_layer.d_vocab
        if tokens.numel() and not 0 <= int(tokens.min()) <= int(tokens.max()) < d_vocab:
            raise ValueError(f"token ids must lie in 0 … {d_vocab - 1}, got {tokens.min()} … {tokens.max()}")
        if tokens.shape[1] > self.n_positions:
            raise ValueError(f"{self.name} has room for {self.n_positions} tokens, got sequences of {tokens.shape[1]}")
        for edit in edits:
            edit.check(len(tokens), tokens.shape[1] + n_tokens)
        touched = [*asked, *(edit.site for edit in edits)]
        sites.check(self.bridge, touched)
        if {"attn_out", "mlp_out", "resid_mid"} & {site.where for site in touched}:
            _ = self.sums_hold
