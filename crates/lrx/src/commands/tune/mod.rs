//! `lrx tune`: the best value of a key for each configuration, by successive halving.
//!
//! ```text
//! search   which values are trained, how far, and which is chosen; knows no run
//! subject  a configuration's runs: what they are, how far they have come, what they say
//! shown    tune.csv, the table and the plot
//! ```
//!
//! Nothing is remembered between rounds but the runs themselves: a search is replayed from their curves each time, so that a
//! tuning that was killed goes on where it was, and one that is finished trains nothing.

mod search;
mod shown;
mod subject;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::{ArgGroup, Args};
use lrx_files::clear_leftovers;
use lrx_layers::Registry;
use lrx_spec::{Alternatives, LEARNING_RATE, Tuning, Untuned, load_tuning};
use lrx_train::Checkpoints;

use self::search::{Origin, Search, around};
use self::subject::{Rungs, Subject};
use super::common::Common;
use crate::corpus::{Corpora, Stories};
use crate::failure::Failure;
use crate::memory::{self, Verdict};
use crate::progress::Lines;
use crate::results::{TUNE_FOLDER, about};
use crate::runs::{Policy, Task, work};
use crate::shell::command_line;
use crate::signals::Signals;
use crate::tables::Assembler;
use crate::terminal::tell;
use crate::threads::use_threads;

/// The key that is tuned unless another is named.
pub(crate) const KEY: &str = LEARNING_RATE;

/// Values of a grid that nobody gave.
const VALUES: usize = 7;
/// More than anybody trains.
const MOST_VALUES: usize = 100;
const MOST_SEEDS: usize = 100;
const MOST_RUNGS: usize = 20;
/// The first seed: far from those that comparisons begin with.
const FIRST_SEED: u64 = 1000;

/// `lrx tune`
#[derive(Args)]
#[command(group(ArgGroup::new("sweep").args(["configs"]).required(true)))]
#[command(after_help = "\
All values train under the full schedule to the first rung, an eighth of the steps, and are evaluated; half of them go on to a
quarter, a quarter of them to a half, until one is left. A value whose 95 % interval lies apart from that of the best goes at
once. Where the best is the lowest or the highest, the grid grows beyond it, up to four times at each end.
Losses are those on stories that are held out for this alone (data.tune_fraction, 0.05 of those to train on), with seeds of
its own: the stories that the comparison is evaluated on are never looked at.

  lrx tune a.toml                                          the learning rate, around the config's
  lrx tune a.toml --values 5e-4,1e-3,2e-3                  among these
  lrx tune a.toml --key train.weight_decay --values 0,0.01,0.1
  lrx tune a.toml --with train.warmup_steps=0,48           for each warm-up; then the warm-up whose best is best

Writes DIR/<name>/tune.csv and a plot; what was trained lies in DIR/<name>/tune/. Then say in the config
  [train]
  learning_rate = \"tuned\"
and `lrx run` trains each configuration with the value that is best for it; after --with of a key of [train], both can be \"tuned\". The same command goes on where it was stopped.")]
pub(crate) struct TuneArgs {
    #[command(flatten)]
    common: Common,
    /// The key to find a value for: a number of [train] or [model]
    #[arg(long, value_name = "KEY", default_value = KEY)]
    key: String,
    /// Try these [default: 7 around the config's, each --factor times the one before]
    #[arg(long, value_name = "A,B,…", value_delimiter = ',', allow_hyphen_values = true)]
    values: Vec<f64>,
    /// Choose the value of another key, too, for each of whose values --key is tuned: --with train.warmup_steps=0,48
    #[arg(long, value_name = "KEY=A,B,…")]
    with: Option<String>,
    /// What a value is multiplied by to give the next, where no values are given
    #[arg(long, value_name = "F", default_value_t = 2.0, conflicts_with = "values")]
    factor: f64,
    /// Runs of each value, with seeds that the comparison does not have. With one, nothing is known of chance
    #[arg(long, value_name = "N", default_value_t = 2)]
    seeds: usize,
    /// How often is chosen: the first time after 1/2^(N-1) of the steps, then after twice as many each time
    #[arg(long, value_name = "N", default_value_t = 4)]
    rungs: usize,
    /// Runs side by side, each with its part of the threads. Numbers do not depend on it
    #[arg(long, value_name = "N", default_value_t = 1)]
    jobs: usize,
    /// Seconds between checkpoints; more where writing one takes so long that it would cost over 1 %
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    checkpoint_every: u64,
}

pub(crate) fn tune(args: &TuneArgs, registry: &Registry) -> Result<ExitCode, Failure> {
    check(args)?;
    use_threads(args.common.threads)?;
    let (common, stories) = (&args.common, Stories::beside(&args.common.out));
    let with = args.with.as_deref().map(|with| alternatives(with, &args.key)).transpose()?;
    let tunings = load_tuning(&common.configs, &common.set, &args.key, with.as_ref(), registry, &stories, &common.out)
        .map_err(|errors| Failure::Usage(errors.to_string()))?;
    let lines = Lines::new(args.jobs > 1);
    let signals = Signals::watch(lines.clone(), None)
        .map_err(|error| Failure::Failed(format!("cannot watch for signals: {error}")))?;
    let mut corpora = Corpora::until(&signals, &lines);
    let mut subjects = Vec::new();
    for tuning in &tunings {
        let seeds = seeds(tuning, args.seeds);
        for untuned in &tuning.configurations {
            let search = Search::new(values(args, untuned)?, origin(args), args.rungs);
            let rungs = Rungs { count: args.rungs, seeds: seeds.clone() };
            let subject = Subject::new(tuning, untuned, search, rungs, &args.common.out);
            subjects.push(subject.planned(&mut corpora)?);
        }
    }
    for tuning in &tunings {
        let folder = folder(args, tuning);
        std::fs::create_dir_all(&folder).map_err(|error| Failure::Failed(about(&folder)(error)))?;
        clear_leftovers(&folder);
        // Found wrong now rather than after the last run.
        shown::read_others(&args.common.out.join(&tuning.name), &[]).map_err(Failure::Failed)?;
    }
    let assembler = Assembler::default();
    let with = with.as_ref().map(|with| with.key.as_str());
    let round = Round { args, with, signals: &signals, lines: &lines, assembler: &assembler };
    let ended = round.all(&mut subjects, &tunings, &mut corpora)?;
    for tuning in &tunings {
        let order = order(&subjects, tuning);
        assembler.assemble_thoroughly(&folder(args, tuning), &order).map_err(Failure::Failed)?;
    }
    match ended {
        Some(code) => Ok(code),
        None => {
            subjects.iter().for_each(Subject::drop_checkpoints);
            let written =
                tunings.iter().try_for_each(|tuning| shown::written(args, with, tuning, &own(&subjects, tuning)));
            written.map_err(Failure::Failed)?;
            let all_chosen = subjects.iter().all(|subject| subject.search.chosen().is_some());
            Ok(if all_chosen { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
    }
}

/// What can be said of the arguments alone.
fn check(args: &TuneArgs) -> Result<(), Failure> {
    let counts =
        [("jobs", args.jobs, usize::MAX), ("seeds", args.seeds, MOST_SEEDS), ("rungs", args.rungs, MOST_RUNGS)];
    for (name, count, most) in counts {
        if count == 0 {
            return Err(Failure::Usage(format!("--{name} 0: expected at least 1")));
        }
        if count > most {
            return Err(Failure::Usage(format!("--{name} {count}: expected at most {most}")));
        }
    }
    if !(args.factor > 1.0 && args.factor.is_finite()) {
        return Err(Failure::Usage(format!("--factor {}: expected a number above 1", args.factor)));
    }
    if args.values.is_empty() { Ok(()) } else { different("--values", &args.values).map(drop) }
}

/// The values that `option` gives, each once, in their order: at least two numbers that a key can have.
fn different(option: &str, values: &[f64]) -> Result<Vec<f64>, Failure> {
    let wrong = |why: String| Err(Failure::Usage(format!("{option}: {why}")));
    let mut different: Vec<f64> = Vec::new();
    for value in values {
        if !value.is_finite() {
            return wrong(format!("{value} is no number that a key can have"));
        }
        if !different.contains(value) {
            different.push(*value);
        }
    }
    match different.len() {
        0 | 1 => wrong("there is nothing to choose from one value; expected at least two".into()),
        2..=MOST_VALUES => Ok(different),
        more => wrong(format!("{more} values; expected at most {MOST_VALUES}")),
    }
}

/// `train.warmup_steps=0,48`.
fn alternatives(with: &str, key: &str) -> Result<Alternatives, Failure> {
    let wrong = |why: String| Failure::Usage(format!("--with {with}: {why}"));
    let Some((other, values)) = with.split_once('=') else {
        return Err(wrong("expected a key and its values, as in train.warmup_steps=0,48".into()));
    };
    let other = other.trim();
    if other == key {
        return Err(wrong(format!("`{key}` is what is tuned; its values go to --values")));
    }
    let number = |value: &str| value.trim().parse().map_err(|_| wrong(format!("`{}` is no number", value.trim())));
    let values = values.split(',').map(number).collect::<Result<Vec<f64>, Failure>>()?;
    Ok(Alternatives { key: other.to_owned(), values: different(&format!("--with {with}"), &values)? })
}

fn origin(args: &TuneArgs) -> Origin {
    if args.values.is_empty() { Origin::Default } else { Origin::Given }
}

/// The grid of a configuration.
fn values(args: &TuneArgs, untuned: &Untuned) -> Result<Vec<f64>, Failure> {
    match untuned.start {
        _ if !args.values.is_empty() => Ok(args.values.clone()),
        Some(start) if start > 0.0 => Ok(around(start, args.factor, VALUES)),
        start => {
            let (key, label) = (&args.key, &untuned.label);
            let what = start.map_or("no default that is a number".to_string(), |start| format!("the value {start}"));
            let message = format!("--key {key}: it has {what} in {label}, which no grid goes around; give --values");
            Err(Failure::Usage(message))
        }
    }
}

/// Seeds that no configuration of the comparison has.
fn seeds(tuning: &Tuning<'_>, count: usize) -> Vec<u64> {
    let is_taken = |seed: &u64| tuning.configurations.iter().any(|one| one.seeds.contains(seed));
    (FIRST_SEED..).filter(|seed| !is_taken(seed)).take(count).collect()
}

/// Where the runs of a tuning lie.
fn folder(args: &TuneArgs, tuning: &Tuning<'_>) -> PathBuf {
    args.common.out.join(&tuning.name).join(TUNE_FOLDER)
}

/// The subjects of one experiment.
fn own<'a, 't, 'r>(subjects: &'a [Subject<'t, 'r>], tuning: &Tuning<'r>) -> Vec<&'a Subject<'t, 'r>> {
    subjects.iter().filter(|subject| std::ptr::eq(subject.tuning, tuning)).collect()
}

fn order<'r>(subjects: &[Subject<'_, 'r>], tuning: &Tuning<'r>) -> Arc<[String]> {
    own(subjects, tuning).iter().flat_map(|subject| subject.run_ids()).collect()
}

/// What all rounds share.
struct Round<'a> {
    args: &'a TuneArgs,
    /// The key that is chosen beside the tuned one.
    with: Option<&'a str>,
    signals: &'a Signals,
    lines: &'a Lines,
    assembler: &'a Assembler,
}

impl Round<'_> {
    /// Round after round, all searches beside each other, until each has ended; else the exit code of what ended them.
    fn all<'r>(
        &self,
        subjects: &mut [Subject<'_, 'r>],
        tunings: &[Tuning<'r>],
        corpora: &mut Corpora,
    ) -> Result<Option<ExitCode>, Failure> {
        loop {
            let mut tasks = Vec::new();
            for tuning in tunings {
                let order = order(subjects, tuning);
                for subject in subjects.iter_mut().filter(|subject| std::ptr::eq(subject.tuning, tuning)) {
                    tasks.extend(subject.tasks(corpora, &order)?);
                }
            }
            if !tasks.is_empty()
                && let Some(code) = self.train(&tasks)?
            {
                return Ok(Some(code));
            }
            for subject in subjects.iter_mut() {
                subject.advance(corpora);
                subject.plan(corpora)?;
            }
            for tuning in tunings {
                shown::write(self.args, self.with, tuning, &own(subjects, tuning)).map_err(Failure::Failed)?;
            }
            if subjects.iter().all(Subject::is_done) {
                return Ok(None);
            }
        }
    }

    /// Trains to the next rung what is not there yet; the exit code where that was not to be.
    fn train(&self, tasks: &[Task]) -> Result<Option<ExitCode>, Failure> {
        let jobs = self.args.jobs.min(tasks.len()).max(1);
        match memory::check(tasks.iter().map(|task| (task.title.as_str(), task.needed)), jobs) {
            Verdict::Enough => {}
            Verdict::Doubtful(message) => tell!("warning: {message}"),
            Verdict::Impossible(message) => return Err(Failure::Usage(message)),
        }
        self.signals.begin();
        let policy = Policy {
            jobs,
            threads: (rayon::current_num_threads() / jobs).max(1),
            // What diverged is no task any more; what failed, on a full disk say, is tried again.
            retry_failed: true,
            fail_fast: false,
            no_wait: false,
            checkpoints: Checkpoints { every: Duration::from_secs(self.args.checkpoint_every), steps: None },
        };
        let totals = work(tasks, &policy, self.signals, self.lines, self.assembler);
        if let Some(code) = self.signals.stop() {
            tell!("stopped by {}; this goes on from here: {}", self.signals.name().unwrap_or_default(), command_line());
            return Ok(Some(ExitCode::from(code)));
        }
        let failed: Vec<&Task> = tasks.iter().filter(|task| !subject::has_ended(task)).collect();
        if failed.is_empty() {
            return Ok(None);
        }
        tell!("\n{} of {} runs failed; the same command tries them again", failed.len(), tasks.len());
        for task in failed {
            let reason = totals.failed.iter().find(|(title, _)| *title == task.title);
            tell!("  {}: {}", task.title, reason.map_or("it did not come to its rung", |(_, reason)| reason));
        }
        Ok(Some(ExitCode::FAILURE))
    }
}
