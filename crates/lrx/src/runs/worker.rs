//! Trains a run that is this process's.

use std::fs;

use lrx_layers::Progress;
use lrx_model::{effective_ranks, load_weights};
use lrx_records::{Moment, RankRow, RunRecord, Status};
use lrx_train::{Job, Order, Outcome, Report, WEIGHTS_FILE, remove_checkpoints, train};

use super::folder::{State, agree_on_config, read_state, seal, write_row};
use super::{Policy, Task};
use crate::progress::{RunProgress, thousands};
use crate::results::{
    CHECKSUMS_FILE, RANKS_FILE, VOCABULARY_FILE, about, assemble_seldom, clear_leftovers, rank_row, write_csv_text,
};

/// How work on a run ended.
pub(super) enum End {
    Finished { message: String },
    Failed { message: String, note: String },
    Stopped { message: String },
    Abandoned,
}

/// Trains the run of `task` from where its folder stands.
///
/// # Errors
/// When its folder cannot be written, or holds a run of another config.
pub(super) fn train_claimed<'a>(
    task: &'a Task,
    policy: &Policy,
    order: &dyn Fn() -> Order,
    progress: &mut RunProgress<'a>,
) -> Result<End, String> {
    let folder = task.folder();
    if let State::Damaged(_) = read_state(&folder) {
        // Asked to be tried again: from the beginning.
        for file in [CHECKSUMS_FILE, WEIGHTS_FILE] {
            let path = folder.join(file);
            if path.exists() {
                fs::remove_file(&path).map_err(about(&path))?;
            }
        }
    }
    clear_leftovers(&folder);
    clear_leftovers(&task.experiment);
    agree_on_config(&folder, &task.resolved)?;
    task.corpus.vocabulary.save(&folder.join(VOCABULARY_FILE)).map_err(|error| error.to_string())?;
    let mut row = RunRecord { status: Status::Running, tokens: None, steps: None, ..task.planned.clone() };
    write_row(&folder, &row)?;
    if policy.jobs == 1 {
        lrx_train::memory::reset_peak();
    }

    let mut model = task.initial_model()?;
    let job = Job {
        run_id: &task.run_id,
        spec: &task.train,
        sampler: &task.sampler,
        valid: &task.corpus.valid,
        folder: &folder,
        checkpoints: policy.checkpoints,
        order,
    };
    progress.after_eval = Some(Box::new(|| assemble_seldom(&task.experiment, &task.order)));
    let result = train(&job, &mut model, progress);
    progress.after_eval = None;
    let end = match result {
        Ok((Outcome::Abandoned, _)) => return Ok(End::Abandoned),
        Ok((Outcome::Stopped, report)) => {
            fill(&mut row, &report, task);
            End::Stopped { message: format!("stopped after step {} of {}", report.step, report.steps) }
        }
        Ok((Outcome::Diverged { step, what }, report)) => {
            fill(&mut row, &report, task);
            row.status = Status::Diverged;
            row.note = format!("diverged at step {step}: {what}");
            End::Failed { message: row.note.clone(), note: row.note.clone() }
        }
        Err(error) => {
            row.status = Status::Failed;
            row.note = error.to_string();
            End::Failed { message: format!("failed: {error}"), note: row.note.clone() }
        }
        Ok((Outcome::Finished, report)) => {
            fill(&mut row, &report, task);
            row.status = Status::Finished;
            write_ranks(task, &model)?;
            seal(&folder, &row)?;
            End::Finished {
                message: format!(
                    "eval {:.3}  {} tokens/s  {:.0} s",
                    report.eval_loss.unwrap_or(f64::NAN),
                    thousands(report.tokens_per_second),
                    report.wall_seconds
                ),
            }
        }
    };
    if row.status != Status::Finished {
        // On a full disk this can fail as well; the folder then says `running`, and the run can be continued.
        write_row(&folder, &row)?;
    }
    // What failed, on a full disk say, can go on from its checkpoint when it is tried again.
    if matches!(row.status, Status::Finished | Status::Diverged) {
        remove_checkpoints(&folder).map_err(about(&folder))?;
    }
    Ok(end)
}

/// Gives a run that an earlier lrx has finished what it lacks: the effective ranks, as long as its weights are there.
///
/// # Errors
/// When the weights cannot be read, or the folder cannot be written.
pub(super) fn complete(task: &Task, record: &RunRecord) -> Result<(), String> {
    let folder = task.folder();
    let weights = folder.join(WEIGHTS_FILE);
    if folder.join(RANKS_FILE).exists() || !weights.exists() {
        return Ok(());
    }
    let mut model = task.initial_model()?;
    load_weights(&mut model, &weights).map_err(|error| error.to_string())?;
    write_ranks(task, &model)?;
    seal(&folder, record)
}

/// The effective ranks of the matrices before the first step and after the last.
fn write_ranks(task: &Task, trained: &lrx_model::Model) -> Result<(), String> {
    let moments = [
        (Moment::Initial, effective_ranks(&task.initial_model()?, Progress { step: 0, steps: 1 })),
        (Moment::Final, effective_ranks(trained, Progress::DONE)),
    ];
    let rows: Vec<RankRow> = moments
        .into_iter()
        .flat_map(|(moment, ranks)| ranks.into_iter().map(move |rank| rank_row(&task.run_id, moment, rank)))
        .collect();
    write_csv_text(&task.folder().join(RANKS_FILE), &rows)
}

fn fill(row: &mut RunRecord, report: &Report, task: &Task) {
    let milli = |value: f64| (value * 1e3).round() / 1e3;
    row.tokens = Some(report.tokens);
    row.steps = Some(report.step as u64);
    row.train_loss = report.train_loss;
    row.eval_loss = report.eval_loss;
    row.bits_per_byte = report.eval_loss.and_then(|loss| task.corpus.valid.bits_per_byte(task.model.context, loss));
    row.tokens_per_second = Some(milli(report.tokens_per_second));
    row.wall_seconds = Some(milli(report.wall_seconds));
    row.peak_rss_mb = report.peak_rss_mb.map(milli);
}
