//! `twins.csv`: substituted configurations beside the dense models of as many parameters.

use lrx_records::{TwinRecord, csv_text};

use crate::{Size, Summary, Twin};

/// The text of a `twins.csv` of these experiments. What is not known is an empty field.
pub fn twins_csv<'s>(summaries: impl IntoIterator<Item = &'s Summary<'s>>) -> String {
    let twins = |summary: &'s Summary| {
        let twins = summary.frontier.iter().flat_map(|frontier| &frontier.twins);
        twins.map(|twin| record(summary.experiment, twin)).collect::<Vec<_>>()
    };
    csv_text(&summaries.into_iter().flat_map(twins).collect::<Vec<_>>())
}

fn record(experiment: &str, twin: &Twin) -> TwinRecord {
    let [smaller, larger] = twin.between.map(|one| one.name.clone());
    TwinRecord {
        experiment: experiment.to_owned(),
        configuration: twin.configuration.name.clone(),
        params: twin.configuration.first().params,
        params_body: twin.configuration.first().params_body,
        eval_loss_mean: twin.configuration.mean_loss(),
        at_equal: match twin.size {
            Size::Body => "params_body".to_owned(),
            Size::Total => "params".to_owned(),
            Size::Flops => "flops_per_token".to_owned(),
            Size::AllFlops => "flops_with_attention".to_owned(),
        },
        dense_by: twin.way.to_string(),
        dense_smaller: smaller,
        dense_larger: larger,
        dense_loss: twin.loss,
        dense_loss_low: twin.loss_interval.map(|interval| interval.low()),
        dense_loss_high: twin.loss_interval.map(|interval| interval.high()),
        difference: twin.difference,
        difference_low: twin.interval.map(|interval| interval.low()),
        difference_high: twin.interval.map(|interval| interval.high()),
        verdict: twin.verdict().map_or(String::new(), |verdict| verdict.to_string()),
        p_holm: twin.p(),
        p_equivalent: twin.judged.and_then(|judged| Some(judged.within?.0)),
        p_no_worse: twin.judged.and_then(|judged| Some(judged.within?.1)),
        dense_from: if twin.by_curve { "curve" } else { "line" }.to_owned(),
        no_verdict: twin.withheld.map_or(String::new(), |why| why.to_string()),
    }
}
