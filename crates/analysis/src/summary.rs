//! One row a configuration: what the tables, `summary.csv` and the report show.

use std::collections::HashSet;

use lrx_records::RunRecord;

use crate::claims::{Answer, answers};
use crate::format::TimeUnit;
use crate::references::References;
use crate::settings::{other_length, trained_otherwise};
use crate::shown::choose;
use crate::ties::ties;
use crate::tuning::{tuned_keys, withheld};
use crate::{
    Comparison, Configuration, Error, ErrorModel, Experiment, Frontier, Judged, Part, Verdict, Withheld, compare, stats,
};

/// The configurations of an experiment beside its baseline.
#[derive(Debug, Clone, PartialEq)]
pub struct Summary<'a> {
    /// Name of the experiment.
    pub experiment: &'a str,
    /// The name, with what sets it apart where it is a part of an experiment.
    pub title: String,
    /// Which part it is.
    pub part: Option<&'a Part>,
    /// What the others are compared with, if there is such a configuration.
    pub baseline: Option<&'a Configuration>,
    /// How their losses scatter.
    pub errors: ErrorModel,
    /// Differences up to this are as good as none, where that was asked; nats per target token.
    pub margin: Option<f64>,
    /// What was claimed before the runs, and what came of it.
    pub claims: Vec<Answer<'a>>,
    /// The configurations by rising mean evaluation loss.
    pub rows: Vec<SummaryRow<'a>>,
    /// Loss by size, where there are enough sizes.
    pub frontier: Option<Frontier<'a>>,
    /// The runs that do not count.
    pub unfinished: &'a [RunRecord],
    /// What the files leave out, so that a report cannot show it.
    pub absent: Vec<&'static str>,
}

/// One configuration of a [`Summary`].
#[derive(Debug, Clone, PartialEq)]
pub struct SummaryRow<'a> {
    /// The configuration.
    pub configuration: &'a Configuration,
    /// Mean evaluation loss over its runs, nats per target token.
    pub loss_mean: f64,
    /// Sample standard deviation of the loss; `None` for a single run.
    pub loss_sd: Option<f64>,
    /// What it is compared with: the baseline, or the dense configuration that was trained in the same way; `None` for one
    /// that others are compared with, and where there is none.
    pub against: Option<&'a Configuration>,
    /// The difference from it.
    pub comparison: Option<Comparison>,
    /// In what its training differs from that of what it is compared with, so that the difference is not one of the models
    /// alone.
    pub otherwise: Vec<&'static str>,
    /// The comparison's p adjusted for all that have one in the table (Holm); `None` where there is no verdict.
    pub p: Option<f64>,
    /// Likewise of a difference outside of the margin, and of one above it, where a margin was given.
    pub within: Option<(f64, f64)>,
    /// Why there is no verdict, though there is an interval.
    pub withheld: Option<Withheld>,
    /// What they say; `None` if nothing can be said, as between runs of other lengths.
    pub verdict: Option<Verdict>,
    /// Letters: two rows that share one cannot be told apart; empty where a spread is missing, or there are many rows.
    pub ties: String,
    /// Floating-point operations per token.
    pub flops_per_token: Option<u64>,
    /// Mean throughput of the training.
    pub tokens_per_second: Option<f64>,
    /// Mean duration of the training.
    pub wall_seconds: Option<f64>,
    /// Whether tables and plots show it: of many rows they show what matters most.
    pub is_shown: bool,
}

impl<'a> Summary<'a> {
    /// Compares every configuration of an experiment with the dense one that was trained as it was, or all with the one
    /// labelled `baseline`.
    ///
    /// # Errors
    /// As [`Experiment::baseline`].
    pub fn new(experiment: &'a Experiment, baseline: Option<&str>) -> Result<Self, Error> {
        Self::with_margin(experiment, baseline, None)
    }

    /// The same, where differences up to `margin` nats per target token are as good as none: what cannot be told apart is
    /// tested for that, too.
    ///
    /// # Errors
    /// As [`Experiment::baseline`].
    pub fn with_margin(experiment: &'a Experiment, baseline: Option<&str>, margin: Option<f64>) -> Result<Self, Error> {
        let is_chosen = baseline.is_some();
        let baseline = experiment.baseline(baseline)?;
        let own = baseline.filter(|_| !is_chosen).map(|baseline| References::new(&experiment.configurations, baseline));
        let reference = |one: &'a Configuration| own.as_ref().map_or(baseline, |own| Some(own.of(one)));
        let each = experiment.configurations.iter().map(|one| (one, reference(one))).collect::<Vec<_>>();
        let references: HashSet<_> = each.iter().filter_map(|(_, other)| other.map(std::ptr::from_ref)).collect();
        let errors = ErrorModel::new(&experiment.configurations);
        let row = |(one, other): (&'a Configuration, Option<&'a Configuration>)| {
            SummaryRow::new(one, other, references.contains(&std::ptr::from_ref(one)), &errors)
        };
        let mut rows: Vec<_> = each.into_iter().map(row).collect();
        judge(&mut rows, margin);
        rows.sort_by(|a, b| a.loss_mean.total_cmp(&b.loss_mean));
        tie(&mut rows, &errors);
        choose(&mut rows, &experiment.configurations, baseline);
        let frontier =
            baseline.and_then(|baseline| Frontier::new(&experiment.configurations, baseline, &errors, margin));
        let claims = answers(experiment, &errors);
        let unfinished = &experiment.unfinished;
        let absent = absent(experiment);
        let (title, part) = (experiment.title(), experiment.part.as_ref());
        let experiment = &experiment.name;
        Ok(Self { experiment, title, part, baseline, errors, margin, claims, rows, frontier, unfinished, absent })
    }
}

impl Summary<'_> {
    /// Whether rows are compared with several configurations.
    pub(crate) fn has_several_baselines(&self) -> bool {
        self.rows.iter().filter(|row| row.verdict == Some(Verdict::Baseline)).count() > 1
    }

    /// The unit of all durations.
    pub(crate) fn time_unit(&self) -> TimeUnit {
        let finished = self.rows.iter().filter_map(|row| row.wall_seconds);
        let all = finished.chain(self.unfinished.iter().filter_map(|run| run.wall_seconds));
        TimeUnit::of(all.fold(0.0, f64::max))
    }
}

fn absent(experiment: &Experiment) -> Vec<&'static str> {
    let known = |value: fn(&RunRecord) -> Option<f64>| {
        experiment.configurations.iter().flat_map(|one| &one.runs).any(|run| value(run).is_some())
    };
    let all = [
        (known(|run| run.params.map(|count| count as f64)), "parameters"),
        (known(|run| run.params_body.map(|count| count as f64)), "parameters outside the embeddings"),
        (known(|run| run.flops_per_token.map(|count| count as f64)), "operations a token"),
        (known(|run| run.tokens_per_second), "tokens a second"),
        (known(|run| run.wall_seconds), "training times"),
        (!experiment.curves.is_empty(), "loss curves"),
        (!experiment.ranks.is_empty(), "effective ranks"),
    ];
    all.into_iter().filter(|(is_there, _)| !is_there).map(|(_, what)| what).collect()
}

/// Gives the rows that have something to be compared with their verdicts, all looked at together.
fn judge(rows: &mut [SummaryRow], margin: Option<f64>) {
    let mut judged: Vec<_> = rows.iter_mut().filter(|row| row.withheld.is_none()).collect();
    judged.retain(|row| row.contrast().is_some());
    let contrasts: Vec<_> = judged.iter().filter_map(|row| row.contrast()).collect();
    for (row, all) in judged.into_iter().zip(Judged::all(&contrasts, margin)) {
        (row.p, row.within) = (Some(all.p), all.within);
        row.verdict = row.comparison.map(|comparison| all.verdict(comparison.difference));
    }
}

/// Gives the rows their letters. Nothing is said of runs of other lengths, nor of tuned beside written values; what was tuned
/// to an edge has no letters.
fn tie(rows: &mut [SummaryRow], errors: &ErrorModel) {
    let first = rows.first().map(|row| row.configuration);
    let is_alike = |row: &SummaryRow| {
        first.is_none_or(|first| {
            let (first, own) = (first.first(), row.configuration.first());
            !other_length(first, own) && tuned_keys(first) == tuned_keys(own)
        })
    };
    if !rows.iter().all(is_alike) {
        return;
    }
    let mut told: Vec<_> = rows.iter_mut().filter(|row| withheld([row.configuration]).is_none()).collect();
    let configurations: Vec<_> = told.iter().map(|row| row.configuration).collect();
    for (row, letters) in told.iter_mut().zip(ties(&configurations, errors)) {
        row.ties = letters;
    }
}

impl<'a> SummaryRow<'a> {
    /// Without a verdict, and with a p of its own.
    fn new(
        configuration: &'a Configuration,
        reference: Option<&'a Configuration>,
        is_reference: bool,
        errors: &ErrorModel,
    ) -> Self {
        let against = reference.filter(|_| !is_reference);
        let comparison = against.map(|against| compare(configuration, against, errors));
        let runs = against.map(|against| (configuration.first(), against.first()));
        let otherwise = runs.map(|(own, other)| trained_otherwise(own, other)).unwrap_or_default();
        let is_other_length = !otherwise.is_empty() && runs.is_some_and(|(own, other)| other_length(own, other));
        let by_tuning = against.and_then(|against| withheld([configuration, against]));
        let withheld = if is_other_length { Some(Withheld::Length) } else { by_tuning };
        Self {
            configuration,
            loss_mean: configuration.mean_loss(),
            loss_sd: stats::sample_sd(&configuration.losses()),
            against,
            comparison,
            otherwise,
            p: None,
            within: None,
            withheld: withheld.filter(|_| comparison.is_some_and(|one| one.contrast.is_some())),
            verdict: is_reference.then_some(Verdict::Baseline),
            ties: String::new(),
            flops_per_token: configuration.first().flops_per_token,
            tokens_per_second: configuration.mean_of(|run| run.tokens_per_second),
            wall_seconds: configuration.mean_of(|run| run.wall_seconds),
            is_shown: true,
        }
    }

    fn contrast(&self) -> Option<stats::Contrast> {
        self.comparison?.contrast
    }
}
