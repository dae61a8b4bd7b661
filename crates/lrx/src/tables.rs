//! The CSVs of an experiment, assembled from its runs' folders.

use std::collections::HashMap;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use lrx_files::{CHECKSUMS_FILE, Checksums, hash, write_whole};
use lrx_records::{CurveRow, RankRow, Row, RunRecord, csv_header, csv_line, csv_text, parse_rows};

use crate::results::{RANKS_FILE, TUNE_FOLDER, about};
use crate::runs::{Checked, Run, State, read_run};

/// A run's rows, at most so often while runs go on.
const SELDOM: Duration = Duration::from_secs(30);

/// A run that is not in the tables, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LeftOut {
    pub(crate) run_id: String,
    pub(crate) why: String,
}

/// Writes the tables of experiments.
#[derive(Default)]
pub(crate) struct Assembler {
    checked: Mutex<Checked>,
    /// When the tables of each experiment were last written.
    written: Mutex<HashMap<PathBuf, Instant>>,
}

impl Assembler {
    /// Writes `runs.csv`, `curves.csv` and `ranks.csv` of an experiment anew from its runs' folders: those of `order`
    /// first, in that order, then others that are there, by name. Gives the runs that had to be left out: those that have
    /// changed since they were finished, or cannot be read.
    ///
    /// Several processes may do this at once: each looks again after it has written, so that the last to write has seen
    /// all that was there.
    ///
    /// # Errors
    /// When a table cannot be written; what stood there before is untouched then.
    pub(crate) fn assemble(&self, experiment: &Path, order: &[String]) -> Result<Vec<LeftOut>, String> {
        self.write(experiment, order, &mut self.checked.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// As [`assemble`](Self::assemble), every file checked anew.
    ///
    /// # Errors
    /// As of `assemble`.
    pub(crate) fn assemble_thoroughly(&self, experiment: &Path, order: &[String]) -> Result<Vec<LeftOut>, String> {
        self.write(experiment, order, &mut Checked::default())
    }

    /// As [`assemble`](Self::assemble), but at most every half minute: while runs go on.
    pub(crate) fn assemble_seldom(&self, experiment: &Path, order: &[String]) {
        let recent = |written: &HashMap<PathBuf, Instant>| {
            written.get(experiment).is_some_and(|written| written.elapsed() < SELDOM)
        };
        if !recent(&self.written.lock().unwrap_or_else(PoisonError::into_inner)) {
            // The tables of a run that goes on are a convenience; at its end an error is told.
            let _ = self.assemble(experiment, order);
        }
    }

    fn write(&self, experiment: &Path, order: &[String], checked: &mut Checked) -> Result<Vec<LeftOut>, String> {
        self.written.lock().unwrap_or_else(PoisonError::into_inner).insert(experiment.to_path_buf(), Instant::now());
        let mut tables = Tables::read(experiment, order, checked)?;
        loop {
            let files = [("runs.csv", &tables.runs), ("curves.csv", &tables.curves), (RANKS_FILE, &tables.ranks)];
            let mut list = Checksums::default();
            files.iter().for_each(|(file, text)| list.add(file, hash(text.as_bytes())));
            for (file, text) in files.into_iter().chain([(CHECKSUMS_FILE, &list.text())]) {
                let path = experiment.join(file);
                // Where nothing is new, nothing is written: finished results may lie where nobody can.
                if lrx_files::read(&path).ok().as_deref() != Some(text.as_bytes()) {
                    write_whole(&path, text.as_bytes()).map_err(about(&path))?;
                }
            }
            let now = Tables::read(experiment, order, checked)?;
            if now.runs == tables.runs {
                return Ok(now.left_out);
            }
            tables = now;
        }
    }
}

struct Tables {
    runs: String,
    curves: String,
    ranks: String,
    left_out: Vec<LeftOut>,
}

impl Tables {
    fn read(experiment: &Path, order: &[String], checked: &mut Checked) -> Result<Self, String> {
        let mut records: Vec<RunRecord> = Vec::new();
        let mut left_out = Vec::new();
        let (mut curves, mut ranks) = (csv_header::<CurveRow>(), csv_header::<RankRow>());
        for run_id in run_folders(experiment, order)? {
            let mut leave_out = |why: String| left_out.push(LeftOut { run_id: run_id.clone(), why });
            let Run { state, curve, ranks: own_ranks } = read_run(&experiment.join(&run_id), Some(checked));
            let record = match state {
                State::Finished(record) | State::Running(record) | State::Failed(record) => record,
                State::New => continue,
                State::Damaged(why) | State::Unreadable(why) => {
                    leave_out(why);
                    continue;
                }
            };
            if record.run_id != run_id {
                continue; // Copied or renamed: not this run's place.
            }
            match (rows::<CurveRow>(&curve), rows::<RankRow>(&own_ranks)) {
                (Ok(curve), Ok(own_ranks)) => {
                    curves.push_str(&curve);
                    ranks.push_str(&own_ranks);
                    records.push(record);
                }
                (Err(why), _) | (_, Err(why)) => leave_out(why),
            }
        }
        lrx_analysis::tell_labels_apart(&mut records);
        Ok(Self { runs: csv_text(&records), curves, ranks, left_out })
    }
}

/// The names of an experiment's folders: those of `order` that are there, then the others, by name.
fn run_folders(experiment: &Path, order: &[String]) -> Result<Vec<String>, String> {
    let mut others = Vec::new();
    for entry in fs::read_dir(experiment).map_err(about(experiment))? {
        let entry = entry.map_err(about(experiment))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        // The folder of tuning runs is no run's: those have tables of their own.
        if entry.path().is_dir() && !order.contains(&name) && name != TUNE_FOLDER {
            others.push(name);
        }
    }
    others.sort();
    Ok(order.iter().cloned().chain(others).collect())
}

/// The whole rows of a CSV file of this lrx or an earlier one, without their header.
fn rows<R: Row>(content: &[u8]) -> Result<String, String> {
    let header = csv_header::<R>();
    let whole = content.iter().rposition(|byte| *byte == b'\n').map_or(0, |newline| newline + 1);
    let content = &content[..whole];
    if content.is_empty() {
        return Ok(String::new());
    }
    match content.strip_prefix(header.as_bytes()).map(std::str::from_utf8) {
        Some(Ok(rows)) => Ok(rows.to_string()),
        _ => match parse_rows::<R>(content, Path::new("its curve or ranks")) {
            Ok(rows) => Ok(rows.iter().map(csv_line).collect()),
            Err(error) => Err(error.to_string()),
        },
    }
}

/// The runs of an experiment's `runs.csv` that do not count, although their rows say `finished`: their folders are gone, or
/// hold something else than what was written. None where no run has a folder: results of other origin are a table alone.
pub(crate) fn not_to_count(experiment: &Path) -> Vec<LeftOut> {
    let Ok(content) = lrx_files::read(&experiment.join("runs.csv")) else { return Vec::new() };
    // What is wrong with the table itself is told by who reads it for its figures.
    let Ok(records) = parse_rows::<RunRecord>(&content, Path::new("runs.csv")) else { return Vec::new() };
    let folder = |record: &RunRecord| experiment.join(&record.run_id);
    let named = records.iter().filter(|record| !record.run_id.is_empty()).collect::<Vec<_>>();
    if !named.iter().any(|record| folder(record).is_dir()) {
        return Vec::new();
    }
    let why = |record: &RunRecord| match folder(record).symlink_metadata() {
        Err(error) if error.kind() == ErrorKind::NotFound => Some("its folder is gone".to_string()),
        _ if record.final_loss().is_none() => None,
        _ => match read_run(&folder(record), None).state {
            State::Damaged(why) | State::Unreadable(why) => Some(why),
            // Being trained again, or finished in the moment after the table was read.
            _ => None,
        },
    };
    let left_out = |record: &RunRecord| why(record).map(|why| LeftOut { run_id: record.run_id.clone(), why });
    use rayon::prelude::*;
    named.into_par_iter().filter_map(left_out).collect()
}
