//! What is told of a point when somebody points at it.

use crate::Configuration;

/// More runs of one configuration are not listed.
const MOST_RUNS: usize = 8;

/// A configuration's name and loss, and its runs with theirs.
pub(super) fn of_configuration(one: &Configuration) -> String {
    let mut lines = vec![one.name.clone()];
    if one.runs.len() > 1 {
        lines.push(format!("loss {:.3}, mean over {} runs", one.mean_loss(), one.runs.len()));
    }
    for run in one.runs.iter().take(MOST_RUNS) {
        let seed = run.seed.map_or(String::new(), |seed| format!("seed {seed}: "));
        let id = if run.run_id.is_empty() { String::new() } else { format!(", {}", run.run_id) };
        lines.push(format!("{seed}{:.3}{id}", run.final_loss().unwrap_or(f64::NAN)));
    }
    if one.runs.len() > MOST_RUNS {
        lines.push(format!("and {} more", one.runs.len() - MOST_RUNS));
    }
    lines.join("\n")
}
