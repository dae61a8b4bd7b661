//! `lrx run`

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::{ArgGroup, Args, value_parser};
use console::measure_text_width;
use lrx_files::clear_leftovers;
use lrx_layers::Registry;
use lrx_spec::Experiment;
use lrx_tensor::bf16;
use lrx_train::{Checkpoints, PrecisionName};

use super::common::Common;
use crate::claims;
use crate::corpus::{CACHE_FOLDER, Corpora, Starts, vocabulary};
use crate::failure::Failure;
use crate::memory::{self, Verdict};
use crate::outlook;
use crate::progress::{Lines, thousands};
use crate::results::about;
use crate::runs::{Place, Policy, Task, Totals, work};
use crate::share::{Asked, Share};
use crate::shell::command_line;
use crate::signals::Signals;
use crate::tables::{Assembler, LeftOut};
use crate::terminal::{say, tell, visible};
use crate::threads::use_threads;

/// `lrx run`
#[derive(Args)]
#[command(group(ArgGroup::new("sweep").args(["configs", "manifest"]).required(true)))]
#[command(after_help = "\
SIGINT, SIGTERM, SIGHUP, SIGUSR1 and SIGUSR2 stop all runs with checkpoints, after the step or the batch of an evaluation
that is being computed; a second signal ends at once. The exit code is 128 + the signal's number, or that of --requeue-exit
where work is left.

Tasks of --task count from 1: task N of M takes the runs N, N+M, N+2M, … in the order of `lrx plan --ids`. `auto` asks the
scheduler for both:
  Slurm        N = (SLURM_ARRAY_TASK_ID - _MIN) / _STEP + 1, M = SLURM_ARRAY_TASK_COUNT
  Grid Engine  N = (SGE_TASK_ID - SGE_TASK_FIRST) / SGE_TASK_STEPSIZE + 1, M by SGE_TASK_LAST
  Kubernetes   N = JOB_COMPLETION_INDEX + 1, M = the number of runs
  HyperQueue   N = HQ_TASK_ID + 1 (arrays begin at 0), M = the number of runs
`auto/M` says M, so that single tasks can be submitted again: N is then the task's own number, which counts from 1 in Grid
Engine and from 0 in the others.

  lrx plan sweep.toml --manifest sweep.json                freeze the sweep
  lrx run --manifest sweep.json --task 2/8                 an eighth of it
  lrx run --manifest sweep.json --task auto/8 --steal      and then what other tasks have left")]
pub(crate) struct RunArgs {
    #[command(flatten)]
    pub(crate) common: Common,
    /// Train the sweep of FILE, which `lrx plan CONFIG.toml --manifest FILE` has written; that a config or its data has
    /// changed since is an error
    #[arg(long, value_name = "FILE")]
    pub(crate) manifest: Option<PathBuf>,
    /// Only one task's share of the runs: N/M, or `auto` or `auto/M` as the scheduler numbers it
    #[arg(long, value_name = "N/M", conflicts_with = "only")]
    pub(crate) task: Option<Asked>,
    /// Once the task's share is done, take over runs of others that nobody has begun, or that a process has left
    #[arg(long, requires = "task", conflicts_with = "no_wait")]
    pub(crate) steal: bool,
    /// The exit code where a signal has stopped runs that are to be gone on with: for a scheduler that then runs the command
    /// again
    #[arg(long, value_name = "CODE", value_parser = value_parser!(u8).range(3..))]
    pub(crate) requeue_exit: Option<u8>,
    /// Seconds between checkpoints; more where writing one takes so long that it would cost over 1 %
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    pub(crate) checkpoint_every: u64,
    /// Also write a checkpoint after every N steps
    #[arg(long, value_name = "N")]
    pub(crate) checkpoint_steps: Option<usize>,
    /// Train again what diverged or failed before
    #[arg(long)]
    pub(crate) retry_failed: bool,
    /// Only this run (repeatable): lrx plan --ids CONFIG.toml | xargs -P2 -n1 lrx run CONFIG.toml --only
    #[arg(long, value_name = "RUN_ID")]
    pub(crate) only: Vec<String>,
    /// Runs side by side, each with its part of the threads. Numbers do not depend on it
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) jobs: usize,
    /// Go on with other runs when one fails: the default
    #[arg(long, conflicts_with = "fail_fast")]
    pub(crate) keep_going: bool,
    /// Stop all runs, with checkpoints, when one fails
    #[arg(long)]
    pub(crate) fail_fast: bool,
    /// Leave runs that other processes are training to them, instead of waiting until they end
    #[arg(long)]
    pub(crate) no_wait: bool,
}

pub(crate) fn run(args: &RunArgs, registry: &Registry) -> Result<ExitCode, Failure> {
    if args.jobs == 0 {
        return Err(Failure::Usage("--jobs 0: expected at least 1".into()));
    }
    use_threads(args.common.threads)?;
    let lines = Lines::new(args.jobs > 1);
    // From here on, since configs whose sizes are solved for may have to tokenise their stories.
    let signals = Signals::watch(lines.clone(), args.requeue_exit)
        .map_err(|error| Failure::Failed(format!("cannot watch for signals: {error}")))?;
    let experiments = args.common.sweep(args.manifest.as_deref(), registry)?;
    check_only(&experiments, &args.only)?;
    let share = share(args, &experiments)?;
    // Everything that can be wrong with the data shows before the first hour is spent.
    let tasks = tasks(args, share, &experiments, &signals, &lines)?;
    // Jobs beyond the runs would have nothing to do.
    let jobs = args.jobs.min(tasks.len()).max(1);
    say_if_slow_or_large(&tasks, jobs)?;
    let policy = Policy {
        jobs,
        threads: (rayon::current_num_threads() / jobs).max(1),
        retry_failed: args.retry_failed,
        fail_fast: args.fail_fast,
        no_wait: args.no_wait,
        checkpoints: Checkpoints {
            every: Duration::from_secs(args.checkpoint_every),
            steps: args.checkpoint_steps.filter(|steps| *steps > 0),
        },
    };
    prepare_folders(args, &experiments, &tasks)?;
    tasks.iter().for_each(|task| lines.expect(task.work()));
    signals.begin();
    let assembler = Assembler::default();
    let totals = work(&tasks, &policy, &signals, &lines, &assembler);
    // A signal that came when all was done has stopped nothing.
    let stopped = signals.stop().filter(|_| totals.left > 0);
    let left_out = assemble(args, &experiments, &assembler, &totals, stopped.is_some())?;
    if stopped.is_none() {
        let mut listed = Vec::new();
        for experiment in &experiments {
            listed.extend(summary(&folder(args, experiment))?);
        }
        say_ids(&totals.finished, &listed, &tasks);
    }
    for (folder, LeftOut { run_id, why }) in &left_out {
        tell!("left out of the tables: {}: {why}", folder.join(run_id).display());
    }
    if let Some(code) = stopped {
        tell!("stopped by {}; this goes on from here: {}", signals.name().unwrap_or_default(), command_line());
        return Ok(ExitCode::from(code));
    }
    tell(&totals);
    let well = totals.failed.is_empty() && totals.left == 0 && left_out.is_empty();
    Ok(if well { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

/// Says what of this machine does not fit the runs, `jobs` at a time, before the first hour is spent.
///
/// # Errors
/// When they cannot fit its memory.
fn say_if_slow_or_large(tasks: &[Task], jobs: usize) -> Result<(), Failure> {
    if tasks.iter().any(|task| task.train.precision == PrecisionName::Bf16) && !bf16::is_native() {
        tell!(
            "precision bf16: this processor has neither AMX-BF16 nor AVX512_BF16; the numbers come more slowly than those of f32"
        );
    }
    match memory::check(tasks.iter().map(|task| (task.title.as_str(), task.needed)), jobs) {
        Verdict::Enough => Ok(()),
        Verdict::Doubtful(message) => {
            tell!("warning: {message}");
            Ok(())
        }
        Verdict::Impossible(message) => Err(Failure::Usage(message)),
    }
}

/// Makes the experiments' folders, and writes down there what is claimed and what is to come.
fn prepare_folders(args: &RunArgs, experiments: &[Experiment], tasks: &[Task]) -> Result<(), Failure> {
    for experiment in experiments {
        let folder = folder(args, experiment);
        std::fs::create_dir_all(&folder).map_err(|error| Failure::Failed(about(&folder)(error)))?;
        // What a killed process has left there.
        clear_leftovers(&folder);
    }
    clear_leftovers(&args.common.out.join(CACHE_FOLDER));
    for experiment in experiments {
        let late = claims::write_down(&folder(args, experiment), &experiment.claims).map_err(Failure::Failed)?;
        for name in late {
            let note = "had begun before this claim was written: the report says so";
            tell!("note: {}: claim \"{}\": runs {note}", experiment.name, visible(&name));
        }
    }
    for experiment in experiments {
        // Who watches is told less where this cannot be written; the runs do not depend on it.
        if let Err(error) = outlook::write_down(&folder(args, experiment), experiment, tasks) {
            tell!("warning: {error}");
        }
    }
    Ok(())
}

/// Writes the experiments' tables; gives what is left out of them, with the folder. After a signal, or for a part of a sweep,
/// only where no other process has, or is about to.
fn assemble(
    args: &RunArgs,
    experiments: &[Experiment],
    assembler: &Assembler,
    totals: &Totals,
    was_stopped: bool,
) -> Result<Vec<(PathBuf, LeftOut)>, Failure> {
    let finished: HashSet<&str> = totals.finished.iter().map(String::as_str).collect();
    let mut left_out = Vec::new();
    for experiment in experiments {
        let folder = folder(args, experiment);
        let order = order(experiment);
        let assembled = if was_stopped || args.task.is_some() && totals.failed.is_empty() {
            let own = order.iter().map(String::as_str).filter(|run_id| finished.contains(run_id));
            assembler.assemble_for(&folder, &order, &own.collect(), was_stopped)
        } else {
            assembler.assemble_thoroughly(&folder, &order)
        };
        let not_there = assembled.map_err(Failure::Failed)?;
        left_out.extend(not_there.into_iter().map(|run| (folder.clone(), run)));
    }
    Ok(left_out)
}

/// A run of a table.
struct Listed {
    run_id: String,
    label: String,
    seed: u64,
    /// Whether the table shows its configuration.
    is_shown: bool,
}

/// The runs that are finished, for the commands that take one's id: in the order of the tables, then those that count in
/// none. Of configurations that no table shows, how many.
fn say_ids(finished: &[String], listed: &[Listed], tasks: &[Task]) {
    let finished: HashSet<&str> = finished.iter().map(String::as_str).collect();
    let mut told: HashSet<&str> = HashSet::new();
    let mut runs: Vec<(&str, String)> = Vec::new();
    let untold = tasks.iter().map(|task| (&task.run_id, &task.planned.label, task.seed, true));
    let listed = listed.iter().map(|run| (&run.run_id, &run.label, run.seed, run.is_shown));
    for (run_id, label, seed, is_shown) in listed.chain(untold) {
        if finished.contains(run_id.as_str()) && told.insert(run_id) && is_shown {
            runs.push((run_id, format!("{} seed {seed}", visible(label))));
        }
    }
    if runs.is_empty() {
        return;
    }
    let width = runs.iter().map(|(_, name)| measure_text_width(name)).max().unwrap_or(0);
    say!("finished runs, as `lrx generate` takes them:");
    for (run_id, name) in &runs {
        say!("  {name}{}  {run_id}", " ".repeat(width - measure_text_width(name)));
    }
    if told.len() > runs.len() {
        say!("  and {} more: runs.csv has their ids", thousands((told.len() - runs.len()) as f64));
    }
}

fn folder(args: &RunArgs, experiment: &Experiment) -> PathBuf {
    args.common.out.join(&experiment.name)
}

fn order(experiment: &Experiment) -> Arc<[String]> {
    experiment.runs.iter().filter_map(|run| run.run_id.clone()).collect()
}

/// Whether each run that `--only` names is there.
fn check_only(experiments: &[Experiment], only: &[String]) -> Result<(), Failure> {
    let all = || experiments.iter().flat_map(|experiment| &experiment.runs).filter_map(|run| run.run_id.as_deref());
    let known: HashSet<&str> = all().collect();
    match only.iter().find(|id| !known.contains(id.as_str())) {
        None => Ok(()),
        Some(unknown) => {
            let nearest = lrx_layers::nearest(unknown, all());
            let hint = nearest.map(|id| format!("; did you mean {id}?")).unwrap_or_default();
            Err(Failure::Usage(format!(
                "--only {unknown}: the configs describe no such run{hint} (lrx plan --ids lists them)"
            )))
        }
    }
}

/// The share of the runs that this task has, if it is one of several.
fn share(args: &RunArgs, experiments: &[Experiment]) -> Result<Option<Share>, Failure> {
    let Some(asked) = args.task else { return Ok(None) };
    let runs = experiments.iter().map(|experiment| experiment.runs.len()).sum();
    let share = asked.share(runs, |name| std::env::var(name).ok()).map_err(Failure::Usage)?;
    let own = (0..runs).filter(|&index| share.has(index)).count();
    tell!("task {} of {}: {own} of {runs} runs", share.number, share.of);
    Ok(Some(share))
}

/// Every run that is asked for, with its data ready: those of this task's share first.
fn tasks(
    args: &RunArgs,
    share: Option<Share>,
    experiments: &[Experiment],
    signals: &Signals,
    lines: &Lines,
) -> Result<Vec<Task>, Failure> {
    let usage = |error: lrx_spec::ConfigError| Failure::Usage(error.to_string());
    let mut corpora = Corpora::until(signals, lines);
    let (mut tasks, mut of_others, mut starts) = (Vec::new(), Vec::new(), Starts::default());
    let only: HashSet<&str> = args.only.iter().map(String::as_str).collect();
    let mut index = 0..;
    for experiment in experiments {
        let name = experiment.name.clone();
        let place = Place { name, folder: folder(args, experiment), order: order(experiment) };
        for ((i, run), index) in experiment.runs.iter().enumerate().zip(&mut index) {
            let is_own = share.is_none_or(|share| share.has(index));
            if !is_own && !args.steal {
                continue;
            }
            let corpus = corpora.of(run, &args.common.out)?;
            let size = vocabulary(run, &corpus).map_err(usage)?;
            if !only.is_empty() && !run.run_id.as_deref().is_some_and(|id| only.contains(id)) {
                continue;
            }
            starts.check(run, size, Some(&corpus.vocabulary)).map_err(usage)?;
            let title = format!("[{}/{}] {} seed {}", i + 1, experiment.runs.len(), run.label, run.seed);
            let task = Task::new(run, corpus, size, &place, title);
            if is_own { tasks.push(task) } else { of_others.push((index, Task { is_own, ..task })) }
        }
    }
    // Each begins behind its own: tasks that are done at the same time then do not look for the same runs.
    let behind = of_others.partition_point(|(index, _)| share.is_some_and(|share| *index < share.number));
    of_others.rotate_left(behind);
    tasks.extend(of_others.into_iter().map(|(_, task)| task));
    Ok(tasks)
}

/// Prints the tables of an experiment; its runs in their order.
fn summary(folder: &Path) -> Result<Vec<Listed>, Failure> {
    let mut listed = Vec::new();
    let failed = |error: lrx_analysis::Error| Failure::Failed(error.to_string());
    for experiment in lrx_analysis::read_experiment(folder).map_err(failed)? {
        let summary = lrx_analysis::Summary::new(&experiment, None).map_err(failed)?;
        say!("{}", lrx_analysis::text_table(&summary));
        for row in &summary.rows {
            listed.extend(row.configuration.runs.iter().map(|run| Listed {
                run_id: run.run_id.clone(),
                label: run.label.clone(),
                seed: run.seed.unwrap_or_default(),
                is_shown: row.is_shown,
            }));
        }
    }
    say!("{}: runs.csv, curves.csv; lrx report {0} draws them", folder.display());
    Ok(listed)
}

/// What did not end well, and why.
fn tell(totals: &Totals) {
    if totals.failed.is_empty() && totals.with_others.is_empty() && totals.left == 0 {
        return;
    }
    let others = totals.with_others.len();
    tell!(
        "\n{} finished, {} failed, {others} left to others, {} not tried",
        totals.finished.len(),
        totals.failed.len(),
        totals.left
    );
    for (title, reason) in &totals.failed {
        tell!("  {title}: {reason}");
    }
}
