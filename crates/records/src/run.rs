//! `runs.csv`: one row a run.

use std::collections::HashMap;
use std::fmt;
use std::path::Path;

use crate::row::row;
use crate::sheet::read_with_lines;
use crate::text::text_of_cell;
use crate::{Cell, Cells, Error, Ranks};

/// How far a run has come. Only finished runs enter the statistics.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Status {
    /// Planned, not begun.
    #[default]
    Planned,
    /// Begun, not finished: in progress, or interrupted and to be continued.
    Running,
    /// Trained to its end: its evaluation loss stands.
    Finished,
    /// Its loss, a gradient or a weight stopped being a finite number.
    Diverged,
    /// It ended with an error.
    Failed,
    /// Any other word; no lrx writes one.
    Other(String),
}

impl Status {
    /// The status that a word names.
    ///
    /// ```
    /// use lrx_records::Status;
    /// assert_eq!(Status::from_word("diverged"), Status::Diverged);
    /// assert_eq!(Status::from_word("queued"), Status::Other("queued".into()));
    /// ```
    pub fn from_word(word: &str) -> Self {
        match word {
            "planned" => Self::Planned,
            "running" => Self::Running,
            "finished" => Self::Finished,
            "diverged" => Self::Diverged,
            "failed" => Self::Failed,
            other => Self::Other(other.to_owned()),
        }
    }

    /// The word that stands in the CSV.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Planned => "planned",
            Self::Running => "running",
            Self::Finished => "finished",
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

impl Cell for Status {
    fn write(&self) -> String {
        self.as_str().to_owned().write()
    }

    /// Where a file has no statuses, a run with a loss is taken as finished.
    fn read(cells: &Cells<'_>, column: &'static str) -> Result<Self, Error> {
        Ok(match cells.text(column) {
            "" if !cells.text("eval_loss").is_empty() => Self::Finished,
            "" => Self::Other("without a loss".to_owned()),
            word => Self::from_word(&text_of_cell(word)),
        })
    }
}

row! {
    /// One run. What a file leaves out, or nobody knows yet, is `None` or empty text.
    #[derive(Default)]
    pub struct RunRecord, needs ["label", "eval_loss"], {
        /// Identifies the run; joins the other files.
        run_id: String,
        /// Name of the configuration, such as `MedSA-FullMLP-4L`.
        label: String,
        /// Of initialisation and shuffling.
        seed: Option<u64>,
        /// How far it has come.
        status: Status,
        /// Transformer blocks.
        layers: Option<u64>,
        /// Width of the residual stream.
        hidden: Option<u64>,
        /// Kind of the attention layers, such as `dense`.
        attention: String,
        /// Their ranks.
        attention_ranks: Ranks,
        /// Kind of the MLP layers.
        mlp: String,
        /// Their ranks.
        mlp_ranks: Ranks,
        /// Embedding and body.
        params: Option<u64>,
        /// Of these, in the token and position embeddings.
        params_embedding: Option<u64>,
        /// Of these, all others.
        params_body: Option<u64>,
        /// Of the forward pass: 2 for each multiply-add of the layers' matrices and the head.
        flops_per_token: Option<u64>,
        /// Training stories.
        stories: Option<u64>,
        /// Targets trained on.
        tokens: Option<u64>,
        /// Optimizer steps.
        steps: Option<u64>,
        /// The last row of the training curve, nats per target.
        train_loss: Option<f64>,
        /// The last evaluation, nats per target.
        eval_loss: Option<f64>,
        /// Targets per second of training, evaluations and checkpoints left out.
        tokens_per_second: Option<f64>,
        /// All of the run, interruptions left out.
        wall_seconds: Option<f64>,
        /// Peak resident memory, 10⁶ bytes.
        peak_rss_mb: Option<f64>,
        /// Why a run diverged or failed, and what else should be known of its numbers.
        note: String,
        /// Hash of all that the numbers depend on but the seed: what has another is another configuration, whatever its
        /// label.
        configuration: String,
        /// Name of the optimizer.
        optimizer: String,
        /// The highest learning rate.
        learning_rate: Option<f64>,
        /// How it falls.
        schedule: String,
        /// Steps over which it first rises.
        warmup_steps: Option<u64>,
        /// What goes into a batch: `4 stories`, `4096 tokens`.
        batch: String,
        /// Tokens that a story has at most.
        context: Option<u64>,
        /// Hash of the training data, as token ids.
        data: String,
        /// Hash of the vocabulary.
        vocabulary: String,
        /// Kind and size of each slot.
        slots: String,
        /// Rules of initialisation.
        init: String,
        /// Rules of the learning rate.
        lr_rule: String,
        /// Rules of the weight decay.
        decay_rule: String,
        /// Parameters of the model when it is used, not trained.
        deploy_params: Option<u64>,
        /// `flops_per_token` of the model when it is used.
        deploy_flops_per_token: Option<u64>,
        /// The last evaluation in bits per byte of text.
        bits_per_byte: Option<f64>,
        /// Hash of the held-out data, as token ids.
        eval_data: String,
        /// Training stories that were longer than the context.
        stories_cut: Option<u64>,
        /// Tokens that were cut off them.
        tokens_cut: Option<u64>,
        /// SIMD arithmetic that it was computed with: other arithmetic, other roundings. More than one, in their order, where
        /// it was resumed on another kind of processor.
        arithmetic: String,
        /// Version of lrx's numerics: another, other roundings.
        numerics: Option<u64>,
        /// The file that training starts from: its name and the beginning of its content's hash.
        init_from: String,
        /// Hash of `[data]` and `[train]`: rows that share it were trained in the same way, whatever their model.
        training: String,
        /// Hash of `[model]` without its blocks: rows that share it and `training` differ in kinds, ranks and blocks only.
        frame: String,
        /// Threads that it was last computed on.
        threads: Option<u64>,
        /// The machine that it was last computed on: its processor, and how many of them.
        machine: String,
        /// The key whose value `lrx tune` chose, and among which.
        tuned: String,
        /// How matrix products round their operands.
        precision: String,
        /// What becomes of stories that are longer than the context: `cut`, `split` or `pack`.
        long: String,
        /// The part of the training targets that was cut off.
        cut_share: Option<f64>,
        /// Stories that were left out, as they have fewer than two tokens.
        stories_skipped: Option<u64>,
        /// Rows that held no story.
        empty_rows: Option<u64>,
        /// Of `params`, those that no training story reaches: they get no gradient.
        params_untrained: Option<u64>,
        /// Of the forward pass, beside `flops_per_token`: attention's own products (scores, and weights times values), mean over
        /// the training stories.
        attention_flops_per_token: Option<u64>,
        /// The part of the machine's processor time that went to others while it ran, from 0 to 1.
        others_share: Option<f64>,
    }
}

impl RunRecord {
    /// All parameters that get a gradient, as far as that is known.
    pub fn params_trained(&self) -> Option<u64> {
        Some(self.params?.saturating_sub(self.params_untrained.unwrap_or(0)))
    }

    /// Forward operations a token, attention's own products among them.
    pub fn flops_with_attention(&self) -> Option<u64> {
        Some(self.flops_per_token? + self.attention_flops_per_token?)
    }

    /// The evaluation loss if it may enter the statistics: the run is finished and the loss is a finite number.
    pub fn final_loss(&self) -> Option<f64> {
        match self.status {
            Status::Finished => self.eval_loss.filter(|loss| loss.is_finite()),
            _ => None,
        }
    }
}

/// Reads a `runs.csv`, or the `run.csv` of one run.
///
/// # Errors
/// As [`crate::read_rows`], and when a `run_id` occurs twice.
pub fn read_runs(path: &Path) -> Result<Vec<RunRecord>, Error> {
    let rows = read_with_lines::<RunRecord>(path)?;
    let mut seen = HashMap::new();
    for (line, row) in rows.iter().filter(|(_, row)| !row.run_id.is_empty()) {
        if let Some(first) = seen.insert(row.run_id.as_str(), *line) {
            let (path, run_id) = (path.to_owned(), row.run_id.clone());
            return Err(Error::DuplicateRun { path, line: *line, first, run_id });
        }
    }
    Ok(rows.into_iter().map(|(_, row)| row).collect())
}
