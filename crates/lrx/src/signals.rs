//! Signals, as people and schedulers send them: the first stops runs with a checkpoint, a second one ends the process at
//! once; before the first run there is nothing to keep, and the first one ends it.
//!
//! SIGINT and SIGTERM; SIGUSR1 and SIGUSR2, which schedulers send ahead of a time limit; and SIGHUP, unless it was ignored
//! when the process began, as `nohup` has it. SIGCONT, which Slurm sends before SIGTERM, does what it always does.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::{flag, iterator, low_level};

use crate::progress::Lines;

/// How long a process may go on that has nothing to keep.
const GRACE: Duration = Duration::from_millis(500);
/// Signals that come so soon after the first are the same: `timeout`, say, sends one to the process and one to its group.
const BURST: Duration = Duration::from_millis(100);

/// The signals that this process has got.
#[derive(Clone, Default)]
pub(crate) struct Signals {
    /// The last one; 0 for none.
    got: Arc<AtomicUsize>,
    /// Whether there is something to keep.
    begun: Arc<AtomicBool>,
    /// Whether it was said what the first one does.
    told: Arc<AtomicBool>,
    /// The exit code of work that is to be gone on with, where it is not the signal's own.
    requeue_exit: Option<u8>,
}

impl Signals {
    /// From now on; what is to be said stands among `lines`, which go when the process ends at once. A process that a signal
    /// has ended has the exit code `requeue_exit`, where one is given.
    ///
    /// # Errors
    /// When the system lets no handler be set, or no thread start.
    pub(crate) fn watch(lines: Lines, requeue_exit: Option<u8>) -> io::Result<Self> {
        let signals = Self { requeue_exit, ..Self::default() };
        let watched = watched();
        // Set when a second signal has come: a third ends the process whatever its threads are at.
        let impatient = Arc::new(AtomicBool::new(false));
        for &signal in &watched {
            flag::register_conditional_shutdown(signal, signals.exit_code(signal).into(), impatient.clone())?;
            flag::register_usize(signal, signals.got.clone(), signal as usize)?;
        }
        let mut arriving = iterator::Signals::new(&watched)?;
        let own = signals.clone();
        let thread = thread::Builder::new().name("signals".into()).spawn(move || {
            let Some(first) = arriving.forever().next() else { return };
            let end = |signal: i32| {
                lines.clear();
                std::process::exit(own.exit_code(signal).into());
            };
            if !own.begun.load(Ordering::SeqCst) {
                impatient.store(true, Ordering::SeqCst);
                lines.print(&format!("stopped by {} before any run began", name(first)));
                own.told.store(true, Ordering::SeqCst);
                // Whoever prepares stories ends by itself and leaves nothing half done.
                thread::sleep(GRACE);
                end(first);
            }
            lines.print(&format!("{}: stopping with a checkpoint; a second signal ends at once", name(first)));
            thread::sleep(BURST);
            arriving.pending().for_each(drop);
            if let Some(second) = arriving.forever().next() {
                impatient.store(true, Ordering::SeqCst);
                end(second);
            }
        });
        thread.map_err(|error| io::Error::new(error.kind(), format!("cannot start a thread: {error}")))?;
        Ok(signals)
    }

    /// Waits until it was said what has stopped this process before its first run: whoever prepares stories may end sooner than that.
    pub(crate) fn wait_until_told(&self) {
        let since = Instant::now();
        while !self.told.load(Ordering::SeqCst) && since.elapsed() < GRACE {
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// From now on the first signal waits for a checkpoint.
    pub(crate) fn begin(&self) {
        self.begun.store(true, Ordering::SeqCst);
    }

    /// The exit code that a signal asks for: 128 and its number, 143 for SIGTERM, or the one that says so.
    pub(crate) fn stop(&self) -> Option<u8> {
        self.got().map(|signal| self.exit_code(signal))
    }

    /// The name of the signal that came, if one did.
    pub(crate) fn name(&self) -> Option<&'static str> {
        self.got().map(name)
    }

    fn got(&self) -> Option<i32> {
        match self.got.load(Ordering::Relaxed) {
            0 => None,
            signal => Some(signal as i32),
        }
    }

    fn exit_code(&self, signal: i32) -> u8 {
        self.requeue_exit.unwrap_or(128 + signal as u8)
    }
}

fn name(signal: i32) -> &'static str {
    low_level::signal_name(signal).unwrap_or("a signal")
}

fn watched() -> Vec<i32> {
    let mut signals = vec![SIGINT, SIGTERM];
    #[cfg(unix)]
    {
        use signal_hook::consts::{SIGHUP, SIGUSR1, SIGUSR2};
        signals.extend([SIGUSR1, SIGUSR2]);
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        // Where the system does not say, it stays as it is: who asked for `nohup` loses hours, who did not a minute.
        if ignored(&status, SIGHUP) == Some(false) {
            signals.push(SIGHUP);
        }
    }
    signals
}

/// Whether a process ignores a signal, by its `/proc/<id>/status`, which has a bit for each.
#[cfg(unix)]
fn ignored(status: &str, signal: i32) -> Option<bool> {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"))?;
    let mask = u64::from_str_radix(mask.trim(), 16).ok()?;
    Some(mask & (1 << (signal - 1)) != 0)
}

/// From now on, a file that would grow over the limit of this process (`ulimit -f`) is an error of the write, with a
/// message, and not the end of the process without one.
pub(crate) fn survive_the_limit_of_file_sizes() {
    // Where no handler can be set, things are as they were.
    #[cfg(unix)]
    let _ = flag::register(signal_hook::consts::SIGXFSZ, Arc::default());
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    /// `nohup cat /proc/self/status`, and `(trap '' USR1; cat /proc/self/status)`, in part.
    #[test]
    fn what_is_ignored_is_known_by_its_bit() {
        let nohup = "Name:\tcat\nSigBlk:\t0000000000000000\nSigIgn:\t0000000000000001\nSigCgt:\t0000000000000000\n";
        let trap = nohup.replace("01\nSigCgt", "200\nSigCgt").replace("00000000000000200", "0000000000000200");
        assert_eq!((ignored(nohup, 1), ignored(nohup, 10)), (Some(true), Some(false)));
        assert_eq!((ignored(&trap, 1), ignored(&trap, 10)), (Some(false), Some(true)));
        assert_eq!(ignored("Name:\tcat\n", 1), None);
    }
}
