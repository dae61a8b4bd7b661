"""The layer kinds in PyTorch, each written from its formula. Their parameters have lrx's names.

A kind is told by its options as they stand in a config. `apply` gets the parameters by name, x of (…, inputs) and how far
training is, from 0 to 1.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

Parameters = dict[str, torch.Tensor]
Options = dict[str, object]
Shapes = dict[str, tuple[int, ...]]


@dataclass(frozen=True)
class Kind:
    name: str
    options: Options = field(default_factory=dict)

    def toml(self) -> dict[str, str]:
        text = {key: f'"{value}"' if isinstance(value, str) else str(value) for key, value in self.options.items()}
        return {"kind": f'"{self.name}"'} | text

    def shapes(self, inputs: int, outputs: int) -> Shapes:
        return SHAPES[self.name](inputs, outputs, self.options)

    def apply(self, parameters: Parameters, x: torch.Tensor, progress: float = 1.0) -> torch.Tensor:
        return APPLY[self.name](parameters, x, self.options, progress)

    def flops(self, inputs: int, outputs: int) -> int:
        """Of a token's forward pass: 2 for each multiply-add."""
        shapes, o = self.shapes(inputs, outputs), self.options
        if self.name == "kronecker":
            m1, n1 = o["input_split"], o["output_split"]
            return 2 * m1 * (outputs // n1) * (inputs // m1 + n1)
        return 2 * sum(math.prod(shape) for name, shape in shapes.items() if not name.endswith("support"))


def blocks_of(x: torch.Tensor, count: int) -> torch.Tensor:
    """(…, features) → (…, count, features / count), those of a block side by side."""
    return x.unflatten(-1, (count, -1))


def each(weight: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """Block i of (count · n) × k on block i of x, (…, count, k) → (…, count, n)."""
    weight = weight.unflatten(0, (x.shape[-2], -1))
    return torch.einsum("...bk,bnk->...bn", x, weight)


def low_rank_shapes(m: int, n: int, o: Options) -> Shapes:
    return {"down.weight": (o["rank"], m), "up.weight": (n, o["rank"])}


def low_rank(p: Parameters, x: torch.Tensor, o: Options, progress: float) -> torch.Tensor:
    return x @ p["down.weight"].T @ p["up.weight"].T


def silu_low_rank(p: Parameters, x: torch.Tensor, o: Options, progress: float) -> torch.Tensor:
    return F.silu(x @ p["down.weight"].T) @ p["up.weight"].T


def diagonal_shapes(m: int, n: int, o: Options) -> Shapes:
    return {"diagonal": (m,)} | low_rank_shapes(m, n, o)


def diagonal_low_rank(p: Parameters, x: torch.Tensor, o: Options, progress: float) -> torch.Tensor:
    return p["diagonal"] * x + low_rank(p, x, o, progress)


def sparse_shapes(m: int, n: int, o: Options) -> Shapes:
    count = round(o["density"] * m * n)
    return low_rank_shapes(m, n, o) | {"sparse.values": (count,), "sparse.support": (count,)}


def sparse_low_rank(p: Parameters, x: torch.Tensor, o: Options, progress: float) -> torch.Tensor:
    (m, n), places = (x.shape[-1], p["up.weight"].shape[0]), p["sparse.support"].long()
    sparse = torch.zeros(n * m, dtype=x.dtype).index_put((places,), p["sparse.values"]).view(n, m)
    return o.get("alpha", 16.0) / o["rank"] * low_rank(p, x, o, progress) + x @ sparse.T


def block_diagonal_shapes(m: int, n: int, o: Options) -> Shapes:
    return {"weight": (n, m // o["blocks"])}


def block_diagonal(p: Parameters, x: torch.Tensor, o: Options, progress: float) -> torch.Tensor:
    return each(p["weight"], blocks_of(x, o["blocks"])).flatten(-2)


def block_shuffle_shapes(m: int, n: int, o: Options) -> Shapes:
    b, inner = o["blocks"], min(m, n)
    return {"first.weight": (inner, m // b), "second.weight": (n, inner // b)}


def block_shuffle(p: Parameters, x: torch.Tensor, o: Options, progress: float) -> torch.Tensor:
    b = o["blocks"]
    inner = each(p["first.weight"], blocks_of(x, b)).flatten(-2)
    shuffled = inner.unflatten(-1, (-1, b)).transpose(-1, -2)  # P
    return each(p["second.weight"], shuffled).transpose(-1, -2).flatten(-2)  # P⁻¹


def block_dense_shapes(m: int, n: int, o: Options) -> Shapes:
    return {"first.weight": (o["rank"], m // o["blocks"]), "second.weight": (n, o["rank"])}


def block_dense(p: Parameters, x: torch.Tensor, o: Options, progress: float) -> torch.Tensor:
    return each(p["first.weight"], blocks_of(x, o["blocks"])).flatten(-2) @ p["second.weight"].T


def tensor_train_shapes(m: int, n: int, o: Options) -> Shapes:
    s, m1, n1 = o["rank"], o["input_split"], o["output_split"]
    m2, n2 = m // m1, n // n1
    return {"first.weight": (m2 * s * n1, m1), "second.weight": (n1 * n2, m2 * s)}


def tensor_train(p: Parameters, x: torch.Tensor, o: Options, progress: float) -> torch.Tensor:
    s, m1, n1 = o["rank"], o["input_split"], o["output_split"]
    x = x.unflatten(-1, (-1, m1))  # …, m₂, m₁
    first = p["first.weight"].view(x.shape[-2], s, n1, m1)
    second = p["second.weight"].view(n1, -1, x.shape[-2], s)
    inner = torch.einsum("...ai,arci->...car", x, first)
    return torch.einsum("...car,coar->...co", inner, second).flatten(-2)


def kronecker_shapes(m: int, n: int, o: Options) -> Shapes:
    m1, n1 = o["input_split"], o["output_split"]
    return {"p.weight": (n1, m1), "q.weight": (n // n1, m // m1)}


def kronecker(p: Parameters, x: torch.Tensor, o: Options, progress: float) -> torch.Tensor:
    return x @ torch.kron(p["p.weight"], p["q.weight"]).T


def blast_shapes(m: int, n: int, o: Options) -> Shapes:
    b, r = o["blocks"], o["rank"]
    return {"right.weight": (b * r, m // b), "coupling.weight": (b * b, r), "left.weight": (n, r)}


def blast(p: Parameters, x: torch.Tensor, o: Options, progress: float) -> torch.Tensor:
    b = o["blocks"]
    z = each(p["right.weight"], blocks_of(x, b))  # …, b, r
    z = torch.einsum("...jr,ijr->...ir", z, p["coupling.weight"].unflatten(0, (b, b)))
    return each(p["left.weight"], z).flatten(-2)


def guided_kind(o: Options) -> str:
    return o.get("structure", "low-rank")


def self_guided_shapes(m: int, n: int, o: Options) -> Shapes:
    return SHAPES[guided_kind(o)](m, n, o) | {"guide.weight": (n, m)}


def self_guided(p: Parameters, x: torch.Tensor, o: Options, progress: float) -> torch.Tensor:
    structured = APPLY[guided_kind(o)](p, x, o, progress)
    until = o.get("until", 0.5)
    if progress >= until:
        return structured
    alpha = 0.5 * (1 + math.cos(math.pi * progress / until))
    return alpha * (x @ p["guide.weight"].T) + (1 - alpha) * structured


def dense_then_svd_shapes(m: int, n: int, o: Options) -> Shapes:
    return {"weight": (n, m)}


def dense_then_svd(p: Parameters, x: torch.Tensor, o: Options, progress: float) -> torch.Tensor:
    return x @ p["weight"].T if "weight" in p else low_rank(p, x, o, progress)


SHAPES: dict[str, Callable[[int, int, Options], Shapes]] = {
    "low-rank": low_rank_shapes,
    "silu-low-rank": low_rank_shapes,
    "diagonal-low-rank": diagonal_shapes,
    "sparse-low-rank": sparse_shapes,
    "block-diagonal": block_diagonal_shapes,
    "block-shuffle": block_shuffle_shapes,
    "block-dense": block_dense_shapes,
    "tensor-train": tensor_train_shapes,
    "kronecker": kronecker_shapes,
    "blast": blast_shapes,
    "self-guided": self_guided_shapes,
    "dense-then-svd": dense_then_svd_shapes,
    "shared-basis": low_rank_shapes,
}
APPLY: dict[str, Callable[[Parameters, torch.Tensor, Options, float], torch.Tensor]] = {
    "low-rank": low_rank,
    "silu-low-rank": silu_low_rank,
    "diagonal-low-rank": diagonal_low_rank,
    "sparse-low-rank": sparse_low_rank,
    "block-diagonal": block_diagonal,
    "block-shuffle": block_shuffle,
    "block-dense": block_dense,
    "tensor-train": tensor_train,
    "kronecker": kronecker,
    "blast": blast,
    "self-guided": self_guided,
    "dense-then-svd": dense_then_svd,
    "shared-basis": low_rank,
}


class Structured(nn.Module):
    """A layer of a kind in the place of a matrix. `shared` has the parameters that others have in common with it."""

    def __init__(
        self, kind: Kind, inputs: int, outputs: int, bias: bool, shared: dict[str, nn.Parameter], among: str
    ) -> None:
        super().__init__()
        self.kind, self.names, self.progress = kind, [], 0.0
        for name, shape in kind.shapes(inputs, outputs).items():
            if name.endswith("support"):
                self.place(name, torch.zeros(shape, dtype=torch.int64))
            elif kind.name == "shared-basis" and name == "down.weight":
                key = f"{among}.down.{inputs}.{shape[0]}.weight"
                shared.setdefault(key, nn.Parameter(torch.zeros(shape)))
                self.place(name, shared[key])
            else:
                self.place(name, nn.Parameter(torch.zeros(shape)))
        self.bias = nn.Parameter(torch.zeros(outputs)) if bias else None

    def place(self, name: str, values: torch.Tensor) -> None:
        *path, last = name.split(".")
        module = self
        for part in path:
            if not hasattr(module, part):
                module.add_module(part, nn.Module())
            module = getattr(module, part)
        if isinstance(values, nn.Parameter):
            module.register_parameter(last, values)
        else:
            module.register_buffer(last, values)
        self.names.append(name)

    def parameters_by_name(self) -> Parameters:
        found = {}
        for name in self.names:
            value = self
            for part in name.split("."):
                value = getattr(value, part)
            found[name] = value
        return found

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.kind.apply(self.parameters_by_name(), x, self.progress)
        return y if self.bias is None else y + self.bias

    def after_step(self, progress: float) -> list[nn.Parameter]:
        """What has come into being behind an update."""
        self.progress = progress
        if self.kind.name == "self-guided" and progress >= self.kind.options.get("until", 0.5):
            self.names = [name for name in self.names if name != "guide.weight"]
        if self.kind.name != "dense-then-svd" or "weight" not in self.names:
            return []
        if progress < self.kind.options["at"]:
            return []
        u, s, vt = torch.linalg.svd(self.weight.detach().double(), full_matrices=False)
        r = self.kind.options["rank"]
        root = s[:r].sqrt()
        self.names = []
        self.place("down.weight", nn.Parameter((root[:, None] * vt[:r]).float()))
        self.place("up.weight", nn.Parameter((u[:, :r] * root).float()))
        self.weight = None
        return [self.down.weight, self.up.weight]

    def forgotten(self) -> set[str]:
        """Parameters that are there but no longer a part of the layer."""
        return {name for name, _ in self.named_parameters()} - {"bias"} - set(self.names)


def random_values(
    name: str, shape: tuple[int, ...], inputs: int, outputs: int, random: np.random.Generator
) -> np.ndarray:
    """Weights with which the layer's output is about as large as a dense one's."""
    if name.endswith("support"):
        return np.sort(random.choice(inputs * outputs, shape[0], replace=False)).astype(np.int32)
    scale = 0.2 if len(shape) == 1 else 1 / math.sqrt(shape[-1])
    return (scale * random.standard_normal(shape)).astype(np.float32)
