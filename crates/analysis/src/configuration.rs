//! Runs grouped into configurations: what is the same but for its seed.

use std::collections::HashSet;

use lrx_records::{Cell, RunRecord};

use crate::settings::SETTINGS;
use crate::stats;

/// The finished runs of one configuration.
///
/// Runs belong together when `runs.csv` gives them the same hash of their configuration, whatever their labels. Where it has
/// none, when all else that it tells is the same; if a seed then occurs twice among them they differ in something that it
/// does not tell (a learning rate, say), and each run is a configuration of its own.
///
/// The same run counts once, and so do runs that have the very numbers of another: their seed changes nothing, so they say
/// nothing about chance.
#[derive(Debug, Clone, PartialEq)]
pub struct Configuration {
    /// What tables and plots call it: the label, with what sets it apart if another configuration has the same one.
    pub name: String,
    /// Its runs in the order of the file, at least one, each with a [`RunRecord::final_loss`].
    pub runs: Vec<RunRecord>,
    /// How many further runs were left out because they are, or have the numbers of, one of these.
    pub repeats: usize,
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
    let parted = groups.into_iter().flat_map(|group| {
        let told = !group[0].configuration.is_empty();
        if told || !repeats_a_seed(&group) { vec![group] } else { group.into_iter().map(|run| vec![run]).collect() }
    });
    let mut configurations: Vec<_> = parted
        .map(|group| {
            let all = group.len();
            let runs = distinct(group);
            Configuration { name: runs[0].label.clone(), repeats: all - runs.len(), runs }
        })
        .collect();
    let names: Vec<_> = configurations.iter().map(|one| unique_name(one, &configurations)).collect();
    for (configuration, name) in configurations.iter_mut().zip(names) {
        configuration.name = name;
    }
    configurations
}

/// Gives rows of different configurations that have the same label, as those of two configs in one folder, labels that say
/// in what they differ: `A (steps 8)`.
pub fn tell_labels_apart(runs: &mut [RunRecord]) {
    let called_alike = |a: &RunRecord, b: &RunRecord| (&a.configuration, &a.label) == (&b.configuration, &b.label);
    let mut firsts: Vec<Configuration> = Vec::new();
    for run in runs.iter().filter(|run| !run.configuration.is_empty()) {
        if !firsts.iter().any(|one| called_alike(one.first(), run)) {
            // Of a run that is not finished, these tell how far it is.
            let done = run.final_loss().is_some();
            let (steps, tokens) = (run.steps.filter(|_| done), run.tokens.filter(|_| done));
            let first = RunRecord { steps, tokens, ..run.clone() };
            firsts.push(Configuration { name: String::new(), runs: vec![first], repeats: 0 });
        }
    }
    let names: Vec<String> = firsts.iter().map(|one| unique_name(one, &firsts)).collect();
    for run in runs {
        if let Some(index) = firsts.iter().position(|one| called_alike(one.first(), run)) {
            run.label.clone_from(&names[index]);
        }
    }
}

fn same_configuration(a: &RunRecord, b: &RunRecord) -> bool {
    if !a.configuration.is_empty() && !b.configuration.is_empty() {
        return a.configuration == b.configuration;
    }
    a.label == b.label
        && (&a.attention, &a.attention_ranks, &a.mlp, &a.mlp_ranks, &a.slots, a.params)
            == (&b.attention, &b.attention_ranks, &b.mlp, &b.mlp_ranks, &b.slots, b.params)
        && (&a.data, &a.vocabulary, &a.eval_data) == (&b.data, &b.vocabulary, &b.eval_data)
        && (&a.training, &a.frame) == (&b.training, &b.frame)
        && SETTINGS.iter().all(|setting| (setting.value)(a) == (setting.value)(b))
}

/// The runs without those that are, or have the very numbers of, an earlier one.
fn distinct(runs: Vec<RunRecord>) -> Vec<RunRecord> {
    let mut kept: Vec<RunRecord> = Vec::new();
    for run in runs {
        let same_run = |other: &RunRecord| {
            !run.configuration.is_empty() && run.configuration == other.configuration && run.seed == other.seed
        };
        if !kept.iter().any(|other| same_run(other) || same_numbers(other, &run)) {
            kept.push(run);
        }
    }
    kept
}

/// Whether two runs have the same losses, to so many digits that this is no chance.
fn same_numbers(a: &RunRecord, b: &RunRecord) -> bool {
    let digits = |loss: f64| loss.to_string().chars().filter(char::is_ascii_digit).count();
    let (Some(eval), Some(other)) = (a.eval_loss, b.eval_loss) else { return false };
    let told = digits(eval) + a.train_loss.map_or(0, digits);
    eval == other && a.train_loss == b.train_loss && told > CHANCE_DIGITS
}

/// Losses of as many digits may agree by chance.
const CHANCE_DIGITS: usize = 9;

fn repeats_a_seed(runs: &[RunRecord]) -> bool {
    let mut seen = HashSet::new();
    runs.iter().filter_map(|run| run.seed).any(|seed| !seen.insert(seed))
}

/// The label, and in brackets the first property that differs from every other configuration of the same label, or all
/// that differ from one of them.
fn unique_name(one: &Configuration, all: &[Configuration]) -> String {
    let others: Vec<_> =
        all.iter().filter(|other| other.label() == one.label() && !std::ptr::eq(*other, one)).collect();
    // Of the slots, those in which it stands alone.
    let slots = |run: &RunRecord| -> String {
        let others: Vec<_> = others.iter().map(|other| &other.first().slots).collect();
        let is_own = |slot: &&str| !others.iter().all(|other| other.split_whitespace().any(|word| word == *slot));
        run.slots.split_whitespace().filter(is_own).collect::<Vec<_>>().join(" ")
    };
    let properties = |run: &RunRecord| -> Vec<String> {
        let named = |name: &str, value: String| if value.is_empty() { value } else { format!("{name} {value}") };
        let mut all: Vec<String> = SETTINGS.iter().map(|setting| named(setting.name, (setting.value)(run))).collect();
        // Kinds and ranks say more than all but the sizes, which come first.
        let kinds = [
            run.attention.clone(),
            named("SA", run.attention_ranks.to_string()),
            run.mlp.clone(),
            named("MLP", run.mlp_ranks.to_string()),
            slots(run),
        ];
        all.splice(2..2, kinds);
        all.extend([named("params", run.params.write()), run.run_id.clone()]);
        all
    };
    let own = properties(one.first());
    let others: Vec<_> = others.iter().map(|other| properties(other.first())).collect();
    if others.is_empty() {
        return one.label().to_owned();
    }
    let differs = |i: &usize| others.iter().any(|other| other[*i] != own[*i]);
    let telling: Vec<_> = (0..own.len())
        .find(|&i| others.iter().all(|other| other[i] != own[i]))
        .map_or_else(|| (0..own.len() - 1).filter(differs).collect(), |i| vec![i]);
    let mut parts: Vec<_> = telling.into_iter().map(|i| own[i].as_str()).filter(|part| !part.is_empty()).collect();
    if parts.is_empty() {
        parts.push(&one.first().run_id);
    }
    format!("{} ({})", one.label(), parts.join(", "))
}
