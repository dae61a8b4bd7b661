"""The seed's two figures from a runs.csv, with pandas: loss against parameters and against training minutes."""

import pandas as pd

from figure import arguments, save

args = arguments(__doc__)
runs = pd.read_csv(args.results / "runs.csv")
runs = runs[runs["status"] == "finished"]
configurations = runs.groupby("label", sort=False).agg(
    params=("params", "first"),
    seconds=("wall_seconds", "mean"),
    loss=("eval_loss", "mean"),
    sd=("eval_loss", "std"),
)
loss, sd = configurations["loss"], configurations["sd"].fillna(0)
for what, size, title in [
    ("parameters", configurations["params"] / 1e6, "parameters, millions"),
    ("minutes", configurations["seconds"] / 60, "training time, minutes"),
]:
    save(zip(configurations.index, size, loss, sd), title, args.out / f"{args.results.name}-loss-by-{what}.png")
