"""The seed's training step in PyTorch: AdamW, linear decay to 0, clipping by the global norm."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from kinds import Structured
from spec import dump
from stories import batches, pad, targets

Batch = list[list[int]]
Loss = Callable[[nn.Module, Batch], torch.Tensor]


@dataclass(frozen=True)
class Recipe:
    learning_rate: float = 1e-3
    clip_norm: float = 1.0
    weight_decay: float = 0.0
    betas: tuple[float, float] = (0.9, 0.999)
    steps_ahead: int = 0  # for the self-check: a schedule that is this many steps off


@dataclass
class Training:
    losses: list[float]  # of each step, taken before its update
    grad_norms: list[float]  # before clipping
    eval_loss: float
    weights: dict[str, np.ndarray]  # after the last step


def hugging_face_loss(model: nn.Module, batch: Batch) -> torch.Tensor:
    """Padded to the longest of the batch; the library shifts the labels and takes the mean over the targets."""
    ids, labels = pad(batch)
    lengths = torch.tensor([len(story) for story in batch])
    mask = (torch.arange(ids.shape[1]) < lengths[:, None]).long()
    return model(input_ids=ids, attention_mask=mask, labels=labels).loss


def story_by_story_loss(model: nn.Module, batch: Batch) -> torch.Tensor:
    """The same mean without padding: each story on its own, weighted by its targets."""
    total = sum(model(*pad([story])) * targets([story]) for story in batch if len(story) > 1)
    return total / targets(batch)


def train(model: nn.Module, loss_of: Loss, stories: Batch, valid: Batch, recipe: Recipe) -> Training:
    """One epoch in file order, in batches of four, then the evaluation."""
    steps = list(batches(stories))
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=recipe.learning_rate, betas=recipe.betas, eps=1e-8, weight_decay=recipe.weight_decay
    )
    losses, grad_norms = [], []
    for k, batch in enumerate(steps):
        for group in optimizer.param_groups:
            group["lr"] = recipe.learning_rate * (len(steps) - k - recipe.steps_ahead) / len(steps)
        loss = loss_of(model, batch)
        loss.backward()
        grad_norms.append(norm([parameter.grad for parameter in model.parameters() if parameter.grad is not None]))
        torch.nn.utils.clip_grad_norm_(model.parameters(), recipe.clip_norm)
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
        for module in model.modules():
            if isinstance(module, Structured) and (born := module.after_step((k + 1) / len(steps))):
                optimizer.add_param_group({"params": born})

    with torch.no_grad():
        total = sum(loss_of(model, batch).item() * targets(batch) for batch in batches(valid))
    return Training(losses, grad_norms, total / targets(valid), dump(model))


def norm(gradients: list[torch.Tensor]) -> float:
    """The global norm, in float64: clip_grad_norm_'s own is summed in float32 and off by 1e-3 for a large embedding."""
    return sum(gradient.double().square().sum().item() for gradient in gradients) ** 0.5


def live_parameters(model: nn.Module, loss_of: Loss, vocabulary: int) -> int:
    """How many parameters get a gradient: what the model uses and trains."""
    loss_of(model, [[i % vocabulary for i in range(1, 9)]]).backward()
    live = sum(parameter.numel() for parameter in model.parameters() if parameter.grad is not None)
    model.zero_grad()
    return live
