//! The CSVs of an experiment, assembled from its runs' folders: by one process at a time, for all whose runs have ended
//! meanwhile.

mod pace;

use std::collections::{BTreeSet, HashMap, HashSet};
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use lrx_files::{CHECKSUMS_FILE, Checksums, clear_leftovers, hash, write_whole};
use lrx_records::{CurveRow, RankRow, Row, RunRecord, Status, csv_header, csv_line, csv_text, parse_rows, read_runs};
use rayon::prelude::*;

use self::pace::Pace;
use crate::lease::Watch;
use crate::results::{RANKS_FILE, TUNE_FOLDER, about};
use crate::runs::{Checked, Run, State, glance, look, read_run};
use crate::turn::Turn;

/// The table of an experiment's runs.
const RUNS_FILE: &str = "runs.csv";

/// Runs that are read side by side: as many curves are in memory twice.
const AT_ONCE: usize = 256;

/// A run that is not in the tables, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LeftOut {
    pub(crate) run_id: String,
    pub(crate) why: String,
}

/// Writes the tables of experiments.
#[derive(Default)]
pub(crate) struct Assembler {
    checked: Checked,
    /// One at a time.
    assembling: Mutex<()>,
    /// When the tables of each experiment are due.
    paces: Mutex<HashMap<PathBuf, Pace>>,
    /// Processes that were seen to assemble tables.
    others: Mutex<Watch>,
}

impl Assembler {
    /// Writes `runs.csv`, `curves.csv` and `ranks.csv` of an experiment anew from its runs' folders: those of `order`
    /// first, in that order, then others that are there, by name. Gives the runs that had to be left out: those that have
    /// changed since they were finished, or cannot be read. Every file is checked anew.
    ///
    /// One process does this at a time, so that the last to write has read last.
    ///
    /// # Errors
    /// When a table cannot be written; what stood there before is untouched then.
    pub(crate) fn assemble_thoroughly(&self, experiment: &Path, order: &[String]) -> Result<Vec<LeftOut>, String> {
        let turn = Turn::wait(&experiment.join(RUNS_FILE), |_| {}, || false);
        self.write(experiment, order, &Checked::default(), &turn)
    }

    /// As [`assemble_thoroughly`](Self::assemble_thoroughly), unless another process has done it since the runs `finished`
    /// were, or another is at it and `at_once` says not to wait: a task of an array ends with work that grows with its own
    /// share, and of many that end together, one reads all runs.
    ///
    /// # Errors
    /// As of `assemble_thoroughly`.
    pub(crate) fn assemble_for(
        &self,
        experiment: &Path,
        order: &[String],
        finished: &HashSet<&str>,
        at_once: bool,
    ) -> Result<Vec<LeftOut>, String> {
        let table = experiment.join(RUNS_FILE);
        let turn = if at_once { self.turn(&table) } else { Some(Turn::wait(&table, |_| {}, || false)) };
        let Some(turn) = turn else { return Ok(Vec::new()) };
        let has_them = |records: Vec<RunRecord>| {
            let own = records.iter().filter(|record| finished.contains(record.run_id.as_str()));
            own.filter(|record| record.status == Status::Finished).count() == finished.len()
        };
        if !at_once && read_runs(&table).is_ok_and(has_them) {
            return Ok(Vec::new());
        }
        self.write(experiment, order, &self.checked, &turn)
    }

    /// As [`assemble_thoroughly`](Self::assemble_thoroughly) when a run has ended, if the tables are due and nobody else is
    /// at it; large files that look as they did when they were last checked are taken for the same.
    ///
    /// # Errors
    /// As of `assemble_thoroughly`.
    pub(crate) fn after_run(&self, experiment: &Path, order: &[String]) -> Result<(), String> {
        let due = self.paces().entry(experiment.to_path_buf()).or_default().is_due_after_run(Instant::now());
        if due { self.write_if_free(experiment, order) } else { Ok(()) }
    }

    /// As [`after_run`](Self::after_run), while a run goes on.
    pub(crate) fn after_evaluation(&self, experiment: &Path, order: &[String]) {
        let due = self.paces().entry(experiment.to_path_buf()).or_default().is_due(Instant::now());
        if due {
            // The tables of a run that goes on are a convenience; at its end an error is told.
            let _ = self.write_if_free(experiment, order);
        }
    }

    fn paces(&self) -> MutexGuard<'_, HashMap<PathBuf, Pace>> {
        self.paces.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The turn to assemble `table`, unless another process has it.
    fn turn(&self, table: &Path) -> Option<Turn> {
        Turn::at_once(table, &mut self.others.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn write_if_free(&self, experiment: &Path, order: &[String]) -> Result<(), String> {
        match self.turn(&experiment.join(RUNS_FILE)) {
            Some(turn) => self.write(experiment, order, &self.checked, &turn).map(drop),
            // Asked again no sooner than if it had been done here.
            None => {
                self.paces().entry(experiment.to_path_buf()).or_default().begin(Instant::now());
                Ok(())
            }
        }
    }

    fn write(
        &self,
        experiment: &Path,
        order: &[String],
        checked: &Checked,
        turn: &Turn,
    ) -> Result<Vec<LeftOut>, String> {
        let _one = self.assembling.lock().unwrap_or_else(PoisonError::into_inner);
        self.paces().entry(experiment.to_path_buf()).or_default().begin(Instant::now());
        clear_leftovers(experiment);
        let mut standing_now = standing(experiment, order)?;
        loop {
            let tables = Tables::read(experiment, &standing_now, checked)?;
            let files = [(RUNS_FILE, &tables.runs), ("curves.csv", &tables.curves), (RANKS_FILE, &tables.ranks)];
            let mut list = Checksums::default();
            files.iter().for_each(|(file, text)| list.add(file, hash(text.as_bytes())));
            for (file, text) in files.into_iter().chain([(CHECKSUMS_FILE, &list.text())]) {
                let path = experiment.join(file);
                // Where nothing is new, nothing is written: finished results may lie where nobody can.
                if lrx_files::read(&path).ok().as_deref() != Some(text.as_bytes()) {
                    write_whole(&path, text.as_bytes()).map_err(about(&path))?;
                }
            }
            // Whose run has ended meanwhile waits for the turn, or is asked again. Where there was none to have, the last to
            // write has to have seen all that is there.
            let is_last = turn.is_held() || {
                let before = std::mem::replace(&mut standing_now, standing(experiment, order)?);
                before == standing_now
            };
            if is_last {
                self.paces().entry(experiment.to_path_buf()).or_default().done(standing_now.len(), Instant::now());
                return Ok(tables.left_out);
            }
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
    fn read(experiment: &Path, standing: &[(String, Vec<u8>)], checked: &Checked) -> Result<Self, String> {
        let mut records: Vec<RunRecord> = Vec::new();
        let mut left_out = Vec::new();
        let (mut curves, mut ranks) = (csv_header::<CurveRow>(), csv_header::<RankRow>());
        for part in standing.chunks(AT_ONCE) {
            let read = part.par_iter().map(|(run_id, _)| read_run(&experiment.join(run_id), Some(checked)));
            for ((run_id, _), run) in part.iter().zip(read.collect::<Vec<_>>()) {
                let mut leave_out = |why: String| left_out.push(LeftOut { run_id: run_id.clone(), why });
                let Run { state, curve, ranks: own_ranks } = run;
                let record = match state {
                    State::Finished(record) | State::Running(record) | State::Failed(record) => record,
                    State::New => continue,
                    State::Damaged(why) | State::Unreadable(why) => {
                        leave_out(why);
                        continue;
                    }
                };
                if record.run_id != *run_id {
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
        }
        lrx_analysis::tell_labels_apart(&mut records);
        Ok(Self { runs: csv_text(&records), curves, ranks, left_out })
    }
}

/// How the runs of an experiment that are there stand, at a glance: those of `order` in that order, then others, by name.
fn standing(experiment: &Path, order: &[String]) -> Result<Vec<(String, Vec<u8>)>, String> {
    let mut there = BTreeSet::new();
    for entry in fs::read_dir(experiment).map_err(about(experiment))? {
        let entry = entry.map_err(about(experiment))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        // The folder of tuning runs is no run's: those have tables of their own.
        if name != TUNE_FOLDER && entry.path().is_dir() {
            there.insert(name);
        }
    }
    let mut all: Vec<String> = order.iter().filter(|run_id| there.remove(*run_id)).cloned().collect();
    all.extend(there);
    let at_a_glance = |run_id: String| {
        let glance = glance(&experiment.join(&run_id));
        (run_id, glance)
    };
    Ok(all.into_par_iter().map(at_a_glance).collect())
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
    let Ok(content) = lrx_files::read(&experiment.join(RUNS_FILE)) else { return Vec::new() };
    // What is wrong with the table itself is told by who reads it for its figures.
    let Ok(records) = parse_rows::<RunRecord>(&content, Path::new(RUNS_FILE)) else { return Vec::new() };
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
    named.into_par_iter().filter_map(left_out).collect()
}

/// How many finished runs of an experiment its `runs.csv` does not have: those that ended last while others go on, or before
/// a process was killed.
pub(crate) fn not_in_the_table(experiment: &Path) -> usize {
    let Ok(records) = read_runs(&experiment.join(RUNS_FILE)) else { return 0 };
    let known: HashSet<&str> = records.iter().map(|record| record.run_id.as_str()).collect();
    let names = fs::read_dir(experiment).into_iter().flatten().flatten().map(|entry| entry.file_name());
    let missing = names.filter(|name| name.to_str().is_some_and(|name| !known.contains(name)));
    let is_finished = |run: &RunRecord| run.status == Status::Finished;
    missing.filter(|name| look(&experiment.join(name)).as_ref().is_some_and(is_finished)).count()
}
