//! `planned.csv`: what a sweep has set out to train, for those who watch it.

use crate::row::row;

row! {
    /// One run that a config describes, whether it has begun or not.
    pub struct PlannedRow, needs ["run_id"], {
        /// The run.
        run_id: String,
        /// What its configuration is called.
        label: String,
        /// Of weights and order.
        seed: Option<u64>,
        /// Updates in all; none where the process that wrote it had not looked at its stories.
        steps: Option<u64>,
        /// Floating-point operations of its forward passes in all: what there is to do.
        flops: Option<f64>,
    }
}
