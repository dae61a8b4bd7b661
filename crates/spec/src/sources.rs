//! The files that a config consists of.

use std::path::{Path, PathBuf};

use toml::{Table, Value};

use crate::error::{ConfigError, ConfigErrors, ErrorKind};
use crate::read::read;
use crate::tree::EXTENDS;

/// A config and the files that it extends, directly or through others, each with its text.
///
/// # Errors
/// When one cannot be read, is no TOML, or extends itself.
pub fn sources(config: &Path) -> Result<Vec<(PathBuf, String)>, ConfigErrors> {
    let mut found: Vec<(PathBuf, String)> = Vec::new();
    let mut next = Some(config.to_path_buf());
    while let Some(path) = next {
        let wrong = |what: &str| ConfigError::new(ErrorKind::Unreadable, format!("{} {what}", path.display()), None);
        if found.iter().any(|(known, _)| *known == path) {
            return Err(wrong("extends itself, directly or through others").into());
        }
        let text = read(&path, None)?;
        let table: Table = text.parse().map_err(|_| wrong("is not valid TOML"))?;
        let base = table.get(EXTENDS).and_then(Value::as_str);
        next = base.map(|base| path.parent().unwrap_or(Path::new("")).join(base));
        found.push((path, text));
    }
    Ok(found)
}
