//! `summary.csv`: one row a configuration of an experiment.

use crate::row::row;

row! {
    /// One configuration beside the baseline. Losses and differences are nats per target.
    pub struct SummaryRecord, needs ["experiment", "label", "eval_loss_mean"], {
        /// Name of the experiment's folder.
        experiment: String,
        /// As in `runs.csv`.
        label: String,
        /// Finished runs.
        runs: u64,
        /// Mean loss over them.
        eval_loss_mean: f64,
        /// Sample standard deviation over them.
        eval_loss_sd: Option<f64>,
        /// From the baseline.
        difference: Option<f64>,
        /// Lower end of its 95 % interval.
        difference_low: Option<f64>,
        /// Upper end.
        difference_high: Option<f64>,
        /// `baseline`, `better`, `worse`, `not distinguishable`; with a margin also `equivalent`, `no worse`.
        verdict: String,
        /// As in `runs.csv`.
        params: Option<u64>,
        /// As in `runs.csv`.
        params_embedding: Option<u64>,
        /// As in `runs.csv`.
        params_body: Option<u64>,
        /// As in `runs.csv`.
        flops_per_token: Option<u64>,
        /// Mean over the runs.
        tokens_per_second: Option<f64>,
        /// Mean over the runs.
        wall_seconds: Option<f64>,
        /// How the interval was found.
        method: String,
        /// The label, with what sets it apart from another of the same label.
        configuration: String,
        /// What it is compared with, as under `configuration`.
        baseline: String,
        /// In what its training differs from that one's.
        trained_otherwise: String,
        /// The probability of so large a difference by chance, adjusted for all rows of the table (Holm).
        p_holm: Option<f64>,
        /// Differences up to this are as good as none.
        margin: Option<f64>,
        /// As `p_holm`, of a difference outside of the margin.
        p_equivalent: Option<f64>,
        /// As `p_holm`, of one above it.
        p_no_worse: Option<f64>,
        /// Why there is no verdict.
        no_verdict: String,
        /// As in `runs.csv`.
        tuned: String,
    }
}
