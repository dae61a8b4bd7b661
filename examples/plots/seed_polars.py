"""The seed's two figures from a runs.csv, with polars: loss against parameters and against training minutes."""

import polars as pl

from figure import arguments, save

args = arguments(__doc__)
# As text, whatever they look like: a hash such as 25874e6068 is no number.
text = dict.fromkeys(["run_id", "label", "configuration"], pl.String)
runs = pl.scan_csv(args.results / "runs.csv", infer_schema_length=None, schema_overrides=text)
# One configuration is one hash, whatever its label; files of an earlier lrx have none.
hashes = ["configuration"] if "configuration" in runs.collect_schema() else []
configurations = (
    runs.filter(pl.col("status") == "finished")
    .group_by(pl.coalesce(*hashes, "label").alias("key"), maintain_order=True)
    .agg(
        pl.col("label").first(),
        millions=pl.col("params").first() / 1e6,
        minutes=pl.col("wall_seconds").mean() / 60,
        loss=pl.col("eval_loss").mean(),
        sd=pl.col("eval_loss").std().fill_null(0),
    )
    .collect()
)
for what, size, title in [
    ("parameters", "millions", "parameters, millions"),
    ("minutes", "minutes", "training time, minutes"),
]:
    points = configurations.select("label", size, "loss", "sd").iter_rows()
    save(points, title, args.out / f"{args.results.name}-loss-by-{what}.png")
