"""TensorBoard's own reader finds every row of curves.csv in lrx's event files, and nothing else.

Of runs that were not disturbed, of one that is killed again and again and resumed, of one that diverged; as they were written
live, and as `lrx export --tensorboard` writes them. Hyperparameters are those of resolved.toml, by TensorBoard's own messages.

Exit code 0: all agree; 1: something does not.
"""

import argparse
import csv
import json
import re
import struct
import subprocess
import sys
import tempfile
import time
import tomllib
from pathlib import Path

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams import api_pb2, plugin_data_pb2

CONFIG = """
seeds = [0, 1]
log.tensorboard = true
[data]
train = "synthetic"
stories = 200
tokenizer = { train_bpe = 400 }
[model]
hidden = 32
layers = 2
heads = 2
context = 64
attention = { kind = "low-rank", rank = [4, 8] }
[train]
steps = 300
learning_rate = 1e-3
eval_every = 7
log_every = 3
sample_every = 50
prompts = ["Once upon a time", "- Hello"]
sample_tokens = 8
"""
EVERYTHING = {"scalars": 0, "tensors": 0}  # 0: keep all
KILLS = 4


def f32(number: float) -> float:
    return struct.unpack("f", struct.pack("f", number))[0]


def same(a: float, b: float) -> bool:
    return a == b or (a != a and b != b)


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def check_run(folder: Path, curve: list[dict[str, str]], samples: list[dict[str, str]]) -> EventAccumulator:
    """What the reader has of a run is its curve, each row once, and its sample texts."""
    reader = EventAccumulator(str(folder), size_guidance=EVERYTHING)
    reader.Reload()
    expected: dict[str, dict[int, float]] = {}
    for row in curve:
        step = int(row["step"])
        expected.setdefault(f"{row['split']}/loss", {})[step] = float(row["loss"])
        for column in ("learning_rate", "grad_norm", "tokens", "elapsed_seconds"):
            # Once a step: as the first of its rows has it.
            expected.setdefault(column, {}).setdefault(step, float(row[column]))
    assert sorted(reader.Tags()["scalars"]) == sorted(expected), (folder, reader.Tags())
    for tag, values in expected.items():
        found = [(event.step, event.value) for event in reader.Scalars(tag)]
        assert [step for step, _ in found] == sorted(values), (folder, tag, "each step once, in their order")
        assert all(same(value, f32(values[step])) for step, value in found), (folder, tag)
    texts = [tag for tag in reader.Tags()["tensors"] if tag.startswith("samples/")]
    found = [(event.step, tag, event.tensor_proto.string_val[0].decode()) for tag in texts for event in reader.Tensors(tag)]
    places: dict[str, int] = {}
    wanted = []
    for row in samples:
        place = places.get(row["step"], 0)
        places[row["step"]] = place + 1
        # A text that a spreadsheet would run stands behind an apostrophe in its cell.
        wanted.append((int(row["step"]), f"samples/{place}", re.sub(r"^'(?='*[=+@-])", "", row["text"])))
    assert sorted((step, tag, text.replace("\n", "␊")) for step, tag, text in found) == sorted(wanted), (folder, found)
    for tag in texts:
        assert reader.SummaryMetadata(tag).plugin_data.plugin_name == "text"
    return reader


def flattened(table: dict, prefix: str) -> dict[str, object]:
    flat: dict[str, object] = {}
    for key, value in table.items():
        if isinstance(value, dict):
            flat.update(flattened(value, f"{prefix}{key}."))
        elif key != "blake3":
            flat[prefix + key] = value
    return flat


def check_hyperparameters(reader: EventAccumulator, resolved: Path, row: dict[str, str], status: int | None) -> None:
    """What TensorBoard's plugin has of a run is its config."""

    def content(tag: str) -> plugin_data_pb2.HParamsPluginData:
        metadata = reader.SummaryMetadata(tag).plugin_data
        assert metadata.plugin_name == "hparams"
        return plugin_data_pb2.HParamsPluginData.FromString(metadata.content)

    start = content("_hparams_/session_start_info").session_start_info
    assert start.group_name == row["configuration"], start
    config = tomllib.loads(resolved.read_text(encoding="utf-8"))
    expected = flattened({section: config[section] for section in ("data", "model", "train")}, "")
    found = {name: getattr(value, value.WhichOneof("kind")) for name, value in start.hparams.items()}
    assert sorted(found) == sorted(expected), (sorted(found), sorted(expected))
    for name, value in expected.items():
        assert found[name] == (value if isinstance(value, (bool, str, int, float)) else json.dumps(value)), (name, found[name], value)
    if status is None:
        assert "_hparams_/session_end_info" not in reader.Tags()["tensors"]
    else:
        end = content("_hparams_/session_end_info").session_end_info
        assert end.status == status and end.end_time_secs >= start.start_time_secs, end


def check(out: Path, export: Path, lrx: Path, status: int | None) -> int:
    """All runs of the experiment in `out`, live and exported: how many rows were found."""
    subprocess.run([lrx, "export", "--tensorboard", export, "--out", out], check=True, stdout=subprocess.DEVNULL)
    count = 0
    for row in rows(out / "events" / "runs.csv"):
        run = out / "events" / row["run_id"]
        place = next(iter(sorted(run.glob("attempt.*"))), run)
        curve = [measured for measured in rows(out / "events" / "curves.csv") if measured["run_id"] == row["run_id"]]
        samples = rows(place / "samples.csv")
        for folder in (place, export / "events" / row["run_id"]):
            reader = check_run(folder, curve, samples)
            check_hyperparameters(reader, place / "resolved.toml", row, status)
        count += len(curve)
    assert count > 0
    return count


def killed(lrx: Path, config: Path, out: Path) -> None:
    """Trains with checkpoints seldom enough that rows lie beyond them, and kills in between."""
    command = [lrx, "run", config, "--out", out, "--checkpoint-steps", "20", "--threads", "1"]

    def lines() -> int:
        return sum(path.read_bytes().count(b"\n") for path in out.glob("events/*/attempt.*/curve.csv"))

    for _ in range(KILLS):
        before = lines()
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until = time.monotonic() + 120
        while lines() < before + 25 and process.poll() is None and time.monotonic() < until:
            time.sleep(0.002)
        process.kill()
        process.wait()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def build_lrx() -> Path:
    root = Path(__file__).resolve().parents[2]
    subprocess.run(["cargo", "build", "--release", "--package", "lrx", "--bin", "lrx"], cwd=root, check=True)
    metadata = ["cargo", "metadata", "--format-version", "1", "--no-deps"]
    found = json.loads(subprocess.run(metadata, cwd=root, check=True, capture_output=True).stdout)
    return Path(found["target_directory"]) / "release" / "lrx"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lrx", type=Path, help="the binary; by default it is built")
    arguments = parser.parse_args()
    lrx = (arguments.lrx or build_lrx()).resolve()
    with tempfile.TemporaryDirectory(prefix="lrx-tensorboard-") as folder:
        work = Path(folder)
        config = work / "events.toml"
        config.write_text(CONFIG, encoding="utf-8")
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        subprocess.run([lrx, "run", config, "--out", work / "plain"], check=True, **quiet)
        print(f"undisturbed: {check(work / 'plain', work / 'plain-export', lrx, api_pb2.STATUS_SUCCESS)} rows found")
        killed(lrx, config, work / "killed")
        print(f"killed {KILLS} times: {check(work / 'killed', work / 'killed-export', lrx, api_pb2.STATUS_SUCCESS)} rows found")
        diverging = [lrx, "run", config, "--out", work / "diverged", "--set", "train.learning_rate=1e30", "--set", "train.log_every=1"]
        done = subprocess.run(diverging, check=False, **quiet)
        if done.returncode == 1:
            print(f"diverged: {check(work / 'diverged', work / 'diverged-export', lrx, api_pb2.STATUS_FAILURE)} rows found")
        else:
            print("nothing diverged")
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
