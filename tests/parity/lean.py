"""GPT-Neo, GPT-2 and Llama in PyTorch and nothing else: it checks the reference, and benches/peers times it.

Its parameters have lrx's names.
"""

import torch
import torch.nn.functional as F
from torch import nn

from hugging_face import low_rank
from spec import ATTENTION_MATRICES, Spec
from stories import NO_TARGET


class Attention(nn.Module):
    def __init__(self, spec: Spec, layer: int) -> None:
        super().__init__()
        self.head_size, self.window = spec.hidden // spec.heads, spec.window(layer)
        self.groups = spec.hidden // spec.kv_features  # heads of queries for each one of keys and values
        self.scale = self.head_size**-0.5 if spec.scaled else 1.0
        self.theta = 10_000.0 if spec.is_llama else None
        for name in ATTENTION_MATRICES:
            outputs = spec.kv_features if name in ("k_proj", "v_proj") else spec.hidden
            setattr(self, name, linear(spec.hidden, outputs, spec.rank(layer, name), spec.has_bias(name)))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        batch, length, hidden = x.shape
        # (batch, heads, length, head size)
        q, k, v = (
            project(x).view(batch, length, -1, self.head_size).transpose(1, 2)
            for project in (self.q_proj, self.k_proj, self.v_proj)
        )
        if self.theta:
            q, k = rotary(q, self.theta), rotary(k, self.theta)
        if self.groups > 1:
            k, v = k.repeat_interleave(self.groups, dim=1), v.repeat_interleave(self.groups, dim=1)
        if self.window:
            position = torch.arange(length)
            distance = position[:, None] - position[None, :]
            seen = (distance >= 0) & (distance < self.window)
            y = F.scaled_dot_product_attention(q, k, v, attn_mask=seen, scale=self.scale)
        else:
            y = F.scaled_dot_product_attention(q, k, v, is_causal=True, scale=self.scale)
        return self.out_proj(y.transpose(1, 2).reshape(batch, length, hidden))


def rotary(x: torch.Tensor, theta: float) -> torch.Tensor:
    """Turns the pair of features (i, i + d/2) of the token at position p by the angle p · theta^(−2i/d)."""
    length, d = x.shape[-2:]
    frequencies = theta ** (-torch.arange(0, d, 2, dtype=torch.float64) / d)
    turn = torch.polar(torch.ones(length, d // 2).double(), torch.arange(length).double()[:, None] * frequencies)
    a, b = x.chunk(2, dim=-1)
    cos, sin = turn.real.to(x.dtype), turn.imag.to(x.dtype)
    return torch.cat((a * cos - b * sin, a * sin + b * cos), dim=-1)


class Mlp(nn.Module):
    def __init__(self, spec: Spec, layer: int) -> None:
        super().__init__()
        for name in spec.mlp_matrices:
            sizes = (spec.inner_features, spec.hidden) if name == "c_proj" else (spec.hidden, spec.inner_features)
            setattr(self, name, linear(*sizes, spec.rank(layer, name), spec.has_bias(name)))
        self.gelu = None if spec.is_llama else nn.GELU(approximate="tanh")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = self.gelu(self.c_fc(x)) if self.gelu else F.silu(self.gate(x)) * self.c_fc(x)
        return self.c_proj(h)


class Block(nn.Module):
    def __init__(self, spec: Spec, layer: int) -> None:
        super().__init__()
        self.ln_1 = norm(spec)
        self.attn = nn.ModuleDict({"attention": Attention(spec, layer)})
        self.ln_2 = norm(spec)
        self.mlp = Mlp(spec, layer)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x + self.attn["attention"](self.ln_1(x))
        return x + self.mlp(self.ln_2(x))


class Lean(nn.Module):
    """The model and nothing else: fused attention, no cache, no mask (causal attention never sees a pad on the right)."""

    def __init__(self, spec: Spec) -> None:
        super().__init__()
        parts = {"wte": nn.Embedding(spec.vocabulary, spec.hidden)}
        if not spec.is_llama:
            parts["wpe"] = nn.Embedding(spec.context, spec.hidden)
        parts["h"] = nn.ModuleList(Block(spec, layer) for layer in range(spec.layers))
        parts["ln_f"] = norm(spec)
        self.transformer = nn.ModuleDict(parts)
        self.lm_head = nn.Linear(spec.hidden, spec.vocabulary, bias=False) if spec.is_llama else None

    def forward(self, ids: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Mean cross-entropy over the target tokens."""
        t = self.transformer
        x = t["wte"](ids)
        if "wpe" in t:
            x = x + t["wpe"](torch.arange(ids.shape[1]))
        for block in t["h"]:
            x = block(x)
        head = self.lm_head or t["wte"]
        logits = F.linear(t["ln_f"](x), head.weight)  # (batch, length, vocabulary)
        return F.cross_entropy(logits[:, :-1].flatten(0, 1), labels[:, 1:].flatten(), ignore_index=NO_TARGET)


def norm(spec: Spec) -> nn.Module:
    return nn.RMSNorm(spec.hidden, eps=1e-6) if spec.is_llama else nn.LayerNorm(spec.hidden)


def linear(inputs: int, outputs: int, rank: int | None, bias: bool) -> nn.Module:
    return nn.Linear(inputs, outputs, bias=bias) if rank is None else low_rank(inputs, outputs, rank, bias)
