//! Signals: the first Ctrl-C or SIGTERM stops runs with a checkpoint, a second one ends the process at once; before the
//! first run there is nothing to keep, and the first one ends it.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::{flag, iterator};

use crate::progress::Lines;

/// How long a process may go on that has nothing to keep.
const GRACE: Duration = Duration::from_millis(500);

/// The signals that this process has got.
#[derive(Clone, Default)]
pub(crate) struct Signals {
    /// The last one; 0 for none.
    got: Arc<AtomicUsize>,
    /// Whether there is something to keep.
    begun: Arc<AtomicBool>,
}

impl Signals {
    /// From now on; what is to be said stands among `lines`, which go when the process ends at once.
    ///
    /// # Errors
    /// When the system lets no handler be set, or no thread start.
    pub(crate) fn watch(lines: Lines) -> io::Result<Self> {
        let signals = Self::default();
        // Set when a second signal has come: a third ends the process whatever its threads are at.
        let impatient = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM] {
            flag::register_conditional_shutdown(signal, exit_code(signal).into(), impatient.clone())?;
            flag::register_usize(signal, signals.got.clone(), signal as usize)?;
        }
        let mut arriving = iterator::Signals::new([SIGINT, SIGTERM])?;
        let begun = signals.begun.clone();
        let thread = thread::Builder::new().name("signals".into()).spawn(move || {
            let mut arriving = arriving.forever();
            let Some(first) = arriving.next() else { return };
            let end = |signal: i32| {
                lines.clear();
                std::process::exit(exit_code(signal).into());
            };
            if !begun.load(Ordering::SeqCst) {
                impatient.store(true, Ordering::SeqCst);
                // Whoever prepares stories ends by itself and leaves nothing half done.
                thread::sleep(GRACE);
                end(first);
            }
            lines.print("stopping with a checkpoint after this step; Ctrl-C again stops at once");
            if let Some(second) = arriving.next() {
                impatient.store(true, Ordering::SeqCst);
                end(second);
            }
        });
        thread.map_err(|error| io::Error::new(error.kind(), format!("cannot start a thread: {error}")))?;
        Ok(signals)
    }

    /// From now on the first signal waits for a checkpoint.
    pub(crate) fn begin(&self) {
        self.begun.store(true, Ordering::SeqCst);
    }

    /// The exit code that a signal asks for: 130 for SIGINT, 143 for SIGTERM.
    pub(crate) fn stop(&self) -> Option<u8> {
        match self.got.load(Ordering::Relaxed) {
            0 => None,
            signal => Some(exit_code(signal as i32)),
        }
    }
}

/// From now on, a file that would grow over the limit of this process (`ulimit -f`) is an error of the write, with a
/// message, and not the end of the process without one.
pub(crate) fn survive_the_limit_of_file_sizes() {
    // Where no handler can be set, things are as they were.
    #[cfg(unix)]
    let _ = flag::register(signal_hook::consts::SIGXFSZ, Arc::default());
}

fn exit_code(signal: i32) -> u8 {
    128 + signal as u8
}
