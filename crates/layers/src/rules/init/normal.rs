//! Every factor from one normal distribution.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{check_scale, gpt_neo_std};
use crate::rules::{InitRule, Target};
use crate::{About, OptionError, Start};

/// N(0, std²)
pub struct Normal;

/// The options of `normal`.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NormalOptions {
    /// The standard deviation of every number.
    #[serde(default = "gpt_neo_std")]
    pub std: f32,
}

impl InitRule for Normal {
    type Options = NormalOptions;

    fn about(&self) -> About {
        About {
            name: "normal",
            version: 1,
            summary: "each factor from N(0, std²)",
            description: "Every number of every factor from N(0, std²), as GPT-Neo starts its matrices. A product B A of rank r \
                then starts at a standard deviation of only std² √r.",
            example: "std = 0.01",
        }
    }

    fn starts(&self, options: &NormalOptions, target: &Target<'_>) -> Result<Vec<(usize, Start)>, OptionError> {
        check_scale("std", options.std)?;
        Ok(target.factors().map(|(i, ..)| (i, Start::Normal { std: options.std })).collect())
    }
}
