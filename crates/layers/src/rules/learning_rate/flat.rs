//! One learning rate for all factors.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::rules::{LearningRateRule, Target};
use crate::{About, OptionError};

/// The same learning rate for every parameter.
pub struct Flat;

/// The options of `flat`.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FlatOptions {
    /// What the learning rate is multiplied by.
    #[serde(default = "one")]
    pub factor: f64,
}

fn one() -> f64 {
    1.0
}

impl LearningRateRule for Flat {
    type Options = FlatOptions;

    fn about(&self) -> About {
        About {
            name: "flat",
            version: 1,
            summary: "the config's learning rate, times a factor",
            description: "Every parameter of the layer learns at `factor` times the learning rate of [train]. In a config a number \
                alone means the same: lr = 0.5, or lr = { down = 0.5, up = 2.0 } for single parameters.",
            example: "factor = 0.5",
        }
    }

    fn factors(&self, options: &FlatOptions, target: &Target<'_>) -> Result<Vec<(usize, f64)>, OptionError> {
        let factor = options.factor;
        if !(factor >= 0.0 && factor.is_finite()) {
            return Err(OptionError::new("factor", format!("`factor` is {factor}; expected a number of at least 0")));
        }
        let meant = (0..target.declared.len()).filter(|i| target.only.is_none_or(|only| only == *i));
        Ok(meant.map(|i| (i, factor)).collect())
    }
}
