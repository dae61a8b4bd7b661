"""The models that are compared: their shapes, their parameters under lrx's names, and random weights for them.

A low-rank matrix has `….down.weight` and `….up.weight`, and its bias keeps the name that the dense one's has.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from kinds import Kind, Structured, random_values

ALL_MATRICES = ("q_proj", "k_proj", "v_proj", "out_proj", "gate", "c_fc", "c_proj")
ATTENTION_MATRICES = ("q_proj", "k_proj", "v_proj", "out_proj")


@dataclass(frozen=True)
class Spec:
    """The shape of a model; the defaults are the seed's baseline."""

    family: str = "gpt-neo"  # or gpt2, llama
    hidden: int = 384
    layers: int = 4
    heads: int = 16
    context: int = 2048
    vocabulary: int = 50257
    attention_ranks: tuple[int, ...] | None = None  # one per layer; None: dense
    mlp_ranks: tuple[int, ...] | None = None
    windows: tuple[int, ...] | None = None  # one per layer, 0 = global; None: global everywhere
    kv_heads: int | None = None  # None: as many as heads
    inner: int | None = None  # None: 4 · hidden
    attention_kind: Kind | None = None  # another kind than these ranks say, in all layers
    mlp_kind: Kind | None = None

    @property
    def is_llama(self) -> bool:
        """Rotary positions, RMSNorm, a gated MLP, no bias, a head of its own."""
        return self.family == "llama"

    @property
    def scaled(self) -> bool:
        """Whether scores are divided by √head size."""
        return self.family != "gpt-neo"

    @property
    def inner_features(self) -> int:
        return self.inner or 4 * self.hidden

    @property
    def kv_features(self) -> int:
        return (self.kv_heads or self.heads) * self.hidden // self.heads

    @property
    def mlp_matrices(self) -> tuple[str, ...]:
        return ("gate", "c_fc", "c_proj") if self.is_llama else ("c_fc", "c_proj")

    def has_bias(self, matrix: str) -> bool:
        if self.is_llama:
            return False
        return self.family == "gpt2" or matrix not in ("q_proj", "k_proj", "v_proj")

    def kind(self, matrix: str) -> Kind | None:
        return self.attention_kind if matrix in ATTENTION_MATRICES else self.mlp_kind

    def window(self, layer: int) -> int:
        return self.windows[layer] if self.windows else 0

    def rank(self, layer: int, matrix: str) -> int | None:
        ranks = self.attention_ranks if matrix in ATTENTION_MATRICES else self.mlp_ranks
        return ranks[layer] if ranks else None


def block_of(matrix: str) -> str:
    return "attention" if matrix in ATTENTION_MATRICES else "mlp"


def shapes(spec: Spec) -> dict[str, tuple[int, ...]]:
    """Every parameter's name and shape (matrices are out × in). A head that is the token embedding has no entry."""
    hidden, inner, kv = spec.hidden, spec.inner_features, spec.kv_features
    matrices = {"q_proj": (hidden, hidden), "k_proj": (kv, hidden), "v_proj": (kv, hidden), "out_proj": (hidden, hidden)}
    matrices |= {"gate": (inner, hidden), "c_fc": (inner, hidden), "c_proj": (hidden, inner)}

    def matrix(layer: int, prefix: str, name: str) -> dict[str, tuple[int, ...]]:
        (out, inputs), rank, kind = matrices[name], spec.rank(layer, name), spec.kind(name)
        if kind is not None:
            found = {}
            for own, shape in kind.shapes(inputs, out).items():
                full = f"basis.{layer}.{block_of(name)}.down.{inputs}.{shape[0]}.weight"
                is_shared = kind.name == "shared-basis" and own == "down.weight"
                found[full if is_shared else f"{prefix}{name}.{own}"] = shape
        elif rank is None:
            found = {f"{prefix}{name}.weight": (out, inputs)}
        else:
            found = {f"{prefix}{name}.down.weight": (rank, inputs), f"{prefix}{name}.up.weight": (out, rank)}
        if spec.has_bias(name):
            found[f"{prefix}{name}.bias"] = (out,)
        return found

    def norm(name: str) -> dict[str, tuple[int, ...]]:
        weight = {f"{name}.weight": (hidden,)}
        return weight if spec.is_llama else weight | {f"{name}.bias": (hidden,)}

    found = {"transformer.wte.weight": (spec.vocabulary, hidden)}
    if not spec.is_llama:
        found |= {"transformer.wpe.weight": (spec.context, hidden)}
    for layer in range(spec.layers):
        block = f"transformer.h.{layer}."
        found |= norm(f"{block}ln_1")
        for name in ATTENTION_MATRICES:
            found |= matrix(layer, f"{block}attn.attention.", name)
        found |= norm(f"{block}ln_2")
        for name in spec.mlp_matrices:
            found |= matrix(layer, f"{block}mlp.", name)
    found |= norm("transformer.ln_f")
    return found | ({"lm_head.weight": (spec.vocabulary, hidden)} if spec.is_llama else {})


def random_weights(spec: Spec, seed: int) -> dict[str, np.ndarray]:
    """Weights with which every parameter matters.

    At the usual N(0, 0.02) the blocks hardly change the loss, and a mistake in one would pass.
    """
    random = np.random.default_rng(seed)

    def draw(name: str, shape: tuple[int, ...]) -> np.ndarray:
        normal = random.standard_normal(shape)
        if name.endswith(".bias"):
            return 0.02 * normal
        if ".ln_" in name:
            return 1 + 0.05 * normal
        if name.startswith(("transformer.wte", "transformer.wpe")):
            return 0.05 * normal
        scale = 2.0 if ".c_fc." in name or ".gate." in name else 1.0
        if (".q_proj." in name or ".k_proj." in name) and not spec.scaled:
            # GPT-Neo does not scale its scores. At rank 1 and full size they grow so large that the float32 rounding of
            # the reference, seen against its own float64, reaches 1e-3 nats after three steps.
            scale = 0.5
        return scale * normal / np.sqrt(shape[1])

    def values(name: str, shape: tuple[int, ...]) -> np.ndarray:
        matrix = next((part for part in name.split(".") if part in ALL_MATRICES), None)
        kind = spec.kind(matrix) if matrix else spec.attention_kind if name.startswith("basis.") else None
        if kind is None or name.endswith(".bias"):
            return draw(name, shape).astype(np.float32)
        sizes = (spec.inner_features, spec.hidden) if matrix == "c_proj" else (spec.hidden, spec.inner_features)
        inputs, outputs = (spec.hidden, spec.hidden) if matrix in ATTENTION_MATRICES else sizes
        return random_values(name, shape, inputs, outputs, random)

    weights = {name: values(name, shape) for name, shape in shapes(spec).items()}
    for name in [name for name in weights if name.endswith(".guide.weight")]:
        weights[name] = guide_of(weights, name, spec)
    return weights


def guide_of(weights: dict[str, np.ndarray], name: str, spec: Spec) -> np.ndarray:
    """What a self-guided layer's W is at first: the matrix that its structure stands for."""
    prefix = name.removesuffix("guide.weight")
    matrix = prefix.split(".")[-2]
    own = {key.removeprefix(prefix): torch.from_numpy(value) for key, value in weights.items() if key.startswith(prefix)}
    identity = torch.eye(own["guide.weight"].shape[1])
    return spec.kind(matrix).apply(own, identity, 1.0).T.contiguous().numpy()


def stored_name(name: str) -> str:
    """lrx's name of a parameter of the lean model: a low-rank matrix's bias keeps the name that the dense one has."""
    return name.replace(".up.bias", ".bias")


def stored(model: nn.Module) -> dict[str, torch.Tensor]:
    """The model's parameters, or views of them, under lrx's names. A model whose own are others says so itself."""
    if own := getattr(model, "stored", None):
        return own()
    shared = {id(parameter): name for name, parameter in getattr(model, "shared", {}).items()}
    found = {shared.get(id(p), stored_name(name)): p for name, p in model.named_parameters()}
    for prefix, module in model.named_modules():
        if isinstance(module, Structured):
            found |= {f"{prefix}.{name}": values for name, values in module.named_buffers()}
            for name in module.forgotten():
                del found[f"{prefix}.{name}"]
    return found


def load(model: nn.Module, weights: dict[str, np.ndarray]) -> None:
    """Copies the weights in; every parameter must have one, and every weight a parameter."""
    parameters = stored(model)
    assert parameters.keys() == weights.keys(), sorted(parameters.keys() ^ weights.keys())
    with torch.no_grad():
        for name, parameter in parameters.items():
            parameter.copy_(torch.from_numpy(weights[name]))


def dump(model: nn.Module) -> dict[str, np.ndarray]:
    return {name: parameter.detach().numpy().copy() for name, parameter in stored(model).items()}
