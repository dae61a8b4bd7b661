//! What there is to see of a sweep: its runs, how far each is, and how long all of them will take.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use lrx_records::{CurveRow, PlannedRow, RunRecord, Split, Status};
use sysinfo::{Pid, ProcessRefreshKind, ProcessesToUpdate, System};

use crate::listed::{Listed, curve, experiments, of_experiment};
use crate::outlook;
use crate::runs::{Condition, current_attempt, process_of};

/// The speed of a run is that of its last measurements, so many.
const RECENT: usize = 8;
/// A run that has measured nothing for so long, and for so many times as long as it usually takes, is silent: its process may be
/// frozen, and its speed was one.
const SILENT: Duration = Duration::from_secs(60);
const USUALLY: u32 = 5;

/// What was seen of curves: how many rows each had, since when. No clock but this process's own is asked.
#[derive(Default)]
pub(super) struct Seen(HashMap<PathBuf, (usize, Instant)>);

impl Seen {
    /// For how long the curve of the run in `folder` has had so many rows, as far as this has looked.
    fn unchanged(&mut self, folder: &Path, rows: usize) -> Duration {
        let now = Instant::now();
        let seen = self.0.entry(folder.to_path_buf()).or_insert((rows, now));
        if seen.0 != rows {
            *seen = (rows, now);
        }
        now - seen.1
    }
}

/// A run.
pub(super) struct Shown {
    pub(super) run: Listed,
    /// What was measured so far; empty of runs that have ended, which [`curve`] reads.
    pub(super) curve: Vec<CurveRow>,
    /// The part of it that is done, from 0 to 1; none where its length is unknown.
    pub(super) share: Option<f64>,
    /// Targets a second: now of a run that goes on, over all of one that has ended.
    pub(super) rate: Option<f64>,
    /// For how long it has measured nothing, where that is longer than it should be.
    pub(super) silent: Option<Duration>,
    /// Seconds until it is done.
    pub(super) left: Option<f64>,
    /// Bytes: of its process on this machine, or at most while it was trained.
    pub(super) memory: Option<f64>,
    /// Updates of the whole run.
    pub(super) steps: Option<u64>,
    /// Floating-point operations of all its forward passes.
    flops: Option<f64>,
    process: Option<u32>,
}

impl Shown {
    pub(super) fn is_running(&self) -> bool {
        matches!(self.run.condition, Condition::Running(_))
    }

    /// Its state in a word.
    pub(super) fn state(&self) -> &str {
        if self.silent.is_some() { "silent" } else { self.run.condition.word() }
    }

    /// Whether there is nothing more to do for it.
    fn has_ended(&self) -> bool {
        self.run.condition == Condition::Stopped || !self.run.condition.is_open() && !self.is_planned()
    }

    fn is_planned(&self) -> bool {
        self.run.record.status == Status::Planned
    }

    /// Operations that are done a second.
    fn speed(&self) -> Option<f64> {
        let flops_per_token = self.run.record.flops_per_token? as f64;
        Some(self.rate? * flops_per_token).filter(|speed| *speed > 0.0)
    }

    /// A run that has a folder, or had one, and how long it was planned to be.
    fn of(run: Listed, planned: Option<&PlannedRow>, seen: &mut Seen) -> Self {
        let is_open = run.condition.is_open();
        let curve = run.folder.as_deref().filter(|_| is_open).map(curve).unwrap_or_default();
        let is_running = matches!(run.condition, Condition::Running(_));
        let process = run.folder.as_deref().filter(|_| is_running).and_then(|folder| {
            let attempt = current_attempt(folder).ok().flatten()?;
            process_of(&attempt)
        });
        let record = &run.record;
        let of_ended = |value: Option<f64>| value.filter(|_| !is_open);
        let tokens = of_ended(record.tokens.map(|tokens| tokens as f64));
        let flops = planned.and_then(|planned| planned.flops);
        let flops = flops.or_else(|| Some(record.flops_per_token? as f64 * tokens?));
        let steps = planned.and_then(|planned| planned.steps).or(record.steps.filter(|_| !is_open));
        let share = match (is_open, record.steps, steps) {
            (false, ..) => Some(1.0),
            (true, Some(done), Some(all)) => Some((done as f64 / all.max(1) as f64).min(1.0)),
            (true, None, Some(_)) => Some(0.0),
            _ => None,
        };
        let unchanged = run.folder.as_deref().filter(|_| is_running).map(|folder| seen.unchanged(folder, curve.len()));
        let usual = interval(&curve).map_or(Duration::ZERO, |seconds| Duration::from_secs_f64(seconds.min(1e6)));
        let silent = unchanged.filter(|&silent| silent > SILENT.max(usual * USUALLY));
        let is_measured = is_running && silent.is_none();
        let rate = if is_open { recent_rate(&curve).filter(|_| is_measured) } else { record.tokens_per_second };
        let memory = record.peak_rss_mb.map(|mb| mb * 1e6);
        let flops = flops.filter(|flops| flops.is_finite() && *flops > 0.0);
        let mut shown = Self { curve, share, rate, silent, left: None, memory, steps, flops, process, run };
        shown.left = shown.seconds_left();
        shown
    }

    /// At its speed of now.
    fn seconds_left(&self) -> Option<f64> {
        if !self.is_running() {
            return None;
        }
        Some(self.flops? * (1.0 - self.share?) / self.speed()?)
    }

    /// A run that is to come.
    fn planned(experiment: &Path, row: PlannedRow) -> Self {
        let record = RunRecord {
            run_id: row.run_id,
            label: row.label,
            seed: row.seed,
            status: Status::Planned,
            ..RunRecord::default()
        };
        let name = experiment.file_name().unwrap_or(experiment.as_os_str()).to_string_lossy().into_owned();
        let run = Listed { experiment: name, folder: None, condition: Condition::of_row(&Status::Planned), record };
        let (curve, share) = (Vec::new(), Some(0.0));
        let (steps, flops) = (row.steps, row.flops.filter(|flops| flops.is_finite() && *flops > 0.0));
        Self { run, curve, share, rate: None, silent: None, left: None, memory: None, steps, flops, process: None }
    }
}

/// All of it.
#[derive(Default)]
pub(super) struct Sweep {
    pub(super) dirs: Vec<PathBuf>,
    pub(super) runs: Vec<Shown>,
    /// The part of all there is to compute that is done; none where nobody knows how long the runs are.
    pub(super) share: Option<f64>,
    /// Targets a second, of all runs that go on.
    pub(super) rate: f64,
    /// Seconds until all is done, with the processes that train now; none where none does, or its speed is not known yet.
    pub(super) left: Option<f64>,
    /// Bytes, of all processes on this machine.
    pub(super) memory: f64,
}

impl Sweep {
    /// Reads the runs in `dirs`.
    ///
    /// # Errors
    /// When a folder or a table cannot be read.
    pub(super) fn read(dirs: &[PathBuf], seen: &mut Seen) -> Result<Self, String> {
        let (mut runs, mut read) = (Vec::new(), HashSet::new());
        for dir in dirs {
            for experiment in experiments(dir)? {
                // Named twice, it is one all the same.
                if !read.insert(experiment.canonicalize().unwrap_or_else(|_| experiment.clone())) {
                    continue;
                }
                let listed = of_experiment(&experiment)?;
                let planned = outlook::read(&experiment);
                let by_id: HashMap<&str, &PlannedRow> = planned.iter().map(|row| (row.run_id.as_str(), row)).collect();
                let known: HashSet<String> = listed.iter().map(|run| run.record.run_id.clone()).collect();
                runs.extend(listed.into_iter().map(|run| {
                    let planned = by_id.get(run.record.run_id.as_str()).copied();
                    Shown::of(run, planned, seen)
                }));
                let to_come = planned.into_iter().filter(|row| !known.contains(&row.run_id));
                runs.extend(to_come.map(|row| Shown::planned(&experiment, row)));
            }
        }
        let memory = measure(&mut runs);
        let rate = runs.iter().filter(|run| run.is_running()).filter_map(|run| run.rate).sum();
        let (share, left) = outlook_of(&runs);
        Ok(Self { dirs: dirs.to_vec(), runs, share, rate, left, memory })
    }

    /// How many runs there are of each state, the most interesting first.
    pub(super) fn counts(&self) -> Vec<(&str, usize)> {
        let mut counts: Vec<(&str, usize)> = Vec::new();
        for run in &self.runs {
            let word = run.run.condition.word();
            match counts.iter_mut().find(|(known, _)| *known == word) {
                Some((_, count)) => *count += 1,
                None => counts.push((word, 1)),
            }
        }
        counts.sort_by_key(|(word, _)| place(word));
        counts
    }
}

/// Where a state stands among the others: what goes on first, what is done last.
pub(super) fn place(state: &str) -> usize {
    const ORDER: [&str; 8] =
        ["running", "interrupted", "paused", "failed", "diverged", "planned", "stopped", "finished"];
    ORDER.iter().position(|known| *known == state).unwrap_or(ORDER.len())
}

/// The part of all runs that is done, and the seconds until all are: what is left over the speed of those that go on, and no
/// less than the slowest of these takes.
fn outlook_of(runs: &[Shown]) -> (Option<f64>, Option<f64>) {
    let mean = |values: &[f64]| (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64);
    // A run whose length nobody knows is taken to be like the others. Where none is known, as of `lrx tune`, which decides on the
    // way, all that is known is whether all have ended.
    let known = mean(&runs.iter().filter_map(|run| run.flops).collect::<Vec<_>>());
    let Some(usual) = known.or_else(|| runs.iter().all(Shown::has_ended).then_some(1.0)) else { return (None, None) };
    let (mut all, mut left) = (0.0, 0.0);
    for run in runs {
        // As parts of the usual one: their sum is finite.
        let part = run.flops.unwrap_or(usual) / usual;
        all += part;
        if !run.has_ended() {
            left += part * (1.0 - run.share.unwrap_or(0.0));
        }
    }
    let share = (all > 0.0).then(|| 1.0 - left / all);
    let running: Vec<&Shown> = runs.iter().filter(|run| run.is_running() && run.silent.is_none()).collect();
    let speeds: Vec<f64> = running.iter().filter_map(|run| run.speed()).collect();
    // One that has only begun will be as fast as the others.
    let speed = mean(&speeds).map(|speed| speed * running.len() as f64);
    let slowest = running.iter().filter_map(|run| run.left).fold(0.0, f64::max);
    (share, speed.map(|speed| (left / (speed / usual)).max(slowest)))
}

/// Seconds from each of the last measurements of a curve to the next.
fn interval(curve: &[CurveRow]) -> Option<f64> {
    let recent = &curve[curve.len().saturating_sub(RECENT)..];
    let (first, last) = (recent.first()?.elapsed_seconds?, recent.last()?.elapsed_seconds?);
    let seconds = (last - first) / recent.len().saturating_sub(1).max(1) as f64;
    (seconds.is_finite() && seconds >= 0.0).then_some(seconds)
}

/// Targets a second, of the last rows of a curve.
fn recent_rate(curve: &[CurveRow]) -> Option<f64> {
    let of_training: Vec<(u64, f64)> = curve
        .iter()
        .filter(|row| row.split == Split::Train)
        .filter_map(|row| Some((row.tokens?, row.elapsed_seconds?)))
        .collect();
    let last = of_training.last()?;
    // The first measurement counts from the beginning.
    let first = match of_training.len() {
        0 | 1 => (0, 0.0),
        count => of_training[count - count.min(RECENT)],
    };
    let (tokens, seconds) = (last.0.checked_sub(first.0)?, last.1 - first.1);
    (tokens > 0 && seconds > 0.0).then(|| tokens as f64 / seconds)
}

/// Asks the system how much memory the processes of these runs have; in all, each once.
fn measure(runs: &mut [Shown]) -> f64 {
    let pids: HashSet<Pid> = runs.iter().filter_map(|run| run.process).map(Pid::from_u32).collect();
    if pids.is_empty() {
        return 0.0;
    }
    let asked: Vec<Pid> = pids.iter().copied().collect();
    let mut system = System::new();
    let kind = ProcessRefreshKind::nothing().with_memory();
    system.refresh_processes_specifics(ProcessesToUpdate::Some(&asked), false, kind);
    let memory = |pid: Pid| system.process(pid).map(|process| process.memory() as f64);
    for run in runs.iter_mut() {
        if let Some(bytes) = run.process.and_then(|process| memory(Pid::from_u32(process))) {
            run.memory = Some(bytes);
        }
    }
    asked.into_iter().filter_map(memory).sum()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    fn row(step: u64, split: Split, tokens: u64, seconds: f64) -> CurveRow {
        CurveRow {
            run_id: "r".into(),
            step,
            split,
            loss: 9.0 - step as f64 / 100.0,
            tokens: Some(tokens),
            learning_rate: None,
            grad_norm: None,
            elapsed_seconds: Some(seconds),
        }
    }

    /// A run of 100 steps of 1,000 targets each, of 10 FLOP a target, after `steps` of a second.
    pub(in crate::commands::watch) fn shown(seed: u64, condition: Condition, steps: u64) -> Shown {
        let curve: Vec<CurveRow> = (1..=steps / 10)
            .flat_map(|i| [Split::Train, Split::Eval].map(|split| row(10 * i, split, 10_000 * i, 10.0 * i as f64)))
            .collect();
        let record = RunRecord {
            run_id: format!("run-s{seed}"),
            label: "R38SA-FullMLP-4L".into(),
            seed: Some(seed),
            steps: Some(steps),
            flops_per_token: Some(10),
            tokens_per_second: Some(1_000.0),
            train_loss: (steps > 0).then(|| 9.0 - steps as f64 / 100.0),
            eval_loss: Some(4.0 + seed as f64 / 10.0),
            status: if condition == Condition::Finished { Status::Finished } else { Status::Running },
            ..RunRecord::default()
        };
        let run = Listed { experiment: "zoo".into(), folder: None, record, condition };
        let is_running = matches!(run.condition, Condition::Running(_));
        let (rate, share) = (recent_rate(&curve).filter(|_| is_running), Some(steps as f64 / 100.0));
        let (steps, flops) = (Some(100), Some(1e6));
        let (silent, left, memory, process) = (None, None, None, None);
        let mut shown = Shown { run, curve, share, rate, silent, left, memory, steps, flops, process };
        shown.left = shown.seconds_left();
        shown
    }

    pub(in crate::commands::watch) fn planned(seed: u64, flops: Option<f64>) -> Shown {
        let row = PlannedRow {
            run_id: format!("run-s{seed}"),
            label: "R38SA-FullMLP-4L".into(),
            seed: Some(seed),
            steps: Some(100),
            flops,
        };
        Shown::planned(Path::new("results/zoo"), row)
    }

    pub(in crate::commands::watch) fn sweep(runs: Vec<Shown>) -> Sweep {
        let (share, left) = outlook_of(&runs);
        let rate = runs.iter().filter_map(|run| run.rate).sum();
        Sweep { dirs: vec!["results/zoo".into()], runs, share, rate, left, memory: 1.5e9 }
    }

    pub(in crate::commands::watch) fn running() -> Condition {
        Condition::Running("process 12 on host".into())
    }

    #[test]
    fn the_speed_is_that_of_the_last_measurements() {
        assert_eq!(recent_rate(&[]), None);
        assert_eq!(recent_rate(&[row(10, Split::Train, 10_000, 5.0)]), Some(2_000.0));
        // Slow at first, twice as fast at the end; evaluations are no measurements of it.
        let mut curve: Vec<CurveRow> = (1..=20).map(|i| row(i, Split::Train, 1_000 * i, i as f64)).collect();
        curve.extend((1..=8).map(|i| row(20 + i, Split::Train, 20_000 + 1_000 * i, 20.0 + 0.5 * i as f64)));
        curve.push(row(28, Split::Eval, 28_000, 90.0));
        assert_eq!(recent_rate(&curve), Some(2_000.0));
        // A clock that stands still says nothing.
        assert_eq!(recent_rate(&[row(1, Split::Train, 5, 0.0), row(2, Split::Train, 9, 0.0)]), None);
    }

    #[test]
    fn what_is_left_is_over_the_speed_of_all_that_run() {
        // 4 runs of 1e6 FLOP: one done, one half done at 1,000 × 10 FLOP/s, two to come.
        let runs =
            vec![shown(0, Condition::Finished, 100), shown(1, running(), 50), planned(2, Some(1e6)), planned(3, None)];
        let (share, left) = outlook_of(&runs);
        assert!((share.unwrap() - 1.5 / 4.0).abs() < 1e-12, "{share:?}");
        assert!((left.unwrap() - 250.0).abs() < 1e-9, "{left:?}");
        // A second process, whose speed is not known yet, halves that.
        let with_another =
            vec![shown(0, Condition::Finished, 100), shown(1, running(), 50), shown(2, running(), 0), planned(3, None)];
        assert!((outlook_of(&with_another).1.unwrap() - 125.0).abs() < 1e-9);
        // At the end the slowest run counts: the others' processes have nothing to do.
        let last = vec![shown(0, running(), 90), shown(1, running(), 10)];
        assert!((outlook_of(&last).1.unwrap() - 90.0).abs() < 1e-9);
        // Where nobody trains, nobody knows.
        let (share, left) = outlook_of(&[shown(0, Condition::Paused, 50), planned(1, Some(1e6))]);
        assert!((share.unwrap() - 0.25).abs() < 1e-12 && left.is_none(), "{share:?} {left:?}");
        assert_eq!(outlook_of(&[]), (None, None));
        // One that is frozen computes nothing, and its speed was one.
        let mut frozen = shown(0, running(), 50);
        (frozen.silent, frozen.rate, frozen.left) = (Some(Duration::from_secs(90)), None, None);
        assert_eq!(outlook_of(&[frozen, planned(1, Some(1e6))]).1, None);
        // Lengths that nobody knows, and lengths that no run has.
        let mut unknown = shown(0, running(), 50);
        (unknown.flops, unknown.share) = (None, None);
        assert_eq!(outlook_of(&[unknown, planned(1, None)]), (None, None));
        let endless = [f64::INFINITY, f64::NAN, -1.0, 0.0].map(|flops| planned(1, Some(flops)));
        assert_eq!(outlook_of(&endless), (None, None));
        let large = [planned(0, Some(1e308)), planned(1, Some(1e308)), shown(2, Condition::Finished, 100)];
        assert!(outlook_of(&large).0.is_none_or(|share| (0.0..=1.0).contains(&share)));
        // What has failed, or is not wanted any more, is nothing that is left.
        assert_eq!(outlook_of(&[shown(0, Condition::Failed, 50)]).0, Some(1.0));
        assert_eq!(outlook_of(&[shown(0, Condition::Stopped, 50)]).0, Some(1.0));
    }

    #[test]
    fn a_curve_that_stays_as_it_is_is_seen_to() {
        let mut seen = Seen::default();
        assert_eq!(seen.unchanged(Path::new("a"), 3), Duration::ZERO);
        std::thread::sleep(Duration::from_millis(20));
        assert!(seen.unchanged(Path::new("a"), 3) >= Duration::from_millis(20));
        assert_eq!(seen.unchanged(Path::new("b"), 3), Duration::ZERO);
        assert_eq!(seen.unchanged(Path::new("a"), 4), Duration::ZERO, "it goes on");
        let curve = [row(1, Split::Train, 5, 2.0), row(2, Split::Train, 9, 6.0), row(2, Split::Eval, 9, 8.0)];
        assert_eq!((interval(&curve), interval(&curve[..1]), interval(&[])), (Some(3.0), Some(0.0), None));
    }

    #[test]
    fn states_are_counted_what_goes_on_first() {
        let sweep = sweep(vec![
            planned(0, None),
            shown(1, Condition::Finished, 100),
            planned(2, None),
            shown(3, running(), 10),
        ]);
        assert_eq!(sweep.counts(), [("running", 1), ("planned", 2), ("finished", 1)]);
    }
}
