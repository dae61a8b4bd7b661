"""Prints what PyTorch computes for each layer kind, in float64, for the Rust tests of the kinds.

    tests/parity/python tests/parity/kind_literals.py > crates/layers/tests/kinds/literals.rs
"""

import math

import numpy as np
import torch

from kinds import Kind, Shapes

torch.set_default_dtype(torch.float64)

TOKENS, PROGRESS = 2, 0.2
# Each with inputs and outputs.
CASES = (
    (Kind("low-rank", {"rank": 3}), 12, 8),
    (Kind("silu-low-rank", {"rank": 3}), 12, 8),
    (Kind("diagonal-low-rank", {"rank": 3}), 8, 8),
    (Kind("sparse-low-rank", {"rank": 3, "density": 0.25}), 12, 8),
    (Kind("block-diagonal", {"blocks": 4}), 12, 8),
    (Kind("block-shuffle", {"blocks": 2}), 12, 8),
    (Kind("block-shuffle", {"blocks": 4}), 8, 12),
    (Kind("block-dense", {"rank": 4, "blocks": 2}), 12, 8),
    (Kind("tensor-train", {"rank": 2, "input_split": 4, "output_split": 2}), 12, 8),
    (Kind("tensor-train", {"rank": 1, "input_split": 3, "output_split": 4}), 12, 8),
    (Kind("kronecker", {"input_split": 4, "output_split": 2}), 12, 8),
    (Kind("blast", {"rank": 3, "blocks": 2}), 12, 8),
    (Kind("self-guided", {"rank": 3, "until": 0.5}), 12, 8),
    (Kind("self-guided", {"structure": "block-dense", "rank": 4, "blocks": 2, "until": 0.5}), 12, 8),
    (Kind("dense-then-svd", {"rank": 3, "at": 0.5}), 12, 8),
    (Kind("shared-basis", {"rank": 3}), 12, 8),
)


def wave(shape: tuple[int, ...], phase: float) -> torch.Tensor:
    return (0.5 * (0.7 * torch.arange(math.prod(shape)) + phase).sin()).view(shape).requires_grad_()


def number(value: float) -> str:
    return str(np.float32(value))


def starts(kind: Kind, shapes: Shapes, inputs: int, outputs: int) -> dict[str, float]:
    """The standard deviations that the papers' starts have, of those that are random."""
    o, by_name = kind.options, {}

    def orthogonal(rows: int, columns: int) -> float:
        return max(rows, columns) ** -0.5

    def structure_aware(rows: int, columns: int) -> float:
        return columns**-0.5 * min(1.0, (rows / columns) ** 0.5)

    structure = o.get("structure", "low-rank") if kind.name == "self-guided" else kind.name
    for name, shape in shapes.items():
        rows, columns = shape[0], shape[-1]
        if structure in ("low-rank", "diagonal-low-rank", "dense-then-svd", "shared-basis") and len(shape) == 2:
            by_name[name] = 0.02
        elif structure == "silu-low-rank":
            by_name[name] = (o["rank"] * (inputs + outputs)) ** -0.25
        elif structure == "sparse-low-rank" and name != "sparse.support":
            by_name[name] = 0.0 if name == "up.weight" else (3 * inputs) ** -0.5  # evenly in ±1/√m
        elif structure == "block-diagonal":
            by_name[name] = (inputs / o["blocks"]) ** -0.5
        elif structure == "block-shuffle":
            by_name[name] = orthogonal(rows // o["blocks"], columns)
        elif structure == "block-dense":
            by_name[name] = orthogonal(rows // o["blocks"] if name == "first.weight" else rows, columns)
        elif structure == "tensor-train":
            blocks = inputs // o["input_split"] if name == "first.weight" else o["output_split"]
            by_name[name] = structure_aware(rows // blocks, columns)
        elif structure == "kronecker":
            by_name[name] = structure_aware(rows, columns)
        elif structure == "blast":
            by_name[name] = 0.02**0.5 if name != "coupling.weight" else 3**-0.5  # evenly in 0 … 2
    by_name.pop("guide.weight", None)
    return by_name


def main() -> None:
    print("// Printed by tests/parity/kind_literals.py: PyTorch in float64, rounded to f32.")
    print("// Parameter p has the values 0.5 sin(0.7 i + 1.3 p + 0.3), i the flat row-major index; a sparse support every place")
    print(f"// that 4 divides. x is 0.5 sin(0.7 i + 2), {TOKENS} tokens; {PROGRESS} of training is done. Gradients are those of")
    print("// Σ y_i cos(1.1 i + 0.2), each as Σ g_i cos(i); that of x is the last. Starts are the standard deviations at 96 → 384.")
    print("use super::Case;\n")
    print(f"pub const CASES: [Case; {len(CASES)}] = [")
    for kind, inputs, outputs in CASES:
        shapes, parameters = kind.shapes(inputs, outputs), {}
        for p, (name, shape) in enumerate(shapes.items()):
            parameters[name] = wave(shape, 1.3 * p + 0.3)
            if name.endswith("support"):
                parameters[name] = torch.arange(shape[0]) * 4
        x = wave((TOKENS, inputs), 2.0)
        y = kind.apply(parameters, x, PROGRESS)
        (y * (1.1 * torch.arange(y.numel()) + 0.2).cos().view(y.shape)).sum().backward()
        trained = {name: value for name, value in parameters.items() if value.requires_grad}
        count = sum(value.numel() for value in trained.values())
        options = ", ".join(f"{key} = {value}" for key, value in kind.toml().items() if key != "kind")
        print("    Case {")
        print(f'        kind: "{kind.name}",')
        print(f"        options: r#\"{{ {options} }}\"#,")
        print(f"        shape: ({inputs}, {outputs}),")
        print(f"        parameters: {count},")
        print(f"        flops: {kind.flops(inputs, outputs)},")
        print(f"        y: &[{', '.join(number(value) for value in y.flatten().tolist())}],")
        print("        gradients: &[")
        for name, value in (*trained.items(), ("x", x)):
            gradient = value.grad.flatten()
            projection = gradient @ torch.arange(gradient.numel(), dtype=gradient.dtype).cos()
            print(f'            ("{name}", {number(projection.item())}),')
        print("        ],")
        wide_options = {key: value for key, value in kind.options.items()}
        wide = Kind(kind.name, wide_options | ({"density": 0.1} if "density" in wide_options else {}))
        wide_inputs, wide_outputs = (96, 96) if kind.name == "diagonal-low-rank" else (96, 384)
        found = starts(wide, wide.shapes(wide_inputs, wide_outputs), wide_inputs, wide_outputs)
        pairs = [f'("{name}", {number(std)})' for name, std in found.items()]
        print(f"        starts: &[{', '.join(pairs)}],")
        print("    },")
    print("];")


if __name__ == "__main__":
    main()
