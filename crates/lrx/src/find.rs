//! A run in folders of results, by what the command line calls it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use lrx_train::WEIGHTS_FILE;

use crate::results::RESOLVED_FILE;
use crate::runs::current_attempt;

/// The folder of a run: as given, or found by its id, or the beginning of it, in the experiments in `out`. Of several folders
/// that hold the same run, one with weights.
///
/// # Errors
/// When there is none, or the beginning is that of several runs.
pub(crate) fn find_run(run: &str, out: &Path) -> Result<PathBuf, String> {
    if is_run(Path::new(run)) {
        return Ok(run.into());
    }
    let mut known: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
    for experiment in fs::read_dir(out).into_iter().flatten().flatten() {
        for entry in fs::read_dir(experiment.path()).into_iter().flatten().flatten() {
            if is_run(&entry.path()) {
                known.entry(entry.file_name().to_string_lossy().into_owned()).or_default().push(entry.path());
            }
        }
    }
    let found: Vec<&String> = match known.get_key_value(run) {
        Some((exactly, _)) => vec![exactly],
        None => known.keys().filter(|name| name.starts_with(run)).collect(),
    };
    match found.as_slice() {
        [one] => {
            let mut folders = known[*one].clone();
            folders.sort();
            let with_weights = folders.iter().position(|folder| folder.join(WEIGHTS_FILE).is_file());
            Ok(folders.swap_remove(with_weights.unwrap_or(0)))
        }
        [] => {
            let nearest = lrx_layers::nearest(run, known.keys().map(String::as_str));
            let hint = nearest.map(|name| format!("; the nearest is {name}")).unwrap_or_default();
            Err(format!("no run {run:?}: neither a run's folder nor the run_id of one in {}{hint}", out.display()))
        }
        several => {
            let names: Vec<&str> = several.iter().map(|name| name.as_str()).collect();
            Err(format!("{run:?} is the beginning of several runs: {}", names.join(", ")))
        }
    }
}

/// Whether a folder is that of a run, finished or not.
fn is_run(folder: &Path) -> bool {
    folder.join(RESOLVED_FILE).is_file() || current_attempt(folder).is_ok_and(|attempt| attempt.is_some())
}
