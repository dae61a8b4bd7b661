"""Prints small literals (values and gradients, computed by PyTorch in float64) for the Rust unit tests.

    tests/parity/python tests/parity/literals.py > literals.rs

Inputs are formulas of the flat row-major index i, so that a Rust test can build the same ones.
"""

import math
from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F

from lean import Lean
from spec import Spec, shapes, stored_name
from training import norm
from transformers.models.llama.modeling_llama import apply_rotary_pos_emb

torch.set_default_dtype(torch.float64)


def wave(*shape: int, frequency: float, phase: float, wave_of: Callable[[float], float] = math.sin) -> torch.Tensor:
    values = [wave_of(frequency * i + phase) for i in range(math.prod(shape))]
    return torch.tensor(values).reshape(shape).requires_grad_()


def sine(*shape: int, frequency: float, phase: float) -> torch.Tensor:
    return wave(*shape, frequency=frequency, phase=phase)


def cosine(*shape: int, frequency: float, phase: float) -> torch.Tensor:
    return wave(*shape, frequency=frequency, phase=phase, wave_of=math.cos)


def section(title: str, *lines: str) -> None:
    print(f"\n// {title}")
    for line in lines:
        print(f"// {line}")


def literal(name: str, values: torch.Tensor | list[float]) -> None:
    """An array of f32, a row a line, each number as short as it can be while it reads back as the same f32."""
    table = torch.as_tensor(values).detach().numpy()
    print(f"const {name}: [f32; {table.size}] = [")
    for row in table.reshape(-1, table.shape[-1]):
        print("    " + " ".join(f"{number(value)}," for value in row))
    print("];")


def scalar(name: str, value: torch.Tensor) -> None:
    print(f"const {name}: f32 = {number(value.item())};")


def number(value: float) -> str:
    return str(np.float32(value))


def gelu() -> None:
    section("GELU, tanh form: ½ x (1 + tanh(√(2/π) (x + 0.044715 x³))), and its derivative.")
    x = torch.tensor([-6.0, -3.0, -2.0, -1.0, -0.75, -0.1, 0.0, 0.25, 0.5, 1.5, 3.0, 8.0]).requires_grad_()
    y = F.gelu(x, approximate="tanh")
    y.sum().backward()
    literal("GELU_X", x)
    literal("GELU_Y", y)
    literal("GELU_DERIVATIVE", x.grad)


def nonlinearities() -> None:
    section("The other nonlinearities and their derivatives at GELU_X: GELU, exact; SiLU; ReLU; squared ReLU.")
    points = [-6.0, -3.0, -2.0, -1.0, -0.75, -0.1, 0.0, 0.25, 0.5, 1.5, 3.0, 8.0]
    for name, function in (
        ("EXACT_GELU", F.gelu),
        ("SILU", F.silu),
        ("RELU", F.relu),
        ("RELU2", lambda x: F.relu(x).square()),
    ):
        x = torch.tensor(points).requires_grad_()
        y = function(x)
        y.sum().backward()
        literal(f"{name}_Y", y)
        literal(f"{name}_DERIVATIVE", x.grad)


def layer_norm() -> None:
    section(
        "LayerNorm of 3 rows of 5, eps 1e-5.",
        "x = sin(0.7 i + 0.3), weight = 1 + 0.1 cos(i), bias = 0.05 sin(i + 1), upstream gradient = cos(1.1 i + 0.2)",
    )
    x = sine(3, 5, frequency=0.7, phase=0.3)
    weight = (1 + 0.1 * cosine(5, frequency=1, phase=0)).detach().requires_grad_()
    bias = (0.05 * sine(5, frequency=1, phase=1)).detach().requires_grad_()
    y = F.layer_norm(x, (5,), weight, bias, eps=1e-5)
    y.backward(cosine(3, 5, frequency=1.1, phase=0.2))
    literal("LAYER_NORM_Y", y)
    literal("LAYER_NORM_DX", x.grad)
    literal("LAYER_NORM_DWEIGHT", weight.grad)
    literal("LAYER_NORM_DBIAS", bias.grad)


def rms_norm() -> None:
    section(
        "RMSNorm of 3 rows of 5, eps 1e-5.",
        "x = sin(0.7 i + 0.3), weight = 1 + 0.1 cos(i), upstream gradient = cos(1.1 i + 0.2)",
    )
    x = sine(3, 5, frequency=0.7, phase=0.3)
    weight = (1 + 0.1 * cosine(5, frequency=1, phase=0)).detach().requires_grad_()
    y = F.rms_norm(x, (5,), weight, eps=1e-5)
    y.backward(cosine(3, 5, frequency=1.1, phase=0.2))
    literal("RMS_NORM_Y", y)
    literal("RMS_NORM_DX", x.grad)
    literal("RMS_NORM_DWEIGHT", weight.grad)


def rotary() -> None:
    section(
        "Rotary positions by transformers' apply_rotary_pos_emb of Llama: stories of 3 and 2 tokens end to end, 2 heads of",
        "size 4, theta 100, the first position 2. x = sin(0.7 i + 0.3), upstream gradient = cos(1.1 i + 0.2)",
    )
    x = sine(5, 8, frequency=0.7, phase=0.3)
    position = torch.tensor([2.0, 3.0, 4.0, 2.0, 3.0])
    angles = position[:, None] * 100.0 ** (-torch.arange(0, 4, 2) / 4)[None, :]
    angles = torch.cat([angles, angles], dim=-1)[None]
    heads = x.view(1, 5, 2, 4).transpose(1, 2)
    turned, _ = apply_rotary_pos_emb(heads, heads, angles.cos(), angles.sin())
    y = turned.transpose(1, 2).reshape(5, 8)
    y.backward(cosine(5, 8, frequency=1.1, phase=0.2))
    literal("ROTARY_Y", y)
    literal("ROTARY_DX", x.grad)


def grouped_attention() -> None:
    section(
        "Causal attention by scaled_dot_product_attention: stories of 3 and 2 tokens end to end, 4 heads of size 2 with",
        "2 heads of keys and values, scores divided by √2: 5 rows of 8, and of 4.",
        "q = sin(0.7 i + 0.3), k = cos(0.5 i + 0.1), v = sin(0.9 i - 0.4), upstream gradient = cos(1.1 i + 0.2)",
    )
    q = sine(5, 8, frequency=0.7, phase=0.3)
    k = cosine(5, 4, frequency=0.5, phase=0.1)
    v = sine(5, 4, frequency=0.9, phase=-0.4)
    stories = []
    for start, end in ((0, 3), (3, 5)):
        heads = (x[start:end].view(end - start, -1, 2).transpose(0, 1)[None] for x in (q, k, v))
        story = F.scaled_dot_product_attention(*heads, is_causal=True, enable_gqa=True)
        stories.append(story[0].transpose(0, 1).reshape(-1, 8))
    y = torch.cat(stories)
    y.backward(cosine(5, 8, frequency=1.1, phase=0.2))
    literal("GROUPED_ATTENTION_Y", y)
    literal("GROUPED_ATTENTION_DQ", q.grad)
    literal("GROUPED_ATTENTION_DK", k.grad)
    literal("GROUPED_ATTENTION_DV", v.grad)


def attention() -> None:
    section(
        "Causal attention without a scale: stories of 3 and 2 tokens end to end,",
        "2 heads of size 2 side by side, so 5 rows of 4.",
        "q = sin(0.7 i + 0.3), k = cos(0.5 i + 0.1), v = sin(0.9 i - 0.4), upstream gradient = cos(1.1 i + 0.2)",
        "A token sees itself and those before it in its story; with a window w, those less than w before it.",
    )
    for name, window in (("GLOBAL", None), ("WINDOW_2", 2)):
        q = sine(5, 4, frequency=0.7, phase=0.3)
        k = cosine(5, 4, frequency=0.5, phase=0.1)
        v = sine(5, 4, frequency=0.9, phase=-0.4)
        stories = []
        for start, end in ((0, 3), (3, 5)):
            heads = (x[start:end].view(-1, 2, 2).transpose(0, 1) for x in (q, k, v))  # (heads, tokens, head size)
            query, key, value = heads
            scores = query @ key.transpose(1, 2)
            position = torch.arange(end - start)
            distance = position[:, None] - position[None, :]
            seen = (distance >= 0) & (distance < (window or end))
            weights = scores.masked_fill(~seen, -math.inf).softmax(-1)
            stories.append((weights @ value).transpose(0, 1).reshape(-1, 4))
        y = torch.cat(stories)
        y.backward(cosine(5, 4, frequency=1.1, phase=0.2))
        literal(f"ATTENTION_{name}_Y", y)
        literal(f"ATTENTION_{name}_DQ", q.grad)
        literal(f"ATTENTION_{name}_DK", k.grad)
        literal(f"ATTENTION_{name}_DV", v.grad)


def cross_entropy() -> None:
    section(
        "Head and cross-entropy: logits = x Wᵀ, 3 rows of hidden 4, vocabulary 5, targets 1, 4, 0;",
        "mean over the rows, in nats.",
        "x = sin(0.7 i + 0.3), W = cos(0.9 i - 0.4), 5 rows of 4",
    )
    x = sine(3, 4, frequency=0.7, phase=0.3)
    weight = cosine(5, 4, frequency=0.9, phase=-0.4)
    loss = F.cross_entropy(x @ weight.T, torch.tensor([1, 4, 0]))
    loss.backward()
    scalar("CROSS_ENTROPY_LOSS", loss)
    literal("CROSS_ENTROPY_DX", x.grad)
    literal("CROSS_ENTROPY_DW", weight.grad)


def adamw() -> None:
    section(
        "AdamW, betas 0.9 and 0.999, eps 1e-8, weight decay 0.01, clipped to global norm 1;",
        "three steps at 0.1, 0.1 · 2/3, 0.1 · 1/3.",
        "Two tensors, of 4 and 2 values, with i running through both: start = sin(0.7 i + 0.3),",
        "gradient at step t (0, 1, 2) = [1, 0.2, 2][t] cos(1.1 i + 0.5 t): clipped, not clipped, clipped.",
        "Per step: the norm before clipping, and the six values after the update.",
    )
    start = sine(6, frequency=0.7, phase=0.3).detach()
    parameters = [start[:4].clone().requires_grad_(), start[4:].clone().requires_grad_()]
    optimizer = torch.optim.AdamW(parameters, lr=0.1, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.01)
    norms, rows = [], []
    for t, size in enumerate((1.0, 0.2, 2.0)):
        gradient = size * cosine(6, frequency=1.1, phase=0.5 * t).detach()
        parameters[0].grad, parameters[1].grad = gradient[:4].clone(), gradient[4:].clone()
        norms.append(norm([parameter.grad for parameter in parameters]))
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.param_groups[0]["lr"] = 0.1 * (3 - t) / 3
        optimizer.step()
        rows.append(torch.cat([parameter.detach().clone() for parameter in parameters]))
    literal("ADAMW_NORM", norms)
    literal("ADAMW_PARAMETERS", torch.stack(rows))


def stepped(optimizer: torch.optim.Optimizer, parameter: torch.Tensor, rate: float) -> torch.Tensor:
    """The parameter after each of three steps at rate, rate · 2/3, rate · 1/3."""
    rows = []
    for t, size in enumerate((1.0, 0.2, 2.0)):
        parameter.grad = size * cosine(*parameter.shape, frequency=1.1, phase=0.5 * t).detach()
        optimizer.param_groups[0]["lr"] = rate * (3 - t) / 3
        optimizer.step()
        rows.append(parameter.detach().clone().flatten())
    return torch.stack(rows)


def sgd() -> None:
    section(
        "SGD, momentum 0.9, weight decay 0.05; with momentum as it is, and with Nesterov's;",
        "three steps at 0.1, 0.1 · 2/3, 0.1 · 1/3: the six values after each.",
        "start = sin(0.7 i + 0.3), gradient at step t (0, 1, 2) = [1, 0.2, 2][t] cos(1.1 i + 0.5 t)",
    )
    for name, nesterov in (("SGD", False), ("SGD_NESTEROV", True)):
        parameter = sine(6, frequency=0.7, phase=0.3)
        optimizer = torch.optim.SGD([parameter], lr=0.1, momentum=0.9, weight_decay=0.05, nesterov=nesterov)
        literal(f"{name}_PARAMETERS", stepped(optimizer, parameter, 0.1))


def muon() -> None:
    section(
        "torch.optim.Muon, momentum 0.95, Nesterov's, weight decay 0.1; a matrix of 4 × 2 with the adjustment",
        '"original" and one of 2 × 4 with "match_rms_adamw"; three steps at 0.02, 0.02 · 2/3, 0.02 · 1/3: the values',
        "after each. Start and gradients as of SGD. PyTorch's Newton-Schulz iterations are in bfloat16; here it is",
        "made to run them in float64.",
    )
    bfloat16, torch.bfloat16 = torch.bfloat16, torch.float64
    for name, shape, adjust in (("TALL", (4, 2), "original"), ("WIDE", (2, 4), "match_rms_adamw")):
        parameter = sine(*shape, frequency=0.7, phase=0.3)
        optimizer = torch.optim.Muon([parameter], lr=0.02, momentum=0.95, weight_decay=0.1, adjust_lr_fn=adjust)
        literal(f"MUON_{name}_PARAMETERS", stepped(optimizer, parameter, 0.02))
    torch.bfloat16 = bfloat16


def whole_model() -> None:
    section(
        "GPT-Neo whole: hidden 4, 2 heads, 2 layers (global, window 2), context 5, vocabulary 7;",
        "attention of rank 2, dense MLP. Parameter number p (in the order below), value i:",
        "0.5 sin(0.7 i + 1.3 p + 0.3), in a LayerNorm weight 1 + 0.1 of that. Stories [1, 5, 2, 6] and [3, 0, 4];",
        "mean loss over their 5 targets; each parameter's gradient as Σ g_i cos(i).",
    )
    spec = Spec(hidden=4, layers=2, heads=2, context=5, vocabulary=7, attention_ranks=(2, 2), windows=(0, 2))
    values = {}
    for p, (name, shape) in enumerate(shapes(spec).items()):
        value = 0.5 * sine(*shape, frequency=0.7, phase=1.3 * p + 0.3).detach()
        values[name] = 1 + 0.1 * value if ".ln_" in name and name.endswith("weight") else value
    model = Lean(spec)
    parameters = {stored_name(name): parameter for name, parameter in model.named_parameters()}
    for name, value in values.items():
        parameters[name].data = value.clone()
    stories = [torch.tensor([[1, 5, 2, 6]]), torch.tensor([[3, 0, 4]])]
    loss = sum(model(story, story) * (story.shape[1] - 1) for story in stories) / 5
    loss.backward()
    scalar("MODEL_LOSS", loss)
    print(f"const MODEL_GRADIENTS: [(&str, f32); {len(values)}] = [")
    for name in values:
        gradient = parameters[name].grad.flatten()
        projection = gradient @ torch.arange(gradient.numel(), dtype=gradient.dtype).cos()
        print(f'    ("{name}", {number(projection.item())}),')
    print("];")


def main() -> None:
    print("// Printed by tests/parity/literals.py: PyTorch in float64, rounded to f32. i is the flat row-major index.")
    operations = (
        *(gelu, nonlinearities, layer_norm, rms_norm, rotary, attention, grouped_attention, cross_entropy),
        *(adamw, sgd, muon, whole_model),
    )
    for operation in operations:
        operation()


if __name__ == "__main__":
    main()
