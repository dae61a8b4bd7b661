//! `twins.csv`: substituted configurations beside the dense models of as many parameters.

use crate::file::{csv_text, field};
use crate::{Size, Summary, Twin};

/// The columns of `twins.csv`, in their order.
pub const TWIN_COLUMNS: [&str; 16] = [
    "experiment",
    "configuration",
    "params",
    "params_body",
    "eval_loss_mean",
    "at_equal",
    "dense_by",
    "dense_smaller",
    "dense_larger",
    "dense_loss",
    "dense_loss_low",
    "dense_loss_high",
    "difference",
    "difference_low",
    "difference_high",
    "verdict",
];

/// The text of a `twins.csv` of these experiments. What is not known is an empty field.
pub fn twins_csv<'s>(summaries: impl IntoIterator<Item = &'s Summary<'s>>) -> String {
    let twins = |summary: &Summary| {
        let twins = summary.frontier.iter().flat_map(|frontier| &frontier.twins);
        twins.map(|twin| record(summary.experiment, twin)).collect::<Vec<_>>()
    };
    csv_text(TWIN_COLUMNS, summaries.into_iter().flat_map(twins))
}

fn record(experiment: &str, twin: &Twin) -> [String; TWIN_COLUMNS.len()] {
    let [smaller, larger] = twin.between.map(|one| one.name.clone());
    [
        experiment.to_owned(),
        twin.configuration.name.clone(),
        field(twin.configuration.first().params),
        field(twin.configuration.first().params_body),
        twin.configuration.mean_loss().to_string(),
        match twin.size {
            Size::Body => "params_body".to_owned(),
            Size::Total => "params".to_owned(),
        },
        twin.way.to_string(),
        smaller,
        larger,
        twin.loss.to_string(),
        field(twin.loss_interval.map(|interval| interval.low())),
        field(twin.loss_interval.map(|interval| interval.high())),
        twin.difference.to_string(),
        field(twin.interval.map(|interval| interval.low())),
        field(twin.interval.map(|interval| interval.high())),
        field(twin.verdict()),
    ]
}
