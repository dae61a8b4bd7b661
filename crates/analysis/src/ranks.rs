//! `ranks.csv`: how much of its rank each matrix uses, before and after training.

use std::collections::BTreeMap;

use crate::Configuration;

/// The columns of `ranks.csv`, in their order.
pub const RANK_COLUMNS: [&str; 10] =
    ["run_id", "moment", "matrix", "layer", "slot", "rows", "columns", "max_rank", "entropy_rank", "stable_rank"];

/// Before or after training.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Moment {
    /// As it was initialised.
    Initial,
    /// As it was trained.
    Final,
}

/// One row of `ranks.csv`: one matrix of one run at one moment.
#[derive(Debug, Clone, PartialEq)]
pub struct RankRow {
    /// The run, as in `runs.csv`.
    pub run_id: String,
    /// When.
    pub moment: Moment,
    /// Which layer, from 0.
    pub layer: u64,
    /// Which matrix of the layer: `q`, `k`, `v`, `out`, `c_fc`, `c_proj`.
    pub slot: String,
    /// The highest rank that it can have.
    pub max_rank: f64,
    /// The exponential of the entropy of its singular values as shares of their sum (Roy & Vetterli 2007).
    pub entropy_rank: f64,
    /// The sum of the squares of its singular values, by the square of the largest.
    pub stable_rank: f64,
}

/// Shares of the highest rank that a configuration uses: by slot and moment, the mean over its seeds at each layer.
pub(crate) type Shares = BTreeMap<(String, Moment), Vec<(u64, f64)>>;

/// The shares of a configuration, of the rank that `rank` picks.
pub(crate) fn shares(configuration: &Configuration, rows: &[RankRow], rank: fn(&RankRow) -> f64) -> Shares {
    let mut sums: BTreeMap<(String, Moment), BTreeMap<u64, (f64, f64)>> = BTreeMap::new();
    let own = |row: &&RankRow| configuration.runs.iter().any(|run| run.run_id == row.run_id);
    for row in rows.iter().filter(own).filter(|row| row.max_rank > 0.0) {
        let sum = sums.entry((row.slot.clone(), row.moment)).or_default().entry(row.layer).or_default();
        *sum = (sum.0 + rank(row) / row.max_rank, sum.1 + 1.0);
    }
    let means = |by_layer: BTreeMap<u64, (f64, f64)>| {
        by_layer.into_iter().map(|(layer, (sum, count))| (layer, sum / count)).collect()
    };
    sums.into_iter().map(|(key, by_layer)| (key, means(by_layer))).collect()
}
