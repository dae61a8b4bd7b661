//! Files that a config or a command line names and that are not there.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The file that holds a run's weights, in its folder, and that with its config.
const WEIGHTS: &str = "model.safetensors";
const RESOLVED: &str = "resolved.toml";

/// The folder of the finished run `run`, in the experiments in `results`: its id, or the beginning of it that no other run with
/// weights has. Of several folders of the same run, the first.
///
/// # Errors
/// When there is none, or several are meant: which.
pub(crate) fn run_with_weights(run: &str, results: &Path) -> Result<PathBuf, String> {
    let known = runs(results);
    let meant: Vec<&String> = match known.get_key_value(run) {
        Some((exactly, _)) => vec![exactly],
        None => known.keys().filter(|id| id.starts_with(run)).collect(),
    };
    let folder = |id: &&String| known[*id].iter().find(|folder| folder.join(WEIGHTS).is_file()).cloned();
    let with_weights: Vec<(&String, PathBuf)> = meant.iter().filter_map(|id| Some((*id, folder(id)?))).collect();
    match (with_weights.as_slice(), meant.as_slice()) {
        ([(_, folder)], _) => Ok(folder.clone()),
        ([], []) => {
            let nearest = lrx_layers::nearest(run, known.keys().map(String::as_str));
            let hint = nearest.map(|id| format!("; the nearest is {id}")).unwrap_or_default();
            Err(format!("no run of an experiment in {} has the id {run:?}, or begins with it{hint}", results.display()))
        }
        ([], [one]) => Err(format!("the run {one} has no {WEIGHTS}: it is not finished, or its weights were deleted")),
        ([], several) => Err(format!("none of the {} runs that begin with {run:?} has weights", several.len())),
        (several, _) => {
            let ids: Vec<&str> = several.iter().take(MOST_LISTED).map(|(id, _)| id.as_str()).collect();
            let more = several.len() - ids.len();
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            Err(format!("{run:?} is the beginning of several runs: {}{more}", ids.join(", ")))
        }
    }
}

/// So many ids are told.
const MOST_LISTED: usize = 10;

/// The folders of runs, by the run's id: whatever lies in an experiment and has a config with every default filled in.
fn runs(results: &Path) -> BTreeMap<String, Vec<PathBuf>> {
    let entries = |folder: &Path| -> Vec<PathBuf> {
        let mut entries: Vec<PathBuf> =
            std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
        entries.sort();
        entries
    };
    let mut known: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
    for folder in entries(results).into_iter().flat_map(|experiment| entries(&experiment)) {
        if folder.join(RESOLVED).is_file() {
            let id = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
            known.entry(id).or_default().push(folder);
        }
    }
    known
}

/// What to add to the message about weights that cannot be read from `path`, which is `written` in a config: how a run is named,
/// where that is one's id.
pub(crate) fn weights_hint(path: &Path, written: &str, results: &Path) -> String {
    if path.exists() || written.contains(['/', '\\', ':']) {
        return String::new();
    }
    match run_with_weights(written, results) {
        Ok(_) => format!("; of the run {written}, write \"run:{written}\""),
        Err(_) => String::new(),
    }
}

/// What to add to the message about a file that is not there: the nearest name beside it, or that its folder is
/// missing. Nothing for a file that is there.
pub fn hint(path: &Path) -> String {
    if path.exists() {
        return String::new();
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let Ok(entries) = std::fs::read_dir(folder) else {
        return format!("; there is no folder {}", folder.display());
    };
    let mut names: Vec<String> =
        entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    let wanted = path.file_name().unwrap_or_default().to_string_lossy();
    let nearest = lrx_layers::nearest(&wanted, names.iter().map(String::as_str));
    nearest.map(|name| format!("; did you mean `{name}`?")).unwrap_or_default()
}
