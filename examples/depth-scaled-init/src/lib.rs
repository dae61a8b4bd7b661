//! An init rule of our own: GPT-2's, which starts the matrices that end a residual branch smaller the deeper the model is.

use lrx::layers::rules::{InitRule, Target};
use lrx::layers::{About, OptionError, Start};

/// The rule, as the registry knows it.
pub struct DepthScaled;

/// What stands beside `rule = "depth-scaled"` in a config.
#[derive(serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Options {
    /// The standard deviation where nothing is scaled.
    #[serde(default = "default_std")]
    std: f32,
}

fn default_std() -> f32 {
    0.02
}

impl InitRule for DepthScaled {
    type Options = Options;

    fn about(&self) -> About {
        About {
            name: "depth-scaled",
            version: 1,
            summary: "GPT-2's start: residual branches end in smaller numbers",
            description: "Each factor from N(0, std²); the factors of layers that end a residual branch (`out`, `c_proj`) from \
                N(0, std² / (2 · layers)), as there are two branches a layer. Source: Radford et al. 2019.",
            example: "std = 0.02",
        }
    }

    fn starts(&self, options: &Options, target: &Target<'_>) -> Result<Vec<(usize, Start)>, OptionError> {
        if !(0.0..=1e6).contains(&options.std) {
            let message = format!("`std` is {}; expected a number from 0 to 1000000", options.std);
            return Err(OptionError::new("std", message));
        }
        let branches = if target.depth.ends_branch { 2 * target.depth.layers } else { 1 };
        let std = options.std / (branches as f32).sqrt();
        Ok(target.factors().map(|(i, ..)| (i, Start::Normal { std })).collect())
    }
}
