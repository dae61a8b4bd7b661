#!/usr/bin/env python3
"""The Job that `lrx submit --engine kubernetes` writes: held against the published schemas of Kubernetes, and its command run by a
shell once for each index, with the environment that an indexed Job gives a pod; the numbers are those of one process. No cluster
takes part.

    pip install kubernetes-validate
    python tests/kubernetes/run.py [LRX]         default: target/release/lrx
"""

import os
import pathlib
import subprocess
import sys
import tempfile

import kubernetes_validate
import yaml

# `backoffLimitPerIndex` is on by default from 1.29 on.
VERSIONS = [f"1.{minor}" for minor in range(29, 38)]
SWEEP = """
seeds = [0, 1, 2, 3, 4]
[data]
train = "synthetic"
stories = 200
valid_fraction = 0.1
tokenizer = { train_bpe = 300 }
[model]
hidden = 16
layers = 1
heads = 2
context = 64
[train]
batch_stories = 4
steps = 20
"""


def main() -> int:
    lrx = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "target/release/lrx").resolve()
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        (folder / "sweep.toml").write_text(SWEEP)
        quiet = {"cwd": folder, "check": True, "stderr": subprocess.DEVNULL}
        subprocess.run([lrx, "run", "sweep.toml", "--out", "alone"], stdout=subprocess.DEVNULL, **quiet)
        # What kubectl would be given.
        kubectl = folder / "bin" / "kubectl"
        kubectl.parent.mkdir()
        kubectl.write_text("#!/bin/sh\nexec cat > job.yaml\n")
        kubectl.chmod(0o755)
        path = os.pathsep.join([str(kubectl.parent), str(lrx.parent), os.environ["PATH"]])
        submit = [lrx, "submit", "sweep.toml", "--engine", "kubernetes", "--tasks", "3", "--threads", "1", "--out", "out"]
        submit += ["--value", "image=lrx:latest", "--value", "claim=work"]
        subprocess.run(submit, env={**os.environ, "PATH": path}, stdout=subprocess.DEVNULL, **quiet)
        job = yaml.safe_load((folder / "job.yaml").read_text())

        for version in VERSIONS:
            kubernetes_validate.validate(job, version, strict=True)
        job["spec"]["complections"] = 3
        try:
            kubernetes_validate.validate(job, VERSIONS[0], strict=True)
            sys.exit("a misspelt key passes, so that the validation says nothing")
        except kubernetes_validate.ValidationError:
            print(f"valid, strictly, for Kubernetes {VERSIONS[0]} to {VERSIONS[-1]}; a misspelt key is not")

        container = job["spec"]["template"]["spec"]["containers"][0]
        assert container["workingDir"] == str(folder), container["workingDir"]
        for index in range(job["spec"]["completions"]):
            environment = {**os.environ, "PATH": path, "JOB_COMPLETION_INDEX": str(index)}
            subprocess.run(container["command"] + container["args"], env=environment, stdout=subprocess.DEVNULL, **quiet)
        same = pathlib.Path(__file__).resolve().parents[1] / "same.py"
        return subprocess.run([same, "alone", "out"], cwd=folder).returncode


if __name__ == "__main__":
    sys.exit(main())
