//! The runs that lie in folders of results, each as it stands.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use lrx_records::{CurveRow, Row, RunRecord, Split, parse_rows, read_runs};
use lrx_train::CURVE_FILE;
use rayon::prelude::*;

use crate::find::is_run;
use crate::results::{PLANNED_FILE, TUNE_FOLDER, about};
use crate::runs::{Condition, condition, current_attempt, look};

/// A run of an experiment.
#[derive(Clone, Debug)]
pub(crate) struct Listed {
    pub(crate) experiment: String,
    /// None where a table of other origin is all that is there.
    pub(crate) folder: Option<PathBuf>,
    pub(crate) record: RunRecord,
    pub(crate) condition: Condition,
}

/// The columns that a run has beside those of `runs.csv`.
pub(crate) const MORE: [&str; 2] = ["experiment", "state"];

impl Listed {
    /// The cell of a column: of `runs.csv`, or of [`MORE`]; none where there is no such column.
    pub(crate) fn cell(&self, column: &str) -> Option<String> {
        match column {
            "experiment" => Some(self.experiment.clone()),
            "state" => Some(self.condition.word().to_owned()),
            _ => {
                let place = RunRecord::COLUMNS.iter().position(|known| *known == column)?;
                Some(self.record.cells().swap_remove(place))
            }
        }
    }
}

/// The runs in `dir`: an experiment's folder, or one that holds such. Experiments come by name; runs in the order of their
/// `runs.csv`, then others by id.
///
/// # Errors
/// When a folder or a table cannot be read.
pub(crate) fn listed(dir: &Path) -> Result<Vec<Listed>, String> {
    let each = experiments(dir)?.iter().map(|folder| of_experiment(folder)).collect::<Result<Vec<_>, _>>()?;
    Ok(each.into_iter().flatten().collect())
}

/// The folders of experiments in `dir`, which may be one itself, by name.
///
/// # Errors
/// When it cannot be read.
pub(crate) fn experiments(dir: &Path) -> Result<Vec<PathBuf>, String> {
    if is_experiment(dir) {
        return Ok(vec![dir.to_path_buf()]);
    }
    let mut folders: Vec<PathBuf> = Vec::new();
    for entry in fs::read_dir(dir).map_err(about(dir))? {
        let path = entry.map_err(about(dir))?.path();
        if path.is_dir() && is_experiment(&path) {
            folders.push(path);
        }
    }
    folders.sort();
    Ok(folders)
}

/// The run in `folder`; none where it has no row that can be read.
pub(crate) fn listed_run(folder: &Path) -> Option<Listed> {
    let record = look(folder)?;
    let condition = condition(folder, &record);
    let record = if condition.is_open() { so_far(folder, record) } else { record };
    // `.` and links are the folders that they lead to.
    let place = folder.canonicalize().unwrap_or_else(|_| folder.to_path_buf());
    let mut outside = place.parent();
    if outside.is_some_and(|folder| folder.ends_with(TUNE_FOLDER)) {
        outside = outside.and_then(Path::parent);
    }
    let experiment = outside.and_then(Path::file_name).unwrap_or_default().to_string_lossy().into_owned();
    Some(Listed { experiment, folder: Some(folder.to_path_buf()), record, condition })
}

/// Whether a folder is that of an experiment: it has a table, or a run.
fn is_experiment(dir: &Path) -> bool {
    let has_run = || fs::read_dir(dir).into_iter().flatten().flatten().any(|entry| is_run(&entry.path()));
    dir.join("runs.csv").is_file() || dir.join(PLANNED_FILE).is_file() || has_run()
}

/// The runs of one experiment.
pub(crate) fn of_experiment(dir: &Path) -> Result<Vec<Listed>, String> {
    let name = |path: &Path| path.file_name().map(|name| name.to_string_lossy().into_owned());
    let experiment = name(dir).or_else(|| name(&dir.canonicalize().ok()?)).unwrap_or_else(|| dir.display().to_string());
    let table = dir.join("runs.csv");
    let rows = if table.is_file() { read_runs(&table).map_err(|error| error.to_string())? } else { Vec::new() };
    let mut there = HashSet::new();
    for entry in fs::read_dir(dir).map_err(about(dir))? {
        let entry = entry.map_err(about(dir))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name != TUNE_FOLDER && entry.path().is_dir() && !name.starts_with('.') {
            there.insert(name);
        }
    }
    // A table alone is of other origin; where there are folders, a row without one stands for a run that is gone.
    let alone = !rows.iter().any(|row| there.contains(&row.run_id));
    let mut known: HashSet<&str> = HashSet::new();
    let mut ids: Vec<(String, Option<&RunRecord>)> = Vec::new();
    for row in &rows {
        if alone || there.contains(&row.run_id) {
            known.insert(&row.run_id);
            ids.push((row.run_id.clone(), Some(row)));
        }
    }
    let mut others: Vec<&String> = there.iter().filter(|name| !known.contains(name.as_str())).collect();
    others.sort();
    ids.extend(others.into_iter().map(|name| (name.clone(), None)));
    let each = ids.into_par_iter().filter_map(|(run_id, row)| {
        if alone && let Some(row) = row {
            let (record, condition) = (row.clone(), Condition::of_row(&row.status));
            return Some(Listed { experiment: experiment.clone(), folder: None, record, condition });
        }
        let folder = dir.join(&run_id);
        let record = look(&folder).filter(|record| record.run_id == run_id)?;
        let condition = condition(&folder, &record);
        let record = if condition.is_open() { so_far(&folder, record) } else { record };
        // The table's label is told apart from others of its experiment.
        let label = row.map_or(record.label.clone(), |row| row.label.clone());
        let record = RunRecord { label, ..record };
        Some(Listed { experiment: experiment.clone(), folder: Some(folder), record, condition })
    });
    Ok(each.collect())
}

/// The row of a run that is not finished, with what its curve says of how far it is.
fn so_far(folder: &Path, record: RunRecord) -> RunRecord {
    let rows = curve(folder);
    let last = |split| rows.iter().rev().find(|row| row.split == split).map(|row| row.loss);
    let newest = rows.last();
    RunRecord {
        steps: newest.map(|row| row.step).or(record.steps),
        tokens: newest.and_then(|row| row.tokens).or(record.tokens),
        train_loss: last(Split::Train).or(record.train_loss),
        eval_loss: last(Split::Eval).or(record.eval_loss),
        wall_seconds: newest.and_then(|row| row.elapsed_seconds).or(record.wall_seconds),
        ..record
    }
}

/// A file of a run: in its attempt while it is not finished.
pub(crate) fn file_of(folder: &Path, file: &str) -> PathBuf {
    let attempt = current_attempt(folder).ok().flatten().map(|attempt| attempt.join(file));
    attempt.filter(|path| path.is_file()).unwrap_or_else(|| folder.join(file))
}

/// The whole rows of the curve of the run in `folder`, finished or not.
pub(crate) fn curve(folder: &Path) -> Vec<CurveRow> {
    let content = lrx_files::read(&file_of(folder, CURVE_FILE)).unwrap_or_default();
    let whole = content.iter().rposition(|byte| *byte == b'\n').map_or(0, |newline| newline + 1);
    parse_rows(&content[..whole], Path::new(CURVE_FILE)).unwrap_or_default()
}
