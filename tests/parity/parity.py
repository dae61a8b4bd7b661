"""lrx against Hugging Face: the same weights and stories give the same losses, in ten steps and the evaluation.

The weights that lrx ends with then give the same text in both, the likeliest token each time.

Exit code 0: every case agrees; 1: a case does not, or lrx failed; 2: the data or a case is not there.
"""

import argparse
import csv
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file
from transformers.utils import logging

from generation import TOKENS, continue_greedily, difference, prompts
from hugging_face import hugging_face
from kinds import Kind
from spec import Spec, load, random_weights
from stories import DEFAULT_DATA, REPOSITORY, data_is_present, encode, read_stories, write_stories
from training import Recipe, Training, hugging_face_loss, live_parameters, train

TOLERANCE = 1e-4  # nats
TRAIN_STORIES = 38  # ten steps of four stories, the last one of two
VALID_STORIES = 10

SMALL = {"hidden": 96, "heads": 4, "context": 256}  # some stories are longer, so truncation is checked too
LLAMA = {"family": "llama", "hidden": 128, "heads": 4, "kv_heads": 2, "inner": 352, "context": 256}
CASES = {
    "dense": Spec(**SMALL),
    "low-rank-attention": Spec(**SMALL, attention_ranks=(19,) * 4),
    "low-rank-mlp": Spec(**SMALL, mlp_ranks=(31,) * 4),
    "low-rank-both": Spec(**SMALL, attention_ranks=(19,) * 4, mlp_ranks=(31,) * 4),
    "per-layer-ranks": Spec(**SMALL, attention_ranks=(40, 20, 5, 1), mlp_ranks=(3, 10, 30, 80)),
    "local-windows": Spec(**SMALL, windows=(0, 8, 0, 8)),
    "seed-size-dense": Spec(),
    "seed-size-per-layer": Spec(attention_ranks=(100, 50, 20, 5), mlp_ranks=(10, 30, 80, 150)),
    "gpt2": Spec(**SMALL, family="gpt2"),
    "llama": Spec(**LLAMA),
    "llama-low-rank": Spec(**LLAMA, attention_ranks=(24, 12, 6, 3), mlp_ranks=(31,) * 4),
}
KINDS = (
    Kind("silu-low-rank", {"rank": 19}),
    Kind("diagonal-low-rank", {"rank": 19}),
    Kind("sparse-low-rank", {"rank": 19, "density": 0.1}),
    Kind("block-diagonal", {"blocks": 4}),
    Kind("block-shuffle", {"blocks": 4}),
    Kind("block-dense", {"rank": 24, "blocks": 4}),
    Kind("tensor-train", {"rank": 2, "input_split": 8, "output_split": 12}),
    Kind("kronecker", {"input_split": 12, "output_split": 8}),
    Kind("blast", {"rank": 19, "blocks": 4}),
    Kind("self-guided", {"rank": 19, "until": 0.55}),
    Kind("self-guided", {"structure": "block-shuffle", "blocks": 4, "until": 1.0}),
    Kind("dense-then-svd", {"rank": 19, "at": 0.45}),
    Kind("shared-basis", {"rank": 19}),
)
for kind in KINDS:
    structure = kind.options.get("structure")
    # A diagonal stands in square matrices only, and what has a basis in common is in the attention.
    only_attention = kind.name in ("diagonal-low-rank", "shared-basis")
    mlp = None if only_attention else kind
    name = f"{kind.name}-{structure}" if structure else kind.name
    CASES[name] = Spec(**SMALL, attention_kind=kind, mlp_kind=mlp)


@dataclass
class Verdict:
    case: str
    train: float  # greatest difference of the ten losses, nats
    eval: float  # difference of the final evaluation loss, nats
    grad_norm: float  # greatest relative difference
    weight: float  # greatest difference of a final weight
    parameters: str
    text: str

    @property
    def passed(self) -> bool:
        # Written so that a NaN fails. The gradient norms and weights are shown but not judged: AdamW divides by the
        # gradient's own size, so a weight whose gradient is rounding noise moves as far as any, in its own direction.
        losses = self.train <= TOLERANCE and self.eval <= TOLERANCE
        return losses and self.parameters == "equal" and self.text in ("equal", "")


def toml_list(values: tuple[int, ...]) -> str:
    return f"[{', '.join(map(str, values))}]"


def keys(table: dict[str, str]) -> str:
    return "".join(f"{key} = {value}\n" for key, value in table.items())


# What a family says in [model], [model.attention] and [model.mlp] beside its sizes.
FAMILIES = {
    "gpt-neo": ({}, {}, {}),
    "gpt2": ({}, {"scaled": "true", "bias": '"all"'}, {}),
    "llama": (
        {"positions": '"rotary"', "norm": '"rms-norm"', "norm_epsilon": "1e-6", "tied": "false"},
        {"scaled": "true", "bias": '"none"'},
        {"block": '"gated-mlp"'},
    ),
}


def config(name: str, spec: Spec, recipe: Recipe, tokenizer: Path) -> str:
    def section(title: str, ranks: tuple[int, ...] | None, kind: Kind | None, options: dict[str, str]) -> str:
        if kind is not None:
            lines = kind.toml()
        elif ranks is None:
            lines = {"kind": '"dense"'}
        else:
            lines = {"kind": '"low-rank"', "rank": str(ranks[0]) if len(set(ranks)) == 1 else toml_list(ranks)}
        return f"[model.{title}]\n" + keys(lines | options)

    attention = {"window": toml_list(spec.windows)} if spec.windows else {}
    attention |= {"kv_heads": str(spec.kv_heads)} if spec.kv_heads else {}
    model, family_attention, mlp = FAMILIES[spec.family]
    mlp = mlp | ({"inner": str(spec.inner)} if spec.inner else {})
    return f"""\
name = "{name}"
seeds = [0]

[data]
train = "train.txt"
valid = "valid.txt"
tokenizer = "{tokenizer.resolve().as_posix()}"
vocabulary = "full"
shuffle = false

[model]
hidden = {spec.hidden}
layers = {spec.layers}
heads = {spec.heads}
context = {spec.context}
init_from = "weights.safetensors"
{keys(model)}
{section("attention", spec.attention_ranks, spec.attention_kind, family_attention | attention)}
{section("mlp", spec.mlp_ranks, spec.mlp_kind, mlp)}
[train]
batch_stories = 4
epochs = 1
learning_rate = {recipe.learning_rate}
schedule = "linear"
warmup_steps = 0
weight_decay = {recipe.weight_decay}
clip_norm = {recipe.clip_norm}
eval_every = 1000
log_every = 1
"""


def run_reference(spec: Spec, weights: dict, data: Path, recipe: Recipe) -> tuple[Training, int]:
    """Hugging Face's losses, and the number of parameters that it trains."""
    tokenizer = data / "gpt2" / "tokenizer.json"
    stories = encode(tokenizer, read_stories(data / "tinystories-train.txt", TRAIN_STORIES), spec.context)
    valid = encode(tokenizer, read_stories(data / "tinystories-valid.txt", VALID_STORIES), spec.context)
    model = hugging_face(spec)
    load(model, weights)
    live = live_parameters(model, hugging_face_loss, spec.vocabulary)
    return train(model, hugging_face_loss, stories, valid, recipe), live


def read_csv(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def run_lrx(
    binary: Path, name: str, spec: Spec, weights: dict, data: Path, recipe: Recipe, work: Path
) -> tuple[Training, int, Path]:
    """lrx's losses, the number of parameters that it reports, and the run's folder."""
    case = work / "cases" / name
    case.mkdir(parents=True)
    write_stories(case / "train.txt", read_stories(data / "tinystories-train.txt", TRAIN_STORIES))
    write_stories(case / "valid.txt", read_stories(data / "tinystories-valid.txt", VALID_STORIES))
    save_file(weights, case / "weights.safetensors")
    (case / "config.toml").write_text(config(name, spec, recipe, data / "gpt2" / "tokenizer.json"), encoding="utf-8")

    call(binary, "run", case / "config.toml", "--out", work / "results")

    results = work / "results" / name
    (run,) = read_csv(results / "runs.csv")
    curves = [row for row in read_csv(results / "curves.csv") if row["run_id"] == run["run_id"]]
    steps = sorted((row for row in curves if row["split"] == "train"), key=lambda row: int(row["step"]))
    training = Training(
        losses=[float(row["loss"]) for row in steps],
        grad_norms=[float(row["grad_norm"]) for row in steps],
        eval_loss=float(run["eval_loss"]),
        weights=load_file(results / run["run_id"] / "model.safetensors"),
    )
    return training, int(run["params"]), results / run["run_id"]


def compare_text(binary: Path, spec: Spec, start: dict, end: dict, run: Path, data: Path, work: Path) -> str:
    """Whether both continue stories alike with the weights at the start and at the end: "equal", or where they part."""
    # Ten steps make most texts dull; with the weights at the start nearly every token is another.
    untrained = work / "untrained" / run.name
    shutil.copytree(run, untrained)
    save_file(start, untrained / "model.safetensors")
    (untrained / "checksums.txt").unlink(missing_ok=True)  # They are those of the weights that were there.
    model = hugging_face(spec)
    for weights, folder in ((start, untrained), (end, run)):
        load(model, weights)
        for prompt in prompts(data):
            theirs = continue_greedily(model, data / "gpt2" / "tokenizer.json", prompt)
            generate = ("--prompt", prompt, "--temperature", "0", "--tokens", str(TOKENS))
            ours = call(binary, "generate", folder, *generate)
            if found := difference(theirs, ours):
                return f"{folder.parent.name}: {found}"
    return "equal"


def call(binary: Path, *arguments: str | Path) -> str:
    """What lrx prints, decoded as UTF-8."""
    done = subprocess.run([binary, *arguments], capture_output=True, check=False)
    if done.returncode != 0:
        printed = (done.stdout + done.stderr).decode()
        raise RuntimeError(f"lrx {arguments[0]} ended with {done.returncode}:\n{printed}")
    return done.stdout.decode()


def compare(name: str, reference: Training, live: int, ours: Training, parameters: int, text: str = "") -> Verdict:
    if len(ours.losses) != len(reference.losses):
        raise RuntimeError(f"curves.csv has {len(ours.losses)} train rows, not {len(reference.losses)}")
    if ours.weights.keys() != reference.weights.keys():
        raise RuntimeError(
            f"model.safetensors differs in names: {sorted(ours.weights.keys() ^ reference.weights.keys())}"
        )
    norms, reference_norms = np.array(ours.grad_norms), np.array(reference.grad_norms)
    return Verdict(
        case=name,
        train=float(np.abs(np.subtract(ours.losses, reference.losses)).max()),
        eval=abs(ours.eval_loss - reference.eval_loss),
        grad_norm=float((np.abs(norms - reference_norms) / reference_norms).max()),
        weight=max(float(np.abs(ours.weights[name] - weight).max()) for name, weight in reference.weights.items()),
        parameters="equal" if parameters == live else f"{parameters:,} for {live:,}",
        text=text,
    )


def print_steps(reference: Training, ours: Training | None = None) -> None:
    print("  step   loss       lrx        grad norm  lrx")
    for k, (loss, norm) in enumerate(zip(reference.losses, reference.grad_norms, strict=True)):
        our_loss, our_norm = (f"{ours.losses[k]:.6f}", f"{ours.grad_norms[k]:.5f}") if ours else ("", "")
        print(f"  {k:>4}   {loss:<9.6f}  {our_loss:<9}  {norm:<9.5f}  {our_norm}")
    print(f"  eval   {reference.eval_loss:<9.6f}  {f'{ours.eval_loss:.6f}' if ours else ''}")


def print_table(verdicts: list[Verdict]) -> None:
    print("\n| case | train loss | eval loss | gradient norm, relative | weights | parameters | text | verdict |")
    print("|---|---|---|---|---|---|---|---|")
    for v in verdicts:
        verdict = "pass" if v.passed else "FAIL"
        print(
            f"| {v.case} | {v.train:.1e} | {v.eval:.1e} | {v.grad_norm:.1e} | {v.weight:.1e} "
            f"| {v.parameters} | {v.text} | {verdict} |"
        )
    print(f"\nGreatest differences from Hugging Face; a case passes when both losses are within {TOLERANCE:.0e} nats.")


def build_lrx() -> Path:
    """Builds the release binary and asks cargo where it is."""
    command = ["cargo", "build", "--release", "--package", "lrx", "--bin", "lrx"]
    subprocess.run(command, cwd=REPOSITORY, check=True)
    metadata = subprocess.run(
        ["cargo", "metadata", "--no-deps", "--format-version", "1"],
        cwd=REPOSITORY,
        check=True,
        capture_output=True,
        text=True,
    )
    return Path(json.loads(metadata.stdout)["target_directory"]) / "release" / "lrx"


@contextmanager
def work_folder(keep: Path | None) -> Iterator[Path]:
    if keep:
        keep.mkdir(parents=True, exist_ok=True)
        yield keep
    else:
        with tempfile.TemporaryDirectory(prefix="lrx-parity-") as folder:
            yield Path(folder)


def main() -> int:
    parser = argparse.ArgumentParser(prog="tests/parity/run", description=__doc__)
    parser.add_argument("cases", nargs="*", metavar="CASE", help=f"all by default: {', '.join(CASES)}")
    parser.add_argument("--lrx", type=Path, help="the binary; by default it is built")
    parser.add_argument(
        "--data",
        type=Path,
        default=DEFAULT_DATA,
        help="folder of TinyStories and GPT-2's tokenizer (default: %(default)s)",
    )
    parser.add_argument(
        "--keep", type=Path, help="a new folder for the configs, weights and results, instead of a temporary one"
    )
    parser.add_argument("--verbose", action="store_true", help="every step of every case")
    parser.add_argument("--reference-only", action="store_true", help="check the reference itself; lrx is not run")
    arguments = parser.parse_args()

    unknown = set(arguments.cases) - CASES.keys()
    if unknown:
        print(f"no such case: {', '.join(sorted(unknown))}; there are {', '.join(CASES)}", file=sys.stderr)
        return 2
    if not data_is_present(arguments.data):
        print(
            f"{arguments.data} is not there or not complete: parity is checked on real stories, "
            "which are not part of the repository. It needs tinystories-train.txt, tinystories-valid.txt and "
            "gpt2/tokenizer.json; name their folder with --data.",
            file=sys.stderr,
        )
        return 2
    logging.set_verbosity_error()
    cases = {name: spec for name, spec in CASES.items() if name in arguments.cases or not arguments.cases}

    if arguments.reference_only:
        import self_check

        return self_check.main(cases, arguments.data)

    binary = (arguments.lrx or build_lrx()).resolve()
    verdicts, errors, recipe = [], 0, Recipe()
    with work_folder(arguments.keep) as work:
        for name, spec in cases.items():
            print(f"{name} …", flush=True)
            weights = random_weights(spec, seed=list(CASES).index(name))
            try:
                ours, parameters, run = run_lrx(binary, name, spec, weights, arguments.data, recipe, work)
                reference, live = run_reference(spec, weights, arguments.data, recipe)
                # A layer that changes has other parameters at its end than a reference that is made anew.
                changes = any(kind and kind.name in ("self-guided", "dense-then-svd") for kind in (spec.mlp_kind,))
                text = "" if changes else compare_text(binary, spec, weights, ours.weights, run, arguments.data, work)
                verdict = compare(name, reference, live, ours, parameters, text)
            except (RuntimeError, OSError, KeyError, ValueError) as error:
                print(f"{name}: {type(error).__name__}: {error}", file=sys.stderr)
                errors += 1
                continue
            if arguments.verbose or not verdict.passed:
                print_steps(reference, ours)
            verdicts.append(verdict)
    print_table(verdicts)
    return 0 if errors == 0 and all(verdict.passed for verdict in verdicts) else 1


if __name__ == "__main__":
    sys.exit(main())
