//! Whose run it is, among processes and machines that share a folder of results.
//!
//! A run belongs to the process that made the claim file of the highest number in its folder. Making `claim.4` succeeds
//! for one process only, and is how `claim.3` is taken over when its owner has released it, is dead, or has not renewed
//! it for a minute by the watcher's own clock (clocks of machines need not agree). An owner that was only slow finds the
//! higher number before it writes anything more.

use std::collections::HashMap;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use lrx_files::{NamedTempFile, temporary_in};
use serde::{Deserialize, Serialize};

/// How often an owner renews its claim.
const RENEW: Duration = Duration::from_secs(10);
/// A claim that was not renewed for so long is nobody's.
const EXPIRES: Duration = Duration::from_secs(60);
const PREFIX: &str = "claim.";

/// The content of a claim file.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Owner {
    /// The machine, as far as processes can see each other on it.
    machine: String,
    host: String,
    process: u32,
    /// When the process began, in the system's own units: numbers of processes are used again.
    began: Option<String>,
    /// Counts renewals.
    renewed: u64,
    released: bool,
}

impl Owner {
    fn this_process() -> Self {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default().trim().to_string();
        let boot = read("/proc/sys/kernel/random/boot_id");
        let namespace = fs::read_link("/proc/self/ns/pid").unwrap_or_default();
        let process = std::process::id();
        Self {
            machine: format!("{boot} {}", namespace.display()),
            host: read("/proc/sys/kernel/hostname"),
            process,
            began: began(process),
            renewed: 0,
            released: false,
        }
    }

    /// Whether it certainly does not live any more.
    fn is_dead(&self) -> bool {
        let here = Self::this_process();
        here.began.is_some() && self.machine == here.machine && began(self.process) != self.began
    }
}

/// When a process began, in ticks since the machine did; `None` for one that is not there, or where the system does not say.
fn began(process: u32) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // Behind the name of the program, in parentheses, the state is the first field; Z is dead.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    (fields.first() != Some(&"Z")).then(|| fields.get(19).map(ToString::to_string))?
}

/// The claims of others that have been seen, and when they last changed.
#[derive(Default)]
pub(super) struct Watch(HashMap<PathBuf, (Vec<u8>, Instant)>);

/// A run that is this process's.
pub(super) struct Claim {
    folder: PathBuf,
    number: u64,
    lost: Arc<AtomicBool>,
    stop: Option<Sender<()>>,
    renewing: Option<JoinHandle<()>>,
}

/// What came of trying to claim a run.
pub(super) enum Claimed {
    /// It is this process's now.
    Mine(Claim),
    /// Another has it: `process 12 on host`.
    Held(String),
}

impl Watch {
    /// Claims the run in `folder`, which exists.
    ///
    /// # Errors
    /// When the folder cannot be read or written.
    pub(super) fn claim(&mut self, folder: &Path) -> io::Result<Claimed> {
        let highest = highest(folder)?;
        if let Some(number) = highest {
            let path = file(folder, number);
            let content = match fs::read(&path) {
                Ok(content) => content,
                // Released and cleared away, or taken over, just now.
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Claimed::Held("another".into())),
                Err(error) => return Err(error),
            };
            let owner: Option<Owner> = serde_json::from_slice(&content).ok();
            let seen = self.0.entry(path).or_insert_with(|| (content.clone(), Instant::now()));
            if seen.0 != content {
                *seen = (content, Instant::now());
            }
            let free = owner.as_ref().is_some_and(|owner| owner.released || owner.is_dead());
            if !free && seen.1.elapsed() < EXPIRES {
                let who = |owner: Owner| format!("process {} on {}", owner.process, owner.host);
                return Ok(Claimed::Held(owner.map_or("another".into(), who)));
            }
        }
        let number = highest.map_or(0, |number| number + 1);
        let owner = Owner::this_process();
        let Some(()) = make(folder, number, &owner)? else { return Ok(Claimed::Held("another".into())) };
        for old in 0..number {
            let _ = fs::remove_file(file(folder, old));
        }
        Claim::renewed(folder, number, owner).map(Claimed::Mine)
    }
}

impl Claim {
    fn renewed(folder: &Path, number: u64, mut owner: Owner) -> io::Result<Self> {
        let lost = Arc::new(AtomicBool::new(false));
        let (stop, stopped) = mpsc::channel();
        let (path, is_lost) = (folder.to_path_buf(), lost.clone());
        let renewing = thread::Builder::new().name("claim".into()).spawn(move || {
            while stopped.recv_timeout(RENEW) == Err(RecvTimeoutError::Timeout) {
                if highest(&path).is_ok_and(|highest| highest != Some(number)) {
                    is_lost.store(true, Ordering::Relaxed);
                    return;
                }
                owner.renewed += 1;
                // Should writing fail for a minute, on a full disk say, the claim expires: others find the run resumable.
                let _ = replace(&path, number, &owner);
            }
        });
        let mut claim = Self { folder: folder.into(), number, lost, stop: Some(stop), renewing: None };
        match renewing {
            Ok(thread) => claim.renewing = Some(thread),
            Err(error) => {
                claim.release();
                return Err(io::Error::new(error.kind(), format!("cannot start a thread: {error}")));
            }
        }
        Ok(claim)
    }

    /// Whether another process has taken the run over: it held this one for dead.
    pub(super) fn is_lost(&self) -> bool {
        if !self.lost.load(Ordering::Relaxed) && file(&self.folder, self.number + 1).exists() {
            self.lost.store(true, Ordering::Relaxed);
        }
        self.lost.load(Ordering::Relaxed)
    }

    /// Gives the run back, to be continued by whoever wants to.
    pub(super) fn release(mut self) {
        self.stop_renewing();
        if !self.is_lost() {
            let _ = replace(&self.folder, self.number, &Owner { released: true, ..Owner::this_process() });
        }
    }

    /// Clears the claims of a finished run away: whoever claims it next finds that there is nothing to do.
    pub(super) fn clear(mut self) {
        self.stop_renewing();
        for number in 0..=self.number {
            let _ = fs::remove_file(file(&self.folder, number));
        }
    }

    fn stop_renewing(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.renewing.take() {
            let _ = thread.join();
        }
    }
}

fn file(folder: &Path, number: u64) -> PathBuf {
    folder.join(format!("{PREFIX}{number}"))
}

fn highest(folder: &Path) -> io::Result<Option<u64>> {
    let mut highest = None;
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name();
        let number = name.to_str().and_then(|name| name.strip_prefix(PREFIX)).and_then(|number| number.parse().ok());
        highest = highest.max(number);
    }
    Ok(highest)
}

fn temporary(folder: &Path, owner: &Owner) -> io::Result<NamedTempFile> {
    let mut file = temporary_in(folder)?;
    file.write_all(&serde_json::to_vec(owner).expect("text and numbers"))?;
    Ok(file)
}

/// Makes a claim file with its content in one step; `None` where it is there already.
fn make(folder: &Path, number: u64, owner: &Owner) -> io::Result<Option<()>> {
    match temporary(folder, owner)?.persist_noclobber(file(folder, number)) {
        Ok(_) => Ok(Some(())),
        Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => Ok(None),
        Err(error) => Err(error.error),
    }
}

fn replace(folder: &Path, number: u64, owner: &Owner) -> io::Result<()> {
    temporary(folder, owner)?.persist(file(folder, number)).map(drop).map_err(|error| error.error)
}

#[cfg(test)]
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

    #[test]
    fn one_of_many_threads_gets_the_run() {
        let folder = tempfile::tempdir().unwrap();
        let claims: Vec<Claimed> = thread::scope(|scope| {
            let threads: Vec<_> =
                (0..16).map(|_| scope.spawn(|| Watch::default().claim(folder.path()).unwrap())).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert_eq!(claims.iter().filter(|claim| matches!(claim, Claimed::Mine(_))).count(), 1);
    }

    #[test]
    fn a_released_claim_and_one_of_a_dead_process_are_taken_over() {
        let folder = tempfile::tempdir().unwrap();
        let claim = mine(folder.path());
        assert!(held(folder.path()));
        claim.release();
        let claim = mine(folder.path());
        assert_eq!(claim.number, 1);
        assert!(held(folder.path()));

        // The number of this process, but of one that began at another time.
        let dead = Owner { began: Some("1".into()), ..Owner::this_process() };
        replace(folder.path(), 1, &dead).unwrap();
        let next = mine(folder.path());
        assert_eq!(next.number, 2);
        assert!(claim.is_lost() && !next.is_lost());
        next.clear();
        assert_eq!(highest(folder.path()).unwrap(), None);
    }

    #[test]
    fn a_claim_of_another_machine_is_held_until_it_is_no_longer_renewed() {
        let folder = tempfile::tempdir().unwrap();
        let other = |renewed| Owner { machine: "other".into(), renewed, ..Owner::this_process() };
        make(folder.path(), 0, &other(0)).unwrap().unwrap();
        let mut watch = Watch::default();
        let later = |watch: &mut Watch| {
            for (_, seen) in watch.0.values_mut() {
                *seen = seen.checked_sub(EXPIRES).unwrap();
            }
        };
        assert!(matches!(watch.claim(folder.path()).unwrap(), Claimed::Held(_)));
        later(&mut watch);
        replace(folder.path(), 0, &other(1)).unwrap();
        assert!(matches!(watch.claim(folder.path()).unwrap(), Claimed::Held(_)), "it was renewed");
        later(&mut watch);
        assert!(matches!(watch.claim(folder.path()).unwrap(), Claimed::Mine(_)), "it was not");
    }
}
