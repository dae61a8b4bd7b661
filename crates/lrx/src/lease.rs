//! Whose something is, among processes and machines that share a disk: a file that its owner signs and renews.
//!
//! What it says is nobody's any more when its owner has released it; when nobody holds the lock on the file, where owner
//! and watcher run on one kernel and so see each other's locks; or when the file has not changed for a minute of looking at
//! it. No clock of anybody else is believed, and no list of processes, which may be another name space's.
//!
//! A lease alone keeps nobody from writing: an owner that was held for dead may wake. What it protects has to be such that
//! a late owner reaches nothing (see `runs::claim`), or such that it does not matter (see `turn`).

use std::collections::HashMap;
use std::fs::{self, File, Metadata, TryLockError};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use lrx_files::{NamedTempFile, machine, open_regular, temporary_in};
use serde::{Deserialize, Serialize};

use crate::share::job;

/// A lease that was not renewed for so long is nobody's.
pub(crate) const EXPIRES: Duration = Duration::from_secs(60);
/// Says another number of seconds, for file systems that answer more slowly; the same for all processes of a folder.
const VARIABLE: &str = "LRX_CLAIM_SECONDS";
/// Looks that are further apart count as so far apart: a watcher that was stopped has seen nothing meanwhile.
pub(crate) const BETWEEN_LOOKS: Duration = Duration::from_secs(2);

pub(crate) fn expires() -> Duration {
    let seconds = std::env::var(VARIABLE).ok().and_then(|text| text.parse().ok()).filter(|&seconds: &u64| seconds > 0);
    seconds.map_or(EXPIRES, Duration::from_secs)
}

/// The content of the file.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Owner {
    /// The kernel that it runs on.
    pub(crate) machine: Option<String>,
    pub(crate) host: String,
    pub(crate) process: u32,
    /// What its scheduler calls it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) job: Option<String>,
    /// The file that it has locked: device and number. None where files cannot be locked.
    pub(crate) locked: Option<(u64, u64)>,
    /// Counts renewals.
    pub(crate) renewed: u64,
    pub(crate) released: bool,
}

impl Owner {
    pub(crate) fn this_process() -> Self {
        let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default().trim().to_string();
        Self {
            machine: machine().map(str::to_string),
            host,
            process: std::process::id(),
            job: job(|name| std::env::var(name).ok()),
            locked: None,
            renewed: 0,
            released: false,
        }
    }

    /// `process 12 on host, Slurm job 7_3`
    fn name(&self) -> String {
        let host = if self.host.is_empty() { String::new() } else { format!(" on {}", self.host) };
        let job = self.job.as_ref().map(|job| format!(", {job}")).unwrap_or_default();
        format!("process {}{host}{job}", self.process)
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

    /// Whether it is another state of the same lease.
    fn is_same(&self, other: &Self) -> bool {
        let who = |one: &Self| (one.machine.clone(), one.host.clone(), one.process, one.locked);
        who(self) == who(other)
    }

    /// Whether its lock on the file is one that this process sees.
    fn is_seen_by_its_lock(&self, file: &File) -> bool {
        let same_kernel = self.machine.is_some() && self.machine.as_deref() == machine();
        same_kernel && self.locked.is_some() && self.locked == identity(file)
    }

    /// Whether it has released its lease or certainly does not live any more, and nobody else is taking over.
    fn has_gone(&self, file: &File) -> bool {
        let seen_locks = self.is_seen_by_its_lock(file);
        match file.try_lock() {
            Ok(()) => self.released || seen_locks,
            Err(TryLockError::WouldBlock) => false,
            Err(TryLockError::Error(_)) => self.released,
        }
    }
}

/// What tells an open file from others.
pub(crate) fn identity(file: &File) -> Option<(u64, u64)> {
    file.metadata().ok().as_ref().and_then(number)
}

#[cfg(unix)]
fn number(file: &Metadata) -> Option<(u64, u64)> {
    use std::os::unix::fs::MetadataExt;
    Some((file.dev(), file.ino()))
}

/// On Windows a lock keeps readers off the file, so none is taken.
#[cfg(not(unix))]
fn number(_file: &Metadata) -> Option<(u64, u64)> {
    None
}

/// The leases of others, and for how long each was seen to stay as it is.
#[derive(Default)]
pub(crate) struct Watch(pub(crate) HashMap<PathBuf, Seen>);

pub(crate) struct Seen {
    content: Vec<u8>,
    pub(crate) last_look: Instant,
    pub(crate) unchanged: Duration,
    /// Whether it was another before: its owner lives.
    was_renewed: bool,
}

/// How a lease stands.
pub(crate) enum Standing {
    /// It is nobody's. Of the processes of this kernel one at a time finds that, as long as it keeps the file.
    Free(Option<File>),
    /// It is somebody's: whose.
    Held(String),
}

impl Watch {
    /// How the lease at `path` stands. Where there is no such file, somebody may be about to sign one.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(crate) fn look(&mut self, path: &Path) -> io::Result<Standing> {
        let mut content = Vec::new();
        let file = match open_regular(path) {
            Ok(mut file) => {
                file.read_to_end(&mut content)?;
                Some(file)
            }
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::StaleNetworkFileHandle) => None,
            Err(error) => return Err(error),
        };
        let owner: Option<Owner> = serde_json::from_slice(&content).ok();
        // Whoever gets here holds the lock until it has signed.
        let has_gone = owner.as_ref().zip(file.as_ref()).is_some_and(|(owner, file)| owner.has_gone(file));
        if has_gone || self.unchanged(path, &content) >= expires() {
            return Ok(Standing::Free(file));
        }
        Ok(Standing::Held(owner.map_or("another process".into(), |owner| owner.name())))
    }

    /// How long the lease at `path` has been `content`.
    fn unchanged(&mut self, path: &Path, content: &[u8]) -> Duration {
        let now = Instant::now();
        let new =
            |was_renewed| Seen { content: content.to_vec(), last_look: now, unchanged: Duration::ZERO, was_renewed };
        let seen = self.0.entry(path.to_path_buf()).or_insert_with(|| new(false));
        if seen.content == content {
            seen.unchanged += (now - seen.last_look).min(BETWEEN_LOOKS);
            seen.last_look = now;
        } else {
            *seen = new(true);
        }
        seen.unchanged
    }

    /// Whether a lease in `folder` was renewed while this looked at it.
    pub(crate) fn was_renewed(&self, folder: &Path) -> bool {
        self.0.iter().any(|(path, seen)| seen.was_renewed && path.starts_with(folder))
    }
}

/// A lease that was not renewed for so long, by this machine's clock, is shown as nobody's. Clocks of machines may be minutes apart;
/// nothing is taken over for what is shown.
const SILENT: Duration = Duration::from_secs(600);

/// What a lease says at a glance, for people: not enough to take anything over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Glance {
    /// There is none, or nobody could read it.
    Nothing,
    /// Its owner has given it back.
    Released,
    /// Its owner is gone, or has been silent for long.
    Left,
    /// Its owner lives, as its lock tells: who.
    Held(String),
    /// Its owner has renewed it not long ago, where no lock tells more: who.
    Signed(String),
}

/// A glance at the lease at `path`.
pub(crate) fn glance_at(path: &Path) -> Glance {
    let Ok(mut file) = open_regular(path) else { return Glance::Nothing };
    let mut content = Vec::new();
    if file.read_to_end(&mut content).is_err() {
        return Glance::Nothing;
    }
    let Ok(owner) = serde_json::from_slice::<Owner>(&content) else { return Glance::Nothing };
    if owner.has_gone(&file) {
        return if owner.released { Glance::Released } else { Glance::Left };
    }
    if owner.is_seen_by_its_lock(&file) {
        return Glance::Held(owner.name());
    }
    let written = file.metadata().and_then(|file| file.modified()).ok();
    let is_silent = written.and_then(|at| at.elapsed().ok()).is_some_and(|age| age > SILENT.max(expires()));
    if is_silent { Glance::Left } else { Glance::Signed(owner.name()) }
}

/// The process that has signed the lease at `path`, where it runs on this kernel.
pub(crate) fn process_here(path: &Path) -> Option<u32> {
    let owner: Owner = serde_json::from_slice(&fs::read(path).ok()?).ok()?;
    (owner.machine.is_some() && owner.machine.as_deref() == machine()).then_some(owner.process)
}

/// A signed file that has no name yet, or is not renewed yet.
pub(crate) struct Signed {
    owner: Owner,
    file: NamedTempFile,
}

impl Signed {
    /// Signs a file in `folder`.
    ///
    /// # Errors
    /// When it cannot be made or written there.
    pub(crate) fn in_folder(folder: &Path) -> io::Result<Self> {
        let mut owner = Owner::this_process();
        // Locked as long as it is open.
        let mut file = temporary_in(folder)?;
        // This process has the lock, or there is none to have: what `temporary_in` could not lock cannot be locked here.
        let unlocked = matches!(file.as_file().try_lock(), Err(TryLockError::Error(_)));
        owner.locked = identity(file.as_file()).filter(|_| !unlocked);
        owner.write(file.as_file_mut())?;
        Ok(Self { owner, file })
    }

    /// Gives it its name, whatever has that now. Where its folder then gets another, `path` is the one to come.
    ///
    /// # Errors
    /// When that cannot be done.
    pub(crate) fn named(self, path: &Path) -> io::Result<Named> {
        let file = self.file.persist(path).map_err(|error| error.error)?;
        Ok(Named { owner: self.owner, file })
    }

    /// Gives it its name, if nothing has that.
    ///
    /// # Errors
    /// When something has, or it cannot be done.
    pub(crate) fn named_first(self, path: &Path) -> io::Result<Named> {
        let file = self.file.persist_noclobber(path).map_err(|error| error.error)?;
        Ok(Named { owner: self.owner, file })
    }
}

/// A signed file in its place.
pub(crate) struct Named {
    owner: Owner,
    file: File,
}

impl Named {
    /// Renews it from now on, at `path`.
    ///
    /// # Errors
    /// When no thread can be started. The lock has gone then: whoever comes next finds the lease free.
    pub(crate) fn renewed(self, path: PathBuf) -> io::Result<Lease> {
        let Self { mut owner, mut file } = self;
        let (identity, lost) = (identity(&file), Arc::new(AtomicBool::new(false)));
        let (stop, stopped) = mpsc::channel();
        let (own_path, is_lost, signed) = (path.clone(), lost.clone(), Box::new(owner.clone()));
        let renewing = thread::Builder::new().name("lease".into()).spawn(move || {
            while stopped.recv_timeout(expires() / 6) == Err(RecvTimeoutError::Timeout) {
                if is_another(&own_path, identity, &owner) {
                    is_lost.store(true, Ordering::Relaxed);
                    break;
                }
                owner.renewed += 1;
                // Should writing fail for a minute, the lease expires: others go on.
                let _ = owner.write(&mut file);
            }
            (owner, file)
        });
        let thread =
            renewing.map_err(|error| io::Error::new(error.kind(), format!("cannot start a thread: {error}")))?;
        Ok(Lease { path, identity, signed, stop: Some(stop), renewing: Some(thread), lost })
    }
}

/// What is this process's, until somebody holds it for dead.
pub(crate) struct Lease {
    path: PathBuf,
    identity: Option<(u64, u64)>,
    signed: Box<Owner>,
    stop: Option<Sender<()>>,
    /// Gives the file back.
    renewing: Option<JoinHandle<(Owner, File)>>,
    lost: Arc<AtomicBool>,
}

impl Lease {
    /// Whether somebody else has it: the file is gone, or another.
    pub(crate) fn is_lost(&self) -> bool {
        if !self.lost.load(Ordering::Relaxed) && is_another(&self.path, self.identity, &self.signed) {
            self.lost.store(true, Ordering::Relaxed);
        }
        self.lost.load(Ordering::Relaxed)
    }

    /// Stops renewing it. The lock stays while what this gives is kept.
    pub(crate) fn end(&mut self) -> Option<(Owner, File)> {
        drop(self.stop.take());
        self.renewing.take()?.join().ok()
    }
}

/// One that is dropped, by a panic say, is given back.
impl Drop for Lease {
    fn drop(&mut self) {
        if let Some((mut owner, mut file)) = self.end() {
            owner.released = true;
            let _ = owner.write(&mut file);
        }
    }
}

/// Whether `path` certainly leads to another file than `own`, which has been signed as `signed`, or to none: not whether a
/// file system answers.
fn is_another(path: &Path, own: Option<(u64, u64)>, signed: &Owner) -> bool {
    match fs::symlink_metadata(path) {
        Err(error) => error.kind() == ErrorKind::NotFound,
        Ok(there) if number(&there) == own => false,
        // Some file systems give a file another number now and then.
        Ok(_) => match lrx_files::read(path) {
            Ok(content) => serde_json::from_slice(&content).is_ok_and(|there: Owner| !there.is_same(signed)),
            Err(error) => error.kind() == ErrorKind::NotFound,
        },
    }
}
