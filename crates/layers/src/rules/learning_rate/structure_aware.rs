//! A learning rate for each factor, from its own sizes.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::rules::{LearningRateRule, Target};
use crate::{About, OptionError};

/// The learning rate that keeps the effect of an update the same however the layer is structured.
pub struct StructureAware;

/// `structure-aware` has no options.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StructureAwareOptions {}

impl LearningRateRule for StructureAware {
    type Options = StructureAwareOptions;

    fn about(&self) -> About {
        About {
            name: "structure-aware",
            version: 1,
            summary: "a learning rate for each factor, from its own inputs",
            description: "For an optimizer whose updates are of one size in every number (Adam), a factor with d_in inputs of its \
                own learns at the config's rate times (m / d_in) / k, with m the inputs of the dense matrix and k the number \
                of factors: ½ for A and m / (2 r) for B of a product B A of rank r, 1 for a dense matrix. Biases keep the \
                config's rate.\n\
                Source: Qiu, Potapczynski, Finzi, Goldblum & Wilson, \"Compute Better Spent: Replacing Dense Layers with \
                Structured Matrices\", ICML 2024.",
            example: "",
        }
    }

    fn factors(&self, _: &StructureAwareOptions, target: &Target<'_>) -> Result<Vec<(usize, f64)>, OptionError> {
        let all = Target { only: None, chain: None, product: None, ..*target };
        let (count, inputs) = (all.factors().count() as f64, target.shape.inputs as f64);
        Ok(target.factors().map(|(i, _, columns)| (i, inputs / columns as f64 / count)).collect())
    }
}
