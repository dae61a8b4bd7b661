//! `summary.csv`: one row a configuration.

use std::path::Path;

use crate::file::{csv_text, field, write_whole};
use crate::{Error, Summary, SummaryRow};

/// The columns of `summary.csv`, in their order. Losses and differences are nats per target token; `method` says how
/// the interval was found, `configuration` is the label with what sets it apart from another of the same label.
pub const SUMMARY_COLUMNS: [&str; 17] = [
    "experiment",
    "label",
    "runs",
    "eval_loss_mean",
    "eval_loss_sd",
    "difference",
    "difference_low",
    "difference_high",
    "verdict",
    "params",
    "params_embedding",
    "params_body",
    "flops_per_token",
    "tokens_per_second",
    "wall_seconds",
    "method",
    "configuration",
];

/// The text of a `summary.csv` of these experiments. What is not known is an empty field.
pub fn summary_csv(summaries: &[Summary]) -> String {
    let rows = summaries.iter().flat_map(|summary| summary.rows.iter().map(|row| record(summary.experiment, row)));
    csv_text(SUMMARY_COLUMNS, rows)
}

/// Writes a `summary.csv`: first beside it, then in its place, so that a reader never meets half a file.
///
/// # Errors
/// [`Error::Write`].
pub fn write_summary_csv(path: &Path, summaries: &[Summary]) -> Result<(), Error> {
    write_whole(path, &summary_csv(summaries))
}

fn record(experiment: &str, row: &SummaryRow) -> [String; SUMMARY_COLUMNS.len()] {
    let run = row.configuration.first();
    let interval = row.comparison.and_then(|comparison| comparison.interval);
    [
        experiment.to_owned(),
        run.label.clone(),
        row.configuration.runs.len().to_string(),
        row.loss_mean.to_string(),
        field(row.loss_sd),
        field(row.comparison.map(|comparison| comparison.difference)),
        field(interval.map(|interval| interval.low())),
        field(interval.map(|interval| interval.high())),
        field(row.verdict),
        field(run.params),
        field(run.params_embedding),
        field(run.params_body),
        field(row.flops_per_token),
        field(row.tokens_per_second),
        field(row.wall_seconds),
        field(row.comparison.map(|comparison| comparison.method)),
        row.configuration.name.clone(),
    ]
}
