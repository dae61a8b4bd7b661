//! Writing files whole.

use std::path::Path;
use std::{fs, process};

use crate::Error;

/// Writes a file beside its place and moves it there, so that a reader never meets half a file.
pub(crate) fn write_whole(path: &Path, text: &str) -> Result<(), Error> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.tmp", process::id()));
    let beside = path.with_file_name(name);
    fs::write(&beside, text).and_then(|()| fs::rename(&beside, path)).map_err(|source| {
        // Best effort: the first error is the one to tell.
        let _ = fs::remove_file(&beside);
        Error::Write { path: path.to_owned(), source }
    })
}
