#!/usr/bin/env python3
"""A real HyperQueue on this machine, server and worker in this process: `lrx submit --engine hyperqueue` gives it a sweep, and the
numbers and weights are those of one process. The package `hyperqueue` of PyPI has the server, the worker and a client, but not the
command `hq`: the stand-in beside this file (hq.py) takes the two forms of it that lrx's template uses.

    pip install hyperqueue
    python tests/hyperqueue/run.py [LRX]         default: target/release/lrx
"""

import os
import pathlib
import subprocess
import sys
import tempfile

from hyperqueue.cluster import LocalCluster, WorkerConfig

SWEEP = """
seeds = [0, 1]
[data]
train = "synthetic"
stories = 400
valid_fraction = 0.1
tokenizer = { train_bpe = 300 }
[model]
hidden = 32
layers = 2
heads = 2
context = 128
[train]
batch_stories = 4
steps = 300
eval_every = 100
log_every = 50
[sweep]
"train.learning_rate" = [1e-3, 2e-3, 5e-4]
"""
TASKS = 4


def main() -> int:
    lrx = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "target/release/lrx").resolve()
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        (folder / "sweep.toml").write_text(SWEEP)
        quiet = {"cwd": folder, "check": True, "stderr": subprocess.DEVNULL, "stdout": subprocess.DEVNULL}
        subprocess.run([lrx, "run", "sweep.toml", "--out", "alone"], **quiet)

        hq = folder / "bin" / "hq"
        hq.parent.mkdir()
        stand_in = pathlib.Path(__file__).resolve().with_name("hq.py")
        hq.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{stand_in}" "$@"\n')
        hq.chmod(0o755)
        with LocalCluster(str(folder / "server"), WorkerConfig(cores=2)):
            path = os.pathsep.join([str(hq.parent), os.environ["PATH"]])
            submit = [lrx, "submit", "sweep.toml", "--engine", "hyperqueue", "--tasks", str(TASKS), "--threads", "1", "--out", "out"]
            environment = {**os.environ, "PATH": path, "HQ_SERVER_DIR": str(folder / "server")}
            done = subprocess.run(submit, cwd=folder, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        print(done.stdout, end="")
        right = done.returncode == 0
        for task in sorted((folder / "out" / ".logs").glob("*.log")):
            print(f"{task.name}: {sum('/6]' in line for line in task.read_text().splitlines())} runs")

        same = pathlib.Path(__file__).resolve().parents[1] / "same.py"
        right &= subprocess.run([same, "alone", "out"], cwd=folder).returncode == 0
        right &= (folder / "out" / "sweep" / "report.html").exists()
    return 0 if right else 1


if __name__ == "__main__":
    sys.exit(main())
