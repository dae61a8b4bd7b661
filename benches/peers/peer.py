"""Times the training step of one peer in this process, and prints one line of JSON. `compare.py` calls it."""

import argparse
import json
import os
import resource
import shutil
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn
from transformers.utils import logging

from hugging_face import hugging_face
from lean import Lean
from spec import Spec, load, random_weights
from stories import DEFAULT_DATA, NO_TARGET
from workload import MODELS, PEERS, SHAPES, Batch, make_batches

Loss = Callable[[Batch], torch.Tensor]


def build(peer: str, spec: Spec, shape: str) -> tuple[nn.Module, Loss]:
    """The model, and the loss of a batch; every peer starts from the same weights."""
    model = Lean(spec) if peer == "compiled" else hugging_face(spec)
    load(model, random_weights(spec, seed=0))
    if peer != "compiled":
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
    return model, lambda batch: forward(batch.ids, batch.labels)


def time_steps(model: nn.Module, loss_of: Loss, batches: list[Batch], warm_up: int) -> tuple[list[float], float]:
    """Seconds of each step after the warm-up, and the last loss."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-5, weight_decay=0.0, fused=True)
    seconds = []
    for k, batch in enumerate(batches):
        if k == warm_up:
            reset_peak()
        start = time.perf_counter()
        loss = loss_of(batch)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        last = loss.item()
        seconds.append(time.perf_counter() - start)
    return seconds[warm_up:], last


def reset_peak() -> None:
    """Forgets the memory that imports and compilation took, where Linux allows it: the steps' own peak is compared."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        pass


def peak_megabytes() -> float:
    """The peak resident memory since reset_peak(), or of the whole process where that is not known."""
    try:
        status = Path("/proc/self/status").read_text()
        (peak,) = (line.split()[1] for line in status.splitlines() if line.startswith("VmHWM"))
        return int(peak) * 1024 / 1e6
    except (OSError, ValueError):
        unit = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


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
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("peer", choices=[*PEERS, "check"], help="`check` times nothing: it compares the two models")
    parser.add_argument("--model", choices=MODELS, default="FullSA-FullMLP-4L")
    parser.add_argument("--shape", choices=SHAPES, default="4x256")
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--warm-up", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--data", type=Path, default=DEFAULT_DATA)
    arguments = parser.parse_args()

    torch.set_num_threads(arguments.threads)
    logging.set_verbosity_error()
    spec = MODELS[arguments.model]
    if arguments.peer == "check":
        return 0 if check(spec) else 1

    padding = "thousand" if arguments.peer == "seed-padding" else "batch"
    count = arguments.warm_up + arguments.steps
    batches = make_batches(arguments.shape, count, spec.context, arguments.data, padding)
    model, loss_of = build(arguments.peer, spec, arguments.shape)
    seconds, loss = time_steps(model, loss_of, batches, arguments.warm_up)
    measurement = {
        "step_seconds": statistics.median(seconds),
        # Over the sum: stories differ in length, and so do their steps.
        "tokens_per_second": sum(batch.real_tokens for batch in batches[arguments.warm_up :]) / sum(seconds),
        "peak_rss_mb": peak_megabytes(),
        "loss": loss,
    }
    print(json.dumps(measurement))
    return 0


if __name__ == "__main__":
    sys.exit(main())
