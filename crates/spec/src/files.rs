//! Files that a config or a command line names and that are not there.

use std::path::{Path, PathBuf};

/// The file that holds a run's weights, in its folder.
const WEIGHTS: &str = "model.safetensors";

/// What to add to the message about weights that cannot be read from `path`, which is `written` in a config: the file that
/// is meant, where it names a run, by its folder or its id, in place of its weights.
pub(crate) fn weights_hint(path: &Path, written: &str, results: &Path) -> String {
    let meant = |run: &str, file: &Path| format!("; of the run {run}, name the weights: \"{}\"", file.display());
    if path.is_dir() {
        let is_run = path.join(WEIGHTS).is_file();
        return if is_run { meant(written, &Path::new(written).join(WEIGHTS)) } else { String::new() };
    }
    if path.exists() || written.contains(['/', '\\']) {
        return String::new();
    }
    let entries = |folder: &Path| -> Vec<PathBuf> {
        let mut entries: Vec<PathBuf> =
            std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
        entries.sort();
        entries
    };
    let mut runs = entries(results).into_iter().flat_map(|experiment| entries(&experiment));
    let is_it = |run: &PathBuf| run.file_name().is_some_and(|name| name == written) && run.join(WEIGHTS).is_file();
    let Some(run) = runs.find(is_it) else { return String::new() };
    // A path in a config is relative to the config's folder, which may be another than this one.
    let here = path.parent().is_none_or(|folder| folder.as_os_str().is_empty());
    let file = run.join(WEIGHTS);
    let file = if here { file } else { file.canonicalize().unwrap_or(file) };
    meant(written, &file)
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
