//! `planned.csv`: what `lrx run` has set out to train, so that who watches a folder knows what is still to come.

use std::collections::HashMap;
use std::path::Path;

use lrx_records::{PlannedRow, csv_text, read_rows};
use lrx_spec::Experiment;

use crate::results::{PLANNED_FILE, write_text_unflushed};
use crate::runs::Task;

/// Writes the runs of an experiment's config, each with its length as far as `tasks` or who wrote before have it. A process that
/// has only a part of the runs leaves what is there as it is, if it names the same.
///
/// # Errors
/// When the file cannot be written.
pub(crate) fn write_down(folder: &Path, experiment: &Experiment, tasks: &[Task]) -> Result<(), String> {
    let path = folder.join(PLANNED_FILE);
    let before = read(folder);
    let ids = || experiment.runs.iter().filter_map(|run| run.run_id.as_deref());
    let own: HashMap<&str, &Task> = tasks.iter().map(|task| (task.run_id.as_str(), task)).collect();
    let is_whole = ids().all(|id| own.contains_key(id));
    if !is_whole && before.iter().map(|row| row.run_id.as_str()).eq(ids()) {
        return Ok(());
    }
    let known: HashMap<&str, &PlannedRow> = before.iter().map(|row| (row.run_id.as_str(), row)).collect();
    let rows: Vec<PlannedRow> = experiment
        .runs
        .iter()
        .filter_map(|run| {
            let run_id = run.run_id.as_deref()?;
            let (task, before) = (own.get(run_id), known.get(run_id));
            Some(PlannedRow {
                run_id: run_id.to_owned(),
                label: run.label.clone(),
                seed: Some(run.seed),
                steps: task.map_or_else(|| before?.steps, |task| task.planned.steps),
                flops: task.map_or_else(|| before?.flops, |task| Some(task.work())),
            })
        })
        .collect();
    if rows == before { Ok(()) } else { write_text_unflushed(&path, &csv_text(&rows)) }
}

/// What is to be trained in an experiment's folder; nothing where nobody has said so, or what was said cannot be read.
pub(crate) fn read(folder: &Path) -> Vec<PlannedRow> {
    read_rows(&folder.join(PLANNED_FILE)).unwrap_or_default()
}
