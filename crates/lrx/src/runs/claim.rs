//! Whose run it is, among processes and machines that share a folder of results.
//!
//! Work on a run happens in a folder of its own inside the run's: `attempt.4/` belongs to the process that gave it this
//! name. Giving a folder the name `attempt.0`, or renaming `attempt.4` to `attempt.5`, succeeds for one process only, and the
//! second takes everything away from the owner before: every path that it knows leads nowhere from then on. Whoever has
//! renamed it links the files into a folder that nobody else has ever seen, `attempt.6`, works there, and deletes
//! `attempt.5`: a client of a network file system reaches a folder that it has looked up for a while by whatever name, and
//! finds nothing there but what is deleted. An owner that was only slow can therefore write nothing, wherever it is woken;
//! it need not even notice. What it has open (the curve) is copied by its successor before anything is appended.
//!
//! When an attempt is nobody's any more is told by its `owner`, a lease; `docs/shared-disk.md` has the whole argument.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use lrx_files::{TEMPORARY_PREFIX, temporary_folder_in};

use crate::lease::{Glance, Lease, Signed, Standing, Watch, glance_at, process_here};

const PREFIX: &str = "attempt.";
const OWNER: &str = "owner";

/// Claims the run in `folder`, which exists.
///
/// # Errors
/// When the folder cannot be read or written.
pub(crate) fn claim(watch: &mut Watch, folder: &Path) -> io::Result<Claimed> {
    let Some(number) = attempts(folder)?.pop() else {
        return unless_taken(Claim::first(folder));
    };
    // The lock, where there is one, is kept until the attempt is signed anew.
    let _lock = match watch.look(&attempt(folder, number).join(OWNER))? {
        Standing::Held(by) => return Ok(Claimed::Held(by)),
        Standing::Free(lock) => lock,
    };
    unless_taken(Claim::after(folder, number))
}

/// What came of trying to claim a run.
pub(crate) enum Claimed {
    /// It is this process's now.
    Mine(Claim),
    /// Another has it: who.
    Held(String),
}

/// What an error says that may only mean that another process was quicker: the folder is not there any more, or one of the
/// next name is.
fn unless_taken(claim: io::Result<Claim>) -> io::Result<Claimed> {
    let is_taken = |error: &io::Error| {
        use ErrorKind::{AlreadyExists, DirectoryNotEmpty, NotFound, StaleNetworkFileHandle};
        matches!(error.kind(), NotFound | AlreadyExists | DirectoryNotEmpty | StaleNetworkFileHandle)
    };
    match claim {
        Ok(claim) => Ok(Claimed::Mine(claim)),
        Err(error) if is_taken(&error) => Ok(Claimed::Held("another process".into())),
        Err(error) => Err(error),
    }
}

/// A run that is this process's.
pub(crate) struct Claim {
    folder: PathBuf,
    lease: Lease,
}

impl Claim {
    /// Makes the first attempt.
    fn first(folder: &Path) -> io::Result<Self> {
        let claim = Self::begin(folder, 0, |_| Ok(()))?;
        // A network file system may have shown this process an old list; having changed the folder, it gets a new one.
        if attempts(folder)?.pop() != Some(0) {
            claim.clear();
            return Err(ErrorKind::AlreadyExists.into());
        }
        Ok(claim)
    }

    /// Takes over the attempt `number`.
    fn after(folder: &Path, number: u64) -> io::Result<Self> {
        let taken = attempt(folder, number + 1);
        fs::rename(attempt(folder, number), &taken)?;
        let signed = Signed::in_folder(&taken).and_then(|signed| signed.named(&taken.join(OWNER)));
        let mut lease = signed.and_then(|named| named.renewed(taken.join(OWNER))).inspect_err(|_| {
            // On a full disk, say: an attempt without an owner would be held for somebody's for a minute.
            let _ = fs::remove_dir(&taken);
        })?;
        let claim = Self::begin(folder, number + 2, |made| link_files(&taken, made))?;
        let _file = lease.end();
        // This one, and what somebody has left who was killed just here: once the run is finished, it would go on from there.
        attempts(folder)?.into_iter().filter(|old| *old < number + 2).for_each(|old| clear(&attempt(folder, old)));
        Ok(claim)
    }

    /// Makes the attempt `number`: a folder that no other process has seen, with what `fill` puts there. It is signed before
    /// it gets its name: one without an owner would be held for somebody's for a minute, should this process be killed just
    /// then.
    fn begin(folder: &Path, number: u64, fill: impl FnOnce(&Path) -> io::Result<()>) -> io::Result<Self> {
        let made = temporary_folder_in(folder)?;
        let folder = attempt(folder, number);
        let sign = |place: &Path| Signed::in_folder(place)?.named(&place.join(OWNER));
        // Windows does not rename a folder with an open file in it.
        let before = cfg!(unix).then(|| sign(made.path())).transpose()?;
        fill(made.path())?;
        fs::rename(made.path(), &folder)?;
        let _ = made.keep();
        let named = before.map_or_else(|| sign(&folder), Ok)?;
        let lease = named.renewed(folder.join(OWNER))?;
        Ok(Self { folder, lease })
    }

    /// Where the work happens, as long as the claim holds.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Whether another process has taken the run over: it held this one for dead.
    pub(super) fn is_lost(&self) -> bool {
        self.lease.is_lost()
    }

    /// Gives the run back, to be continued by whoever wants to.
    pub(crate) fn release(self) {
        drop(self.lease);
    }

    /// Deletes the attempt: the run is finished, and all that is to be kept lies in its folder.
    pub(crate) fn clear(mut self) {
        // A folder of this name that is not this process's may be there, where somebody has begun the run anew.
        let is_lost = self.is_lost();
        let _file = self.lease.end();
        if !is_lost {
            clear(&self.folder);
        }
    }
}

/// Gives the files of an attempt a second name in another folder, where the disk can do that, else copies them.
fn link_files(from: &Path, to: &Path) -> io::Result<()> {
    for entry in fs::read_dir(from)? {
        let name = entry?.file_name();
        if name == OWNER || name.to_string_lossy().starts_with(TEMPORARY_PREFIX) {
            continue;
        }
        let (from, to) = (from.join(&name), to.join(&name));
        fs::hard_link(&from, &to).or_else(|_| {
            fs::copy(&from, &to)?;
            File::options().write(true).open(&to)?.sync_all()
        })?;
    }
    Ok(())
}

/// Deletes an attempt, its owner last: without one it would be held for somebody's for a minute.
fn clear(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_name() != OWNER {
            let _ = fs::remove_file(entry.path());
        }
    }
    let _ = fs::remove_file(folder.join(OWNER));
    let _ = fs::remove_dir(folder);
}

/// Deletes attempts with nothing in them: their process was killed while it cleared them away.
pub(super) fn clear_empty(folder: &Path) {
    for number in attempts(folder).into_iter().flatten() {
        let _ = fs::remove_dir(attempt(folder, number));
    }
}

fn attempt(folder: &Path, number: u64) -> PathBuf {
    folder.join(format!("{PREFIX}{number}"))
}

/// The numbers of a run's attempts, rising: one, but in the moments of a takeover and where somebody has copied folders.
fn attempts(folder: &Path) -> io::Result<Vec<u64>> {
    let mut numbers = Vec::new();
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name();
        let number: Option<u64> =
            name.to_str().and_then(|name| name.strip_prefix(PREFIX)).and_then(|number| number.parse().ok());
        numbers.extend(number);
    }
    numbers.sort_unstable();
    Ok(numbers)
}

/// The folder in which work on a run goes on, or went on last; `None` where there is none.
pub(crate) fn current_attempt(folder: &Path) -> io::Result<Option<PathBuf>> {
    Ok(attempts(folder)?.pop().map(|number| attempt(folder, number)))
}

/// Whose an attempt is, at a glance.
pub(super) fn owner_of(attempt: &Path) -> Glance {
    glance_at(&attempt.join(OWNER))
}

/// The process that an attempt is claimed by, where it is one of this machine's.
pub(crate) fn process_of(attempt: &Path) -> Option<u32> {
    process_here(&attempt.join(OWNER))
}

#[cfg(all(test, unix))]
mod tests {
    use std::thread;
    use std::time::Duration;

    use super::*;
    use crate::lease::{BETWEEN_LOOKS, EXPIRES, Owner, expires, identity};

    fn mine(folder: &Path) -> Claim {
        match claim(&mut Watch::default(), folder).unwrap() {
            Claimed::Mine(claim) => claim,
            Claimed::Held(by) => panic!("held by {by}"),
        }
    }

    fn held(folder: &Path) -> bool {
        matches!(claim(&mut Watch::default(), folder).unwrap(), Claimed::Held(_))
    }

    /// An attempt of an owner whose locks this process does not see: another machine's, say.
    fn of_another_machine(folder: &Path, renewed: u64) -> PathBuf {
        let owner = Owner { machine: Some("another".into()), renewed, ..Owner::this_process() };
        let path = attempt(folder, 0);
        fs::create_dir_all(&path).unwrap();
        fs::write(path.join(OWNER), serde_json::to_vec(&owner).unwrap()).unwrap();
        path
    }

    #[test]
    fn one_of_many_threads_gets_the_run() {
        let folder = tempfile::tempdir().unwrap();
        // Of a run that nobody has, of one that was released, and of one whose owner was killed.
        for before in 0..3 {
            let claims: Vec<Claimed> = thread::scope(|scope| {
                let one = || claim(&mut Watch::default(), folder.path()).unwrap();
                let threads: Vec<_> = (0..16).map(|_| scope.spawn(one)).collect();
                threads.into_iter().map(|thread| thread.join().unwrap()).collect()
            });
            let mut mine: Vec<Claim> = Vec::new();
            for claimed in claims {
                if let Claimed::Mine(claim) = claimed {
                    mine.push(claim);
                }
            }
            // Whoever has signed may be overtaken by one who looked before: one claim holds in the end.
            assert_eq!(mine.iter().filter(|claim| !claim.is_lost()).count(), 1, "{before}");
            mine.retain(|claim| !claim.is_lost());
            let mut claim = mine.pop().unwrap();
            if before == 0 {
                claim.release();
            } else {
                drop(claim.lease.end()); // The lock goes, nothing is said: as when a process is killed.
            }
        }
    }

    #[test]
    fn a_late_owner_can_write_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let mut late = mine(folder.path());
        lrx_files::write_whole(&late.folder().join("resolved.toml"), b"one").unwrap();
        assert!(held(folder.path()) && !late.is_lost());
        // It was stopped: its lock is there, but for a minute of looks nothing has changed.
        let _locked = late.lease.end();
        let mut watch = Watch::default();
        assert!(matches!(claim(&mut watch, folder.path()).unwrap(), Claimed::Held(_)));
        watch.0.values_mut().for_each(|seen| seen.unchanged = expires());
        let Claimed::Mine(next) = claim(&mut watch, folder.path()).unwrap() else { panic!("not renewed") };
        assert!(late.is_lost() && !next.is_lost());

        // Whatever the late one does now by the paths that it knows.
        let write = |file: &str| lrx_files::write_whole(&late.folder().join(file), b"late");
        assert_eq!(write("resolved.toml").unwrap_err().kind(), ErrorKind::NotFound);
        assert_eq!(
            fs::rename(late.folder().join("resolved.toml"), folder.path().join("x")).unwrap_err().kind(),
            ErrorKind::NotFound
        );
        late.clear();
        assert_eq!(fs::read(next.folder().join("resolved.toml")).unwrap(), b"one");
        assert!(!next.is_lost() && held(folder.path()), "it is still the next one's");
        next.clear();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    /// A client of NFS that has looked a folder up goes on using its handle, under whatever name it lies by then, until it asks
    /// for the name again. `/proc/self/fd` reaches folders in that way, too.
    #[cfg(target_os = "linux")]
    #[test]
    fn a_late_owner_reaches_nothing_by_a_handle_of_its_folder() {
        use std::os::fd::AsRawFd;
        let folder = tempfile::tempdir().unwrap();
        let mut late = mine(folder.path());
        lrx_files::write_whole(&late.folder().join("checkpoint"), b"one").unwrap();
        let handle = File::open(late.folder()).unwrap();
        let by_handle = Path::new("/proc/self/fd").join(handle.as_raw_fd().to_string());
        assert_eq!(fs::read(by_handle.join("checkpoint")).unwrap(), b"one");
        drop(late.lease.end());
        let next = mine(folder.path());
        let _ = fs::write(by_handle.join("checkpoint"), "late");
        let _ = fs::write(by_handle.join("other"), "late");
        let _ = fs::rename(by_handle.join("checkpoint"), folder.path().join("checkpoint"));
        assert_eq!(fs::read(next.folder().join("checkpoint")).unwrap(), b"one");
        assert!(!next.folder().join("other").exists() && !folder.path().join("checkpoint").exists());
        next.clear();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn nothing_is_left_of_a_takeover_that_was_killed_at_its_end() {
        let folder = tempfile::tempdir().unwrap();
        let mut killed = mine(folder.path());
        fs::write(killed.folder().join("run.csv"), "new").unwrap();
        drop(killed.lease.end());
        fs::rename(killed.folder(), attempt(folder.path(), 2)).unwrap();
        fs::create_dir(attempt(folder.path(), 1)).unwrap();
        fs::write(attempt(folder.path(), 1).join("run.csv"), "old").unwrap();
        let next = mine(folder.path());
        assert_eq!(fs::read(next.folder().join("run.csv")).unwrap(), b"new");
        assert_eq!(attempts(folder.path()).unwrap().len(), 1);
        next.clear();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    /// Somebody deletes a run whose process is stopped, and starts it again: the name is the same, the attempt is not.
    #[test]
    fn a_run_that_was_begun_anew_is_not_its_late_owners() {
        let folder = tempfile::tempdir().unwrap();
        let late = mine(folder.path());
        fs::remove_dir_all(late.folder()).unwrap();
        let next = mine(folder.path());
        assert_eq!(next.folder(), late.folder());
        assert!(late.is_lost() && !next.is_lost());
        late.clear();
        assert!(!next.is_lost() && held(folder.path()));
    }

    #[test]
    fn a_claim_of_another_machine_is_held_until_it_is_no_longer_renewed() {
        let folder = tempfile::tempdir().unwrap();
        of_another_machine(folder.path(), 0);
        let mut watch = Watch::default();
        let later = |watch: &mut Watch, by: Duration| {
            let seen = watch.0.values_mut().next().unwrap();
            seen.last_look = seen.last_look.checked_sub(by).unwrap();
        };
        let is_held = |watch: &mut Watch| matches!(claim(watch, folder.path()).unwrap(), Claimed::Held(_));
        assert!(is_held(&mut watch));
        // A watcher that slept for an hour has seen nothing in it.
        later(&mut watch, Duration::from_secs(3600));
        assert!(is_held(&mut watch));
        let look = |watch: &mut Watch| {
            later(watch, BETWEEN_LOOKS);
            is_held(watch)
        };
        let looks = (EXPIRES.as_secs() / BETWEEN_LOOKS.as_secs()) as usize;
        assert!((0..looks - 3).all(|_| look(&mut watch)));
        of_another_machine(folder.path(), 1);
        assert!((0..looks).all(|_| look(&mut watch)), "it was renewed");
        assert!((0..3).any(|_| !look(&mut watch)), "it was not");
    }

    #[test]
    fn what_says_nothing_of_a_lock_is_not_taken_for_dead() {
        let folder = tempfile::tempdir().unwrap();
        let path = of_another_machine(folder.path(), 0).join(OWNER);
        let owner = Owner::this_process();
        let identity = identity(&File::open(&path).unwrap());
        for alive in [
            // Nothing could be locked; another file was, as where the file was copied; a system that names no kernel.
            Owner { locked: None, ..owner.clone() },
            Owner { locked: Some((0, 0)), ..owner.clone() },
            Owner { locked: identity, machine: None, ..owner.clone() },
        ] {
            fs::write(&path, serde_json::to_vec(&alive).unwrap()).unwrap();
            assert!(held(folder.path()));
        }
        // Cut short, as by a full disk, or not there yet.
        for content in ["", "{\"machine\":"] {
            fs::write(&path, content).unwrap();
            assert!(held(folder.path()));
        }
        fs::remove_file(&path).unwrap();
        assert!(held(folder.path()));
    }
}
