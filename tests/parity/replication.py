"""Do the differences between configurations that lrx finds come out of another training, too?

PyTorch trains the seed's four corners (dense, low-rank attention, low-rank MLP, both) by itself: its own model code, its own random
weights, its own order of stories, its own numbers for the tokens. Nothing but the protocol is shared: sizes, stories, batches of 4, AdamW at a
rate that falls linearly to 0, clipping at 1. lrx trains the same. Single losses depend on seeds; what must agree is each configuration's mean, and
its difference from the dense one: within the 99 % interval that the spread of both sides' seeds gives (Welch).

    tests/parity/python tests/parity/replication.py [--stories 600] [--seeds 4] [--hidden 384] [--lrx BINARY] [--data FOLDER]

Exit code 0: all agree; 1: one does not; 2: the data is not there. Half an hour on two cores as it stands; `--hidden 96 --stories 200`
takes two or three minutes.
"""

import argparse
import csv
import math
import random
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import mean, stdev

import torch
import torch.nn.functional as F
from scipy import stats
from torch import nn

from stories import DEFAULT_DATA, REPOSITORY, data_is_present, encode, read_stories, write_stories

LAYERS, CONTEXT, BATCH, STD = 4, 2048, 4, 0.02
CONFIDENCE = 0.99


class LowRank(nn.Module):
    def __init__(self, inputs: int, outputs: int, rank: int, bias: bool) -> None:
        super().__init__()
        self.down, self.up = nn.Linear(inputs, rank, bias=False), nn.Linear(rank, outputs, bias=bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.up(self.down(x))


def matrix(inputs: int, outputs: int, rank: int | None, bias: bool) -> nn.Module:
    return nn.Linear(inputs, outputs, bias=bias) if rank is None else LowRank(inputs, outputs, rank, bias)


class Layer(nn.Module):
    """A layer of GPT-Neo with global attention, whose scores are not scaled."""

    def __init__(self, hidden: int, heads: int, attention: int | None, mlp: int | None) -> None:
        super().__init__()
        self.heads = heads
        self.before_attention, self.before_mlp = nn.LayerNorm(hidden), nn.LayerNorm(hidden)
        self.query, self.key, self.value = (matrix(hidden, hidden, attention, bias=False) for _ in range(3))
        self.out = matrix(hidden, hidden, attention, bias=True)
        self.widen, self.narrow = matrix(hidden, 4 * hidden, mlp, bias=True), matrix(4 * hidden, hidden, mlp, bias=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.before_attention(x)
        split = [part(y).unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in (self.query, self.key, self.value)]
        mixed = F.scaled_dot_product_attention(*split, is_causal=True, scale=1.0)
        x = x + self.out(mixed.transpose(1, 2).flatten(2))
        return x + self.narrow(F.gelu(self.widen(self.before_mlp(x)), approximate="tanh"))


class Neo(nn.Module):
    def __init__(self, vocabulary: int, hidden: int, heads: int, attention: int | None, mlp: int | None) -> None:
        super().__init__()
        self.tokens, self.positions = nn.Embedding(vocabulary, hidden), nn.Embedding(CONTEXT, hidden)
        self.layers = nn.ModuleList(Layer(hidden, heads, attention, mlp) for _ in range(LAYERS))
        self.norm = nn.LayerNorm(hidden)
        for name, parameter in self.named_parameters():
            if parameter.dim() == 2:
                nn.init.normal_(parameter, std=STD)
            elif name.endswith("bias"):
                nn.init.zeros_(parameter)

    def nats(self, batch: list[list[int]]) -> torch.Tensor:
        """The sum over all targets: pads lie behind each story, where no token of it looks."""
        longest = max(map(len, batch))
        ids = torch.tensor([story + [0] * (longest - len(story)) for story in batch])
        targets = torch.tensor([story[1:] + [-100] * (longest - len(story)) for story in batch])
        x = self.tokens(ids[:, :-1]) + self.positions(torch.arange(longest - 1))
        for layer in self.layers:
            x = layer(x)
        logits = F.linear(self.norm(x), self.tokens.weight)
        return F.cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=-100, reduction="sum")


def count(batch: list[list[int]]) -> int:
    return sum(len(story) - 1 for story in batch)


def trained(seed: int, model: Neo, train: list[list[int]], valid: list[list[int]], rate: float) -> float:
    """The loss on `valid` after an epoch in an order of its own."""
    order = random.Random(seed).sample(train, len(train))
    batches = [order[i : i + BATCH] for i in range(0, len(order), BATCH)]
    optimizer = torch.optim.AdamW(model.parameters(), lr=rate, weight_decay=0.0)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 - step / len(batches))
    for batch in batches:
        optimizer.zero_grad()
        (model.nats(batch) / count(batch)).backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
    with torch.no_grad():
        return sum(model.nats([story]).item() for story in valid) / count(valid)


def by_lrx(arguments: argparse.Namespace, corners: dict[str, tuple[int | None, int | None]], folder: Path) -> dict[str, list[float]]:
    """The losses of each corner."""

    def case(attention: int | None, mlp: int | None) -> str:
        parts = [f"model.{place} = {{ kind = 'low-rank', rank = {rank} }}" for place, rank in (("attention", attention), ("mlp", mlp)) if rank]
        return "[[sweep.case]]\n" + "\n".join(parts) + "\n"

    text = f"""
seeds = {list(range(arguments.lrx_seeds))}
[data]
train = "train.txt"
valid = "valid.txt"
tokenizer = "{arguments.data.resolve() / "gpt2" / "tokenizer.json"}"
vocabulary = "compact"
[model]
hidden = {arguments.hidden}
layers = {LAYERS}
heads = {arguments.heads}
context = {CONTEXT}
[train]
batch_stories = {BATCH}
epochs = 1
learning_rate = {arguments.learning_rate}
schedule = "linear"
"""
    (folder / "corners.toml").write_text(text + "".join(case(*ranks) for ranks in corners.values()))
    subprocess.run([arguments.lrx.resolve(), "run", "corners.toml", "--out", "out"], cwd=folder, check=True, capture_output=True)
    with (folder / "out" / "corners" / "runs.csv").open() as file:
        rows = list(csv.DictReader(file))
    known = {(row["attention"] == "low-rank", row["mlp"] == "low-rank"): [] for row in rows}
    for row in rows:
        known[row["attention"] == "low-rank", row["mlp"] == "low-rank"].append(float(row["eval_loss"]))
    return {name: known[attention is not None, mlp is not None] for name, (attention, mlp) in corners.items()}


def apart(groups: list[tuple[float, list[float]]]) -> tuple[float, float]:
    """A weighted sum of means, and half of its interval, each group with its own spread (Welch, Satterthwaite)."""
    parts = [(weight**2 * stdev(group) ** 2 / len(group), len(group) - 1) for weight, group in groups]
    variance = sum(part for part, _ in parts)
    freedom = variance**2 / sum(part**2 / own for part, own in parts)
    estimate = sum(weight * mean(group) for weight, group in groups)
    return estimate, stats.t.ppf(0.5 + CONFIDENCE / 2, freedom) * math.sqrt(variance)


def main() -> int:
    parser = argparse.ArgumentParser(prog="tests/parity/python tests/parity/replication.py", description=__doc__.splitlines()[0])
    parser.add_argument("--stories", type=int, default=600, help="to train on (default: %(default)s)")
    parser.add_argument("--valid", type=int, default=100, help="to evaluate on (default: %(default)s)")
    parser.add_argument("--seeds", type=int, default=4, help="of PyTorch's (default: %(default)s)")
    parser.add_argument("--lrx-seeds", type=int, default=6, help="of lrx's (default: %(default)s)")
    parser.add_argument("--hidden", type=int, default=384, help="default: %(default)s")
    parser.add_argument("--heads", type=int, default=16, help="default: %(default)s")
    parser.add_argument("--learning-rate", type=float, default=5e-4, help="default: %(default)s")
    parser.add_argument("--lrx", type=Path, default=REPOSITORY / "target" / "release" / "lrx", help="default: %(default)s")
    parser.add_argument("--data", type=Path, default=DEFAULT_DATA, help="default: %(default)s")
    arguments = parser.parse_args()
    if not data_is_present(arguments.data):
        print(f"{arguments.data} has no TinyStories and GPT-2's tokenizer; name their folder with --data", file=sys.stderr)
        return 2
    train = read_stories(arguments.data / "tinystories-train.txt", arguments.stories)
    valid = read_stories(arguments.data / "tinystories-valid.txt", arguments.valid)
    # A tenth of the rank at which two factors cost what the matrix costs, as in the seed.
    cost = arguments.hidden / 2
    attention, mlp = round(0.1 * cost), round(0.1 * 4 * arguments.hidden / 5)
    corners = {"dense": (None, None), "attention": (attention, None), "mlp": (None, mlp), "both": (attention, mlp)}
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        write_stories(folder / "train.txt", train)
        write_stories(folder / "valid.txt", valid)
        lrx = by_lrx(arguments, corners, folder)
    tokens = encode(arguments.data / "gpt2" / "tokenizer.json", train + valid, CONTEXT)
    used = sorted({token for story in tokens for token in story})
    random.Random(0).shuffle(used)
    number = {token: place for place, token in enumerate(used)}
    stories = [[number[token] for token in story] for story in tokens if len(story) > 1]
    own_train, own_valid = stories[: len(train)], stories[len(train) :]
    torch_losses: dict[str, list[float]] = {}
    for name, (rank_attention, rank_mlp) in corners.items():
        for seed in range(arguments.seeds):
            torch.manual_seed(1000 + seed)
            model = Neo(len(used), arguments.hidden, arguments.heads, rank_attention, rank_mlp)
            torch_losses.setdefault(name, []).append(trained(seed, model, own_train, own_valid, arguments.learning_rate))
    wrong = 0
    print(f"{len(own_train)} stories, {len(own_valid)} held out, hidden {arguments.hidden}, ranks {attention} and {mlp}, {arguments.learning_rate:g}")
    print(f"{'':10} {'PyTorch':>16} {'lrx':>16} {'apart':>8} {'within':>8}")
    for name in corners:
        shown = [f"{mean(losses):.4f} ± {stdev(losses):.4f}" for losses in (torch_losses[name], lrx[name])]
        own, half = apart([(1, torch_losses[name]), (-1, lrx[name])])
        wrong += abs(own) > half
        print(f"{name:10} {shown[0]:>16} {shown[1]:>16} {own:+8.4f} {half:8.4f}{'' if abs(own) <= half else '  NOT THE SAME'}")
    for name in list(corners)[1:]:
        sides = [mean(losses[name]) - mean(losses["dense"]) for losses in (torch_losses, lrx)]
        signs = ((1, torch_losses, name), (-1, torch_losses, "dense"), (-1, lrx, name), (1, lrx, "dense"))
        own, half = apart([(sign, losses[which]) for sign, losses, which in signs])
        wrong += abs(own) > half
        verdict = "" if abs(own) <= half else "  NOT THE SAME"
        print(f"{name + ' − dense':17} {sides[0]:+9.4f} {sides[1]:+16.4f} {own:+8.4f} {half:8.4f}{verdict}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
