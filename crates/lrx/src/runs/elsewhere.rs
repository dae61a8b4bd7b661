//! Runs that another experiment in the same folder of results has trained: the same config gives the same numbers there, so
//! they are taken from there.

use std::fs;
use std::path::{Path, PathBuf};

use lrx_records::RunRecord;
use lrx_train::{CURVE_FILE, WEIGHTS_FILE};

use super::Task;
use super::folder::{ON_REQUEST, State, Unpublished, publish, read_state, seal};
use crate::results::{RANKS_FILE, RESOLVED_FILE, VOCABULARY_FILE, about, write_text};

/// The folder of the finished run of `task` in another experiment beside its own, and its row there.
pub(super) fn finished_elsewhere(task: &Task) -> Option<(PathBuf, RunRecord)> {
    let results = task.experiment.parent()?;
    let mut folders: Vec<PathBuf> = fs::read_dir(results)
        .ok()?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|experiment| experiment.file_name() != task.experiment.file_name())
        .map(|experiment| experiment.join(&task.run_id))
        .filter(|folder| folder.is_dir())
        .collect();
    folders.sort();
    folders.into_iter().find_map(|folder| match read_state(&folder) {
        // All of it: weights may have been deleted to save room.
        State::Finished(record) if FILES.iter().all(|file| folder.join(file).exists()) => Some((folder, record)),
        _ => None,
    })
}

/// What is taken over as it is.
const FILES: [&str; 4] = [CURVE_FILE, RANKS_FILE, WEIGHTS_FILE, VOCABULARY_FILE];

/// Makes the run in `other` that of `task`, by way of its attempt: the same files, under this experiment's name and label.
///
/// # Errors
/// When a file cannot be read or written, or changes meanwhile.
pub(super) fn take_over(task: &Task, attempt: &Path, other: &Path, record: RunRecord) -> Result<RunRecord, String> {
    let on_request = ON_REQUEST.into_iter().filter(|file| other.join(file).exists());
    for file in ON_REQUEST.iter().map(|file| attempt.join(file)).filter(|path| path.exists()) {
        // Of a training of its own that did not come to its end.
        fs::remove_file(&file).map_err(about(&file))?;
    }
    for file in FILES.into_iter().chain(on_request) {
        let (from, to) = (other.join(file), attempt.join(file));
        if to.exists() {
            fs::remove_file(&to).map_err(about(&to))?;
        }
        // One file for both, where the disk can do that: weights are large, and nobody writes to them again.
        fs::hard_link(&from, &to).or_else(|_| fs::copy(&from, &to).map(drop)).map_err(about(&to))?;
    }
    write_text(&attempt.join(RESOLVED_FILE), &task.resolved.to_string())?;
    let row = RunRecord { label: task.planned.label.clone(), ..record };
    seal(attempt, &row)?;
    publish(&task.folder(), attempt).map_err(|unpublished| match unpublished {
        Unpublished::Failed(error) => error,
        Unpublished::Damaged(what) => format!("{what}, while the run was taken from {}", other.display()),
    })?;
    Ok(row)
}
