//! What a run is told from outside, and what it tells.

use std::io;

use lrx_layers::OptionError;
use lrx_model::{Model, TensorFileError};
use lrx_records::CurveRow;

use crate::ProcessorTime;
use crate::checkpoint::Position;

/// What a run is told from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Nothing.
    GoOn,
    /// Write a checkpoint and stop.
    Stop,
    /// Stop and write nothing: the run is in somebody else's hands.
    Abandon,
}

/// How a call of [`train`](crate::train) ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// All steps are done; the weights are written, and finite as all losses were.
    Finished,
    /// On [`Order::Stop`]; the checkpoint says where to go on.
    Stopped,
    /// After as many updates as the job says; the checkpoint says where to go on.
    Paused,
    /// On [`Order::Abandon`].
    Abandoned,
    /// In this update (1 for the first), or at an evaluation after it, something was not a finite number: the loss, the
    /// gradient, the loss on held-out stories, or a weight.
    Diverged {
        /// Which update.
        step: usize,
        /// What was not finite, and its value.
        what: String,
    },
}

/// Where a run stands.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Updates done.
    pub step: usize,
    /// Updates in all.
    pub steps: usize,
    /// The mean training loss since the last row of the curve.
    pub loss: f64,
    /// The last row of the training curve.
    pub train_loss: Option<f64>,
    /// The last evaluation.
    pub eval_loss: Option<f64>,
    /// Targets trained on.
    pub tokens: u64,
    /// Targets per second of training.
    pub tokens_per_second: f64,
    /// Of the whole run, interruptions left out.
    pub wall_seconds: f64,
    /// Of the whole run.
    pub peak_rss_mb: Option<f64>,
    /// Processor time of the machine during the whole run, where the system tells.
    pub processors: Option<ProcessorTime>,
    /// The arithmetic that the run was computed with ([`lrx_tensor::arithmetic`]); more than one where it was resumed on
    /// another kind of processor, in their order.
    pub arithmetic: Vec<String>,
}

impl Report {
    pub(crate) fn of(position: &Position, steps: usize) -> Self {
        let train_loss = position.train_loss_bits.map(f64::from_bits);
        Self {
            step: position.step,
            steps,
            loss: position.window_mean().or(train_loss).unwrap_or(f64::NAN),
            train_loss,
            eval_loss: position.eval_loss_bits.map(f64::from_bits),
            tokens: position.tokens,
            tokens_per_second: position.tokens as f64 / position.train_seconds.max(1e-9),
            wall_seconds: position.wall_seconds,
            peak_rss_mb: position.peak_rss_mb,
            processors: position.processors,
            arithmetic: position.arithmetic.clone(),
        }
    }

    /// What should be known of the run's numbers, if anything should.
    pub fn note(&self) -> Option<String> {
        let [first, others @ ..] = &self.arithmetic[..] else { return None };
        let others = others.join(", then ");
        (!others.is_empty()).then(|| format!("computed with {first}, then {others}: roundings are those of none alone"))
    }
}

/// Is told how a run goes.
pub trait Observer {
    /// A checkpoint was found: the run goes on after `report.step`.
    fn resumed(&mut self, report: &Report);
    /// An update was done, and `model` is what it has become; before anything is measured, and before a checkpoint.
    ///
    /// # Errors
    /// When what is kept of that cannot be written.
    fn updated(&mut self, _model: &Model, _report: &Report) -> io::Result<()> {
        Ok(())
    }
    /// An update was done, with all that follows from it but a checkpoint.
    fn stepped(&mut self, report: &Report);
    /// A row of the curve, of either split, was written.
    fn logged(&mut self, row: &CurveRow, report: &Report);
    /// Something that the user should know.
    fn warned(&mut self, message: &str);
}

/// Why a run could not go on.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// The curve could not be written.
    #[error("the curve {file}: {source}")]
    Curve {
        /// Which file.
        file: String,
        /// Why.
        source: io::Error,
    },
    /// What is kept of the run beside its curve could not be written.
    #[error("{0}")]
    Kept(io::Error),
    /// A checkpoint or the weights could not be written.
    #[error(transparent)]
    Tensors(#[from] TensorFileError),
    /// The optimizer's groups do not fit the model; the key is relative to `[train]`.
    #[error("[train] {0}")]
    Optimizer(OptionError),
    /// A layer has changed, and the rules that the config gives it do not fit what it is now.
    #[error("after {step} updates a layer has changed, and the config does not fit it any more: {error}")]
    Layer {
        /// Updates done.
        step: usize,
        /// Why.
        error: OptionError,
    },
}
