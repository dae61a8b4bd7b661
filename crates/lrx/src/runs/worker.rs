//! Trains a run that is this process's.

use std::path::Path;

use lrx_files::clear_leftovers;
use lrx_layers::Progress;
use lrx_model::effective_ranks;
use lrx_records::{Moment, RunRecord, Status, csv_text};
use lrx_tensorboard::Ended;
use lrx_train::{Job, Observer, Order, Outcome, Report, TrainError, remove_checkpoints, train};

use super::agreement::agree_on_config;
use super::claim::Claim;
use super::folder::{Unpublished, is_sealed, publish, seal, write_row, write_row_of_begun};
use super::recorder::Recorder;
use super::{Policy, Task};
use crate::progress::{RunProgress, thousands};
use crate::results::{RANKS_FILE, VOCABULARY_FILE, about, rank_row, write_text_unflushed};

/// How work on a run ended.
pub(super) enum End {
    Finished {
        message: String,
    },
    Failed {
        message: String,
        note: String,
    },
    Stopped {
        message: String,
    },
    /// As far as the task goes.
    Paused {
        message: String,
    },
    Abandoned,
}

impl End {
    fn failed(note: String) -> Self {
        Self::Failed { message: note.clone(), note }
    }
}

/// Trains the run of `task` in the claimed attempt, from where that stands, and moves what comes of it into the run's
/// folder.
///
/// # Errors
/// When a folder cannot be written, or the attempt is of another config; also when the claim is lost, which takes the
/// attempt away.
pub(super) fn train_claimed(
    task: &Task,
    claim: &Claim,
    policy: &Policy,
    order: &dyn Fn() -> Order,
    progress: &mut RunProgress<'_>,
) -> Result<End, String> {
    let attempt = claim.folder();
    // Those of the experiment's folder are cleared away when its tables are written: it may hold thousands of runs.
    for folder in [&*task.folder(), attempt] {
        clear_leftovers(folder);
    }
    agree_on_config(attempt, &task.resolved)?;
    if is_sealed(attempt) {
        // The process before this one was killed while it moved the files of a finished run.
        return match publish(&task.folder(), attempt) {
            Ok(()) => Ok(End::Finished { message: "completed what was left of it".into() }),
            Err(unpublished) => failed_to_publish(task, attempt, unpublished),
        };
    }
    task.corpus.vocabulary.save(&attempt.join(VOCABULARY_FILE)).map_err(|error| error.to_string())?;
    let mut row = begun(task);
    write_row_of_begun(attempt, &row)?;
    if policy.jobs == 1 {
        lrx_train::memory::reset_peak();
    }

    let mut model = task.initial_model()?;
    let job = Job {
        run_id: &task.run_id,
        spec: &task.train,
        sampler: &task.sampler,
        valid: &task.corpus.valid,
        folder: attempt,
        checkpoints: policy.checkpoints,
        pause_after: task.pause_after,
        order,
    };
    let mut recorder = Recorder::new(task, attempt, progress)?;
    let end = match train(&job, &mut model, &mut recorder) {
        Ok((Outcome::Abandoned, _)) => return Ok(End::Abandoned),
        Ok((Outcome::Stopped, report)) => {
            fill(&mut row, &report, task, policy.jobs);
            End::Stopped { message: format!("stopped after step {} of {}", report.step, report.steps) }
        }
        Ok((Outcome::Paused, report)) => {
            fill(&mut row, &report, task, policy.jobs);
            let loss = report.eval_loss.map(|loss| format!("eval {loss:.3}  ")).unwrap_or_default();
            End::Paused { message: format!("{loss}paused after step {} of {}", report.step, report.steps) }
        }
        Ok((Outcome::Diverged { step, what }, report)) => {
            fill(&mut row, &report, task, policy.jobs);
            // That it diverged is told whether or not this can be written.
            let _ = recorder.end(Ended::Failure, report.wall_seconds);
            row.status = Status::Diverged;
            let before = row.note.clone();
            row.note = format!("diverged at step {step}: {what}");
            if !before.is_empty() {
                row.note = format!("{}; {before}", row.note);
            }
            End::failed(row.note.clone())
        }
        // The disk is full, say, or is gone: nothing that the run itself did wrong. Whoever comes next continues it.
        Err(error @ (TrainError::Curve { .. } | TrainError::Tensors(_) | TrainError::Kept(_))) => {
            row.note = error.to_string();
            End::Failed { message: format!("failed: {error}"), note: row.note.clone() }
        }
        Err(error) => {
            row.status = Status::Failed;
            row.note = error.to_string();
            End::Failed { message: format!("failed: {error}"), note: row.note.clone() }
        }
        Ok((Outcome::Finished, report)) => {
            fill(&mut row, &report, task, policy.jobs);
            row.status = Status::Finished;
            recorder.end(Ended::Success, report.wall_seconds)?;
            write_ranks(task, attempt, &model, progress)?;
            seal(attempt, &row)?;
            if let Err(unpublished) = publish(&task.folder(), attempt) {
                return failed_to_publish(task, attempt, unpublished);
            }
            let loss = report.eval_loss.unwrap_or(f64::NAN);
            let (rate, seconds) = (thousands(report.tokens_per_second), report.wall_seconds);
            let message = format!("eval {loss:.3}  {rate} tokens/s  {seconds:.0} s  {}", task.run_id);
            return Ok(End::Finished { message });
        }
    };
    // On a full disk this can fail as well; the row then says `running`, and the run can be continued.
    write_row(attempt, &row)?;
    // What failed, on a full disk say, can go on from its checkpoint when it is tried again.
    if row.status == Status::Diverged {
        remove_checkpoints(attempt).map_err(about(attempt))?;
    }
    Ok(end)
}

/// Notes in the attempt why the run of `task` failed.
///
/// # Errors
/// When that cannot be written.
pub(super) fn note_failure(task: &Task, claim: &Claim, note: &str) -> Result<(), String> {
    write_row(claim.folder(), &RunRecord { status: Status::Failed, note: note.into(), ..begun(task) })
}

/// The row of a run that has begun.
fn begun(task: &Task) -> RunRecord {
    RunRecord { status: Status::Running, tokens: None, steps: None, ..task.planned.clone() }
}

/// A sealed attempt whose files are not what was sealed is to be trained again; one that cannot be moved stays.
fn failed_to_publish(task: &Task, attempt: &Path, unpublished: Unpublished) -> Result<End, String> {
    match unpublished {
        Unpublished::Failed(error) => Err(error),
        Unpublished::Damaged(what) => {
            let note = format!("{what}, while the run was being completed");
            write_row(attempt, &RunRecord { status: Status::Failed, note: note.clone(), ..begun(task) })?;
            Ok(End::failed(note))
        }
    }
}

/// Writes the effective ranks of the matrices before the first step and after the last.
fn write_ranks(
    task: &Task,
    attempt: &Path,
    trained: &lrx_model::Model,
    progress: &mut RunProgress<'_>,
) -> Result<(), String> {
    let mut rows = Vec::new();
    let begin = Progress { step: 0, steps: 1 };
    for (moment, name, model, when) in
        [(Moment::Initial, "initial", &task.initial_model()?, begin), (Moment::Final, "final", trained, Progress::DONE)]
    {
        let (ranks, without) = effective_ranks(model, when);
        if let Some(first) = without.first() {
            let more = if without.len() > 1 { format!(" and {} more", without.len() - 1) } else { String::new() };
            progress.warned(&format!("{RANKS_FILE} leaves out the {name} {first}{more}: not all are finite numbers"));
        }
        rows.extend(ranks.into_iter().map(|rank| rank_row(&task.run_id, moment, rank)));
    }
    write_text_unflushed(&attempt.join(RANKS_FILE), &csv_text(&rows))
}

fn fill(row: &mut RunRecord, report: &Report, task: &Task, jobs: usize) {
    let milli = |value: f64| (value * 1e3).round() / 1e3;
    row.tokens = Some(report.tokens);
    row.steps = Some(report.step as u64);
    row.train_loss = report.train_loss;
    row.eval_loss = report.eval_loss;
    row.bits_per_byte = report.eval_loss.and_then(|loss| task.corpus.valid.bits_per_byte(task.model.context, loss));
    row.tokens_per_second = Some(milli(report.tokens_per_second));
    row.wall_seconds = Some(milli(report.wall_seconds));
    row.peak_rss_mb = report.peak_rss_mb.map(milli);
    row.others_share = report.processors.and_then(|time| time.of_others(jobs)).map(milli);
    row.arithmetic = report.arithmetic.join(", ");
    row.threads = Some(rayon::current_num_threads() as u64);
    row.machine = lrx_files::processors().to_owned();
    row.note = report.note().unwrap_or_default();
}
