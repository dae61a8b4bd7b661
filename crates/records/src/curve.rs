//! `curves.csv`: one row a measurement.

use crate::row::row;
use crate::{Cell, Cells, Error};

/// Which data a loss was measured on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Split {
    /// Training batches, before their update.
    Train,
    /// The held-out stories.
    Eval,
}

impl Cell for Split {
    fn write(&self) -> String {
        match self {
            Self::Train => "train".to_owned(),
            Self::Eval => "eval".to_owned(),
        }
    }

    fn read(cells: &Cells<'_>, column: &'static str) -> Result<Self, Error> {
        match cells.text(column) {
            "train" => Ok(Self::Train),
            "eval" => Ok(Self::Eval),
            _ => Err(cells.bad(column, "`train` or `eval`")),
        }
    }
}

row! {
    /// One measurement of one run.
    pub struct CurveRow, needs ["run_id", "step", "split", "loss"], {
        /// The run.
        run_id: String,
        /// Updates done.
        step: u64,
        /// What was measured on.
        split: Split,
        /// Mean nats per target: for `train` the mean over the steps since the last row, each loss taken before its
        /// update; for `eval` over all held-out stories. Not finite in a run that diverged.
        loss: f64,
        /// Targets trained on so far.
        tokens: Option<u64>,
        /// Of the last update.
        learning_rate: Option<f64>,
        /// Of the last update, before clipping.
        grad_norm: Option<f64>,
        /// Of this run so far, interruptions left out.
        elapsed_seconds: Option<f64>,
    }
}
