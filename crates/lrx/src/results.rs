//! The folders of results: `<out>/<name>/<run_id>/`, and the CSVs assembled from them.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use lrx_train::{CURVE_FILE, RunRecord, write_csv};

/// A run's row, in its folder.
const RECORD_FILE: &str = "run.csv";
/// A run's config with every default filled in.
pub(crate) const RESOLVED_FILE: &str = "resolved.toml";
/// A run's vocabulary: what generating text needs beside the weights.
pub(crate) const VOCABULARY_FILE: &str = "vocabulary.json";

/// An error about a file, with the file.
pub(crate) fn about(path: &Path) -> impl Fn(io::Error) -> String + '_ {
    move |error| format!("{}: {error}", path.display())
}

/// The row in a run's folder, if there is a whole one.
pub(crate) fn read_record(folder: &Path) -> Option<RunRecord> {
    csv::Reader::from_path(folder.join(RECORD_FILE)).ok()?.deserialize().next()?.ok()
}

/// Writes the row into a run's folder.
pub(crate) fn write_record(folder: &Path, record: &RunRecord) -> Result<(), String> {
    let path = folder.join(RECORD_FILE);
    write_csv(&path, std::slice::from_ref(record)).map_err(about(&path))
}

/// Writes `text` to `path`, whole or not at all.
pub(crate) fn write_text(path: &Path, text: &str) -> Result<(), String> {
    let write = || -> io::Result<()> {
        let mut file = tempfile::NamedTempFile::new_in(path.parent().unwrap_or(Path::new(".")))?;
        io::Write::write_all(&mut file, text.as_bytes())?;
        file.as_file().sync_all()?;
        file.persist(path).map_err(|error| error.error)?;
        Ok(())
    };
    write().map_err(about(path))
}

/// Writes `runs.csv` and `curves.csv` of an experiment anew from its runs' folders: those of `order` first, in that
/// order, then others that are there, by name.
pub(crate) fn assemble(experiment: &Path, order: &[&str]) -> Result<(), String> {
    let mut folders: Vec<PathBuf> = order.iter().map(|run_id| experiment.join(run_id)).collect();
    let mut others: Vec<PathBuf> = fs::read_dir(experiment)
        .map_err(about(experiment))?
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| path.is_dir() && !folders.contains(path))
        .collect();
    others.sort();
    folders.append(&mut others);

    let records: Vec<RunRecord> = folders.iter().filter_map(|folder| read_record(folder)).collect();
    let runs = experiment.join("runs.csv");
    write_csv(&runs, &records).map_err(about(&runs))?;

    let mut curves = String::new();
    for folder in &folders {
        let Ok(curve) = fs::read_to_string(folder.join(CURVE_FILE)) else { continue };
        let whole = curve.rfind('\n').map_or(0, |newline| newline + 1);
        let rows = if curves.is_empty() { 0 } else { curve.find('\n').map_or(0, |newline| newline + 1) };
        curves.push_str(&curve[rows.min(whole)..whole]);
    }
    write_text(&experiment.join("curves.csv"), &curves)
}

/// The folder of a run: as given, or found by its id, or the beginning of it, in `out`.
pub(crate) fn find_run(run: &str, out: &Path) -> Result<PathBuf, String> {
    if Path::new(run).join(RESOLVED_FILE).is_file() {
        return Ok(run.into());
    }
    let mut known: Vec<PathBuf> = Vec::new();
    for experiment in fs::read_dir(out).into_iter().flatten().flatten() {
        let runs = fs::read_dir(experiment.path()).into_iter().flatten().flatten().map(|entry| entry.path());
        known.extend(runs.filter(|path| path.join(RESOLVED_FILE).is_file()));
    }
    known.sort();
    let name = |path: &PathBuf| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let found: Vec<&PathBuf> = known.iter().filter(|path| name(path).starts_with(run)).collect();
    match found.as_slice() {
        [one] => Ok((*one).clone()),
        [] => {
            let names: Vec<String> = known.iter().map(name).collect();
            let nearest = lrx_layers::nearest(run, names.iter().map(String::as_str));
            let hint = nearest.map(|name| format!("; the nearest is {name}")).unwrap_or_default();
            Err(format!("no run {run:?}: neither a run's folder nor the run_id of one in {}{hint}", out.display()))
        }
        several => {
            let names: Vec<String> = several.iter().map(|path| name(path)).collect();
            Err(format!("{run:?} is the beginning of several runs: {}", names.join(", ")))
        }
    }
}
