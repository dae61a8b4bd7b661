//! `ranks.csv`: how much of its rank each matrix uses, before and after training.

use crate::row::row;
use crate::{Cell, Cells, Error};

/// Before or after training.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Moment {
    /// As it was initialised.
    Initial,
    /// As it was trained.
    Final,
}

impl Cell for Moment {
    fn write(&self) -> String {
        match self {
            Self::Initial => "initial".to_owned(),
            Self::Final => "final".to_owned(),
        }
    }

    fn read(cells: &Cells<'_>, column: &'static str) -> Result<Self, Error> {
        match cells.text(column) {
            "initial" => Ok(Self::Initial),
            "final" => Ok(Self::Final),
            _ => Err(cells.bad(column, "`initial` or `final`")),
        }
    }
}

row! {
    /// One matrix of one run at one moment, from its singular values σ.
    pub struct RankRow, needs ["run_id", "moment", "layer", "slot", "max_rank", "entropy_rank", "stable_rank"], {
        /// The run.
        run_id: String,
        /// When.
        moment: Moment,
        /// Its name among the weights.
        matrix: String,
        /// Which layer, from 0.
        layer: u64,
        /// Which matrix of the layer: `q`, `k`, `v`, `out`, `c_fc`, `c_proj`.
        slot: String,
        /// Features out.
        rows: Option<u64>,
        /// Features in.
        columns: Option<u64>,
        /// The number of σ that are more than rounding.
        max_rank: u64,
        /// exp(−Σ p ln p) with p = σ / Σσ (Roy & Vetterli 2007).
        entropy_rank: f64,
        /// Σσ² / σ₁² (Rudelson & Vershynin 2007).
        stable_rank: f64,
    }
}
