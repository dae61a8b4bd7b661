"""Times the training step of a PyTorch peer in this process, and prints one line of JSON. `compare.py` calls it."""

import os
import shutil
import sys
from collections.abc import Callable

import torch
from torch import nn
from transformers.utils import logging

from hugging_face import hugging_face
from lean import Lean
from measuring import arguments_of, time_steps
from spec import Spec, load, random_weights
from stories import NO_TARGET
from workload import MODELS, PYTORCH_PEERS, Batch, make_batches

Loss = Callable[[Batch], torch.Tensor]


def build(peer: str, spec: Spec, shape: str) -> tuple[nn.Module, Loss]:
    """The model, and the loss of a batch; every peer starts from the same weights."""
    is_lean = peer.startswith("compiled")
    model = Lean(spec) if is_lean else hugging_face(spec)
    load(model, random_weights(spec, seed=0))
    if not is_lean:
        # No attention mask: causal attention never sees a pad on the right, so a mask would only cost time.
        return model, lambda batch: model(input_ids=batch.ids, labels=batch.labels).loss

    compiler = os.environ.get("CXX", "g++")
    if shutil.which(compiler) is None:
        print(
            f"torch.compile needs a C++ compiler and there is no {compiler}: the lean model is timed uncompiled. "
            "Install g++ or name another in CXX.",
            file=sys.stderr,
        )
        forward = model
    else:
        # Stories differ in length from batch to batch: without `dynamic` every new length would be compiled anew.
        forward = torch.compile(model, dynamic=shape == "stories")
    def loss(batch: Batch) -> torch.Tensor:
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=peer == "compiled-bf16"):
            return forward(batch.ids, batch.labels)

    return model, loss


def step_of(model: nn.Module, loss_of: Loss) -> Callable[[Batch], float]:
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-5, weight_decay=0.0, fused=True)

    def step(batch: Batch) -> float:
        loss = loss_of(batch)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        return loss.item()

    return step


def check(spec: Spec) -> bool:
    """Whether both models give one loss and one gradient on one padded batch."""
    weights = random_weights(spec, seed=0)
    ids = torch.randint(50256, (2, 12), generator=torch.Generator().manual_seed(1))
    labels = ids.clone()
    labels[1, 7:] = NO_TARGET
    results = []
    for peer in ("eager", "compiled"):
        model = Lean(spec) if peer == "compiled" else hugging_face(spec)
        load(model, weights)
        loss = model(ids, labels) if peer == "compiled" else model(input_ids=ids, labels=labels).loss
        loss.backward()
        results.append((loss.item(), dict(model.named_parameters())))
    (loss_a, a), (loss_b, b) = results
    gradient = max((a[name].grad - b[name].grad).abs().max().item() for name in a)
    print(f"loss {loss_a:.6f} and {loss_b:.6f}; greatest difference of a gradient {gradient:.1e}")
    return abs(loss_a - loss_b) < 1e-4 and gradient < 1e-4


def main() -> int:
    arguments = arguments_of(__doc__, [*PYTORCH_PEERS, "check"])
    torch.set_num_threads(arguments.threads)
    logging.set_verbosity_error()
    spec = MODELS[arguments.model]
    if arguments.peer == "check":
        return 0 if check(spec) else 1

    padding = "thousand" if arguments.peer == "seed-padding" else "batch"
    count = arguments.warm_up + arguments.steps
    batches = make_batches(arguments.shape, count, spec.context, arguments.data, padding)
    model, loss_of = build(arguments.peer, spec, arguments.shape)
    time_steps(step_of(model, loss_of), batches, arguments.warm_up)
    return 0


if __name__ == "__main__":
    sys.exit(main())
