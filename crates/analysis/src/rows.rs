//! The rows of `runs.csv` and `curves.csv`, as typed values.

use std::fmt;

/// The columns of `runs.csv`, in their order.
pub const RUN_COLUMNS: [&str; 24] = [
    "run_id",
    "label",
    "seed",
    "status",
    "layers",
    "hidden",
    "attention",
    "attention_ranks",
    "mlp",
    "mlp_ranks",
    "params",
    "params_embedding",
    "params_body",
    "flops_per_token",
    "stories",
    "tokens",
    "steps",
    "train_loss",
    "eval_loss",
    "tokens_per_second",
    "wall_seconds",
    "peak_rss_mb",
    "note",
    "configuration",
];

/// The columns of `curves.csv`, in their order.
pub const CURVE_COLUMNS: [&str; 8] =
    ["run_id", "step", "split", "loss", "tokens", "learning_rate", "grad_norm", "elapsed_seconds"];

/// How far a run has come. Only finished runs enter the statistics.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Status {
    /// All its steps are done and its evaluation loss stands.
    Finished,
    /// In progress, or interrupted and to be resumed.
    Running,
    /// Its loss became infinite or not a number.
    Diverged,
    /// It ended with an error.
    Failed,
    /// Any other word.
    Other(String),
}

impl Status {
    /// The status that a field names.
    ///
    /// ```
    /// use lrx_analysis::Status;
    /// assert_eq!(Status::from_field("diverged"), Status::Diverged);
    /// assert_eq!(Status::from_field("queued"), Status::Other("queued".into()));
    /// ```
    pub fn from_field(field: &str) -> Self {
        match field {
            "finished" => Self::Finished,
            "running" => Self::Running,
            "diverged" => Self::Diverged,
            "failed" => Self::Failed,
            other => Self::Other(other.to_owned()),
        }
    }

    /// The word that stands in the CSV.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Finished => "finished",
            Self::Running => "running",
            Self::Diverged => "diverged",
            Self::Failed => "failed",
            Self::Other(word) => word,
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// One row of `runs.csv`: one run. What its row or file leaves out is `None`, or empty text.
#[derive(Debug, Clone, PartialEq)]
pub struct RunRow {
    /// Identifies the run; joins `curves.csv`.
    pub run_id: String,
    /// Name of the configuration, such as `MedSA-FullMLP-4L`.
    pub label: String,
    /// Seed of the initialisation and of the shuffling.
    pub seed: Option<u64>,
    /// How far it has come. In a file without statuses, a run with a loss is taken as finished.
    pub status: Status,
    /// Transformer blocks.
    pub layers: Option<u64>,
    /// Width of the residual stream.
    pub hidden: Option<u64>,
    /// Kind of the attention layers, such as `dense`.
    pub attention: String,
    /// Ranks of the attention, one per layer, separated by single spaces; empty for a kind without rank.
    pub attention_ranks: String,
    /// Kind of the MLP layers.
    pub mlp: String,
    /// Ranks of the MLP, as those of the attention.
    pub mlp_ranks: String,
    /// Trained parameters in all.
    pub params: Option<u64>,
    /// Of these, in the token and position embeddings.
    pub params_embedding: Option<u64>,
    /// Of these, outside the embeddings.
    pub params_body: Option<u64>,
    /// Floating-point operations per token.
    pub flops_per_token: Option<f64>,
    /// Stories in the training data.
    pub stories: Option<u64>,
    /// Tokens trained on.
    pub tokens: Option<u64>,
    /// Optimizer steps.
    pub steps: Option<u64>,
    /// Last training loss, nats per target token.
    pub train_loss: Option<f64>,
    /// Last evaluation loss, nats per target token.
    pub eval_loss: Option<f64>,
    /// Training throughput.
    pub tokens_per_second: Option<f64>,
    /// Duration of the training.
    pub wall_seconds: Option<f64>,
    /// Peak resident memory, MB.
    pub peak_rss_mb: Option<f64>,
    /// Hash of all that its numbers depend on but the seed; empty where the file does not tell.
    pub configuration: String,
}

impl RunRow {
    /// The evaluation loss if it may enter the statistics: the run is finished and the loss is a finite number.
    pub fn final_loss(&self) -> Option<f64> {
        match self.status {
            Status::Finished => self.eval_loss.filter(|loss| loss.is_finite()),
            _ => None,
        }
    }
}

/// Which data a loss was measured on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Split {
    /// Training batches, before their update.
    Train,
    /// The held-out stories.
    Eval,
}

/// One row of `curves.csv`: one measurement of one run.
#[derive(Debug, Clone, PartialEq)]
pub struct CurveRow {
    /// The run, as in `runs.csv`.
    pub run_id: String,
    /// Optimizer steps done.
    pub step: u64,
    /// Data of the measurement.
    pub split: Split,
    /// Mean nats per target token; not finite in a run that diverged.
    pub loss: f64,
    /// Tokens trained on so far.
    pub tokens: Option<u64>,
    /// Learning rate of the step.
    pub learning_rate: Option<f64>,
    /// Norm of the gradient before clipping.
    pub grad_norm: Option<f64>,
    /// Time since the training began, seconds.
    pub elapsed_seconds: Option<f64>,
}
