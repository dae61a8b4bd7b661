//! Files and folders without their name yet, and what killed processes leave of them.

use std::fs::{self, TryLockError};
use std::io;
use std::path::Path;
use std::time::{Duration, SystemTime};

use tempfile::{Builder, NamedTempFile, TempDir};

use crate::{machine, open_regular, without_path};

/// The names of temporary files begin with this: a killed process may leave one.
pub const TEMPORARY_PREFIX: &str = ".tmp";

/// A temporary file that nobody has written to for so long, by the clock of the file system, is nobody's.
const FORGOTTEN: Duration = Duration::from_secs(600);

/// A temporary file in `folder`, to be given its name once it is written. It is gone if that does not happen. Whoever
/// may read a file that is written in place may read it: temporary files by themselves are for their owner only.
///
/// It is locked as long as it is open, and its name says on which machine: others see whether its process lives.
///
/// # Errors
/// When none can be made there.
pub fn temporary_in(folder: &Path) -> io::Result<NamedTempFile> {
    let file = temporary(0o666, |builder| builder.tempfile_in(folder))?;
    // Where files cannot be locked, leftovers are cleared away by their age. (On Windows a lock keeps readers off.)
    #[cfg(unix)]
    let _ = file.as_file().try_lock();
    Ok(file)
}

/// A temporary folder in `folder`, to be given its name once it is complete. It is gone if that does not happen. Others see
/// by the locked files in it whether its process lives.
///
/// # Errors
/// When none can be made there.
pub fn temporary_folder_in(folder: &Path) -> io::Result<TempDir> {
    temporary(0o777, |builder| builder.tempdir_in(folder))
}

/// What is made with this machine's prefix and these permissions, less the umask.
fn temporary<T>(_permissions: u32, make: impl FnOnce(&Builder<'_, '_>) -> io::Result<T>) -> io::Result<T> {
    let prefix = own_prefix().unwrap_or(TEMPORARY_PREFIX.into());
    let mut builder = Builder::new();
    builder.prefix(&prefix);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(std::fs::Permissions::from_mode(_permissions));
    }
    make(&builder).map_err(without_path)
}

fn own_prefix() -> Option<String> {
    machine().map(|machine| format!("{TEMPORARY_PREFIX}-{machine}-"))
}

/// Deletes the temporary files and folders that killed processes have left in `folder`: those of this machine that no
/// process has open, and others that nobody has written to for ten minutes. What cannot be deleted stays.
pub fn clear_leftovers(folder: &Path) {
    let own = own_prefix();
    // The clocks of machines need not agree: the file system's own says what is old.
    let mut now = None;
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let Ok(kind) = entry.file_type() else { continue };
        if !(kind.is_file() || kind.is_dir()) || !name.starts_with(TEMPORARY_PREFIX) {
            continue;
        }
        let path = entry.path();
        let try_lock = if kind.is_dir() { try_lock_folder } else { try_lock };
        let lock = own.as_ref().filter(|own| name.starts_with(own.as_str())).map(|_| try_lock(&path));
        let abandoned = match lock {
            Some(Lock::Free) => true,
            Some(Lock::Held) => false,
            Some(Lock::Unknown) | None => {
                let now = now.get_or_insert_with(|| clock_of(folder));
                let written = entry.metadata().and_then(|file| file.modified()).ok();
                let age = now.zip(written).and_then(|(now, written)| now.duration_since(written).ok());
                age.is_some_and(|age| age > FORGOTTEN)
            }
        };
        if abandoned {
            let _ = if kind.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
        }
    }
}

/// Whether a process of this machine has locked a file.
enum Lock {
    Free,
    Held,
    Unknown,
}

fn try_lock(path: &Path) -> Lock {
    let Ok(file) = open_regular(path) else { return Lock::Unknown };
    match file.try_lock() {
        Ok(()) => Lock::Free,
        Err(TryLockError::WouldBlock) => Lock::Held,
        Err(TryLockError::Error(_)) => Lock::Unknown,
    }
}

/// Whether a process of this machine has locked a file of a folder.
fn try_lock_folder(path: &Path) -> Lock {
    let Ok(entries) = fs::read_dir(path) else { return Lock::Unknown };
    for entry in entries {
        let lock = entry.map_or(Lock::Unknown, |entry| try_lock(&entry.path()));
        if !matches!(lock, Lock::Free) {
            return lock;
        }
    }
    Lock::Free
}

/// What time it is for the file system that `folder` is on.
fn clock_of(folder: &Path) -> Option<SystemTime> {
    temporary_in(folder).ok()?.as_file().metadata().ok()?.modified().ok()
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn leftovers_of_the_dead_are_cleared_and_files_of_the_living_stay() {
        let folder = tempfile::tempdir().unwrap();
        let live = temporary_in(folder.path()).unwrap();
        // A killed process: the file is there, and nobody has it open.
        let dead = temporary_in(folder.path()).unwrap().keep().unwrap().1;
        let folder_of = |lives: bool| {
            let made = temporary_folder_in(folder.path()).unwrap().keep();
            let file = temporary_in(&made).unwrap();
            let file = if lives { Some(file) } else { file.keep().map(|_| None).unwrap() };
            (made, file)
        };
        let ((dead_folder, _), (live_folder, _locked)) = (folder_of(false), folder_of(true));
        // Of other machines: one just written, one forgotten long ago by a clock that runs two minutes ahead.
        let other = |name: &str, age: u64| {
            let path = folder.path().join(name);
            fs::write(&path, "").unwrap();
            let time = clock_of(folder.path()).unwrap() - Duration::from_secs(age);
            fs::File::options().write(true).open(&path).unwrap().set_modified(time).unwrap();
            path
        };
        let (young, old) = (other(".tmp-ffffffff-young", 120), other(".tmp-ffffffff-old", 700));
        let named = other("runs.csv", 10_000);
        clear_leftovers(folder.path());
        assert!(live.path().exists() && young.exists() && named.exists());
        assert!(!dead.exists() && !old.exists());
        assert!(!dead_folder.exists() && live_folder.exists());
    }
}
