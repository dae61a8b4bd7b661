//! The rows that `lrx bench --format csv` prints.

use crate::row::row;

row! {
    /// One measurement of speed. Times are milliseconds a step.
    pub struct BenchRow, needs ["label", "batch", "step_ms"], {
        /// Name of the configuration.
        label: String,
        /// What a step trains on: `4x256`, `stories`.
        batch: String,
        /// Tokens in the vocabulary.
        vocabulary: u64,
        /// Width of the residual stream.
        hidden: u64,
        /// Transformer blocks.
        layers: u64,
        /// Threads computed on.
        threads: u64,
        /// Timed steps.
        steps: u64,
        /// Mean over the steps.
        tokens_per_step: f64,
        /// The median.
        step_ms: f64,
        /// Over all timed steps.
        tokens_per_second: f64,
        /// Mean over the steps.
        gflop_per_step: f64,
        /// Over all timed steps.
        gflop_per_second: f64,
        /// Of the best large matrix product's rate.
        share_of_matrix_product: f64,
        /// Forward.
        embedding_ms: f64,
        /// Forward.
        attention_ms: f64,
        /// Forward.
        mlp_ms: f64,
        /// The loss and most of its gradient are computed with the head.
        head_ms: f64,
        /// Backward.
        head_backward_ms: f64,
        /// Backward.
        mlp_backward_ms: f64,
        /// Backward.
        attention_backward_ms: f64,
        /// Backward.
        embedding_backward_ms: f64,
        /// Clipping and the update.
        optimizer_ms: f64,
        /// The step without head and optimizer.
        body_ms: f64,
        /// Mean over the steps.
        body_gflop_per_step: f64,
        /// Mean over the steps.
        page_faults_per_step: Option<f64>,
        /// Peak resident memory, 10⁶ bytes.
        peak_rss_mb: Option<f64>,
        /// The machine's limit: multiply-adds in registers.
        multiply_add_gflop_per_second: f64,
        /// A large matrix product.
        matrix_product_gflop_per_second: f64,
        /// Reading memory.
        memory_gb_per_second: f64,
        /// The instructions that it was computed with, as in `runs.csv`.
        arithmetic: String,
    }
}
