//! Files that a config or a command line names and that are not there.

use std::path::Path;

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
