//! `summary.csv`: one row a configuration.

use std::path::Path;

use lrx_records::{SummaryRecord, csv_text};

use crate::file::write_whole;
use crate::{Error, Summary, SummaryRow};

/// The text of a `summary.csv` of these experiments. What is not known is an empty field.
pub fn summary_csv(summaries: &[Summary]) -> String {
    let rows = summaries.iter().flat_map(|summary| summary.rows.iter().map(|row| record(summary, row)));
    csv_text(&rows.collect::<Vec<_>>())
}

/// Writes a `summary.csv`: first beside it, then in its place, so that a reader never meets half a file.
///
/// # Errors
/// [`Error::Write`].
pub fn write_summary_csv(path: &Path, summaries: &[Summary]) -> Result<(), Error> {
    write_whole(path, &summary_csv(summaries))
}

fn record(summary: &Summary, row: &SummaryRow) -> SummaryRecord {
    let run = row.configuration.first();
    let interval = row.comparison.and_then(|comparison| comparison.interval());
    let text = |value: Option<&dyn ToString>| value.map_or(String::new(), |value| value.to_string());
    SummaryRecord {
        experiment: summary.experiment.to_owned(),
        label: run.label.clone(),
        runs: row.configuration.runs.len() as u64,
        eval_loss_mean: row.loss_mean,
        eval_loss_sd: row.loss_sd,
        difference: row.comparison.map(|comparison| comparison.difference),
        difference_low: interval.map(|interval| interval.low()),
        difference_high: interval.map(|interval| interval.high()),
        verdict: text(row.verdict.as_ref().map(|verdict| verdict as _)),
        params: run.params,
        params_embedding: run.params_embedding,
        params_body: run.params_body,
        flops_per_token: row.flops_per_token,
        tokens_per_second: row.tokens_per_second,
        wall_seconds: row.wall_seconds,
        method: text(row.comparison.as_ref().map(|comparison| &comparison.method as _)),
        configuration: row.configuration.name.clone(),
        baseline: row.against.map(|against| against.name.clone()).unwrap_or_default(),
        trained_otherwise: row.otherwise.join(", "),
        p_holm: row.p,
        margin: summary.margin,
        p_equivalent: row.within.map(|(equivalent, _)| equivalent),
        p_no_worse: row.within.map(|(_, no_worse)| no_worse),
        no_verdict: text(row.withheld.as_ref().map(|why| why as _)),
        tuned: run.tuned.clone(),
    }
}
