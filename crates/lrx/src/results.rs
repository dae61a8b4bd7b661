//! The folders of results: `<out>/<name>/<run_id>/`, and the CSVs assembled from them.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use lrx_files::{TEMPORARY_PREFIX, write_whole};
use lrx_model::EffectiveRank;
use lrx_records::{Moment, RankRow, Row, Status, csv_text};
use lrx_train::CURVE_FILE;

use crate::runs::{State, checksum_lines, read_state};

/// A run's row, in its folder.
pub(crate) const RECORD_FILE: &str = "run.csv";
/// A run's config with every default filled in.
pub(crate) const RESOLVED_FILE: &str = "resolved.toml";
/// A run's vocabulary: what generating text needs beside the weights.
pub(crate) const VOCABULARY_FILE: &str = "vocabulary.json";

/// The effective ranks of a run's matrices; of all runs in an experiment's folder.
pub(crate) const RANKS_FILE: &str = "ranks.csv";
/// The BLAKE3 of files, in a run's folder and in an experiment's.
pub(crate) const CHECKSUMS_FILE: &str = "checksums.txt";

/// A row of `ranks.csv`.
pub(crate) fn rank_row(run_id: &str, moment: Moment, rank: EffectiveRank) -> RankRow {
    let EffectiveRank { matrix, layer, slot, rows, columns, max_rank, entropy_rank, stable_rank } = rank;
    RankRow {
        run_id: run_id.to_owned(),
        moment,
        matrix,
        layer: layer as u64,
        slot: slot.to_owned(),
        rows: Some(rows as u64),
        columns: Some(columns as u64),
        max_rank: max_rank as u64,
        entropy_rank,
        stable_rank,
    }
}

/// An error about a file, with the file.
pub(crate) fn about(path: &Path) -> impl Fn(io::Error) -> String + '_ {
    move |error| format!("{}: {error}", path.display())
}

/// Writes rows as CSV, whole or not at all.
pub(crate) fn write_csv_text<R: Row>(path: &Path, rows: &[R]) -> Result<(), String> {
    write_text(path, &csv_text(rows))
}

/// Deletes temporary files that a killed process has left in a folder: those that nobody has written to for a minute.
pub(crate) fn clear_leftovers(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let age = entry.metadata().and_then(|file| file.modified()).map(|time| time.elapsed().unwrap_or_default());
        let temporary = entry.file_name().to_string_lossy().starts_with(TEMPORARY_PREFIX);
        if temporary && age.is_ok_and(|age| age > Duration::from_secs(60)) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// Writes `text` to `path`, whole or not at all.
pub(crate) fn write_text(path: &Path, text: &str) -> Result<(), String> {
    write_whole(path, text.as_bytes()).map_err(about(path))
}

/// Writes `runs.csv`, `curves.csv` and `ranks.csv` of an experiment anew from its runs' folders: those of `order` first, in
/// that order, then others that are there, by name. Damaged runs are left out.
///
/// Several processes may do this at once: each looks again after it has written, so that the last to write has seen all
/// that was there.
pub(crate) fn assemble(experiment: &Path, order: &[String]) -> Result<(), String> {
    let mut tables = tables(experiment, order)?;
    loop {
        let files = [("runs.csv", &tables.runs), ("curves.csv", &tables.curves), (RANKS_FILE, &tables.ranks)];
        let files = files.into_iter().filter(|(file, text)| *file != RANKS_FILE || !text.is_empty());
        let files: Vec<(&str, &[u8])> = files.map(|(file, text)| (file, text.as_bytes())).collect();
        let checksums = checksum_lines(files.iter().copied());
        for (file, text) in files.into_iter().chain([(CHECKSUMS_FILE, checksums.as_bytes())]) {
            let path = experiment.join(file);
            // Where nothing is new, nothing is written: finished results may lie where nobody can.
            if fs::read(&path).ok().as_deref() != Some(text) {
                write_whole(&path, text).map_err(about(&path))?;
            }
        }
        let now = self::tables(experiment, order)?;
        if now.runs == tables.runs {
            return Ok(());
        }
        tables = now;
    }
}

/// As [`assemble`], but at most every half minute: while runs go on.
pub(crate) fn assemble_seldom(experiment: &Path, order: &[String]) {
    let age = fs::metadata(experiment.join("curves.csv")).and_then(|file| file.modified()).map(|time| time.elapsed());
    if age.is_ok_and(|age| age.is_ok_and(|age| age < Duration::from_secs(30))) {
        return;
    }
    // The tables of a run that goes on are a convenience; at its end an error is told.
    let _ = assemble(experiment, order);
}

struct Tables {
    runs: String,
    curves: String,
    ranks: String,
}

fn tables(experiment: &Path, order: &[String]) -> Result<Tables, String> {
    let mut folders: Vec<PathBuf> = order.iter().map(|run_id| experiment.join(run_id)).collect();
    let mut others: Vec<PathBuf> = fs::read_dir(experiment)
        .map_err(about(experiment))?
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| path.is_dir() && !folders.contains(path))
        .collect();
    others.sort();
    folders.append(&mut others);

    let mut records = Vec::new();
    let (mut curves, mut ranks) = (String::new(), String::new());
    for folder in &folders {
        let record = match read_state(folder) {
            State::Finished(record) | State::Running(record) | State::Failed(record) => record,
            State::New | State::Damaged(_) => continue,
        };
        if folder.file_name().is_none_or(|name| name != record.run_id.as_str()) {
            continue; // Copied or renamed: not this run's place.
        }
        append(&mut curves, &folder.join(CURVE_FILE));
        if record.status == Status::Finished {
            append(&mut ranks, &folder.join(RANKS_FILE));
        }
        records.push(record);
    }
    Ok(Tables { runs: csv_text(&records), curves, ranks })
}

/// Appends the whole rows of a CSV file, with their header only at the beginning.
fn append(table: &mut String, file: &Path) {
    let Ok(text) = fs::read_to_string(file) else { return };
    let whole = text.rfind('\n').map_or(0, |newline| newline + 1);
    let rows = if table.is_empty() { 0 } else { text.find('\n').map_or(0, |newline| newline + 1) };
    table.push_str(&text[rows.min(whole)..whole]);
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
