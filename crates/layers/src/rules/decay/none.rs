//! No decay.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::rules::{Decay, DecayRule, Target};
use crate::{About, OptionError};

/// No weight decay.
pub struct NoDecay;

/// `none` has no options.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NoDecayOptions {}

impl DecayRule for NoDecay {
    type Options = NoDecayOptions;

    fn about(&self) -> About {
        About {
            name: "none",
            version: 1,
            summary: "no decay",
            description: "The layer's matrices do not decay, whatever weight decay [train] has.",
            example: "",
        }
    }

    fn decay(&self, _: &NoDecayOptions, target: &Target<'_>) -> Result<Decay, OptionError> {
        Ok(Decay { factors: target.factors().map(|(i, ..)| (i, 0.0)).collect(), gradient: None })
    }
}
