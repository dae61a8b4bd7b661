//! How long-running preparation tells how far it is.

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
}

/// Tells nobody.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoProgress;

impl Progress for NoProgress {
    fn start(&self, _what: &str, _total: u64, _unit: Unit) {}
    fn advance(&self, _count: u64) {}
    fn finish(&self) {}
}
