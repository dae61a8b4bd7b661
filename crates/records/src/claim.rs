//! `claims.csv`: what was claimed of an experiment, and when.

use crate::row::row;
use crate::{Cell, Cells, Error};

row! {
    /// One claim of a config, written once.
    pub struct ClaimRecord, needs ["name", "a", "b", "direction"], {
        /// Hash of what it says, configurations included: another claim has another.
        claim: String,
        /// Its name.
        name: String,
        /// The label of the configuration that it is about.
        a: String,
        /// That of the one that it is held against.
        b: String,
        /// As in `runs.csv`, of `a`.
        a_configuration: String,
        /// Likewise of `b`.
        b_configuration: String,
        /// Of the loss of `a`: `lower`, `higher`, `equivalent`, `no-worse`.
        direction: String,
        /// By how much, nats per target.
        margin: Margin,
        /// Of what `a` may take no more than `b`: `parameters`, `body`, `flops`.
        budget: String,
        /// When it was written down: the time in UTC.
        written: String,
        /// How many runs of the experiment had begun then.
        runs_begun: u64,
        /// `before the runs`, `after runs began`, `changed after runs began`.
        state: String,
    }
}

/// Nats per target, from 0; an empty cell is 0.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Margin(pub f64);

impl Cell for Margin {
    fn write(&self) -> String {
        Some(self.0).filter(|margin| *margin > 0.0).write()
    }

    fn read(cells: &Cells<'_>, column: &'static str) -> Result<Self, Error> {
        match Option::read(cells, column)?.unwrap_or(0.0) {
            margin if f64::is_finite(margin) && margin >= 0.0 => Ok(Self(margin)),
            _ => Err(cells.bad(column, "a number from 0")),
        }
    }
}

impl ClaimRecord {
    /// Whether no run of the experiment had begun when it was written.
    pub fn is_from_before(&self) -> bool {
        self.state == BEFORE
    }
}

/// The states of a claim.
pub const BEFORE: &str = "before the runs";
/// Of a claim of a new name, once runs had begun.
pub const AFTER: &str = "after runs began";
/// Of one that takes the place of another of its name, once runs had begun.
pub const CHANGED: &str = "changed after runs began";
