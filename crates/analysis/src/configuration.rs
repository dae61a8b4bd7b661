//! Runs grouped into configurations: what is the same but for its seed.

use std::collections::HashSet;

use lrx_records::RunRecord;

use crate::plot::Family;
use crate::stats;

/// The finished runs of one configuration.
///
/// Runs belong together when label, layers, hidden size, kinds, ranks and parameters are the same, and the hash of the
/// configuration where `runs.csv` has it. If a seed occurs twice among them they differ in something that it does not tell
/// (a learning rate, say): then each run is a configuration of its own.
#[derive(Debug, Clone, PartialEq)]
pub struct Configuration {
    /// What tables and plots call it: the label, with what sets it apart if another configuration has the same one.
    pub name: String,
    /// Its runs in the order of the file, at least one, each with a [`RunRecord::final_loss`].
    pub runs: Vec<RunRecord>,
}

impl Configuration {
    /// The name without the label of `baseline` before it: `hidden 96` for `FullSA-FullMLP-4L hidden 96`.
    pub fn short_name(&self, baseline: Option<&Self>) -> &str {
        let rest = baseline.and_then(|baseline| self.name.strip_prefix(baseline.label())?.strip_prefix(' '));
        rest.filter(|rest| !rest.starts_with('(')).unwrap_or(&self.name)
    }

    /// The first run, which tells what is the same in all.
    pub fn first(&self) -> &RunRecord {
        &self.runs[0]
    }

    /// The label, as in `runs.csv`.
    pub fn label(&self) -> &str {
        &self.first().label
    }

    /// The final evaluation losses, nats per target token.
    pub fn losses(&self) -> Vec<f64> {
        self.runs.iter().filter_map(RunRecord::final_loss).collect()
    }

    /// Their mean.
    pub fn mean_loss(&self) -> f64 {
        stats::mean(&self.losses()).expect("a configuration has a finished run")
    }

    /// Mean over the runs that have a value; `None` if none has.
    pub fn mean_of(&self, value: impl Fn(&RunRecord) -> Option<f64>) -> Option<f64> {
        stats::mean(&self.runs.iter().filter_map(value).filter(|v| v.is_finite()).collect::<Vec<_>>())
    }

    /// Its family in plots: [`Family::Full`] if all is dense, else that of the label.
    pub fn family(&self) -> Family {
        if self.is_dense() { Family::Full } else { Family::of_label(self.label()) }
    }

    /// Whether attention and MLP are both `dense`; where the kinds are not recorded, whether the label starts with
    /// `FullSA-FullMLP`.
    pub fn is_dense(&self) -> bool {
        let RunRecord { attention, mlp, label, .. } = self.first();
        if attention.is_empty() && mlp.is_empty() {
            label.starts_with("FullSA-FullMLP")
        } else {
            attention == "dense" && mlp == "dense"
        }
    }
}

/// Groups the finished runs, in the order in which the configurations first occur.
pub(crate) fn group(runs: &[RunRecord]) -> Vec<Configuration> {
    let mut groups: Vec<Vec<RunRecord>> = Vec::new();
    for run in runs.iter().filter(|run| run.final_loss().is_some()) {
        match groups.iter_mut().find(|group| same_configuration(&group[0], run)) {
            Some(group) => group.push(run.clone()),
            None => groups.push(vec![run.clone()]),
        }
    }
    let mut configurations: Vec<_> = groups
        .into_iter()
        .flat_map(
            |group| if repeats_a_seed(&group) { group.into_iter().map(|run| vec![run]).collect() } else { vec![group] },
        )
        .map(|runs| Configuration { name: runs[0].label.clone(), runs })
        .collect();
    let names: Vec<_> = configurations.iter().map(|one| unique_name(one, &configurations)).collect();
    for (configuration, name) in configurations.iter_mut().zip(names) {
        configuration.name = name;
    }
    configurations
}

fn same_configuration(a: &RunRecord, b: &RunRecord) -> bool {
    a.label == b.label
        && a.layers == b.layers
        && a.hidden == b.hidden
        && a.attention == b.attention
        && a.attention_ranks == b.attention_ranks
        && a.mlp == b.mlp
        && a.mlp_ranks == b.mlp_ranks
        && a.params == b.params
        && (a.configuration == b.configuration || a.configuration.is_empty() || b.configuration.is_empty())
}

fn repeats_a_seed(runs: &[RunRecord]) -> bool {
    let mut seen = HashSet::new();
    runs.iter().filter_map(|run| run.seed).any(|seed| !seen.insert(seed))
}

/// The label, and in brackets the first property that differs from every other configuration of the same label, or all
/// that differ from one of them.
fn unique_name(one: &Configuration, all: &[Configuration]) -> String {
    let properties = |run: &RunRecord| -> Vec<String> {
        let count = |name: &str, value: Option<u64>| value.map_or(String::new(), |value| format!("{name} {value}"));
        vec![
            count("hidden", run.hidden),
            count("layers", run.layers),
            run.attention.clone(),
            format!("SA {}", run.attention_ranks),
            run.mlp.clone(),
            format!("MLP {}", run.mlp_ranks),
            count("params", run.params),
            run.run_id.clone(),
        ]
    };
    let own = properties(one.first());
    let others: Vec<_> = all
        .iter()
        .filter(|other| other.label() == one.label() && !std::ptr::eq(*other, one))
        .map(|other| properties(other.first()))
        .collect();
    if others.is_empty() {
        return one.label().to_owned();
    }
    let differs = |i: &usize| others.iter().any(|other| other[*i] != own[*i]);
    let telling: Vec<_> = (0..own.len())
        .find(|&i| others.iter().all(|other| other[i] != own[i]))
        .map_or_else(|| (0..own.len() - 1).filter(differs).collect(), |i| vec![i]);
    let parts: Vec<_> = telling.into_iter().map(|i| own[i].as_str()).filter(|part| !part.is_empty()).collect();
    format!("{} ({})", one.label(), parts.join(", "))
}
