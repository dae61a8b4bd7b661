//! `ranks.csv`: how much of its rank each matrix uses, before and after training.

use std::collections::{BTreeMap, HashMap};

use lrx_records::{Moment, RankRow};

use crate::Configuration;

/// Shares of the highest rank that a configuration uses: by slot and moment, the mean over its seeds at each layer.
pub(crate) type Shares = BTreeMap<(String, Moment), Vec<(u64, f64)>>;

/// The shares of a configuration, of the rank that `rank` picks; from the rows of each run.
pub(crate) fn shares(
    configuration: &Configuration,
    by_run: &HashMap<&str, Vec<&RankRow>>,
    rank: fn(&RankRow) -> f64,
) -> Shares {
    let mut sums: BTreeMap<(String, Moment), BTreeMap<u64, (f64, f64)>> = BTreeMap::new();
    let rows = configuration.runs.iter().filter_map(|run| by_run.get(run.run_id.as_str())).flatten();
    for row in rows.filter(|row| row.max_rank > 0 && rank(row).is_finite()) {
        let sum = sums.entry((row.slot.clone(), row.moment)).or_default().entry(row.layer).or_default();
        *sum = (sum.0 + rank(row) / row.max_rank as f64, sum.1 + 1.0);
    }
    let means = |by_layer: BTreeMap<u64, (f64, f64)>| {
        by_layer.into_iter().map(|(layer, (sum, count))| (layer, sum / count)).collect()
    };
    sums.into_iter().map(|(key, by_layer)| (key, means(by_layer))).collect()
}
