//! Runs grouped into configurations: what is the same but for its seed.

use std::collections::{HashMap, HashSet};

use lrx_records::RunRecord;

use crate::held_out::HeldOut;
use crate::naming::unique_names;
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
    /// What each held-out story cost them, where all of them tell.
    pub held_out: Option<HeldOut>,
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
    // Where the group of a run may be: of those with its hash, or with its label where one of both has no hash.
    let (mut by_hash, mut by_label) = (HashMap::<&str, usize>::new(), HashMap::<&str, Vec<usize>>::new());
    for run in runs.iter().filter(|run| run.final_loss().is_some()) {
        let told = !run.configuration.is_empty();
        let same_hash = told.then(|| by_hash.get(run.configuration.as_str())).flatten().copied();
        let may_be = |index: &&usize| !told || groups[**index][0].configuration.is_empty();
        let mut same_label = by_label.get(run.label.as_str()).into_iter().flatten().filter(may_be);
        let same_label = same_label.find(|&&index| same_configuration(&groups[index][0], run)).copied();
        match same_hash.into_iter().chain(same_label).min() {
            Some(index) => groups[index].push(run.clone()),
            None => {
                if told {
                    by_hash.insert(&run.configuration, groups.len());
                }
                by_label.entry(&run.label).or_default().push(groups.len());
                groups.push(vec![run.clone()]);
            }
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
            Configuration { name: runs[0].label.clone(), repeats: all - runs.len(), runs, held_out: None }
        })
        .collect();
    let names = unique_names(&configurations);
    for (configuration, name) in configurations.iter_mut().zip(names) {
        configuration.name = name;
    }
    configurations
}

/// Gives rows of different configurations that have the same label, as those of two configs in one folder, labels that say
/// in what they differ: `A (steps 8)`.
pub fn tell_labels_apart(runs: &mut [RunRecord]) {
    let mut known: HashMap<(String, String), usize> = HashMap::new();
    let mut firsts: Vec<Configuration> = Vec::new();
    let mut of_run = Vec::with_capacity(runs.len());
    for run in runs.iter() {
        if run.configuration.is_empty() {
            of_run.push(None);
            continue;
        }
        let index = *known.entry((run.configuration.clone(), run.label.clone())).or_insert_with(|| {
            // Of a run that is not finished, these tell how far it is.
            let done = run.final_loss().is_some();
            let (steps, tokens) = (run.steps.filter(|_| done), run.tokens.filter(|_| done));
            let first = RunRecord { steps, tokens, ..run.clone() };
            firsts.push(Configuration { name: String::new(), runs: vec![first], repeats: 0, held_out: None });
            firsts.len() - 1
        });
        of_run.push(Some(index));
    }
    let names = unique_names(&firsts);
    for (run, index) in runs.iter_mut().zip(of_run) {
        if let Some(index) = index {
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
