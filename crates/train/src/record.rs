//! The row of a run in `runs.csv`.

use serde::{Deserialize, Serialize};

/// How a run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// Planned, not begun.
    Planned,
    /// Begun, not finished: in progress, or interrupted and to be continued.
    Running,
    /// Trained to its end.
    Finished,
    /// Its loss or a gradient stopped being a finite number.
    Diverged,
    /// It ended with an error.
    Failed,
}

/// A row of `runs.csv`: the columns in their order, empty where nothing is known yet.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct RunRecord {
    pub run_id: String,
    pub label: String,
    pub seed: u64,
    pub status: Status,
    pub layers: usize,
    pub hidden: usize,
    pub attention: String,
    pub attention_ranks: String,
    pub mlp: String,
    pub mlp_ranks: String,
    /// All that is trained: embedding and body.
    pub params: usize,
    pub params_embedding: usize,
    pub params_body: usize,
    /// Forward pass; see `lrx_model::ModelSpec::flops_per_token`.
    pub flops_per_token: usize,
    /// Training stories.
    pub stories: Option<usize>,
    /// Targets trained on.
    pub tokens: Option<u64>,
    pub steps: Option<usize>,
    /// The last row of the training curve.
    pub train_loss: Option<f64>,
    /// The last evaluation.
    pub eval_loss: Option<f64>,
    /// Targets per second of training, evaluations and checkpoints left out.
    pub tokens_per_second: Option<f64>,
    /// All of the run, interruptions left out.
    pub wall_seconds: Option<f64>,
    pub peak_rss_mb: Option<f64>,
    /// Why a run diverged or failed.
    pub note: String,
    /// Hash of all that the numbers depend on but the seed: what has another is another configuration, whatever its
    /// label. Empty in rows of an earlier lrx.
    #[serde(default)]
    pub configuration: String,
}

/// Rows under their header, as CSV.
pub fn csv_text<R: Serialize>(rows: &[R]) -> String {
    let mut writer = csv::Writer::from_writer(Vec::new());
    rows.iter().try_for_each(|row| writer.serialize(row)).expect("rows of numbers and text");
    String::from_utf8(writer.into_inner().expect("memory to write to")).expect("CSV of UTF-8 is UTF-8")
}
