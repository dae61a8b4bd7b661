//! `stories.csv` of a run: what each held-out story cost it.

use crate::row::row;

/// Its name in the run's folder.
pub const STORIES_FILE: &str = "stories.csv";

row! {
    /// A held-out story at the end of a run.
    pub struct HeldOutRow, needs ["tokens", "nats"], {
        /// Its place among the held-out stories, from 0: the same one in all runs that are evaluated on the same.
        story: u64,
        /// Its targets.
        tokens: u64,
        /// Bytes of text that these stand for.
        bytes: Option<u64>,
        /// The sum of their losses.
        nats: f64,
    }
}
