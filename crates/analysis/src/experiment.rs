//! A results folder as one value.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use lrx_records::{ClaimRecord, CurveRow, RankRow, Row, RunRecord, TuneRecord, read_rows, read_runs};

use crate::comparable::{apart, parts};
use crate::configuration::group;
use crate::held_out::HeldOut;
use crate::references::trained_alike;
use crate::{Comparison, Configuration, Error, ErrorModel, Part, compare};

/// What one experiment folder holds, or the part of it whose losses can be compared.
#[derive(Debug, Clone, PartialEq)]
pub struct Experiment {
    /// The name of the folder.
    pub name: String,
    /// The folder.
    pub dir: PathBuf,
    /// Which part of the folder it is, where not all its losses can be compared.
    pub part: Option<Part>,
    /// The configurations with a finished run, in the order in which they first occur.
    pub configurations: Vec<Configuration>,
    /// The runs that do not count: not finished, diverged, failed, or without a finite loss.
    pub unfinished: Vec<RunRecord>,
    /// The rows of `curves.csv`; empty if there is no such file.
    pub curves: Vec<CurveRow>,
    /// The rows of `ranks.csv`; empty if there is no such file.
    pub ranks: Vec<RankRow>,
    /// The rows of `claims.csv`; empty if there is no such file.
    pub claims: Vec<ClaimRecord>,
    /// The rows of `tune.csv`; empty if there is no such file.
    pub tuning: Vec<TuneRecord>,
}

impl Experiment {
    /// Of `runs`, whose folders lie in one of `dirs`.
    fn new(name: String, dirs: &[&Path], part: Option<Part>, runs: &[RunRecord]) -> Self {
        let mut configurations = group(runs);
        for one in &mut configurations {
            one.held_out = held_out(&one.runs, dirs);
        }
        Self {
            name,
            dir: dirs[0].to_owned(),
            part,
            configurations,
            unfinished: runs.iter().filter(|run| run.final_loss().is_none()).cloned().collect(),
            curves: Vec::new(),
            ranks: Vec::new(),
            claims: Vec::new(),
            tuning: Vec::new(),
        }
    }

    /// The name, and what sets the part apart: `mix, 50 stories`.
    pub fn title(&self) -> String {
        self.part.as_ref().map_or(self.name.clone(), |part| format!("{}, {}", self.name, part.title))
    }

    /// The configuration that others are compared with.
    ///
    /// With `label`, the one with this name, or the only one with this label. Else the all-dense one; if several are, the
    /// one with the most runs, then the one that was trained as most others were, then the one with the most parameters, then
    /// the first. One that started from weights of another run is none, unless all others started from these, too. `Ok(None)`
    /// if none is dense.
    ///
    /// # Errors
    /// [`Error::UnknownLabel`] when no configuration has the label, [`Error::AmbiguousLabel`] when several have.
    pub fn baseline(&self, label: Option<&str>) -> Result<Option<&Configuration>, Error> {
        let Some(label) = label else {
            let alike = trained_alike(&self.configurations);
            let size = |(index, one): &(usize, &Configuration)| (one.runs.len(), alike[*index], one.first().params);
            // `max_by_key` takes the last of equals; reversed, that is the first of the file.
            return Ok(self.dense().rev().max_by_key(size).map(|(_, one)| one));
        };
        let named: Vec<_> = match self.configurations.iter().find(|one| one.name == label) {
            Some(one) => vec![one],
            None => self.configurations.iter().filter(|one| one.label() == label).collect(),
        };
        match named.as_slice() {
            [] => Err(self.unknown(label)),
            [one] => Ok(Some(one)),
            several => Err(Error::AmbiguousLabel { label: label.to_owned(), known: names(several.iter().copied()) }),
        }
    }

    /// The dense configurations that others may be compared with, each with its place.
    fn dense(&self) -> impl DoubleEndedIterator<Item = (usize, &Configuration)> {
        let start = |one: &Configuration| one.first().init_from.clone();
        let common = self.configurations.first().map(start).filter(|first| {
            self.configurations.len() > 1 && self.configurations.iter().all(|one| start(one) == *first)
        });
        let is_fresh = move |(_, one): &(usize, &Configuration)| {
            one.first().init_from.is_empty() || common.as_ref() == Some(&one.first().init_from)
        };
        self.configurations.iter().enumerate().filter(|(_, one)| one.is_dense()).filter(is_fresh)
    }

    /// Compares two configurations, given by label or name; the all-dense baseline lends its spread to single runs.
    ///
    /// # Errors
    /// As [`Self::baseline`].
    pub fn compare(&self, a: &str, b: &str) -> Result<Comparison, Error> {
        let find = |label: &str| self.baseline(Some(label))?.ok_or_else(|| self.unknown(label));
        Ok(compare(find(a)?, find(b)?, &ErrorModel::new(&self.configurations)))
    }

    fn unknown(&self, label: &str) -> Error {
        Error::UnknownLabel { label: label.to_owned(), known: names(&self.configurations) }
    }
}

/// The names of configurations, as many as are read in a message.
fn names<'a>(configurations: impl IntoIterator<Item = &'a Configuration>) -> String {
    const MOST: usize = 24;
    let mut configurations = configurations.into_iter();
    let mut names: Vec<String> = configurations.by_ref().take(MOST).map(|one| one.name.clone()).collect();
    match configurations.count() {
        0 => {}
        more => names.push(format!("and {more} more")),
    }
    names.join(", ")
}

/// Experiments that trained on as many stories, tokens and steps, and whose losses can be compared, as one. Runs that
/// several of them hold count once. Empty unless at least two belong together.
pub fn merged(experiments: &[Experiment]) -> Vec<Experiment> {
    type Training = (Option<u64>, Option<u64>, Option<u64>);
    let training = |run: &RunRecord| -> Training { (run.stories, run.tokens, run.steps) };
    let of_all = |experiment: &Experiment| {
        let mut runs = experiment.configurations.iter().flat_map(|one| &one.runs).map(training);
        let first = runs.next().filter(|(stories, _, steps)| stories.is_some() && steps.is_some())?;
        runs.all(|other| other == first).then_some(first)
    };
    let first = |experiment: &Experiment| experiment.configurations[0].first().clone();
    let mut groups: Vec<(Training, Vec<&Experiment>)> = Vec::new();
    for experiment in experiments {
        let Some(training) = of_all(experiment) else { continue };
        let belongs = |(known, group): &&mut (Training, Vec<&Experiment>)| {
            *known == training && group.iter().all(|other| apart(&first(other), &first(experiment)).is_none())
        };
        match groups.iter_mut().find(belongs) {
            Some((_, group)) => group.push(experiment),
            None => groups.push((training, vec![experiment])),
        }
    }
    groups.into_iter().filter(|(_, group)| group.len() > 1).map(|(_, group)| merge(&group)).collect()
}

fn merge(experiments: &[&Experiment]) -> Experiment {
    let mut known = HashSet::new();
    let runs = experiments.iter().flat_map(|one| one.configurations.iter().flat_map(|one| &one.runs));
    let runs: Vec<RunRecord> = runs.filter(|run| run.run_id.is_empty() || known.insert(&run.run_id)).cloned().collect();
    let names: Vec<String> = experiments.iter().map(|experiment| experiment.title()).collect();
    let dirs: Vec<&Path> = experiments.iter().map(|experiment| experiment.dir.as_path()).collect();
    let tuning = experiments.iter().flat_map(|experiment| experiment.tuning.iter().cloned()).collect();
    Experiment { tuning, ..Experiment::new(names.join(" + "), &dirs, None, &runs) }
}

/// Reads one experiment folder: its `runs.csv`, and its `curves.csv`, `ranks.csv`, `claims.csv` and `tune.csv` if there are
/// such. Where not all
/// losses can be compared, each part is an experiment of its own.
///
/// # Errors
/// As [`read_runs`] and [`read_rows`].
pub fn read_experiment(dir: &Path) -> Result<Vec<Experiment>, Error> {
    read_experiment_without(dir, &[])
}

/// As [`read_experiment`], as though the rows of the runs `left_out` were not there.
pub(crate) fn read_experiment_without(dir: &Path, left_out: &[String]) -> Result<Vec<Experiment>, Error> {
    let mut runs = read_runs(&dir.join("runs.csv"))?;
    let left_out: HashSet<&str> = left_out.iter().map(String::as_str).collect();
    runs.retain(|run| !left_out.contains(run.run_id.as_str()));
    let curves: Vec<CurveRow> = read_if_there(&dir.join("curves.csv"))?;
    let ranks: Vec<RankRow> = read_if_there(&dir.join("ranks.csv"))?;
    let claims: Vec<ClaimRecord> = read_if_there(&dir.join("claims.csv"))?;
    let mut tuning: Vec<TuneRecord> = read_if_there(&dir.join("tune.csv"))?;
    let mut experiment = |part, runs: &[RunRecord]| {
        let (claims, tuning) = (claims.clone(), std::mem::take(&mut tuning));
        Experiment { claims, tuning, ..Experiment::new(folder_name(dir), &[dir], part, runs) }
    };
    let mut parts = parts(&runs);
    if left_out.is_empty() && parts.len() == 1 {
        let (part, runs) = parts.remove(0);
        return Ok(vec![Experiment { curves, ranks, ..experiment(part, &runs) }]);
    }
    let mut part = |(part, runs): (Option<Part>, Vec<RunRecord>)| {
        let own: HashSet<&str> = runs.iter().map(|run| run.run_id.as_str()).collect();
        let is_own = |run_id: &str| own.contains(run_id);
        let curves = curves.iter().filter(|row| is_own(&row.run_id)).cloned().collect();
        let ranks = ranks.iter().filter(|row| is_own(&row.run_id)).cloned().collect();
        Experiment { curves, ranks, ..experiment(part, &runs) }
    };
    Ok(parts.into_iter().map(&mut part).collect())
}

/// What each held-out story cost these runs, as their folders tell.
fn held_out(runs: &[RunRecord], dirs: &[&Path]) -> Option<HeldOut> {
    let folder = |run: &RunRecord| {
        let named = Some(&run.run_id).filter(|run_id| !run_id.is_empty() && !run_id.contains(['/', '\\']))?;
        dirs.iter().map(|dir| dir.join(named)).find(|folder| folder.is_dir())
    };
    let folders: Vec<PathBuf> = runs.iter().map(folder).collect::<Option<_>>()?;
    HeldOut::of(runs.iter().zip(folders))
}

fn read_if_there<R: Row>(path: &Path) -> Result<Vec<R>, Error> {
    if path.is_file() { Ok(read_rows(path)?) } else { Ok(Vec::new()) }
}

/// Reads a results folder: an experiment's (it has a `runs.csv`), or one that holds folders of experiments, which come
/// in the order of their names.
///
/// # Errors
/// [`Error::NoResults`] when there is no experiment; else the first of [`read_experiment`].
pub fn read_results(dir: &Path) -> Result<Vec<Experiment>, Error> {
    let experiments: Result<Vec<_>, _> = folders(dir)?.iter().map(|folder| read_experiment(folder)).collect();
    Ok(experiments?.into_iter().flatten().collect())
}

/// The folders of experiments that a results folder is, or holds, in the order of their names.
///
/// # Errors
/// [`Error::NoResults`] when there is none; [`Error::Read`].
pub(crate) fn folders(dir: &Path) -> Result<Vec<PathBuf>, Error> {
    if dir.join("runs.csv").is_file() {
        return Ok(vec![dir.to_owned()]);
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
    if folders.is_empty() { Err(Error::NoResults { path: dir.to_owned() }) } else { Ok(folders) }
}

/// The last part of the path, also of `.` and `..`.
fn folder_name(dir: &Path) -> String {
    let name = |path: &Path| path.file_name().map(|name| name.to_string_lossy().into_owned());
    name(dir).or_else(|| name(&dir.canonicalize().ok()?)).unwrap_or_else(|| dir.display().to_string())
}
