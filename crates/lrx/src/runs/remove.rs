//! Runs that are not wanted any more.
//!
//! A run is claimed before it is deleted, so that no process works on it meanwhile; then its folder gets a temporary name in one
//! step. Whatever ends the process after that, the run is gone as a whole, and what is left is cleared away like anything else
//! that a killed process has left.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use lrx_files::{folder_of, temporary_folder_in};
use lrx_records::Status;
use lrx_train::WEIGHTS_FILE;

use super::claim::{Claimed, claim, current_attempt, owner_of};
use super::folder::look;
use crate::lease::{Glance, Watch, expires};
use crate::results::about;

/// How often an owner is looked at that may be dead.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// Why a run was not removed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// A process works on it: which.
    Held(String),
    /// Nothing is lost: the user asked for what cannot be.
    Usage(String),
    /// It cannot be deleted.
    Failed(String),
}

/// Whether a process that seems to live has claimed the run in `folder`: which.
pub(crate) fn is_claimed(folder: &Path) -> Option<String> {
    match owner_of(&current_attempt(folder).ok().flatten()?) {
        Glance::Held(by) | Glance::Signed(by) => Some(by),
        Glance::Released | Glance::Left | Glance::Nothing => None,
    }
}

/// Deletes the run in `folder`. `wait` is told once who is waited for, where that may be an owner that is dead: whether it is shows
/// within a minute.
///
/// # Errors
/// When a process works on it, or it cannot be deleted; it is then there as it was.
pub(crate) fn remove(folder: &Path, wait: impl FnOnce(&str)) -> Result<(), Refused> {
    let failed = |error: std::io::Error| Refused::Failed(about(folder)(error));
    if !folder.is_dir() {
        return Err(Refused::Failed(format!("{}: it is gone already", folder.display())));
    }
    let owner = || Some(owner_of(&current_attempt(folder).ok()??));
    let had_attempt = owner().is_some();
    let (mut watch, mut wait, began) = (Watch::default(), Some(wait), Instant::now());
    let claim = loop {
        match claim(&mut watch, folder).map_err(failed)? {
            Claimed::Mine(claim) => break claim,
            Claimed::Held(by) => {
                // Of this kernel's processes one look tells whether they live; one elsewhere is seen to renew its claim, or not.
                let lives = matches!(owner(), Some(Glance::Held(_))) || watch.was_renewed(folder);
                if lives || began.elapsed() > 2 * expires() {
                    return Err(Refused::Held(by));
                }
                wait.take().into_iter().for_each(|wait| wait(&by));
                sleep(LOOK_AGAIN);
            }
        }
    };
    let gone = || {
        let made = temporary_folder_in(folder_of(folder))?;
        fs::rename(folder, made.path().join(folder.file_name().unwrap_or_default()))?;
        Ok(made)
    };
    match gone() {
        Ok(made) => {
            // It leads nowhere now: nothing is written by it any more.
            claim.release();
            // What cannot be deleted is cleared away later.
            let _ = made.close();
            Ok(())
        }
        Err(error) => {
            // It stays as it was.
            if had_attempt {
                claim.release()
            } else {
                claim.clear()
            }
            Err(failed(error))
        }
    }
}

/// Deletes the weights of the finished run in `folder`; its rows stay.
///
/// # Errors
/// When it is not finished, has none, or they cannot be deleted.
pub(crate) fn remove_weights(folder: &Path) -> Result<(), Refused> {
    let name = folder.display();
    if look(folder).is_none_or(|row| row.status != Status::Finished) {
        return Err(Refused::Usage(format!(
            "{name}: not finished, so that it has no weights; without --weights all of it goes"
        )));
    }
    match fs::remove_file(folder.join(WEIGHTS_FILE)) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            Err(Refused::Usage(format!("{name}: has no weights any more")))
        }
        Err(error) => Err(Refused::Failed(about(&folder.join(WEIGHTS_FILE))(error))),
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use crate::lease::{Owner, Watch};

    fn run() -> (tempfile::TempDir, std::path::PathBuf) {
        let experiment = tempfile::tempdir().unwrap();
        let folder = experiment.path().join("run");
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("curve.csv"), "x").unwrap();
        (experiment, folder)
    }

    fn files(folder: &Path) -> usize {
        fs::read_dir(folder).unwrap().count()
    }

    #[test]
    fn what_a_process_works_on_stays_and_all_else_goes_whole() {
        let (experiment, folder) = run();
        let Claimed::Mine(held) = claim(&mut Watch::default(), &folder).unwrap() else { panic!("free") };
        let me = std::process::id().to_string();
        let Err(Refused::Held(by)) = remove(&folder, |_| {}) else { panic!("held") };
        assert!(by.contains(&me) && is_claimed(&folder).is_some_and(|by| by.contains(&me)), "{by}");
        assert!(folder.join("curve.csv").exists());
        held.release();
        assert_eq!(is_claimed(&folder), None);
        remove(&folder, |_| panic!("nobody is waited for")).unwrap();
        assert_eq!(files(experiment.path()), 0);
        assert!(matches!(remove(&folder, |_| {}), Err(Refused::Failed(_))));
    }

    /// A process is killed between the two: what it leaves has a temporary name, and is no run.
    #[test]
    fn a_removal_that_was_killed_leaves_what_others_clear_away() {
        let (experiment, folder) = run();
        let made = temporary_folder_in(experiment.path()).unwrap();
        fs::rename(&folder, made.path().join("run")).unwrap();
        let left = made.keep();
        assert!(left.join("run/curve.csv").exists() && look(&left).is_none() && look(&folder).is_none());
        assert_eq!(crate::runs::read_run(&left, None).curve, b"");
        // A folder in it cannot be locked: it is taken for the living's until it is old.
        let old = std::time::SystemTime::now() - Duration::from_secs(3600);
        fs::File::open(&left).unwrap().set_modified(old).unwrap();
        lrx_files::clear_leftovers(experiment.path());
        assert_eq!(files(experiment.path()), 0);
    }

    /// Whether the owner on another machine lives shows only in time: it has been silent for an hour.
    #[test]
    fn a_silent_owner_is_no_owner_at_a_glance() {
        let (_experiment, folder) = run();
        let attempt = folder.join("attempt.0");
        fs::create_dir(&attempt).unwrap();
        let owner = Owner { machine: Some("another".into()), host: "far".into(), ..Owner::this_process() };
        fs::write(attempt.join("owner"), serde_json::to_vec(&owner).unwrap()).unwrap();
        assert!(is_claimed(&folder).is_some_and(|by| by.ends_with("on far")));
        let old = std::time::SystemTime::now() - Duration::from_secs(3600);
        fs::File::options().write(true).open(attempt.join("owner")).unwrap().set_modified(old).unwrap();
        assert_eq!(is_claimed(&folder), None);
    }
}
