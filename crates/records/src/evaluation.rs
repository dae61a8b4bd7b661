//! The rows that `lrx eval --format csv` prints.

use crate::row::row;

row! {
    /// One file, evaluated by one run.
    pub struct EvalRow, needs ["file", "loss"], {
        /// The file as it was named.
        file: String,
        /// Stories of two tokens or more.
        stories: u64,
        /// Targets: what was predicted.
        tokens: u64,
        /// Bytes of text that these stand for.
        bytes: Option<u64>,
        /// Mean nats per target.
        loss: f64,
        /// exp(loss).
        perplexity: f64,
        /// loss · tokens / (ln 2 · bytes).
        bits_per_byte: Option<f64>,
    }
}

row! {
    /// One story of a file.
    pub struct StoryRow, needs ["file", "story", "loss"], {
        /// The file as it was named.
        file: String,
        /// Its place among the stories of the file, from 0.
        story: u64,
        /// As of a file.
        tokens: u64,
        /// As of a file.
        bytes: Option<u64>,
        /// As of a file.
        loss: f64,
        /// As of a file.
        perplexity: f64,
        /// As of a file.
        bits_per_byte: Option<f64>,
    }
}
