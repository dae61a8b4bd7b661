//! `twins.csv`: substituted configurations beside the dense models of as many parameters.

use crate::row::row;

row! {
    /// One substituted configuration beside one dense model. Losses and differences are nats per target.
    pub struct TwinRecord, needs ["experiment", "configuration", "at_equal", "dense_by", "difference"], {
        /// Name of the experiment's folder, or of several.
        experiment: String,
        /// As in `summary.csv`.
        configuration: String,
        /// Its parameters in all.
        params: Option<u64>,
        /// Of these, outside the embeddings.
        params_body: Option<u64>,
        /// Its loss.
        eval_loss_mean: f64,
        /// What the dense model has as many of: `params_body`, `params`, `flops_per_token`, `flops_with_attention`.
        at_equal: String,
        /// How dense models were made smaller: `hidden size`, `MLP width`.
        dense_by: String,
        /// The next smaller dense configuration.
        dense_smaller: String,
        /// The next larger one.
        dense_larger: String,
        /// Loss of the dense model, interpolated.
        dense_loss: f64,
        /// Lower end of its 95 % interval.
        dense_loss_low: Option<f64>,
        /// Upper end.
        dense_loss_high: Option<f64>,
        /// The loss less that of the dense model.
        difference: f64,
        /// Lower end of its 95 % interval.
        difference_low: Option<f64>,
        /// Upper end.
        difference_high: Option<f64>,
        /// `better`, `worse`, `not distinguishable`; with a margin also `equivalent`, `no worse`.
        verdict: String,
        /// The probability of so large a difference by chance, adjusted for all rows (Holm).
        p_holm: Option<f64>,
        /// The same of a difference outside of the margin.
        p_equivalent: Option<f64>,
        /// The same of one above it.
        p_no_worse: Option<f64>,
        /// Why there is no verdict.
        no_verdict: String,
        /// What the dense model's loss is read off: `curve`, through all sizes, or `line`, between two.
        dense_from: String,
    }
}
