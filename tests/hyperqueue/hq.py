"""The two forms of HyperQueue's command that `lrx submit` uses, over its client in Python:
`hq submit --array=A-B … -- PROGRAM…` and `hq job wait ID`. The server is that of HQ_SERVER_DIR."""

import argparse
import os
import sys

from hyperqueue.client import Client
from hyperqueue.job import Job, SubmittedJob
from hyperqueue.ffi.protocol import ResourceRequest


def submit(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="hq submit")
    for option in ["output-mode", "name", "array", "cwd", "cpus", "time-request", "stdout", "stderr"]:
        parser.add_argument(f"--{option}", required=True)
    split = arguments.index("--")
    options, program = parser.parse_args(arguments[:split]), arguments[split + 1 :]
    first, last = (int(end) for end in options.array.split("-"))
    if first != 0:
        sys.exit("the client numbers tasks from 0")
    job = Job(name=options.name, max_fails=None, default_workdir=options.cwd)
    for _ in range(first, last + 1):
        request = ResourceRequest(cpus=options.cpus)
        job.program(program, stdout=options.stdout, stderr=options.stderr, resources=request)
    print(Client(os.environ["HQ_SERVER_DIR"]).submit(job).id)


def wait(job: str) -> None:
    done = Client(os.environ["HQ_SERVER_DIR"]).wait_for_jobs([SubmittedJob(job=None, id=int(job))], raise_on_error=False)
    sys.exit(0 if done else 1)


if __name__ == "__main__":
    if sys.argv[1] == "submit":
        submit(sys.argv[2:])
    elif sys.argv[1:3] == ["job", "wait"]:
        wait(sys.argv[3])
    else:
        sys.exit(f"not known here: {sys.argv[1:]}")
