//! Files that appear whole or not at all, whatever ends the process on the way; files that are files when they are read; and
//! checksums that tell when they have changed since.

mod checksums;
mod machine;
mod temporary;

use std::fs::{self, File, Metadata};
use std::io::{self, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::thread;

pub use checksums::{CHECKSUMS_FILE, Checksums, Damage, Hash, hash, hash_file, settled};
pub use machine::{machine, processors};
pub use tempfile::{NamedTempFile, TempDir};
pub use temporary::{TEMPORARY_PREFIX, clear_leftovers, temporary_folder_in, temporary_in};

/// The error of the system alone, without the name of the temporary file, which says nothing to a user. tempfile keeps the
/// system's error to itself, so it is taken out of the text.
pub fn without_path(error: io::Error) -> io::Error {
    let text = error.to_string();
    match text.split_once(" at path \"") {
        Some((cause, _)) if error.get_ref().is_some() => io::Error::new(error.kind(), cause),
        _ => error,
    }
}

/// Opens a file for reading, if it is one. Opening a pipe waits for whoever writes to it, perhaps for ever, and a device
/// such as `/dev/zero` never ends.
///
/// # Errors
/// Those of opening; and where `path` is a folder, a pipe, a socket or a device, which the error says.
pub fn open_regular(path: &Path) -> io::Result<File> {
    check_regular(&fs::metadata(path)?)?;
    let file = File::open(path)?;
    // Something else may have taken its place in between.
    check_regular(&file.metadata()?)?;
    Ok(file)
}

/// The content of a file: of a folder of results, say, where a pipe would be waited for and a device never ends.
///
/// # Errors
/// Those of [`open_regular`] and of reading.
pub fn read(path: &Path) -> io::Result<Vec<u8>> {
    read_regular(path, u64::MAX)
}

/// As [`read`], of a text.
///
/// # Errors
/// Those of [`read`], and where it is not UTF-8.
pub fn read_to_string(path: &Path) -> io::Result<String> {
    String::from_utf8(read(path)?).map_err(|error| io::Error::new(ErrorKind::InvalidData, error))
}

/// The content of a file of at most `most` bytes.
///
/// # Errors
/// Those of [`open_regular`] and of reading, and where the file is longer.
pub fn read_regular(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let file = open_regular(path)?;
    let length = file.metadata()?.len();
    let mut bytes = Vec::with_capacity(usize::try_from(length.min(most)).unwrap_or_default());
    file.take(most.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most {
        return Err(io::Error::other(format!("has {length} bytes; expected at most {most}")));
    }
    Ok(bytes)
}

/// An error that says what it is, if it is no file.
fn check_regular(metadata: &Metadata) -> io::Result<()> {
    let kind = metadata.file_type();
    if kind.is_file() {
        return Ok(());
    }
    #[cfg(unix)]
    let special = {
        use std::os::unix::fs::FileTypeExt;
        if kind.is_fifo() {
            "a pipe"
        } else if kind.is_socket() {
            "a socket"
        } else {
            "a device"
        }
    };
    #[cfg(not(unix))]
    let special = "something else";
    let found = if kind.is_dir() { "a folder" } else { special };
    Err(io::Error::other(format!("not a file but {found}")))
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
    write_then(path, content, File::sync_all)
}

/// As [`write_whole`], but when it reaches the disk is left to the system, or to [`flush`]: should the machine itself stop
/// before, the file may be empty.
///
/// # Errors
/// As of `write_whole`.
pub fn write_unflushed(path: &Path, content: &[u8]) -> io::Result<()> {
    write_then(path, content, |_| Ok(()))
}

fn write_then(path: &Path, content: &[u8], then: impl Fn(&File) -> io::Result<()>) -> io::Result<()> {
    let write = || {
        let mut file = temporary_in(folder_of(path))?;
        file.write_all(content)?;
        then(file.as_file())?;
        file.persist(path).map(drop).map_err(|error| error.error)
    };
    // Another machine may have taken the temporary file for a dead process's and cleared it away: once more, then.
    let cleared = |error: &io::Error| error.kind() == ErrorKind::NotFound && folder_of(path).is_dir();
    let first = write();
    if first.as_ref().is_err_and(cleared) { write() } else { first }.map_err(without_path)
}

/// Flushes files of a folder to the disk, side by side: a disk takes several at once in hardly more time than one.
///
/// # Errors
/// The first of those of opening and flushing.
pub fn flush(folder: &Path, files: &[&str]) -> io::Result<()> {
    // Windows flushes only what may be written to.
    let flush = |path: PathBuf| File::options().read(true).write(cfg!(windows)).open(path)?.sync_all();
    thread::scope(|scope| {
        let start = |file: &&str| {
            let path = folder.join(file);
            let own = path.clone();
            thread::Builder::new().spawn_scoped(scope, move || flush(own)).map_err(|_| path)
        };
        let started: Vec<_> = files.iter().map(start).collect();
        started.into_iter().try_for_each(|started| match started {
            Ok(thread) => thread.join().expect("flushing does not panic"),
            // The system has no thread to give.
            Err(path) => flush(path),
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_files_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        fs::write(&path, "abc").unwrap();
        assert_eq!(read_regular(&path, 3).unwrap(), b"abc");
        assert_eq!(read_regular(&path, 2).unwrap_err().to_string(), "has 3 bytes; expected at most 2");
        assert_eq!(read_regular(folder.path(), 9).unwrap_err().to_string(), "not a file but a folder");
        assert_eq!(open_regular(&folder.path().join("b")).unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    #[cfg(unix)]
    #[test]
    fn pipes_sockets_and_devices_are_told_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let socket = folder.path().join("socket");
        let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        // Linked to, they are what they were.
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&pipe, &link).unwrap();
        for (path, what) in [
            (pipe.as_path(), "a pipe"),
            (&link, "a pipe"),
            (&socket, "a socket"),
            (Path::new("/dev/zero"), "a device"),
            (Path::new("/dev/null"), "a device"),
        ] {
            assert_eq!(open_regular(path).unwrap_err().to_string(), format!("not a file but {what}"));
            assert_eq!(read_regular(path, 9).unwrap_err().to_string(), format!("not a file but {what}"));
        }
    }

    #[test]
    fn a_file_is_replaced_as_a_whole_and_for_all_readers() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.csv");
        write_whole(&path, b"one\n").unwrap();
        write_whole(&path, b"two\n").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two\n");
        write_unflushed(&path, b"three\n").unwrap();
        flush(folder.path(), &["a.csv"]).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"three\n");
        assert_eq!(flush(folder.path(), &["a.csv", "b.csv"]).unwrap_err().kind(), io::ErrorKind::NotFound);
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
