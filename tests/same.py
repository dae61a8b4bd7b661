#!/usr/bin/env python3
"""Whether folders of results hold the same as one that nobody has disturbed: rows but for what depends on the clock, weights to the
byte, every run once, and nothing left behind by processes that were.

    tests/same.py ALONE OTHER...        exit code 1 where something differs
"""

import csv
import pathlib
import sys

# Tables, and their columns that depend on the clock and the machine.
TIMED = {
    "runs.csv": {"tokens_per_second", "wall_seconds", "peak_rss_mb", "threads", "machine", "others_share"},
    "curves.csv": {"elapsed_seconds"},
    "ranks.csv": set(),
}
LEFT_BEHIND = ("attempt", "checkpoint", ".tmp")


def rows(path: pathlib.Path) -> list[dict[str, str]]:
    with open(path, newline="") as file:
        return [{key: value for key, value in row.items() if key not in TIMED[path.name]} for row in csv.DictReader(file)]


def differences(alone: pathlib.Path, other: pathlib.Path) -> tuple[list[str], str]:
    """What differs, and what was compared."""
    found, counts = [], dict.fromkeys([*TIMED, "weights", "stories"], 0)
    tables = sorted(path for name in TIMED for path in alone.glob(f"*/{name}"))
    weights = sorted(alone.glob("*/*/model.safetensors"))
    if not tables or not weights:
        found.append(f"{alone}: no tables or no weights to compare with")
    for path in tables:
        own, there = rows(path), rows(other / path.relative_to(alone))
        counts[path.name] += len(there)
        if own != there:
            found.append(f"{other / path.relative_to(alone)}: DIFFERENT: {len(own)} rows undisturbed, {len(there)} here")
        ids = [row["run_id"] for row in there] if path.name == "runs.csv" else []
        if len(ids) != len(set(ids)):
            found.append(f"{other / path.relative_to(alone)}: a run is there twice")
    stories = sorted(alone.glob("*/*/stories.csv"))
    for path in weights + stories:
        there = other / path.relative_to(alone)
        counts["stories" if path in stories else "weights"] += 1
        if not there.exists() or path.read_bytes() != there.read_bytes():
            found.append(f"{there}: DIFFERENT")
    left = [str(path) for path in other.glob("*/*/*") if any(part in path.name for part in LEFT_BEHIND)]
    if left:
        found.append(f"left behind: {', '.join(left)}")
    return found, ", ".join(f"{count} {'rows of ' + name if name in TIMED else name}" for name, count in counts.items())


def main() -> int:
    alone, *others = (pathlib.Path(name) for name in sys.argv[1:])
    wrong = 0
    for other in others:
        found, compared = differences(alone, other)
        wrong += bool(found)
        for line in found:
            print(line)
        if found or len(others) < 5:
            print(f"{other}: {'NOT THE SAME' if found else 'the same, nothing left behind'}: {compared}")
    print(f"{len(others) - wrong} of {len(others)} are the same as {alone}")
    return 1 if wrong or not others else 0


if __name__ == "__main__":
    sys.exit(main())
