//! Whose run it is, among processes and machines that share a folder of results.
//!
//! Work on a run happens in a folder of its own inside the run's: `attempt.4/` belongs to the process that gave it this
//! name. Giving a folder the name `attempt.0`, or renaming `attempt.4` to `attempt.5`, succeeds for one process only, and the second takes
//! everything away from the owner before: every path that it knows leads nowhere from then on. An owner that was only slow
//! can therefore write nothing, wherever it is woken; it need not even notice. What it has open (the curve) is copied by
//! its successor before anything is appended.
//!
//! An attempt is free when its owner has released it; when nobody holds the lock on its `owner` file, where owner and
//! watcher run on one kernel and so see each other's locks; or when the file has not changed for a minute of looking at it.
//! No clock of anybody else is believed, and no list of processes, which may be another name space's.

use std::collections::HashMap;
use std::fs::{self, File, TryLockError};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use lrx_files::{machine, open_regular, temporary_folder_in, temporary_in};
use serde::{Deserialize, Serialize};

/// A claim that was not renewed for so long is nobody's.
const EXPIRES: Duration = Duration::from_secs(60);
/// Says another number of seconds, for file systems that answer more slowly; the same for all processes of a folder.
const VARIABLE: &str = "LRX_CLAIM_SECONDS";
/// Looks that are further apart count as so far apart: a watcher that was stopped has seen nothing meanwhile.
const BETWEEN_LOOKS: Duration = Duration::from_secs(2);

const PREFIX: &str = "attempt.";
const OWNER: &str = "owner";

fn expires() -> Duration {
    let seconds = std::env::var(VARIABLE).ok().and_then(|text| text.parse().ok()).filter(|&seconds: &u64| seconds > 0);
    seconds.map_or(EXPIRES, Duration::from_secs)
}

/// The content of an owner file.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Owner {
    /// The kernel that it runs on.
    machine: Option<String>,
    host: String,
    process: u32,
    /// The file that it has locked: device and number. None where files cannot be locked.
    locked: Option<(u64, u64)>,
    /// Counts renewals.
    renewed: u64,
    released: bool,
}

impl Owner {
    fn this_process() -> Self {
        let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default().trim().to_string();
        Self {
            machine: machine().map(str::to_string),
            host,
            process: std::process::id(),
            locked: None,
            renewed: 0,
            released: false,
        }
    }

    /// `process 12 on host`
    fn name(&self) -> String {
        if self.host.is_empty() {
            format!("process {}", self.process)
        } else {
            format!("process {} on {}", self.process, self.host)
        }
    }

    /// Writes this to a file that this process has made, in the place of what stands there.
    fn write(&self, file: &mut File) -> io::Result<()> {
        let text = serde_json::to_vec(self).expect("text and numbers");
        file.seek(SeekFrom::Start(0))?;
        file.write_all(&text)?;
        // Numbers only grow, so that a line does not become shorter than it was; but for `released`.
        file.set_len(text.len() as u64)?;
        file.sync_data()
    }
}

#[cfg(unix)]
fn identity(file: &File) -> Option<(u64, u64)> {
    use std::os::unix::fs::MetadataExt;
    file.metadata().ok().map(|file| (file.dev(), file.ino()))
}

/// On Windows a lock keeps readers off the file, so none is taken.
#[cfg(not(unix))]
fn identity(_file: &File) -> Option<(u64, u64)> {
    None
}

/// The claims of others, and for how long each was seen to stay as it is.
#[derive(Default)]
pub(super) struct Watch(HashMap<PathBuf, Seen>);

struct Seen {
    content: Vec<u8>,
    last_look: Instant,
    unchanged: Duration,
}

impl Watch {
    /// How long the claim at `path` has been `content`.
    fn unchanged(&mut self, path: PathBuf, content: &[u8]) -> Duration {
        let now = Instant::now();
        let new = || Seen { content: content.to_vec(), last_look: now, unchanged: Duration::ZERO };
        let seen = self.0.entry(path).or_insert_with(new);
        if seen.content == content {
            seen.unchanged += (now - seen.last_look).min(BETWEEN_LOOKS);
            seen.last_look = now;
        } else {
            *seen = new();
        }
        seen.unchanged
    }

    /// Claims the run in `folder`, which exists.
    ///
    /// # Errors
    /// When the folder cannot be read or written.
    pub(super) fn claim(&mut self, folder: &Path) -> io::Result<Claimed> {
        let Some(number) = attempts(folder)?.pop() else {
            return Claim::first(folder);
        };
        let path = attempt(folder, number).join(OWNER);
        let mut content = Vec::new();
        let file = match open_regular(&path) {
            Ok(mut file) => {
                file.read_to_end(&mut content)?;
                Some(file)
            }
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        let owner: Option<Owner> = serde_json::from_slice(&content).ok();
        // Whoever gets here holds the lock until it has signed: one process of this kernel at a time.
        let free = owner.as_ref().zip(file.as_ref()).is_some_and(|(owner, file)| is_free(owner, file));
        if !free && self.unchanged(path, &content) < expires() {
            return Ok(Claimed::Held(owner.map_or("another process".into(), |owner| owner.name())));
        }
        match fs::rename(attempt(folder, number), attempt(folder, number + 1)) {
            Ok(()) => Claim::taken(folder, number + 1),
            Err(error) => Claim::unless_taken(error),
        }
    }
}

/// Whether the owner has released its claim or certainly does not live any more, and nobody else is taking it over.
fn is_free(owner: &Owner, file: &File) -> bool {
    let same_kernel = owner.machine.is_some() && owner.machine.as_deref() == machine();
    let seen_locks = same_kernel && owner.locked.is_some() && owner.locked == identity(file);
    match file.try_lock() {
        Ok(()) => owner.released || seen_locks,
        Err(TryLockError::WouldBlock) => false,
        Err(TryLockError::Error(_)) => owner.released,
    }
}

/// Whether somebody else was quicker: the folder is not there any more, or one of the next name is.
fn is_taken(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::AlreadyExists | ErrorKind::DirectoryNotEmpty)
}

/// What came of trying to claim a run.
pub(super) enum Claimed {
    /// It is this process's now.
    Mine(Claim),
    /// Another has it: who.
    Held(String),
}

/// A run that is this process's.
pub(super) struct Claim {
    folder: PathBuf,
    stop: Option<Sender<()>>,
    /// Renews the claim; gives the owner file back.
    renewing: Option<JoinHandle<(Owner, File)>>,
    lost: Arc<AtomicBool>,
}

impl Claim {
    /// Makes the first attempt, which is signed before it gets its name: one without an owner would be held for somebody's
    /// for a minute, should this process be killed just then.
    fn first(folder: &Path) -> io::Result<Claimed> {
        let made = temporary_folder_in(folder)?;
        // Windows does not rename a folder with an open file in it.
        if cfg!(not(unix)) {
            return match fs::rename(made.keep(), attempt(folder, 0)) {
                Ok(()) => Self::taken(folder, 0),
                Err(error) => Self::unless_taken(error),
            };
        }
        let signed = Self::sign(made.path());
        let renamed = signed.and_then(|signed| fs::rename(made.path(), attempt(folder, 0)).map(|()| signed));
        match renamed {
            Ok((owner, file)) => {
                let _ = made.keep();
                Self::renewed(attempt(folder, 0), owner, file).map(Claimed::Mine)
            }
            Err(error) => Self::unless_taken(error),
        }
    }

    /// Signs the attempt that this process has just taken.
    fn taken(folder: &Path, number: u64) -> io::Result<Claimed> {
        let folder = attempt(folder, number);
        match Self::sign(&folder) {
            Ok((owner, file)) => Self::renewed(folder, owner, file).map(Claimed::Mine),
            Err(error) => {
                // On a full disk, say: an attempt without an owner would be held for somebody's for a minute.
                let _ = fs::remove_dir(folder);
                Self::unless_taken(error)
            }
        }
    }

    /// What an error says that may only mean that another process was quicker.
    fn unless_taken(error: io::Error) -> io::Result<Claimed> {
        if is_taken(&error) { Ok(Claimed::Held("another process".into())) } else { Err(error) }
    }

    fn sign(folder: &Path) -> io::Result<(Owner, File)> {
        let mut owner = Owner::this_process();
        // Locked as long as it is open.
        let mut file = temporary_in(folder)?;
        // This process has the lock, or there is none to have: what `temporary_in` could not lock cannot be locked here.
        let unlocked = matches!(file.as_file().try_lock(), Err(TryLockError::Error(_)));
        owner.locked = identity(file.as_file()).filter(|_| !unlocked);
        owner.write(file.as_file_mut())?;
        let file = file.persist(folder.join(OWNER)).map_err(|error| error.error)?;
        Ok((owner, file))
    }

    fn renewed(folder: PathBuf, mut owner: Owner, mut file: File) -> io::Result<Self> {
        let lost = Arc::new(AtomicBool::new(false));
        let (stop, stopped) = mpsc::channel();
        let (path, is_lost) = (folder.join(OWNER), lost.clone());
        let renewing = thread::Builder::new().name("claim".into()).spawn(move || {
            while stopped.recv_timeout(expires() / 6) == Err(RecvTimeoutError::Timeout) {
                if is_gone(&path) {
                    is_lost.store(true, Ordering::Relaxed);
                    break;
                }
                owner.renewed += 1;
                // Should writing fail for a minute, the claim expires: others find the run and continue it.
                let _ = owner.write(&mut file);
            }
            (owner, file)
        });
        match renewing {
            Ok(thread) => Ok(Self { folder, stop: Some(stop), renewing: Some(thread), lost }),
            // The lock has gone with the thread: whoever comes next finds the attempt free.
            Err(error) => Err(io::Error::new(error.kind(), format!("cannot start a thread: {error}"))),
        }
    }

    /// Where the work happens, as long as the claim holds.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Whether another process has taken the run over: it held this one for dead.
    pub(super) fn is_lost(&self) -> bool {
        if !self.lost.load(Ordering::Relaxed) && is_gone(&self.folder.join(OWNER)) {
            self.lost.store(true, Ordering::Relaxed);
        }
        self.lost.load(Ordering::Relaxed)
    }

    /// Gives the run back, to be continued by whoever wants to.
    pub(super) fn release(mut self) {
        if let Some((mut owner, mut file)) = self.stop_renewing() {
            owner.released = true;
            let _ = owner.write(&mut file);
        }
    }

    /// Deletes the attempt: the run is finished, and all that is to be kept lies in its folder.
    pub(super) fn clear(mut self) {
        let _file = self.stop_renewing();
        clear(&self.folder);
    }

    fn stop_renewing(&mut self) -> Option<(Owner, File)> {
        drop(self.stop.take());
        self.renewing.take()?.join().ok()
    }
}

/// A claim that is dropped on the way, by a panic say, is given back.
impl Drop for Claim {
    fn drop(&mut self) {
        if let Some((mut owner, mut file)) = self.stop_renewing() {
            owner.released = true;
            let _ = owner.write(&mut file);
        }
    }
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

/// Whether a file is certainly not there: not whether a file system answers.
fn is_gone(path: &Path) -> bool {
    fs::symlink_metadata(path).is_err_and(|error| error.kind() == ErrorKind::NotFound)
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

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    fn mine(folder: &Path) -> Claim {
        match Watch::default().claim(folder).unwrap() {
            Claimed::Mine(claim) => claim,
            Claimed::Held(by) => panic!("held by {by}"),
        }
    }

    fn held(folder: &Path) -> bool {
        matches!(Watch::default().claim(folder).unwrap(), Claimed::Held(_))
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
                let claim = || Watch::default().claim(folder.path()).unwrap();
                let threads: Vec<_> = (0..16).map(|_| scope.spawn(claim)).collect();
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
                drop(claim.stop_renewing()); // The lock goes, nothing is said: as when a process is killed.
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
        drop(late.stop.take());
        let owner = late.renewing.take().unwrap().join().unwrap();
        let mut watch = Watch::default();
        assert!(matches!(watch.claim(folder.path()).unwrap(), Claimed::Held(_)));
        watch.0.values_mut().for_each(|seen| seen.unchanged = expires());
        let Claimed::Mine(next) = watch.claim(folder.path()).unwrap() else { panic!("not renewed") };
        assert!(late.is_lost() && !next.is_lost());

        // Whatever the late one does now by the paths that it knows.
        let write = |file: &str| lrx_files::write_whole(&late.folder().join(file), b"late");
        assert_eq!(write("resolved.toml").unwrap_err().kind(), ErrorKind::NotFound);
        assert_eq!(
            fs::rename(late.folder().join("resolved.toml"), folder.path().join("x")).unwrap_err().kind(),
            ErrorKind::NotFound
        );
        late.renewing = Some(thread::spawn(|| owner));
        late.clear();
        assert_eq!(fs::read(next.folder().join("resolved.toml")).unwrap(), b"one");
        assert!(!next.is_lost() && held(folder.path()), "it is still the next one's");
        next.clear();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
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
        let is_held = |watch: &mut Watch| matches!(watch.claim(folder.path()).unwrap(), Claimed::Held(_));
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
