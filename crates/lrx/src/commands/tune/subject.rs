//! A configuration's runs: what they are, how far they have come, what they say.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use lrx_analysis::stats::Interval;
use lrx_records::{CurveRow, Split, Status, TuneRecord, parse_rows};
use lrx_spec::{LogConfig, RunSpec, Tuning, Untuned};
use lrx_train::CURVE_FILE;

use super::search::{Edge, Entry, Losses, Origin, Search, Verdict};
use crate::corpus::{Corpora, vocabulary};
use crate::failure::Failure;
use crate::planned::sampler;
use crate::results::TUNE_FOLDER;
use crate::runs::{Place, Run, State, Task, drop_checkpoints, initial_model, read_run};
use crate::tuned::CHOSEN;

/// How often is chosen, and among runs of which seeds.
pub(super) struct Rungs {
    pub(super) count: usize,
    pub(super) seeds: Vec<u64>,
}

/// A configuration that is tuned.
pub(super) struct Subject<'t, 'r> {
    pub(super) tuning: &'t Tuning<'r>,
    pub(super) untuned: &'t Untuned,
    pub(super) search: Search,
    pub(super) rungs: Rungs,
    /// What the runs of each value are, as far as values were wanted.
    known: Vec<Runs>,
    out: PathBuf,
}

/// The runs of one value.
struct Runs {
    value: f64,
    /// One for each seed.
    runs: Vec<RunSpec>,
    /// Of a whole run.
    steps: usize,
    eval_data: String,
}

/// What whole runs of a variant's best value came to.
pub(super) struct Whole {
    pub(super) losses: Losses,
    pub(super) steps: u64,
    /// Updates that were done for this alone.
    pub(super) cost: u64,
    pub(super) eval_data: String,
    pub(super) run_ids: Vec<String>,
}

/// How far a run has come.
enum Reached {
    Loss(f64),
    /// After so many updates.
    Diverged(u64),
    NotYet,
}

impl<'t, 'r> Subject<'t, 'r> {
    /// The runs of `untuned`, in the folder of its experiment in `out`.
    pub(super) fn new(tuning: &'t Tuning<'r>, untuned: &'t Untuned, search: Search, rungs: Rungs, out: &Path) -> Self {
        Self { tuning, untuned, search, rungs, known: Vec::new(), out: out.to_path_buf() }
    }

    /// The same, with the runs of the values that are wanted first.
    ///
    /// # Errors
    /// As of [`plan`](Self::plan).
    pub(super) fn planned(mut self, corpora: &mut Corpora) -> Result<Self, Failure> {
        self.plan(corpora)?;
        Ok(self)
    }

    /// Finds what the runs of the wanted values are.
    ///
    /// # Errors
    /// What is wrong with the data; a value that the key cannot have.
    pub(super) fn plan(&mut self, corpora: &mut Corpora) -> Result<(), Failure> {
        for value in self.search.wanted().1 {
            if !self.known.iter().any(|runs| runs.value == value) {
                let runs = self.runs(value, corpora)?;
                self.known.push(runs);
            }
        }
        Ok(())
    }

    fn runs(&self, value: f64, corpora: &mut Corpora) -> Result<Runs, Failure> {
        let run = |eval_every, seed| self.tuning.run(self.untuned, value, eval_every, seed).map_err(Failure::Usage);
        let first = run(None, self.rungs.seeds[0])?;
        let corpus = corpora.of(&first, &self.out)?;
        let usage = |error: lrx_spec::ConfigError| Failure::Usage(error.to_string());
        let size = vocabulary(&first, &corpus).map_err(usage)?;
        if first.model.init_from.is_some() {
            initial_model(&first.model, size, Some(&corpus.vocabulary), first.seed)
                .map_err(|error| usage(first.error_at("model.init_from", error)))?;
        }
        let steps = first.train.length().steps(&sampler(&first, &corpus));
        // Evaluated at every rung, so that a pause there is none for the run's numbers.
        let every = step_of(0, self.rungs.count, steps);
        let runs = self.rungs.seeds.iter().map(|&seed| run(Some(every), seed)).collect::<Result<Vec<_>, _>>()?;
        Ok(Runs { value, runs, steps, eval_data: corpus.eval_data(first.model.context) })
    }

    fn of(&self, value: f64) -> &Runs {
        self.known.iter().find(|runs| runs.value == value).expect("planned when it was wanted")
    }

    /// The ids of all its runs, by rising value.
    pub(super) fn run_ids(&self) -> Vec<String> {
        let mut known: Vec<&Runs> = self.known.iter().collect();
        known.sort_by(|a, b| a.value.total_cmp(&b.value));
        known.iter().flat_map(|runs| runs.runs.iter().filter_map(|run| run.run_id.clone())).collect()
    }

    /// Deletes the checkpoints of its runs: its search is over.
    pub(super) fn drop_checkpoints(&self) {
        self.run_ids().iter().for_each(|run_id| drop_checkpoints(&self.folder().join(run_id)));
    }

    fn folder(&self) -> PathBuf {
        self.out.join(&self.tuning.name).join(TUNE_FOLDER)
    }

    /// What is to be trained to the rung that comes next, and is not there yet.
    ///
    /// # Errors
    /// What is wrong with the data.
    pub(super) fn tasks(&self, corpora: &mut Corpora, order: &Arc<[String]>) -> Result<Vec<Task>, Failure> {
        let (rung, values) = match self.to_be_completed() {
            Some(value) => (self.rungs.count - 1, vec![value]),
            None => self.search.wanted(),
        };
        let mut tasks = Vec::new();
        for runs in values.into_iter().map(|value| self.of(value)) {
            let step = step_of(rung, self.rungs.count, runs.steps);
            for run in runs.runs.iter().filter(|run| matches!(self.reached(run, step), Reached::NotYet)) {
                let corpus = corpora.of(run, &self.out)?;
                let size = vocabulary(run, &corpus).map_err(|error| Failure::Usage(error.to_string()))?;
                let place = Place { name: self.tuning.name.clone(), folder: self.folder(), order: order.clone() };
                let title = format!("{} seed {} to step {step}", run.label, run.seed);
                let task = Task::new(run, corpus, size, &place, title);
                let pause_after = Some(step).filter(|step| *step < runs.steps);
                // Nobody reads what they write, nor sees their curves.
                tasks.push(Task { pause_after, log: LogConfig::default(), samples: None, ..task });
            }
        }
        Ok(tasks)
    }

    /// The value that was chosen, where its runs have not been trained to their end and have to be: variants of a configuration are
    /// compared by whole runs.
    fn to_be_completed(&self) -> Option<f64> {
        self.untuned.variant.as_ref()?;
        let value = self.search.chosen()?.value;
        let runs = self.of(value);
        runs.runs.iter().any(|run| matches!(self.reached(run, runs.steps), Reached::NotYet)).then_some(value)
    }

    /// Whether nothing is left to train.
    pub(super) fn is_done(&self) -> bool {
        self.search.wanted().1.is_empty() && self.to_be_completed().is_none()
    }

    /// As one of several variants of a configuration: what its best value came to in whole runs; `None` before that is known.
    pub(super) fn whole(&self) -> Option<Whole> {
        if !self.is_done() {
            return None;
        }
        let last = self.rungs.count - 1;
        let chosen = self.search.chosen();
        let runs = chosen.map(|chosen| self.of(chosen.value)).or(self.known.first())?;
        let begun = chosen.map_or(runs.steps, |chosen| step_of(chosen.rung, self.rungs.count, runs.steps));
        Some(Whole {
            losses: chosen.map_or(vec![None; self.rungs.seeds.len()], |chosen| self.losses(chosen.value, last)),
            steps: runs.steps as u64,
            cost: ((runs.steps - begun) * self.rungs.seeds.len()) as u64,
            eval_data: runs.eval_data.clone(),
            run_ids: runs.runs.iter().filter_map(|run| run.run_id.clone()).collect(),
        })
    }

    /// Goes on with the search, now that all runs have come to its rung.
    pub(super) fn advance(&mut self, corpora: &mut Corpora) {
        let (rung, values) = self.search.wanted();
        if values.is_empty() {
            return;
        }
        let losses: Vec<Losses> = values.into_iter().map(|value| self.losses(value, rung)).collect();
        match self.search.growth(&losses) {
            // Not every key can have every value: a rate of 1, say, or more steps of warm-up than there are.
            Some(value) if self.runs(value, corpora).is_ok() => self.search.extend(value),
            _ => self.search.decide(losses),
        }
    }

    /// Those of a value at a rung, which all its runs have come to.
    fn losses(&self, value: f64, rung: usize) -> Losses {
        let runs = self.of(value);
        let loss = |run| match self.reached(run, step_of(rung, self.rungs.count, runs.steps)) {
            Reached::Loss(loss) => Some(loss),
            Reached::Diverged(_) | Reached::NotYet => None,
        };
        runs.runs.iter().map(loss).collect()
    }

    fn reached(&self, run: &RunSpec, step: usize) -> Reached {
        reached(&self.folder().join(run.run_id.as_deref().unwrap_or_default()), step)
    }

    /// Its rows of `tune.csv`, rung by rung, by rising value.
    pub(super) fn records(&self, key: &str) -> Vec<TuneRecord> {
        self.search.entries.iter().map(|entry| self.record(entry, key)).collect()
    }

    fn record(&self, entry: &Entry, key: &str) -> TuneRecord {
        let runs = self.of(entry.value);
        let step = |rung| step_of(rung, self.rungs.count, runs.steps);
        let before = self.search.entries.iter().filter(|other| other.value == entry.value && other.rung < entry.rung);
        let before = before.map(|other| step(other.rung) as u64).max().unwrap_or(0);
        let end = |run: &RunSpec| match self.reached(run, step(entry.rung)) {
            Reached::Diverged(at) => at.clamp(before, step(entry.rung) as u64),
            _ => step(entry.rung) as u64,
        };
        let interval = entry.difference.zip(entry.half_width);
        let interval = interval.map(|(estimate, half_width)| Interval { estimate, half_width });
        let joined = |words: Vec<String>| words.join(" ");
        let is_chosen = entry.verdict == Verdict::Chosen;
        TuneRecord {
            configuration: self.untuned.configuration.clone(),
            label: self.untuned.label.clone(),
            key: key.to_string(),
            value: entry.value,
            rung: entry.rung as u64 + 1,
            step: step(entry.rung) as u64,
            steps: runs.steps as u64,
            seeds: joined(self.rungs.seeds.iter().map(u64::to_string).collect()),
            loss: entry.mean(),
            loss_sd: entry.sd(),
            difference: entry.difference,
            difference_low: interval.map(|interval| interval.low()),
            difference_high: interval.map(|interval| interval.high()),
            verdict: word(entry.verdict).to_string(),
            edge: match self.search.edge().filter(|_| is_chosen) {
                None => "",
                Some(Edge::Lowest) => "lowest",
                Some(Edge::Highest) => "highest",
            }
            .to_string(),
            cost: runs.runs.iter().map(|run| end(run) - before).sum(),
            grid: match entry.origin {
                Origin::Given => "given",
                Origin::Default => "default",
                Origin::Extended => "extended",
            }
            .to_string(),
            eval_data: runs.eval_data.clone(),
            run_ids: joined(runs.runs.iter().filter_map(|run| run.run_id.clone()).collect()),
        }
    }

    /// Steps that whole runs of all values would have taken, the tried ones and no others.
    pub(super) fn cost_of_all(&self) -> u64 {
        let cost = |value: f64| (self.of(value).steps * self.rungs.seeds.len()) as u64;
        self.search
            .values()
            .into_iter()
            .filter(|value| self.known.iter().any(|one| one.value == *value))
            .map(cost)
            .sum()
    }
}

/// What `tune.csv` calls it.
pub(super) fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Kept => "kept",
        Verdict::Dropped => "dropped",
        Verdict::Parted => "parted",
        Verdict::Diverged => "diverged",
        Verdict::Chosen => CHOSEN,
    }
}

/// The step at which a rung of `count` ends: the last is the whole run, each before it half of the next.
pub(super) fn step_of(rung: usize, count: usize, steps: usize) -> usize {
    if rung + 1 >= count {
        return steps;
    }
    let first = (steps >> (count - 1)).max(1);
    (first << rung).min(steps)
}

/// Whether a task has come to its rung, or diverged before.
pub(super) fn has_ended(task: &Task) -> bool {
    let step = task.pause_after.unwrap_or_else(|| task.train.length().steps(&task.sampler));
    !matches!(reached(&task.folder(), step), Reached::NotYet)
}

/// How far the run in `folder` has come: what its curve says of a step stands, whatever has become of the run since.
fn reached(folder: &Path, step: usize) -> Reached {
    let Run { state, curve, .. } = read_run(folder, None);
    let whole = curve.iter().rposition(|byte| *byte == b'\n').map_or(0, |newline| newline + 1);
    let rows: Vec<CurveRow> = parse_rows(&curve[..whole], Path::new(CURVE_FILE)).unwrap_or_default();
    let evaluated = rows.iter().find(|row| row.split == Split::Eval && row.step == step as u64);
    match (evaluated.map(|row| row.loss), state) {
        (Some(loss), _) if loss.is_finite() => Reached::Loss(loss),
        (_, State::Failed(record)) if record.status == Status::Diverged => {
            Reached::Diverged(record.steps.unwrap_or(step as u64))
        }
        _ => Reached::NotYet,
    }
}

#[cfg(test)]
mod tests {
    use super::step_of;

    #[test]
    fn rungs_are_halves_of_halves_of_a_run() {
        let rungs = |count: usize, steps: usize| (0..count).map(|rung| step_of(rung, count, steps)).collect::<Vec<_>>();
        assert_eq!(rungs(4, 475), [59, 118, 236, 475]);
        assert_eq!(rungs(4, 800), [100, 200, 400, 800]);
        assert_eq!(rungs(1, 12), [12]);
        assert_eq!(rungs(4, 3), [1, 2, 3, 3], "of a run that is too short, each is a step at least");
        assert_eq!(rungs(20, 1), [1; 20]);
    }
}
