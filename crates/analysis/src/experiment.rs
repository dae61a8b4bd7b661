//! A results folder as one value.

use std::fs;
use std::path::{Path, PathBuf};

use crate::configuration::group;
use lrx_records::{CurveRow, RankRow, RunRecord, read_rows, read_runs};

use crate::{Comparison, Configuration, Error, compare};

/// What one experiment folder holds.
#[derive(Debug, Clone, PartialEq)]
pub struct Experiment {
    /// The name of the folder.
    pub name: String,
    /// The folder.
    pub dir: PathBuf,
    /// The configurations with a finished run, in the order in which they first occur.
    pub configurations: Vec<Configuration>,
    /// The runs that do not count: not finished, diverged, failed, or without a finite loss.
    pub unfinished: Vec<RunRecord>,
    /// The rows of `curves.csv`; empty if there is no such file.
    pub curves: Vec<CurveRow>,
    /// The rows of `ranks.csv`; empty if there is no such file.
    pub ranks: Vec<RankRow>,
}

impl Experiment {
    /// Groups runs that are already read.
    pub fn new(dir: &Path, runs: &[RunRecord], curves: Vec<CurveRow>) -> Self {
        Self {
            name: folder_name(dir),
            dir: dir.to_owned(),
            configurations: group(runs),
            unfinished: runs.iter().filter(|run| run.final_loss().is_none()).cloned().collect(),
            curves,
            ranks: Vec::new(),
        }
    }

    /// The configuration that others are compared with.
    ///
    /// With `label`, the one with this label or name. Else the all-dense one. If several qualify, the one with the most
    /// runs, then the one with the most parameters, then the first; `Ok(None)` if none is dense.
    ///
    /// # Errors
    /// [`Error::UnknownLabel`] when no configuration has the label.
    pub fn baseline(&self, label: Option<&str>) -> Result<Option<&Configuration>, Error> {
        let size = |one: &&Configuration| (one.runs.len(), one.first().params);
        let pick = |qualifies: &dyn Fn(&Configuration) -> bool| {
            // `max_by_key` takes the last of equals; reversed, that is the first of the file.
            self.configurations.iter().rev().filter(|one| qualifies(one)).max_by_key(size)
        };
        match label {
            None => Ok(pick(&Configuration::is_dense)),
            Some(label) => pick(&|one| one.name == label)
                .or_else(|| pick(&|one| one.label() == label))
                .map(Some)
                .ok_or_else(|| self.unknown(label)),
        }
    }

    /// Compares two configurations, given by label or name; the all-dense baseline lends its spread to single runs.
    ///
    /// # Errors
    /// [`Error::UnknownLabel`] when no configuration has one of the labels.
    pub fn compare(&self, a: &str, b: &str) -> Result<Comparison, Error> {
        let find = |label: &str| self.baseline(Some(label))?.ok_or_else(|| self.unknown(label));
        Ok(compare(find(a)?, find(b)?, self.baseline(None)?))
    }

    fn unknown(&self, label: &str) -> Error {
        let known = self.configurations.iter().map(|one| one.name.as_str()).collect::<Vec<_>>().join(", ");
        Error::UnknownLabel { label: label.to_owned(), known }
    }
}

/// Experiments that trained on as many stories, tokens and steps, as one: their losses can be compared. Runs that several
/// of them hold count once. Empty unless at least two belong together.
pub fn merged(experiments: &[Experiment]) -> Vec<Experiment> {
    type Training = (Option<u64>, Option<u64>, Option<u64>);
    let training = |run: &RunRecord| -> Training { (run.stories, run.tokens, run.steps) };
    let of_all = |experiment: &Experiment| {
        let mut runs = experiment.configurations.iter().flat_map(|one| &one.runs).map(training);
        let first = runs.next().filter(|(stories, _, steps)| stories.is_some() && steps.is_some())?;
        runs.all(|other| other == first).then_some(first)
    };
    let mut groups: Vec<(Training, Vec<&Experiment>)> = Vec::new();
    for experiment in experiments {
        let Some(training) = of_all(experiment) else { continue };
        match groups.iter_mut().find(|(known, _)| *known == training) {
            Some((_, group)) => group.push(experiment),
            None => groups.push((training, vec![experiment])),
        }
    }
    groups.into_iter().filter(|(_, group)| group.len() > 1).map(|(_, group)| merge(&group)).collect()
}

fn merge(experiments: &[&Experiment]) -> Experiment {
    let mut runs: Vec<RunRecord> = Vec::new();
    for run in experiments.iter().flat_map(|one| one.configurations.iter().flat_map(|one| &one.runs)) {
        if run.run_id.is_empty() || !runs.iter().any(|known| known.run_id == run.run_id) {
            runs.push(run.clone());
        }
    }
    let names: Vec<&str> = experiments.iter().map(|experiment| experiment.name.as_str()).collect();
    Experiment { name: names.join(" + "), ..Experiment::new(&experiments[0].dir, &runs, Vec::new()) }
}

/// Reads one experiment folder: its `runs.csv`, and its `curves.csv` if there is one.
///
/// # Errors
/// As [`read_runs`] and [`read_rows`].
pub fn read_experiment(dir: &Path) -> Result<Experiment, Error> {
    let runs = read_runs(&dir.join("runs.csv"))?;
    let curves = dir.join("curves.csv");
    let curves = if curves.is_file() { read_rows(&curves)? } else { Vec::new() };
    let ranks = dir.join("ranks.csv");
    let ranks = if ranks.is_file() { read_rows(&ranks)? } else { Vec::new() };
    Ok(Experiment { ranks, ..Experiment::new(dir, &runs, curves) })
}

/// Reads a results folder: an experiment's (it has a `runs.csv`), or one that holds folders of experiments, which come
/// in the order of their names.
///
/// # Errors
/// [`Error::NoResults`] when there is no experiment; else as [`read_experiment`].
pub fn read_results(dir: &Path) -> Result<Vec<Experiment>, Error> {
    if dir.join("runs.csv").is_file() {
        return Ok(vec![read_experiment(dir)?]);
    }
    let read_error = |source| Error::Read { path: dir.to_owned(), source };
    let mut folders = Vec::new();
    for entry in fs::read_dir(dir).map_err(read_error)? {
        let path = entry.map_err(read_error)?.path();
        if path.join("runs.csv").is_file() {
            folders.push(path);
        }
    }
    folders.sort();
    if folders.is_empty() {
        return Err(Error::NoResults { path: dir.to_owned() });
    }
    folders.iter().map(|folder| read_experiment(folder)).collect()
}

/// The last part of the path, also of `.` and `..`.
fn folder_name(dir: &Path) -> String {
    let name = |path: &Path| path.file_name().map(|name| name.to_string_lossy().into_owned());
    name(dir).or_else(|| name(&dir.canonicalize().ok()?)).unwrap_or_else(|| dir.display().to_string())
}
