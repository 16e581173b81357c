"""A model whose last layer is laid open: what runs through it, and what a run leaves behind."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from lib import text as text_module
from lib.final_layer import FinalLayer
from lib.model import editing, generating
from lib.model.hooks import forward, recording
from lib.model.tokenizer import Tokenizer
from lib.source import Source

Recorded = Literal["resid", "scale", "activation", "logits", "pattern"]


class Run(dict[str, Tensor]):
    """What one pass over some sequences left behind, by name: `run.resid`, `run.logits`, …"""

    def __getattr__(self, name: str) -> Tensor:
        if name not in self:
            raise AttributeError(f"this run holds {', '.join(self)}; to have {name!r}, name it in model.run(tokens, …)")
        return self[name]


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

    def sequences(self, text: str, *, n_sequences: int, sequence_length: int) -> Int[Tensor, "sequence position"]:
        """Sequences of running text in this model's tokens; see `text.sequences`, also for the errors."""
        return text_module.sequences(
            text_module.documents(text),
            self.tokenizer.encode,
            bos=self.tokenizer.bos,
            eos=self.tokenizer.eos,
            n_sequences=n_sequences,
            sequence_length=sequence_length,
        )

    def scored(self, tokens: Int[Tensor, "sequence position"]) -> Bool[Tensor, "sequence position"]:
        """The positions of these sequences that statistics are over; see `text.scored`."""
        return text_module.scored(tokens, bos=self.tokenizer.bos, eos=self.tokenizer.eos)

    def write(self, activation: Float[Tensor, "*token d_mlp"]) -> Float[Tensor, "*token d_model"]:
        """What the last MLP writes into the residual stream when its neurons have these activations, centred as
        the final norm centres; a norm after the MLP, where there is one, is applied."""
        block, dtype = self.bridge.blocks[self.n_layers - 1], self.W_out.dtype
        raw = activation @ block.mlp.W_out.detach().to(dtype)
        if getattr(block.mlp, "b_out", None) is not None:
            raw = raw + block.mlp.b_out.detach().to(dtype)
        with torch.inference_mode():
            post = getattr(block, "ln2_post", None)
            return self.final_layer.centre(raw if post is None else post.original_component(raw).to(dtype))

    def output_weights(self, layer: int) -> Float[Tensor, "d_mlp d_model"]:
        """Output weights of a layer's neurons, centred as the final norm centres; -1 is the last layer.

        Raises ValueError for a layer that the model does not have."""
        if not -self.n_layers <= layer < self.n_layers:
            raise ValueError(f"{self.name} has layers 0 … {self.n_layers - 1} (-1 is the last), got {layer}")
        W_out = self.bridge.blocks[layer % self.n_layers].mlp.W_out.detach()
        return self.final_layer.centre(W_out.to(self.final_layer.W_U.dtype))

    def run(self, tokens: Int[Tensor, "sequence position"], *names: Recorded, batch_size: int = 8) -> Run:
        """Runs sequences and keeps exactly what was named.

        - `resid` sequence position d_model: the residual stream entering the final norm
        - `scale` sequence position: what the final norm divides by
        - `activation` sequence position d_mlp: the last layer's neurons, after the nonlinearity
        - `logits` sequence position d_vocab: the model's own, float32
        - `pattern` sequence layer head query key: attention

        Raises ValueError for a token id outside the vocabulary and for sequences longer than the model has positions,
        ModelError when a hook did not fire."""
        d_vocab = self.final_layer.d_vocab
        if tokens.numel() and not 0 <= int(tokens.min()) <= int(tokens.max()) < d_vocab:
            raise ValueError(f"token ids must lie in 0 … {d_vocab - 1}, got {tokens.min()} … {tokens.max()}")
        if tokens.shape[1] > self.n_positions:
            raise ValueError(f"{self.name} has room for {self.n_positions} tokens, got sequences of {tokens.shape[1]}")
        parts = [self._run_batch(batch, names) for batch in tokens.split(batch_size)]
        return Run({name: torch.cat([part[name] for part in parts]) for name in names})

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
        with editing.first_token_only(self.bridge, heads, queries):
            yield

    @property
    def stop_ids(self) -> tuple[int, ...]:
        """Where the checkpoint says that its texts end: the tokenizer's EOS, then what its own settings name (a chat
        model's end of turn, say). For the caller of `continuations` to pass on, or not."""
        named = (self.tokenizer.eos, *generating.stops_of(self.bridge.original_model))
        return tuple(dict.fromkeys(id for id in named if 0 <= id < self.final_layer.d_vocab))

    def continuations(
        self, prompts: list[str], *, n_tokens: int, stops: Collection[int] = (), batch_size: int = 64
    ) -> list[str]:
        """What the model writes after each prompt: its most likely tokens, `n_tokens` at most, up to the EOS or one
        of the `stops`, whatever the checkpoint's generation settings say (see `generating`).

        Each prompt follows one BOS. Prompts of one length run together, so that nothing is ever padded.
        Raises ValueError for an empty prompt, for more tokens than the model has positions, for fewer than none, and
        for a stop that is no token."""
        encoded = [self.tokenizer.encode(prompt) for prompt in prompts]
        stops = {self.tokenizer.eos, *stops}
        self._check_request(encoded, n_tokens, stops)
        written: dict[int, str] = {}
        for length in sorted({len(ids) for ids in encoded}):
            same = [index for index, ids in enumerate(encoded) if len(ids) == length]
            for batch in torch.tensor(same).split(batch_size):
                rows = torch.tensor([[self.tokenizer.bos, *encoded[index]] for index in batch.tolist()])
                d_vocab = self.final_layer.d_vocab
                grown = generating.greedy(self.bridge, rows, n_tokens=n_tokens, stops=stops, d_vocab=d_vocab)
                for index, new in zip(batch.tolist(), grown, strict=True):
                    written[index] = self.tokenizer.backend.decode(new, clean_up_tokenization_spaces=False)
        return [written[index] for index in range(len(prompts))]

    def _check_request(self, encoded: list[list[int]], n_tokens: int, stops: set[int]) -> None:
        if not all(encoded):
            raise ValueError("a prompt is empty; there is nothing to continue")
        if n_tokens < 0:
            raise ValueError(f"n_tokens must be 0 or more, got {n_tokens}")
        strange = sorted(id for id in stops if not 0 <= id < self.final_layer.d_vocab)
        if strange:
            raise ValueError(f"stops must be token ids in 0 … {self.final_layer.d_vocab - 1}, got {strange[0]}")
        longest = 1 + max(map(len, encoded), default=0)
        if longest + n_tokens > self.n_positions:
            raise ValueError(
                f"{self.name} has room for {self.n_positions} tokens, got a prompt of {longest} (BOS included) and "
                f"{n_tokens} to write; shorten the prompt or ask for fewer"
            )

    def _run_batch(self, tokens: Int[Tensor, "batch position"], names: tuple[str, ...]) -> dict[str, Tensor]:
        last, kept = self.n_layers - 1, {}
        wanted = {}
        if {"resid", "scale"} & {*names}:
            wanted["resid"] = f"blocks.{last}.hook_resid_post"
        if "activation" in names:
            wanted["activation"] = f"blocks.{last}.mlp.hook_post"
        if "pattern" in names:
            wanted |= {f"pattern {layer}": f"blocks.{layer}.attn.hook_pattern" for layer in range(self.n_layers)}
        with recording(self.bridge, wanted, kept):
            logits = forward(self.bridge, tokens, logits="logits" in names)
        if "pattern" in names:
            kept["pattern"] = torch.stack([kept[f"pattern {layer}"] for layer in range(self.n_layers)], dim=1)
        if "scale" in names:
            kept["scale"] = self.final_layer.scale(kept["resid"].to(self.final_layer.W_U.dtype))
        if "logits" in names:
            kept["logits"] = logits[..., : self.final_layer.d_vocab].float()
        return kept
