"""The one door to real models: load, fold, prove, run.

`load` reads a Hugging Face checkpoint itself (so that missing weights are an error and not a random
head), wraps it with the plain TransformerBridge for its hook names, and folds the last layer by hand.
Before it hands the model out it checks, on a few random tokens, that the folded last layer gives the
model's own logits and that the last MLP writes what its weights say. Everything else in the library
sees only `Model`: token ids in, tensors out."""

import copy
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from lib import checkpoint
from lib import text as text_module
from lib.checkpoint import ModelError
from lib.final_layer import FinalLayer
from lib.source import Source, resolve

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float64": torch.float64}
Recorded = Literal["resid", "scale", "activation", "logits", "pattern"]


@dataclass(frozen=True)
class Tokenizer:
    """Text to token ids and back, adding no special tokens of its own."""

    backend: Any
    """The Hugging Face tokenizer."""

    def encode(self, text: str) -> list[int]:
        """Token ids of a text, no BOS added."""
        return self.backend.encode(text, add_special_tokens=False, verbose=False)

    def decode(self, token: int) -> str:
        """The text of one token, its spaces kept."""
        return self.backend.decode([token], clean_up_tokenization_spaces=False)

    @property
    def bos(self) -> int:
        """The token that every sequence starts with; the end-of-text token where a model has no other."""
        return self.eos if self.backend.bos_token_id is None else self.backend.bos_token_id

    @property
    def eos(self) -> int:
        """The token that parts documents. Raises ModelError when the tokenizer has none."""
        if self.backend.eos_token_id is None:
            raise ModelError("the tokenizer has no end-of-sequence token, which is needed to part documents")
        return self.backend.eos_token_id


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
        layers = [(layer, mask.nonzero()[:, 0]) for layer, mask in enumerate(heads) if mask.any()]
        hooks = [hook for layer, head in layers for hook in _bos_hooks(layer, head, queries)]
        with self.bridge.hooks(fwd_hooks=hooks):
            yield

    def continuations(self, prompts: list[str], *, n_tokens: int, batch_size: int = 64) -> list[str]:
        """What the model writes after each prompt: its most likely tokens, `n_tokens` at most, up to the EOS.

        Each prompt follows one BOS. Prompts of one length run together, so that nothing is ever padded.
        Raises ValueError for an empty prompt."""
        encoded = [self.tokenizer.encode(prompt) for prompt in prompts]
        if not all(encoded):
            raise ValueError("a prompt is empty; there is nothing to continue")
        written: dict[int, str] = {}
        for length in sorted({len(ids) for ids in encoded}):
            same = [index for index, ids in enumerate(encoded) if len(ids) == length]
            for batch in torch.tensor(same).split(batch_size):
                rows = [[self.tokenizer.bos, *encoded[index]] for index in batch.tolist()]
                for index, new in zip(batch.tolist(), self._greedy(torch.tensor(rows), n_tokens), strict=True):
                    written[index] = self.tokenizer.backend.decode(new, clean_up_tokenization_spaces=False)
        return [written[index] for index in range(len(prompts))]

    def _greedy(self, tokens: Int[Tensor, "batch position"], n_tokens: int) -> list[list[int]]:
        """New token ids after each row, without the EOS and what follows it."""
        model, eos = self.bridge.original_model, self.tokenizer.eos
        with torch.inference_mode(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tokens = tokens.to(model.device)
            grown = model.generate(
                tokens,
                attention_mask=torch.ones_like(tokens),
                max_new_tokens=n_tokens,
                do_sample=False,
                pad_token_id=eos,
                eos_token_id=eos,
            )
        new = grown[:, tokens.shape[1] :].tolist()
        return [row[: row.index(eos)] if eos in row else row for row in new]

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


def forward(bridge: Any, tokens: Int[Tensor, "batch position"], *, logits: bool) -> Tensor | None:
    """One forward pass of the wrapped model; without `logits` it ends before the unembedding."""
    model = bridge.original_model
    tokens = tokens.to(model.device)
    with torch.inference_mode(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if logits:
            return model(input_ids=tokens, use_cache=False).logits
        model.base_model(input_ids=tokens, use_cache=False)
        return None


def _bos_hooks(layer: int, head: Int[Tensor, " head"], queries: slice) -> Iterator[tuple[str, Any]]:
    """Hooks that make some heads of a layer pass on the first token's value vector at the queried positions."""
    first: dict[str, Tensor] = {}

    def keep(value: Tensor, hook: Any) -> None:
        first["value"] = value[:, :1].detach()

    def replace(z: Tensor, hook: Any) -> Tensor:
        if not first:
            raise ModelError(f"the values of layer {layer} never passed their hook, which BOS ablation needs")
        value, z = first.pop("value"), z.clone()
        z[:, queries, head] = value[:, :, head * value.shape[2] // z.shape[2]]  # grouped heads share a value
        return z

    yield f"blocks.{layer}.attn.hook_v", keep
    yield f"blocks.{layer}.attn.hook_z", replace


@contextmanager
def recording(bridge: Any, hooks: dict[str, str], kept: dict[str, Tensor]) -> Iterator[None]:
    """Within the context, what passes the hooks is copied into `kept`; each of them must fire.

    Raises ModelError for a hook that the model does not have, or that did not fire."""

    def keeper(name: str) -> Any:
        def keep(value: Tensor, hook: Any) -> None:
            kept[name] = value.detach().clone()

        return keep

    missing = [hook for hook in hooks.values() if hook not in bridge.hook_dict]
    if missing:
        raise ModelError(f"{bridge.cfg.architecture} has no hook {missing[0]}, which this measurement needs")
    with bridge.hooks(fwd_hooks=[(hook, keeper(name)) for name, hook in hooks.items()]):
        yield
    silent = [hook for name, hook in hooks.items() if name not in kept]
    if silent:
        raise ModelError(f"the hook {silent[0]} of {bridge.cfg.architecture} never fired")


def load(model: str, *, revision: str = "", dtype: str = "float32", device: str = "cpu") -> Model:
    """Loads a pocket model, a local directory or a hub repository, and proves its last layer.

    Weights are held in `dtype`, the folded last layer in float32 at least. Raises SourceError when there
    is no such model, ModelError when it cannot be analysed, ValueError for an unknown dtype or device."""
    if dtype not in DTYPES:
        raise ValueError(f"dtype must be one of {', '.join(DTYPES)}, got {dtype!r}")
    if device.startswith("cuda") and not torch.cuda.is_available():
        raise ValueError(f"device={device!r} was asked for, but this machine has no usable GPU; use device='cpu'")
    source = resolve(model, revision=revision)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        loaded, tokenizer = checkpoint.read(source, DTYPES[dtype], device)
        return wrap(loaded, tokenizer, source)


def wrap(loaded: Any, tokenizer: Any, source: Source) -> Model:
    """A loaded Hugging Face model behind the door: bridged, folded, proved.

    Raises ModelError for a weight that is not finite, an architecture that does not fit, and as `prove` does."""
    from transformer_lens.model_bridge.sources import build_bridge_from_module

    damaged = next((name for name, weight in loaded.named_parameters() if not weight.isfinite().all()), None)
    if damaged:
        raise ModelError(f"the weight {damaged} holds values that are not finite; its file is damaged")
    logging.getLogger("transformer_lens").setLevel(logging.ERROR)
    architecture = type(loaded).__name__
    d_vocab = min(len(tokenizer), loaded.get_output_embeddings().weight.shape[0])
    loaded.config.architectures = loaded.config.architectures or [architecture]
    try:
        bridge = build_bridge_from_module(loaded, architecture, hf_config=copy.deepcopy(loaded.config), tokenizer=None)
    except ValueError:
        raise ModelError(f"the installed TransformerLens does not support {architecture}") from None
    if not bridge.adapter.supports_generation or "ln_final" not in dir(bridge):
        raise ModelError(f"{architecture} has no final norm in front of a next-token head, so there is nothing to fold")
    final_layer = fold(bridge, loaded.config, d_vocab=d_vocab)
    block = bridge.blocks[bridge.cfg.n_layers - 1]
    model = Model(
        source=source,
        tokenizer=Tokenizer(tokenizer),
        final_layer=final_layer,
        W_out=final_layer.centre(block.mlp.W_out.detach().to(final_layer.W_U.dtype)),
        not_exact=_not_exact(block, final_layer),
        bridge=bridge,
    )
    prove(model)
    return model


def fold(bridge: Any, config: Any, *, d_vocab: int) -> FinalLayer:
    """Folds the final norm into the unembedding, the norm's gain and bias found by probing the module.

    Probing needs no knowledge of how a model stores its gain (Gemma keeps gain - 1) and tells LayerNorm
    from RMSNorm by whether a constant shift matters. The probe alternates between 1 and -1: it is already
    centred, and no entry of it is small."""
    norm = copy.deepcopy(bridge.ln_final.original_component).double()
    W_U, b_U = bridge.W_U.detach()[:, :d_vocab].double(), bridge.b_U.detach()[:d_vocab].double()
    probe = 1.0 - 2.0 * (torch.arange(W_U.shape[0], device=W_U.device, dtype=torch.float64) % 2)
    with torch.no_grad():
        bias = norm(torch.zeros_like(probe))
        response = norm(probe) - bias
        # RMSNorm modules compute in float32 whatever they are given, hence the tolerance
        centres = bool(torch.allclose(norm(probe + 5) - bias, response, atol=1e-4))
    eps = next(getattr(norm, name) for name in ("eps", "variance_epsilon") if hasattr(norm, name))
    gain = response * (1 + eps) ** 0.5 / probe
    W_U, b_U = W_U * gain[:, None], bias @ W_U + b_U
    keep = torch.promote_types(bridge.W_U.dtype, torch.float32)
    return FinalLayer(
        W_U=(W_U - W_U.mean(0) if centres else W_U).to(keep),
        b_U=b_U.to(keep),
        eps=float(eps),
        centres=centres,
        multiplier=float(getattr(config, "logit_scale", None) or 1 / getattr(config, "logits_scaling", 1.0)),
        soft_cap=getattr(config, "final_logit_softcapping", None),
    )


def _not_exact(block: Any, final_layer: FinalLayer) -> tuple[str, ...]:
    details = {
        "a norm after the last MLP": hasattr(block, "ln2_post"),
        "soft-capped logits": final_layer.soft_cap is not None,
    }
    return tuple(detail for detail, present in details.items() if present)


def prove(model: Model) -> None:
    """The self-check at load, on 8 random tokens. Raises ModelError naming what does not add up.

    (1) The folded last layer gives the model's logits. (2) They depend on the scale. (3) The last MLP's
    activations times its output weights are what the residual stream receives."""
    layer, block = model.final_layer, model.bridge.blocks[model.n_layers - 1]
    generator = torch.Generator().manual_seed(0)
    tokens = torch.randint(layer.d_vocab, (1, 8), generator=generator)
    run = model.run(tokens, "resid", "activation", "logits")
    resid, tolerance = run.resid.to(layer.W_U.dtype), 1e-3 if run.resid.dtype != torch.bfloat16 else 3e-2
    own, size = layer.logits(resid), run.logits.abs().max()
    error = (own - run.logits).abs().max() / size
    if not error < tolerance:
        raise ModelError(
            f"the folded last layer of {model.name} misses its logits by {error:.1%}: "
            "between residual stream and logits it has a detail that is not known here"
        )
    if (layer.logits(resid, scale=1.5 * layer.scale(resid)) - own).abs().max() < tolerance * size:
        raise ModelError(f"the logits of {model.name} do not depend on the final norm's scale")
    received: dict[str, Tensor] = {}
    with recording(model.bridge, {"write": f"blocks.{model.n_layers - 1}.hook_mlp_out"}, received):
        forward(model.bridge, tokens, logits=False)
    write = run.activation @ block.mlp.W_out
    if getattr(block.mlp, "b_out", None) is not None:
        write = write + block.mlp.b_out
    written = received["write"].abs().max().clamp(min=torch.finfo(write.dtype).tiny)  # untrained, an MLP may write 0
    error = (write - received["write"]).abs().max() / written
    if not error < tolerance and "a norm after the last MLP" not in model.not_exact:
        raise ModelError(
            f"the last MLP of {model.name} writes something else than its activations times W_out "
            f"(off by {error:.1%}): between them it has a detail that is not known here, such as a norm or a multiplier"
        )
