//! Work that one process does for all that come meanwhile: these wait for it.
//!
//! Whoever finds no file `X` makes `X.turn`, a lease, builds `X` and deletes `X.turn`. Nothing rests on that but time: should
//! two build at once, because one was held for dead and was not, they write the same, each whole or not at all.

use std::ffi::OsString;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use lrx_files::folder_of;

use crate::lease::{Lease, Signed, Standing, Watch};

const SUFFIX: &str = ".turn";
/// Between two looks: longer each time, up to the second.
const LOOK_AGAIN: [Duration; 2] = [Duration::from_millis(50), Duration::from_secs(1)];

/// The turn to build a file. Others wait while it lasts.
pub(crate) struct Turn {
    path: PathBuf,
    /// None where no turns can be taken: then everybody builds.
    lease: Option<Lease>,
}

impl Turn {
    /// Waits until nobody else builds `file`, or until `stopped`; `waits` is told once for whom.
    pub(crate) fn wait(file: &Path, waits: impl Fn(&str), stopped: impl Fn() -> bool) -> Self {
        let path = beside(file);
        let (mut watch, mut told, mut pause) = (Watch::default(), false, LOOK_AGAIN[0]);
        while !stopped() {
            match take(&path, &mut watch) {
                Ok(Taken::Mine(lease)) => return Self { path, lease: Some(lease) },
                Ok(Taken::By(other)) => {
                    if !told {
                        waits(&other);
                        told = true;
                    }
                    thread::sleep(pause);
                    pause = (2 * pause).min(LOOK_AGAIN[1]);
                }
                // The folder cannot be written, say: whoever builds finds out, and says so.
                Err(_) => break,
            }
        }
        Self { path, lease: None }
    }
}

impl Turn {
    /// The turn, unless somebody else has it now; `watch` has seen it before.
    pub(crate) fn at_once(file: &Path, watch: &mut Watch) -> Option<Self> {
        let path = beside(file);
        match take(&path, watch) {
            Ok(Taken::By(_)) => None,
            Ok(Taken::Mine(lease)) => Some(Self { path, lease: Some(lease) }),
            Err(_) => Some(Self { path, lease: None }),
        }
    }

    /// Whether nobody else builds the file meanwhile.
    pub(crate) fn is_held(&self) -> bool {
        self.lease.as_ref().is_some_and(|lease| !lease.is_lost())
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if let Some(lease) = self.lease.take()
            && !lease.is_lost()
        {
            // Deleted while it is held: a lock that nobody holds is that of a dead process.
            let _ = fs::remove_file(&self.path);
        }
    }
}

enum Taken {
    Mine(Lease),
    By(String),
}

fn take(path: &Path, watch: &mut Watch) -> io::Result<Taken> {
    let folder = folder_of(path);
    if path.symlink_metadata().is_err() {
        fs::create_dir_all(folder)?;
        match Signed::in_folder(folder)?.named_first(path) {
            Ok(named) => return named.renewed(path.to_path_buf()).map(Taken::Mine),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    match watch.look(path)? {
        Standing::Held(by) => Ok(Taken::By(by)),
        Standing::Free(_lock) => {
            // In its place: whoever has just looked as well, and is not of this kernel, may do the same.
            let named = Signed::in_folder(folder)?.named(path)?;
            named.renewed(path.to_path_buf()).map(Taken::Mine)
        }
    }
}

fn beside(file: &Path) -> PathBuf {
    let mut name = file.file_name().map_or_else(OsString::new, OsString::from);
    name.push(SUFFIX);
    file.with_file_name(name)
}

#[cfg(all(test, unix))]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::lease::{Owner, expires};

    fn names(folder: &Path) -> Vec<String> {
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[test]
    fn of_many_one_builds_and_the_others_find_it_built() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("new/x");
        let (built, waited) = (AtomicUsize::new(0), AtomicUsize::new(0));
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    let waits = |by: &str| {
                        assert!(by.contains(&std::process::id().to_string()) || by == "another process", "{by}");
                        waited.fetch_add(1, Ordering::Relaxed);
                    };
                    let _turn = Turn::wait(&file, waits, || false);
                    if !file.exists() {
                        thread::sleep(Duration::from_millis(300));
                        fs::write(&file, "").unwrap();
                        built.fetch_add(1, Ordering::Relaxed);
                    }
                });
            }
        });
        assert_eq!((built.into_inner(), waited.into_inner()), (1, 7));
        assert_eq!(names(&folder.path().join("new")), ["x"], "nothing is left");
    }

    #[test]
    fn the_dead_are_not_waited_for_and_others_machines_until_they_are_silent() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("x");
        // Killed: the file is there, and its lock is not.
        drop(Signed::in_folder(folder.path()).unwrap().named_first(&beside(&file)).unwrap());
        let turn = Turn::wait(&file, |by| panic!("waits for {by}"), || false);
        assert!(turn.lease.is_some());
        drop(turn);
        assert!(names(folder.path()).is_empty());

        let owner = Owner { machine: Some("another".into()), ..Owner::this_process() };
        fs::write(beside(&file), serde_json::to_vec(&owner).unwrap()).unwrap();
        let mut watch = Watch::default();
        assert!(matches!(take(&beside(&file), &mut watch), Ok(Taken::By(_))));
        watch.0.values_mut().for_each(|seen| seen.unchanged = expires());
        assert!(matches!(take(&beside(&file), &mut watch), Ok(Taken::Mine(_))));
    }

    #[test]
    fn where_no_turn_can_be_taken_nobody_waits() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("no-folder"), "").unwrap();
        let turn = Turn::wait(&folder.path().join("no-folder/x"), |by| panic!("waits for {by}"), || false);
        assert!(turn.lease.is_none());
        let other = Turn::wait(&folder.path().join("x"), |by| panic!("waits for {by}"), || false);
        assert!(Turn::wait(&folder.path().join("x"), |_| {}, || true).lease.is_none(), "stopped");
        drop(other);
    }
}
