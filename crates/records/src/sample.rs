//! `samples.csv` of a run: texts from the model while it was trained.

use crate::row::row;

row! {
    /// What the model made of a prompt at a step.
    pub struct SampleRow, needs ["run_id", "step", "text"], {
        /// The run.
        run_id: String,
        /// Updates done.
        step: u64,
        /// What it was given.
        prompt: String,
        /// The prompt and what the model went on with.
        text: String,
    }
}
