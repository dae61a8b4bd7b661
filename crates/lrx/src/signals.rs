//! Ctrl-C and SIGTERM: the first stops runs with a checkpoint, a second Ctrl-C ends the process at once.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::{flag, iterator};

/// The signals that this process has got.
#[derive(Clone, Default)]
pub(crate) struct Signals(Arc<AtomicUsize>);

impl Signals {
    /// From now on.
    ///
    /// # Errors
    /// When the system lets no handler be set.
    pub(crate) fn watch() -> io::Result<Self> {
        let got = Arc::new(AtomicUsize::new(0));
        for signal in [SIGINT, SIGTERM] {
            let before = Arc::new(AtomicBool::new(false));
            // In this order: the first signal finds `before` false, and sets it.
            flag::register_conditional_shutdown(signal, exit_code(signal).into(), before.clone())?;
            flag::register(signal, before)?;
            flag::register_usize(signal, got.clone(), signal as usize)?;
        }
        Ok(Self(got))
    }

    /// Calls `tell` when the first signal comes: the step that goes on may take a while.
    ///
    /// # Errors
    /// When the system lets no handler be set.
    pub(crate) fn on_first(&self, tell: impl FnOnce(&str) + Send + 'static) -> io::Result<()> {
        let mut signals = iterator::Signals::new([SIGINT, SIGTERM])?;
        std::thread::spawn(move || {
            if signals.forever().next().is_some() {
                tell("stopping with a checkpoint after this step; Ctrl-C again stops at once");
            }
        });
        Ok(())
    }

    /// The exit code that a signal asks for: 130 for SIGINT, 143 for SIGTERM.
    pub(crate) fn stop(&self) -> Option<u8> {
        match self.0.load(Ordering::Relaxed) {
            0 => None,
            signal => Some(exit_code(signal as i32)),
        }
    }
}

fn exit_code(signal: i32) -> u8 {
    128 + signal as u8
}
