//! Each factor decays by itself.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{check_factor, one};
use crate::rules::{Decay, DecayRule, Target};
use crate::{About, OptionError};

/// Decoupled decay of every factor.
pub struct PerFactor;

/// The options of `per-factor`.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PerFactorOptions {
    /// What the weight decay is multiplied by.
    #[serde(default = "one")]
    pub factor: f64,
}

impl DecayRule for PerFactor {
    type Options = PerFactorOptions;

    fn about(&self) -> About {
        About {
            name: "per-factor",
            version: 1,
            summary: "each factor decays by itself",
            description: "The optimizer's own weight decay, `factor` times that of [train], on each matrix of the layer; vectors \
                have none. In a config a number alone means the same: decay = 0.5.",
            example: "factor = 0.5",
        }
    }

    fn decay(&self, options: &PerFactorOptions, target: &Target<'_>) -> Result<Decay, OptionError> {
        check_factor(options.factor)?;
        Ok(Decay { factors: target.factors().map(|(i, ..)| (i, options.factor)).collect(), gradient: None })
    }
}
