"""What every peer's process does alike: its arguments, the timing of its steps, its memory, its line of JSON."""

import argparse
import json
import resource
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

from stories import DEFAULT_DATA
from workload import MODELS, SHAPES, Batch


def arguments_of(description: str, peers: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("peer", choices=peers, help="`check` times nothing: it compares the models")
    parser.add_argument("--model", choices=MODELS, default="FullSA-FullMLP-4L")
    parser.add_argument("--shape", choices=SHAPES, default="4x256")
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--warm-up", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--data", type=Path, default=DEFAULT_DATA)
    return parser.parse_args()


def time_steps(step: Callable[[Batch], float], batches: list[Batch], warm_up: int) -> None:
    """Times the steps after the warm-up and prints what was seen. `step` gives its loss when all of it is done."""
    seconds = []
    for k, batch in enumerate(batches):
        if k == warm_up:
            reset_peak()
        start = time.perf_counter()
        loss = step(batch)
        seconds.append(time.perf_counter() - start)
    seconds = seconds[warm_up:]
    measurement = {
        "step_seconds": statistics.median(seconds),
        # Over the sum: stories differ in length, and so do their steps.
        "tokens_per_second": sum(batch.real_tokens for batch in batches[warm_up:]) / sum(seconds),
        "peak_rss_mb": peak_megabytes(),
        "loss": loss,
    }
    print(json.dumps(measurement))


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
