//! Writing files whole.

use std::path::Path;

use crate::Error;

/// Writes a file of the report, so that a reader never meets half a file.
pub(crate) fn write_whole(path: &Path, text: &str) -> Result<(), Error> {
    lrx_files::write_whole(path, text.as_bytes()).map_err(|source| Error::Write { path: path.to_owned(), source })
}
