"""Checks of the reference without lrx: that it is GPT-Neo as meant, and that the parity check notices a mistake.

1. Live parameters (those that get a gradient) at the seed's sizes.
2. The same run with one thing wrong at a time: whether the losses leave the tolerance, or at least stand out from
   rounding.
3. Hugging Face in float32 with padded batches against an independent GPT-Neo in float64, story by story: how much
   rounding alone makes.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import nn

from hugging_face import hugging_face
from lean import Attention, Lean
from parity import (
    CASES,
    SMALL,
    TOLERANCE,
    TRAIN_STORIES,
    VALID_STORIES,
    compare,
    print_steps,
    print_table,
    run_reference,
)
from spec import Spec, load, random_weights
from stories import encode, read_stories
from training import Loss, Recipe, Training, hugging_face_loss, live_parameters, story_by_story_loss, train

ROUNDING = 3e-5  # nats: above what the third check finds

LG, MED = (192, 307), (19, 31)  # the seed's ranks: attention, MLP
LIVE = {  # label: (layers, attention ranks, MLP ranks, live parameters)
    "FullSA-FullMLP-4L": (4, None, None, 27_179_136),
    "LgSA-LgMLP-4L": (4, *LG, 27_176_064),
    "MedSA-FullMLP-4L": (4, MED[0], None, 25_053_312),
    "FullSA-MedMLP-4L": (4, None, MED[1], 22_936_704),
    "MedSA-MedMLP-4L": (4, *MED, 20_810_880),
    "MedSA-MedMLP-8L": (8, *MED, 21_535_872),
    "IncSA-FullMLP-4L": (4, (5, 20, 50, 100), None, 25_357_440),
    "FullSA-DecMLP-4L": (4, None, (150, 80, 30, 10), 23_497_344),
}


def per_layer(rank: int | tuple[int, ...] | None, layers: int) -> tuple[int, ...] | None:
    return (rank,) * layers if isinstance(rank, int) else rank


def check_live_parameters() -> bool:
    print("\n| label | live parameters | expected |\n|---|---|---|")
    agree = True
    for label, (layers, attention, mlp, expected) in LIVE.items():
        spec = Spec(layers=layers, attention_ranks=per_layer(attention, layers), mlp_ranks=per_layer(mlp, layers))
        live = live_parameters(hugging_face(spec), hugging_face_loss, spec.vocabulary)
        print(f"| {label} | {live:,} | {expected:,} |", flush=True)
        agree &= live == expected
    return agree


def run_lean(
    spec: Spec,
    weights: dict[str, np.ndarray],
    data: Path,
    recipe: Recipe,
    change: Callable[[nn.Module], None] | None = None,
    loss_of: Loss = story_by_story_loss,
    dtype: torch.dtype = torch.float64,
    stories_count: int = TRAIN_STORIES,
) -> Training:
    tokenizer = data / "gpt2" / "tokenizer.json"
    stories = encode(tokenizer, read_stories(data / "tinystories-train.txt", stories_count), spec.context)
    valid = encode(tokenizer, read_stories(data / "tinystories-valid.txt", VALID_STORIES), spec.context)
    model = Lean(spec).to(dtype)
    load(model, weights)
    if change:
        change(model)
    return train(model, loss_of, stories, valid, recipe)


def check_rounding(cases: dict[str, Spec], data: Path) -> bool:
    verdicts = []
    for name, spec in cases.items():
        print(f"{name} …", flush=True)
        weights = random_weights(spec, seed=list(CASES).index(name))
        reference, live = run_reference(spec, weights, data, Recipe())
        exact = run_lean(spec, weights, data, Recipe())
        print_steps(reference)
        verdicts.append(compare(name, reference, live, exact, sum(weight.size for weight in weights.values())))
    print_table(verdicts)
    print(
        "Here the other side is the float64 model without padding: the difference is Hugging Face's float32 rounding."
    )
    return all(verdict.passed for verdict in verdicts)


def mean_of_stories(model: nn.Module, batch: list[list[int]]) -> torch.Tensor:
    return torch.stack([story_by_story_loss(model, [story]) for story in batch]).mean()


def set_everywhere(kind: type[nn.Module], **attributes: object) -> Callable[[nn.Module], None]:
    def change(model: nn.Module) -> None:
        for module in model.modules():
            if isinstance(module, kind):
                for name, value in attributes.items():
                    setattr(module, name, value)

    return change


def shift_positions(model: nn.Module) -> None:
    weight = model.transformer["wpe"].weight
    weight.data = weight.data.roll(-1, dims=0)


def shrink_windows(model: nn.Module) -> None:
    for block in model.transformer["h"]:
        block.attn["attention"].window = max(0, block.attn["attention"].window - 1)


def check_sensitivity(data: Path) -> bool:
    spec = Spec(**SMALL, attention_ranks=(19,) * 4, windows=(0, 8, 0, 8))
    weights = random_weights(spec, seed=0)
    recipe = Recipe()
    mistakes = {
        "attention scaled by 1/√head_size": {
            "change": set_everywhere(Attention, scale=(spec.hidden / spec.heads) ** -0.5)
        },
        "exact GELU for its tanh form": {"change": set_everywhere(nn.GELU, approximate="none")},
        "LayerNorm eps 1e-6": {"change": set_everywhere(nn.LayerNorm, eps=1e-6)},
        "positions from 1": {"change": shift_positions},
        "windows of 7 for 8": {"change": shrink_windows},
        "mean over stories, not tokens": {"loss_of": mean_of_stories},
        "schedule one step ahead": {"recipe": replace(recipe, steps_ahead=1)},
        "no clipping": {"recipe": replace(recipe, clip_norm=1e9)},
        "weight decay 0.1": {"recipe": replace(recipe, weight_decay=0.1)},
        "beta2 0.99": {"recipe": replace(recipe, betas=(0.9, 0.99))},
    }
    small = {"stories_count": 20, "dtype": torch.float32}
    right = run_lean(spec, weights, data, recipe, **small)
    print("\n| one thing wrong | train loss | eval loss | noticed |\n|---|---|---|---|")
    noticed = True
    for name, mistake in mistakes.items():
        wrong = run_lean(spec, weights, data, **{"recipe": recipe, **small, **mistake})
        train_difference = np.abs(np.subtract(wrong.losses, right.losses)).max()
        eval_difference = abs(wrong.eval_loss - right.eval_loss)
        difference = max(train_difference, eval_difference)
        seen = "fails the check" if difference > TOLERANCE else "above rounding" if difference > ROUNDING else "NO"
        print(f"| {name} | {train_difference:.1e} | {eval_difference:.1e} | {seen} |", flush=True)
        noticed &= seen != "NO"
    return noticed


def main(cases: dict[str, Spec], data: Path) -> int:
    # Every check runs, so that one failure does not hide another.
    results = [check_live_parameters(), check_sensitivity(data), check_rounding(cases, data)]
    return 0 if all(results) else 1
