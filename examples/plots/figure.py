"""The drawing that both scripts share: points with labels that cover nothing, coloured by family."""

import argparse
from collections.abc import Iterable, Iterator
from itertools import product
from math import cos, pi, sin
from pathlib import Path

import matplotlib

matplotlib.use("Agg")  # files only: no window, no display needed

import matplotlib.pyplot as plt
from matplotlib.transforms import Bbox

# Okabe and Ito's colours, which the colour-blind can tell apart, and markers that show behind each other.
STYLES = {
    "Full": ("#0072B2", "o"),
    "Lg": ("#009E73", "s"),
    "Med": ("#D55E00", "D"),
    "Inc": ("#CC79A7", "^"),
    "Dec": ("#E69F00", "v"),
    "other": ("#7A828C", "o"),
}

# Label, x, mean loss, its standard deviation over the seeds: 0 for a single run.
Point = tuple[str, float, float, float]


def arguments(description: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("results", type=Path, help="folder of an experiment: holds a runs.csv")
    parser.add_argument("--out", type=Path, default=Path(), help="folder for the figures [default: here]")
    return parser.parse_args()


def family(label: str) -> str:
    """What the label substitutes: the first of its parts that is not Full."""
    parts = [part.removesuffix("SA").removesuffix("MLP") for part in label.split()[0].split("-")[:2]]
    substituted = next((part for part in parts if part != "Full"), "Full")
    return substituted if substituted in STYLES else "other"


def save(points: Iterable[Point], x_title: str, path: Path) -> None:
    """Draws a point with a bar for each configuration."""
    figure, axes = plt.subplots(figsize=(9, 5.4), dpi=130, layout="constrained")
    axes.set(xlabel=x_title, ylabel="evaluation loss, nats per target token")
    axes.grid(alpha=0.3)
    axes.margins(0.12, 0.08)
    points = list(points)
    for label, x, loss, sd in points:
        name = family(label)
        known = axes.get_legend_handles_labels()[1]
        legend = None if name in known else name
        color, marker = STYLES[name]
        axes.errorbar(x, loss, sd or None, fmt=marker, capsize=4, markersize=8, color=color, label=legend)
    axes.legend(loc="best")
    figure.draw_without_rendering()  # the places of the points are known from here on
    write_labels(axes, points)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path)
    plt.close(figure)
    print(f"wrote {path}")


def write_labels(axes: plt.Axes, points: list[Point]) -> None:
    """Writes each label on the nearest free place around its point."""
    taken = [axes.get_legend().get_window_extent()]
    for _, x, loss, sd in points:
        low, high = axes.transData.transform([(x, loss - sd), (x, loss + sd)])
        taken.append(Bbox([low - 8, high + 8]))  # 8 pixels around the marker and its bar
    for label, x, loss, _ in points:
        text = axes.annotate(label, (x, loss), (0, 0), textcoords="offset points", fontsize=8, va="center")
        for dx, dy in offsets():
            text.set(position=(dx, dy), ha="left" if dx > 1 else "right" if dx < -1 else "center")
            box = text.get_window_extent()
            if axes.bbox.containsx(box.x0) and axes.bbox.containsx(box.x1) and box.count_overlaps(taken) == 0:
                break
        if abs(dx) + abs(dy) > 16:
            line = {"arrowstyle": "-", "linewidth": 0.5}
            axes.annotate("", (x, loss), (dx, dy), textcoords="offset points", arrowprops=line)
        taken.append(box)


def offsets() -> Iterator[tuple[float, float]]:
    """Distances from a point, near ones first: beside it, above it, below it, then all around."""
    for radius, step in product(range(9, 120, 6), (0, 8, 4, 12, 2, 14, 6, 10, 1, 15, 3, 13, 5, 11, 7, 9)):
        yield radius * cos(step * pi / 8), radius * sin(step * pi / 8)
