//! How long-running preparation tells how far it is, and hears that it is to stop.

use std::any::Any;
use std::path::Path;

use crate::error::DataError;

/// What a [`Progress`] counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Bytes of a file.
    Bytes,
    /// Stories.
    Stories,
}

/// Told about each long piece of work: [`start`](Progress::start), then [`advance`](Progress::advance) any number of
/// times, then [`finish`](Progress::finish), which may come before the total is reached.
///
/// Work that a cache saves is never started. Calls come from any thread, one piece of work at a time.
pub trait Progress: Sync {
    /// A piece of work begins, described by a few words in the imperative.
    fn start(&self, what: &str, total: u64, unit: Unit);
    /// `count` more units are done.
    fn advance(&self, count: u64);
    /// The piece of work is done.
    fn finish(&self);
    /// Something was found that its owner should know of, though the work goes on: one sentence.
    fn warn(&self, _message: &str) {}
    /// Called before the file `entry` of the cache is built: returns when nobody else builds it, or `stopped`. It is looked
    /// for again then; what this gives is dropped once it is there. Building it twice does no harm.
    fn turn(&self, _entry: &Path) -> Box<dyn Any> {
        Box::new(())
    }
    /// Whether the work is to end at once, unfinished. Asked many times a second from any thread, so it should be cheap.
    fn stopped(&self) -> bool {
        false
    }
}

/// The error of work that is to stop, if this is to.
pub(crate) fn check_stopped(progress: &dyn Progress) -> Result<(), DataError> {
    if progress.stopped() { Err(DataError::stopped()) } else { Ok(()) }
}

/// Tells nobody.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoProgress;

impl Progress for NoProgress {
    fn start(&self, _what: &str, _total: u64, _unit: Unit) {}
    fn advance(&self, _count: u64) {}
    fn finish(&self) {}
}
