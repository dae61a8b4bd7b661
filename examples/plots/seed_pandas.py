"""The seed's two figures from a runs.csv, with pandas: loss against parameters and against training minutes."""

import pandas as pd

from figure import arguments, save

args = arguments(__doc__)
# As text, whatever they look like: a hash such as 25874e6068 is no number, and a label NA is a label.
text = dict.fromkeys(["run_id", "label", "configuration"], str)
runs = pd.read_csv(args.results / "runs.csv", dtype=text, keep_default_na=False, na_values=["", "NaN"])
runs = runs[runs["status"] == "finished"]
# One configuration is one hash, whatever its label; files of an earlier lrx have none.
key = runs.get("configuration", runs["label"]).fillna(runs["label"])
configurations = runs.groupby(key, sort=False).agg(
    label=("label", "first"),
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
    save(zip(configurations["label"], size, loss, sd), title, args.out / f"{args.results.name}-loss-by-{what}.png")
