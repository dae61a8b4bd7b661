//! Runs in folders of results, by what the command line calls them.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use lrx_train::WEIGHTS_FILE;

use crate::results::{RESOLVED_FILE, TUNE_FOLDER};
use crate::runs::{current_attempt, look};

/// So many candidates are listed.
const LISTED: usize = 20;
/// The beginning of a hash has so many characters at least: fewer are those of many.
const SHORTEST_HASH: usize = 4;

/// The folder of a run whose weights are wanted: as given, or found by its id, or the beginning of it or of the hash at its end,
/// in the experiments in `out` and what they tuned. Of several runs of that beginning, the only one that has weights; of several
/// folders that hold the same run, one with weights.
///
/// # Errors
/// When there is none, or several are meant: which.
pub(crate) fn find_run(run: &str, out: &Path) -> Result<PathBuf, String> {
    if is_run(Path::new(run)) {
        return Ok(run.into());
    }
    let known = known(out);
    let mut found = meant(run, &known);
    if found.len() > 1 {
        let with_weights: Vec<&String> =
            found.iter().copied().filter(|run_id| known[*run_id].iter().any(|folder| has_weights(folder))).collect();
        if !with_weights.is_empty() {
            found = with_weights;
        }
    }
    let folders = &known[only(run, out, &known, &found)?];
    Ok(folders.iter().find(|folder| has_weights(folder)).unwrap_or(&folders[0]).clone())
}

/// The folders of the run that is meant: several where experiments share it.
///
/// # Errors
/// When there is none, or the beginning is that of several.
pub(crate) fn find_folders(run: &str, out: &Path) -> Result<Vec<PathBuf>, String> {
    if is_run(Path::new(run)) {
        return Ok(vec![run.into()]);
    }
    let known = known(out);
    Ok(known[only(run, out, &known, &meant(run, &known))?].clone())
}

/// Whether a folder is that of a run, finished or not.
pub(crate) fn is_run(folder: &Path) -> bool {
    folder.join(RESOLVED_FILE).is_file() || current_attempt(folder).is_ok_and(|attempt| attempt.is_some())
}

fn has_weights(folder: &Path) -> bool {
    folder.join(WEIGHTS_FILE).is_file()
}

type Known = BTreeMap<String, Vec<PathBuf>>;

/// All runs in the experiments in `out` by their ids, each with its folders in their order.
fn known(out: &Path) -> Known {
    let mut known = Known::new();
    for experiment in folders(out) {
        let tuned = experiment.join(TUNE_FOLDER);
        for folder in folders(&experiment).into_iter().chain(folders(&tuned)).filter(|folder| is_run(folder)) {
            let run_id = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
            known.entry(run_id).or_default().push(folder);
        }
    }
    known
}

/// The folders in a folder, by name.
fn folders(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(|path| path.is_dir()).collect();
    paths.sort();
    paths
}

/// The ids that `run` may mean.
fn meant<'k>(run: &str, known: &'k Known) -> Vec<&'k String> {
    let hash = |run_id: &str| run_id.rsplit_once('-').is_some_and(|(_, hash)| hash.starts_with(run));
    let begins = |run_id: &&String| run_id.starts_with(run) || (run.len() >= SHORTEST_HASH && hash(run_id));
    match known.get_key_value(run) {
        Some((exactly, _)) => vec![exactly],
        // Every id begins with nothing, which a variable that is not set leaves.
        None if run.is_empty() => Vec::new(),
        None => known.keys().filter(begins).collect(),
    }
}

fn only<'k>(run: &str, out: &Path, known: &'k Known, found: &[&'k String]) -> Result<&'k str, String> {
    match found {
        [one] => Ok(one),
        [] => {
            let nearest = lrx_layers::nearest(run, known.keys().map(String::as_str));
            let hint = nearest.map(|name| format!("; the nearest is {name}")).unwrap_or_default();
            Err(format!(
                "no run {run:?}: neither a run's folder nor the run_id of one in {}{hint} (lrx list prints them)",
                out.display()
            ))
        }
        several => {
            let line = |run_id: &&String| {
                let folder = &known[*run_id][0];
                let row = look(folder).map(|row| {
                    let seed = row.seed.map(|seed| format!(" seed {seed}")).unwrap_or_default();
                    format!("  {}{seed}, {}", row.label, row.status)
                });
                format!("\n  {run_id}{}", row.unwrap_or_default())
            };
            let lines: String = several.iter().take(LISTED).map(line).collect();
            let more = match several.len().saturating_sub(LISTED) {
                0 => String::new(),
                more => format!("\n  and {more} more"),
            };
            Err(format!("{run:?} is the beginning of {} runs:{lines}{more}", several.len()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder of results with runs in experiments, some with weights.
    fn results(runs: &[(&str, bool)]) -> tempfile::TempDir {
        let out = tempfile::tempdir().unwrap();
        for (run, has_weights) in runs {
            let folder = out.path().join(run);
            fs::create_dir_all(&folder).unwrap();
            fs::write(folder.join(RESOLVED_FILE), "").unwrap();
            if *has_weights {
                fs::write(folder.join(WEIGHTS_FILE), "").unwrap();
            }
        }
        out
    }

    #[test]
    fn a_beginning_of_an_id_that_has_weights_is_enough() {
        let runs =
            [("a/x-s0-habc1", false), ("a/x-s1-gdef2", true), ("b/x-s1-gdef2", false), ("a/tune/y-s0-kkk", true)];
        let out = results(&runs);
        let find =
            |run: &str| find_run(run, out.path()).map(|path| path.strip_prefix(out.path()).unwrap().to_path_buf());
        for (run, folder) in [
            ("x", "a/x-s1-gdef2"),
            ("x-s0", "a/x-s0-habc1"),
            ("x-s1-gdef2", "a/x-s1-gdef2"),
            ("gdef", "a/x-s1-gdef2"),
            ("habc1", "a/x-s0-habc1"),
            ("y", "a/tune/y-s0-kkk"),
        ] {
            assert_eq!(find(run), Ok(folder.into()), "{run}");
        }
        // Three letters of a hash are not enough, and several with weights are told of, not guessed.
        assert!(find("gde").unwrap_err().contains("no run \"gde\""));
        fs::write(out.path().join("a/x-s0-habc1").join(WEIGHTS_FILE), "").unwrap();
        let several = find("x-").unwrap_err();
        assert!(several.starts_with("\"x-\" is the beginning of 2 runs:\n  x-s0-habc1\n  x-s1-gdef2"), "{several}");
    }

    #[test]
    fn a_run_of_several_experiments_has_several_folders() {
        let out = results(&[("a/x-s0-habc1", false), ("b/x-s0-habc1", false), ("b/x-s1-gdef2", true)]);
        let both = ["a", "b"].map(|experiment| out.path().join(experiment).join("x-s0-habc1"));
        assert_eq!(find_folders("x-s0", out.path()).unwrap(), both);
        assert_eq!(find_folders(&both[1].to_string_lossy(), out.path()).unwrap(), both[1..]);
        // Whatever has weights, all that is meant is told.
        assert!(find_folders("x", out.path()).unwrap_err().contains("2 runs"));
    }
}
