"""Times the same training step in PyTorch, in JAX and in lrx, interleaved, and prints a Markdown table with ratios.

Every measurement is a process of its own, one at a time; a round runs each peer and lrx once, and the table shows
medians over the rounds, so that a machine that slows down for a while slows all of them.
"""

import argparse
import csv
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from dataclasses import astuple, dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

import torch
import transformers

from stories import DEFAULT_DATA, REPOSITORY, data_is_present
from workload import JAX_PEERS, MODELS, PEERS, SHAPES

LRX = "lrx"
LRX_BF16 = "lrx bf16"


@dataclass
class Measurement:
    step_seconds: float  # median
    tokens_per_second: float  # real tokens, without padding
    peak_rss_mb: float


@dataclass(frozen=True)
class Bench:
    """One workload: a model on batches of one shape."""

    model: str
    shape: str
    steps: int
    warm_up: int
    threads: int
    data: Path


def lrx_step_seconds(binary: Path, bench: Bench, precision: str) -> Measurement:
    """lrx's side: `lrx bench` on the same model, at the vocabulary of 50,257, on the same stories in file order."""
    options = {"config": REPOSITORY / "configs" / "seed" / f"{bench.model}.toml", "batch": bench.shape, "vocabulary": "full"}
    options |= {"steps": bench.steps, "warm-up": bench.warm_up, "threads": bench.threads, "format": "csv"}
    command = [binary, "bench", *(f"--{name}={value}" for name, value in options.items())]
    command += [f'--set=train.precision="{precision}"']
    if bench.shape == "stories":
        files = {
            "train": "tinystories-train.txt",
            "valid": "tinystories-valid.txt",  # held out, so that none of the training stories is
            "tokenizer": "gpt2/tokenizer.json",
        }
        settings = [f'data.{key}="{bench.data.resolve() / name}"' for key, name in files.items()]
        settings += ["data.shuffle=false", f"data.stories={4 * (bench.steps + bench.warm_up)}"]
        command += [f"--set={setting}" for setting in settings]
    with tempfile.TemporaryDirectory() as cache:
        done = subprocess.run([*command, f"--out={cache}"], stdout=subprocess.PIPE, text=True, check=True)
    [row] = csv.DictReader(done.stdout.splitlines())
    if bench.shape == "4x256":
        print(f"  {float(row['share_of_matrix_product']):.0%} of the best matrix product", file=sys.stderr)
    return Measurement(
        float(row["step_ms"]) / 1000, float(row["tokens_per_second"]), float(row["peak_rss_mb"] or "nan")
    )


def peer_step_seconds(peer: str, bench: Bench) -> Measurement:
    command = [sys.executable, Path(__file__).with_name("peer_jax.py" if peer in JAX_PEERS else "peer.py"), peer]
    for name in ("model", "shape", "steps", "warm_up", "threads", "data"):
        command += [f"--{name.replace('_', '-')}", str(getattr(bench, name))]
    threads = {name: str(bench.threads) for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS")}
    if peer in JAX_PEERS:
        threads["JAX_PLATFORMS"] = "cpu"  # on all cores: XLA takes no number of threads
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, env=os.environ | threads)
    values = json.loads(done.stdout.splitlines()[-1])
    return Measurement(values["step_seconds"], values["tokens_per_second"], values["peak_rss_mb"])


class Rows:
    """A CSV file with a row for each measurement, appended as they come."""

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self.of_machine = {"date": str(datetime.now(UTC).date()), "processor": processor()}

    def append(self, bench: Bench, k: int, contestant: str, measurement: Measurement) -> None:
        if self.path is None:
            return
        workload = {"threads": bench.threads, "model": bench.model, "shape": bench.shape, "steps": bench.steps}
        measured = {
            "step_ms": f"{1000 * measurement.step_seconds:.1f}",
            "tokens_per_second": f"{measurement.tokens_per_second:.1f}",
            "peak_rss_mb": f"{measurement.peak_rss_mb:.1f}",
        }
        row = self.of_machine | workload | {"round": k + 1, "contestant": contestant} | measured
        is_new = not self.path.exists()
        with self.path.open("a", newline="") as file:
            writer = csv.DictWriter(file, row, lineterminator="\n")
            if is_new:
                writer.writeheader()
            writer.writerow(row)


def measure(
    bench: Bench, contestants: list[str], rounds: int, binary: Path | None, rows: Rows
) -> dict[str, Measurement]:
    """The median of each value over the rounds."""
    taken = {contestant: [] for contestant in contestants}
    for k in range(rounds):
        # Each round starts with another one, so that none always follows the same neighbour.
        turn = k % len(contestants)
        for contestant in contestants[turn:] + contestants[:turn]:
            if contestant in (LRX, LRX_BF16):
                measurement = lrx_step_seconds(binary, bench, "bf16" if contestant == LRX_BF16 else "f32")
            else:
                measurement = peer_step_seconds(contestant, bench)
            taken[contestant].append(measurement)
            rows.append(bench, k, contestant, measurement)
            print(
                f"{bench.model}, {bench.shape}, round {k + 1} of {rounds}: {contestant} "
                f"{measurement.tokens_per_second:.0f} tokens/s",
                file=sys.stderr,
                flush=True,
            )
    return {
        contestant: Measurement(
            *(statistics.median(values) for values in zip(*map(astuple, measurements), strict=True))
        )
        for contestant, measurements in taken.items()
    }


def processor() -> str:
    """Its name."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [
            line.split(":", 1)[1].strip() for line in cpuinfo.read_text().splitlines() if line.startswith("model name")
        ]
        if names:
            return names[0]
    return platform.processor() or platform.machine()


def machine(threads: int) -> str:
    """One line: processor, cores, memory, system, versions, date."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    today = datetime.now(UTC).date()
    return (
        f"{today}: {processor()}, {os.cpu_count()} cores, {memory:.0f} GiB, {platform.system()}; {threads} threads; "
        f"PyTorch {torch.__version__}, transformers {transformers.__version__}, JAX {version_of('jax')}."
    )


def version_of(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def print_table(bench: Bench, medians: dict[str, Measurement]) -> None:
    ours = [(name, medians[name]) for name in (LRX, LRX_BF16) if name in medians]
    print(f"\n**{bench.model}**, {SHAPES[bench.shape]}, vocabulary 50,257\n")
    columns = ["", "ms a step", "tokens/s", "peak memory, MB", *(f"{name} is faster by" for name, _ in ours)]
    print(f"| {' | '.join(columns)} |")
    print(f"|---|{'---:|' * (len(columns) - 1)}")
    # The strongest first.
    for contestant, m in sorted(medians.items(), key=lambda item: -item[1].tokens_per_second):
        cells = [
            contestant,
            *(f"{x:,.0f}" for x in (1000 * m.step_seconds, m.tokens_per_second, m.peak_rss_mb)),
            *("" if name == contestant else f"{our.tokens_per_second / m.tokens_per_second:.2f} ×" for name, our in ours),
        ]
        print(f"| {' | '.join(cells)} |", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="benches/peers/run",
        description=__doc__,
        epilog="peers: " + "; ".join(f"{name}: {what}" for name, what in PEERS.items()),
    )
    parser.add_argument("--lrx", type=Path, help="the binary; without it only the peers are timed")
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS))
    parser.add_argument("--shapes", nargs="+", choices=SHAPES, default=list(SHAPES))
    parser.add_argument("--peers", nargs="+", choices=PEERS, default=list(PEERS))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=10, help="timed steps a round")
    parser.add_argument("--warm-up", type=int, default=3, help="steps before them")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--data", type=Path, default=DEFAULT_DATA, help="folder of TinyStories (default: %(default)s)")
    parser.add_argument("--csv", type=Path, help="a file to which each measurement is appended as a row")
    arguments = parser.parse_args()

    peers = arguments.peers
    if missing := [name for name in ("jax", "optax") if find_spec(name) is None]:
        print(f"{' and '.join(missing)} not installed (benches/peers/requirements.txt): no JAX.", file=sys.stderr)
        peers = [peer for peer in peers if peer not in JAX_PEERS]
    shapes = arguments.shapes
    if "stories" in shapes and not data_is_present(arguments.data):
        print(f"{arguments.data} is not there or not complete: no real stories, they are left out.", file=sys.stderr)
        shapes = [shape for shape in shapes if shape != "stories"]
        if not shapes:
            return 2

    print(machine(arguments.threads))
    rows = Rows(arguments.csv)
    print(f"Medians of {arguments.rounds} interleaved rounds of {arguments.steps} steps. Tokens are without padding.")
    for shape in shapes:
        for model in arguments.models:
            bench = Bench(model, shape, arguments.steps, arguments.warm_up, arguments.threads, arguments.data)
            # Random sequences of one length have no padding to differ in.
            contestants = [peer for peer in peers if shape == "stories" or peer != "seed-padding"]
            if arguments.lrx:
                contestants = [LRX, LRX_BF16, *contestants]
            print_table(bench, measure(bench, contestants, arguments.rounds, arguments.lrx, rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
