//! Files that appear whole or not at all, whatever ends the process on the way.

use std::io::{self, Write};
use std::path::Path;

use tempfile::Builder;
pub use tempfile::NamedTempFile;

/// The names of temporary files begin with this: a killed process may leave one.
pub const TEMPORARY_PREFIX: &str = ".tmp";

/// A temporary file in `folder`, to be given its name once it is written. It is gone if that does not happen. Whoever
/// may read a file that is written in place may read it: temporary files by themselves are for their owner only.
///
/// # Errors
/// When none can be made there.
pub fn temporary_in(folder: &Path) -> io::Result<NamedTempFile> {
    let mut builder = Builder::new();
    builder.prefix(TEMPORARY_PREFIX);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(std::fs::Permissions::from_mode(0o666)); // Less the umask.
    }
    builder.tempfile_in(folder).map_err(without_path)
}

/// The error of the system alone, without the name of the temporary file, which says nothing to a user. tempfile keeps the
/// system's error to itself, so it is taken out of the text.
pub fn without_path(error: io::Error) -> io::Error {
    let text = error.to_string();
    match text.split_once(" at path \"") {
        Some((cause, _)) if error.get_ref().is_some() => io::Error::new(error.kind(), cause),
        _ => error,
    }
}

/// The folder that `path` lies in.
pub fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Writes `content` to a temporary file beside `path`, flushes it to the disk and renames it.
///
/// # Errors
/// When one of these fails; what stood at `path` before is then untouched.
pub fn write_whole(path: &Path, content: &[u8]) -> io::Result<()> {
    let write = || {
        let mut file = temporary_in(folder_of(path))?;
        file.write_all(content)?;
        file.as_file().sync_all()?;
        file.persist(path).map(drop).map_err(|error| error.error)
    };
    write().map_err(without_path)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_file_is_replaced_as_a_whole_and_for_all_readers() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.csv");
        write_whole(&path, b"one\n").unwrap();
        write_whole(&path, b"two\n").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two\n");
        fs::write(folder.path().join("in-place"), "").unwrap();
        let permissions = |path: &Path| fs::metadata(path).unwrap().permissions();
        assert_eq!(permissions(&path), permissions(&folder.path().join("in-place")));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    }

    #[test]
    fn what_cannot_be_written_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("taken")).unwrap();
        fs::write(folder.path().join("taken/by"), "another").unwrap();
        write_whole(&folder.path().join("taken"), b"x").unwrap_err();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        let error = write_whole(&folder.path().join("nowhere/a"), b"x").unwrap_err();
        assert_eq!(error.to_string(), io::Error::from_raw_os_error(2).to_string());
    }
}
