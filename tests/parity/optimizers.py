"""Prints what ten steps of torch.optim.Muon, AdamW and SGD make of the parameters of a small model, for the test of
crates/train.

    tests/parity/python tests/parity/optimizers.py > crates/train/tests/training/literals.rs

The model is GPT-Neo of hidden 4, 1 layer, 2 heads, context 5, 7 tokens; its parameters are numbered in their order (p),
their values (i) are counted row by row. They start at 0.5 sin(0.7 i + 1.3 p + 0.3). The gradient of step t = 0 … 9 is
[1, 0.2, 2][t mod 3] cos(1.1 i + 0.5 t + 0.7 p) + 0.3 w: it depends on the weight, so that errors carry over. Gradients are
clipped to global norm 1; the learning rate rises over 2 steps and falls in a straight line to 0 over the 8 others.

Everything is float64 but for the Newton-Schulz iterations of Muon, which are float32 in place of bfloat16.
"""

import math

import torch

from literals import number

torch.set_default_dtype(torch.float64)
torch.bfloat16 = torch.float32  # What torch.optim.Muon casts to.

FACTOR, VECTOR, EMBEDDING = "factor", "vector", "embedding"
SHAPES: list[tuple[str, tuple[int, ...]]] = [
    (EMBEDDING, (7, 4)),  # wte
    (EMBEDDING, (5, 4)),  # wpe
    (VECTOR, (4,)),  # ln_1.weight
    (VECTOR, (4,)),  # ln_1.bias
    (FACTOR, (4, 4)),  # q_proj
    (FACTOR, (4, 4)),  # k_proj
    (FACTOR, (4, 4)),  # v_proj
    (FACTOR, (4, 4)),  # out_proj.weight
    (VECTOR, (4,)),  # out_proj.bias
    (VECTOR, (4,)),  # ln_2.weight
    (VECTOR, (4,)),  # ln_2.bias
    (FACTOR, (16, 4)),  # c_fc.weight
    (VECTOR, (16,)),  # c_fc.bias
    (FACTOR, (4, 16)),  # c_proj.weight
    (VECTOR, (4,)),  # c_proj.bias
    (VECTOR, (4,)),  # ln_f.weight
    (VECTOR, (4,)),  # ln_f.bias
]
MLP = {11, 12, 13, 14}
STEPS, WARM_UP = 10, 2


def places(shape: tuple[int, ...]) -> torch.Tensor:
    return torch.arange(math.prod(shape), dtype=torch.float64).reshape(shape)


def start() -> list[torch.Tensor]:
    return [
        (0.5 * torch.sin(0.7 * places(shape) + 1.3 * p + 0.3)).requires_grad_() for p, (_, shape) in enumerate(SHAPES)
    ]


def schedule(t: int) -> float:
    return (t + 1) / WARM_UP if t < WARM_UP else 1 - (t - WARM_UP) / (STEPS - WARM_UP)


def trained(optimizers: list[torch.optim.Optimizer], parameters: list[torch.Tensor]) -> list[list[float]]:
    """For each parameter the sum over i of w cos(i), after steps 1, 4 and 10."""
    rates = [[group["lr"] for group in optimizer.param_groups] for optimizer in optimizers]
    rows = []
    for t in range(STEPS):
        for p, parameter in enumerate(parameters):
            wave = torch.cos(1.1 * places(parameter.shape) + 0.5 * t + 0.7 * p)
            parameter.grad = (1.0, 0.2, 2.0)[t % 3] * wave + 0.3 * parameter.detach()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        for optimizer, rates_of_groups in zip(optimizers, rates, strict=True):
            for group, rate in zip(optimizer.param_groups, rates_of_groups, strict=True):
                group["lr"] = rate * schedule(t)
            optimizer.step()
        if t + 1 in (1, 4, 10):
            rows.append([(p.detach() * torch.cos(places(p.shape))).sum().item() for p in parameters])
    return rows


def of(parameters: list[torch.Tensor], role: str, mlp: bool | None = None) -> list[torch.Tensor]:
    """Those of a role; only those of the MLP, or only the others."""
    return [
        parameters[p] for p, (known, _) in enumerate(SHAPES) if known == role and (mlp is None or (p in MLP) == mlp)
    ]


def muon(adjust: str, nesterov: bool) -> list[list[float]]:
    """Matrices by Muon, decayed by 0.1, the rest by AdamW at a tenth of the rate; vectors are not decayed."""
    parameters = start()
    muons = torch.optim.Muon(
        of(parameters, FACTOR), lr=0.05, weight_decay=0.1, momentum=0.9, nesterov=nesterov, adjust_lr_fn=adjust
    )
    groups = [
        {"params": of(parameters, EMBEDDING), "weight_decay": 0.1},
        {"params": of(parameters, VECTOR), "weight_decay": 0.0},
    ]
    adamw = torch.optim.AdamW(groups, lr=0.005, betas=(0.9, 0.95), eps=1e-8)
    return trained([muons, adamw], parameters)


def sgd() -> list[list[float]]:
    """Nesterov's momentum 0.9 and decay 0.1; matrices of the MLP decay by 0.3, all of the MLP learn half as fast, and
    embeddings have a momentum of 0.5.
    """
    parameters = start()
    settings = {"momentum": 0.9, "nesterov": True, "lr": 0.05}
    groups = [
        {"params": of(parameters, EMBEDDING), "weight_decay": 0.1, **settings, "momentum": 0.5},
        {"params": of(parameters, FACTOR, mlp=False), "weight_decay": 0.1, **settings},
        {"params": of(parameters, VECTOR, mlp=False), "weight_decay": 0.0, **settings},
        {"params": of(parameters, FACTOR, mlp=True), "weight_decay": 0.3, **settings, "lr": 0.025},
        {"params": of(parameters, VECTOR, mlp=True), "weight_decay": 0.0, **settings, "lr": 0.025},
    ]
    return trained([torch.optim.SGD(groups)], parameters)


def main() -> None:
    print(f"//! Made by tests/parity/optimizers.py with PyTorch {torch.__version__.split('+')[0]}: it says of what.\n")
    print("/// After steps 1, 4 and 10, of each parameter in the order of the model: the sum over i of w cos(i).")
    print(f"pub type Trained = [[f32; {len(SHAPES)}]; 3];")
    for name, rows in (
        ("MUON_ORIGINAL_NESTEROV", muon("original", nesterov=True)),
        ("MUON_MATCH_RMS_ADAMW", muon("match_rms_adamw", nesterov=False)),
        ("SGD_WITH_GROUPS", sgd()),
    ):
        print(f"\n#[rustfmt::skip]\npub const {name}: Trained = [")
        for row in rows:
            print("    [" + ", ".join(number(value) for value in row) + "],")
        print("];")


if __name__ == "__main__":
    main()
