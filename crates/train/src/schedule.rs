//! The learning rate over a run.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How the learning rate falls after the warm-up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Schedule {
    /// In a straight line to 0 at the end.
    #[default]
    Linear,
    /// Along half a cosine to 0 at the end.
    Cosine,
    /// Not at all.
    Constant,
}

impl Schedule {
    /// The word that configs and `runs.csv` have for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Linear => "linear",
            Self::Cosine => "cosine",
            Self::Constant => "constant",
        }
    }

    /// The factor on the highest learning rate at `step` (0 for the first) of `steps`.
    ///
    /// The first `warmup` steps rise as 1/warmup, 2/warmup, … 1; then, with p the part of the remaining steps that is
    /// over before this one: 1 − p (linear), ½ (1 + cos πp) (cosine), 1 (constant). The factor would be 0 only at the
    /// step after the last.
    pub fn factor(self, step: usize, steps: usize, warmup: usize) -> f64 {
        if step < warmup {
            return (step + 1) as f64 / warmup as f64;
        }
        let part = (step - warmup) as f64 / (steps - warmup) as f64;
        match self {
            Schedule::Linear => 1.0 - part,
            Schedule::Cosine => 0.5 * (1.0 + (std::f64::consts::PI * part).cos()),
            Schedule::Constant => 1.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn factors(schedule: Schedule, steps: usize, warmup: usize) -> Vec<f64> {
        (0..steps).map(|step| schedule.factor(step, steps, warmup)).collect()
    }

    #[test]
    fn factors_follow_their_formulas() {
        assert_eq!(factors(Schedule::Linear, 4, 0), [1.0, 0.75, 0.5, 0.25]);
        assert_eq!(factors(Schedule::Linear, 6, 2), [0.5, 1.0, 1.0, 0.75, 0.5, 0.25]);
        assert_eq!(factors(Schedule::Constant, 3, 2), [0.5, 1.0, 1.0]);
        let cosine = factors(Schedule::Cosine, 4, 0);
        let half = std::f64::consts::FRAC_1_SQRT_2 / 2.0;
        for (is, should) in cosine.into_iter().zip([1.0, 0.5 + half, 0.5, 0.5 - half]) {
            assert!((is - should).abs() < 1e-12);
        }
    }
}
