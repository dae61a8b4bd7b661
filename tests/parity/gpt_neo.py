"""GPT-Neo twice in PyTorch: Hugging Face's, the reference, and a lean one of our own.

The lean one checks the reference, and benches/peers times it. Both hold their weights under lrx's names: GPT-Neo's own,
and `….down.weight`, `….up.weight` for a low-rank matrix.
"""

from collections import OrderedDict
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from transformers import GPTNeoConfig, GPTNeoForCausalLM

from stories import NO_TARGET

ATTENTION_MATRICES = ("q_proj", "k_proj", "v_proj", "out_proj")
MLP_MATRICES = ("c_fc", "c_proj")


@dataclass(frozen=True)
class Spec:
    """The shape of a model; the defaults are the seed's baseline."""

    hidden: int = 384
    layers: int = 4
    heads: int = 16
    context: int = 2048
    vocabulary: int = 50257
    attention_ranks: tuple[int, ...] | None = None  # one per layer; None: dense
    mlp_ranks: tuple[int, ...] | None = None
    windows: tuple[int, ...] | None = None  # one per layer, 0 = global; None: global everywhere

    def window(self, layer: int) -> int:
        return self.windows[layer] if self.windows else 0

    def rank(self, layer: int, matrix: str) -> int | None:
        ranks = self.attention_ranks if matrix in ATTENTION_MATRICES else self.mlp_ranks
        return ranks[layer] if ranks else None


def shapes(spec: Spec) -> dict[str, tuple[int, ...]]:
    """Every parameter's name and shape (matrices are out × in). The head is the token embedding and has no entry."""
    hidden, inner = spec.hidden, 4 * spec.hidden
    matrices = dict.fromkeys(ATTENTION_MATRICES, (hidden, hidden))
    matrices |= {"c_fc": (inner, hidden), "c_proj": (hidden, inner)}

    def matrix(layer: int, prefix: str, name: str) -> dict[str, tuple[int, ...]]:
        (out, inputs), rank = matrices[name], spec.rank(layer, name)
        if rank is None:
            found = {f"{prefix}{name}.weight": (out, inputs)}
        else:
            found = {f"{prefix}{name}.down.weight": (rank, inputs), f"{prefix}{name}.up.weight": (out, rank)}
        if name in ("out_proj", *MLP_MATRICES):
            found[f"{prefix}{name}.bias"] = (out,)
        return found

    def layer_norm(name: str) -> dict[str, tuple[int, ...]]:
        return {f"{name}.weight": (hidden,), f"{name}.bias": (hidden,)}

    found = {"transformer.wte.weight": (spec.vocabulary, hidden), "transformer.wpe.weight": (spec.context, hidden)}
    for layer in range(spec.layers):
        block = f"transformer.h.{layer}."
        found |= layer_norm(f"{block}ln_1")
        for name in ATTENTION_MATRICES:
            found |= matrix(layer, f"{block}attn.attention.", name)
        found |= layer_norm(f"{block}ln_2")
        for name in MLP_MATRICES:
            found |= matrix(layer, f"{block}mlp.", name)
    return found | layer_norm("transformer.ln_f")


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
        scale = 2.0 if ".c_fc." in name else 1.0
        if ".q_proj." in name or ".k_proj." in name:
            # GPT-Neo does not scale its scores. At rank 1 and full size they grow so large that the float32 rounding of
            # the reference, seen against its own float64, reaches 1e-3 nats after three steps.
            scale = 0.5
        return scale * normal / np.sqrt(shape[1])

    return {name: draw(name, shape).astype(np.float32) for name, shape in shapes(spec).items()}


def low_rank(inputs: int, outputs: int, rank: int, bias: bool) -> nn.Module:
    """W x + b becomes B (A x) + b."""
    return nn.Sequential(
        OrderedDict(down=nn.Linear(inputs, rank, bias=False), up=nn.Linear(rank, outputs, bias=bias)),
    )


def hugging_face(spec: Spec) -> GPTNeoForCausalLM:
    """GPTNeoForCausalLM with eager attention, and low-rank matrices in place of its own where the spec says so."""
    kinds = ["local" if spec.window(layer) else "global" for layer in range(spec.layers)]
    windows = {window for window in spec.windows or () if window}
    assert len(windows) <= 1, "GPT-Neo has one window size for all its local layers"
    config = GPTNeoConfig(
        vocab_size=spec.vocabulary,
        max_position_embeddings=spec.context,
        hidden_size=spec.hidden,
        num_layers=spec.layers,
        num_heads=spec.heads,
        attention_types=[[kinds, 1]],
        window_size=max(windows, default=256),
        activation_function="gelu_new",
        layer_norm_epsilon=1e-5,
        resid_dropout=0.0,
        embed_dropout=0.0,
        attention_dropout=0.0,
        use_cache=False,
        attn_implementation="eager",
    )
    model = GPTNeoForCausalLM(config)
    for layer, block in enumerate(model.transformer.h):
        for owner, names in ((block.attn.attention, ATTENTION_MATRICES), (block.mlp, MLP_MATRICES)):
            for name in names:
                dense, rank = getattr(owner, name), spec.rank(layer, name)
                if rank is not None:
                    has_bias = dense.bias is not None
                    setattr(owner, name, low_rank(dense.in_features, dense.out_features, rank, has_bias))
    assert model.lm_head.weight is model.transformer.wte.weight
    return model.train()


class Attention(nn.Module):
    def __init__(self, spec: Spec, layer: int) -> None:
        super().__init__()
        self.heads, self.window = spec.heads, spec.window(layer)
        self.scale = 1.0  # GPT-Neo does not divide by √head_size
        for name in ATTENTION_MATRICES:
            setattr(self, name, linear(spec.hidden, spec.hidden, spec.rank(layer, name), bias=name == "out_proj"))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        batch, length, hidden = x.shape
        # (batch, heads, length, head size)
        q, k, v = (
            project(x).view(batch, length, self.heads, -1).transpose(1, 2)
            for project in (self.q_proj, self.k_proj, self.v_proj)
        )
        if self.window:
            position = torch.arange(length)
            distance = position[:, None] - position[None, :]
            seen = (distance >= 0) & (distance < self.window)
            y = F.scaled_dot_product_attention(q, k, v, attn_mask=seen, scale=self.scale)
        else:
            y = F.scaled_dot_product_attention(q, k, v, is_causal=True, scale=self.scale)
        return self.out_proj(y.transpose(1, 2).reshape(batch, length, hidden))


class Block(nn.Module):
    def __init__(self, spec: Spec, layer: int) -> None:
        super().__init__()
        inner = 4 * spec.hidden
        self.ln_1 = nn.LayerNorm(spec.hidden)
        self.attn = nn.ModuleDict({"attention": Attention(spec, layer)})
        self.ln_2 = nn.LayerNorm(spec.hidden)
        self.mlp = nn.Sequential(
            OrderedDict(
                c_fc=linear(spec.hidden, inner, spec.rank(layer, "c_fc"), bias=True),
                gelu=nn.GELU(approximate="tanh"),
                c_proj=linear(inner, spec.hidden, spec.rank(layer, "c_proj"), bias=True),
            ),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x + self.attn["attention"](self.ln_1(x))
        return x + self.mlp(self.ln_2(x))


class Lean(nn.Module):
    """GPT-Neo and nothing else: fused attention, no cache, no mask (causal attention never sees a pad on the right)."""

    def __init__(self, spec: Spec) -> None:
        super().__init__()
        self.transformer = nn.ModuleDict(
            {
                "wte": nn.Embedding(spec.vocabulary, spec.hidden),
                "wpe": nn.Embedding(spec.context, spec.hidden),
                "h": nn.ModuleList(Block(spec, layer) for layer in range(spec.layers)),
                "ln_f": nn.LayerNorm(spec.hidden),
            },
        )

    def forward(self, ids: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Mean cross-entropy over the target tokens."""
        t = self.transformer
        x = t["wte"](ids) + t["wpe"](torch.arange(ids.shape[1]))
        for block in t["h"]:
            x = block(x)
        logits = F.linear(t["ln_f"](x), t["wte"].weight)  # (batch, length, vocabulary)
        return F.cross_entropy(logits[:, :-1].flatten(0, 1), labels[:, 1:].flatten(), ignore_index=NO_TARGET)


def linear(inputs: int, outputs: int, rank: int | None, bias: bool) -> nn.Module:
    return nn.Linear(inputs, outputs, bias=bias) if rank is None else low_rank(inputs, outputs, rank, bias)


def stored_name(name: str) -> str:
    """lrx's name of a parameter: a low-rank matrix's bias keeps the name that the dense one has."""
    return name.replace(".up.bias", ".bias")


def load(model: nn.Module, weights: dict[str, np.ndarray]) -> None:
    """Copies the weights in; every parameter must have one, and every weight a parameter."""
    parameters = {stored_name(name): parameter for name, parameter in model.named_parameters()}
    assert parameters.keys() == weights.keys(), sorted(parameters.keys() ^ weights.keys())
    with torch.no_grad():
        for name, parameter in parameters.items():
            parameter.copy_(torch.from_numpy(weights[name]))


def dump(model: nn.Module) -> dict[str, np.ndarray]:
    return {stored_name(name): parameter.detach().numpy().copy() for name, parameter in model.named_parameters()}
