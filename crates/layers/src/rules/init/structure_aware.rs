//! Each factor at the scale that its own sizes ask for.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::rules::{InitRule, Target};
use crate::{About, OptionError, Start};

/// N(0, s²) with s from a factor's own inputs and outputs.
pub struct StructureAware;

/// `structure-aware` has no options.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StructureAwareOptions {}

impl InitRule for StructureAware {
    type Options = StructureAwareOptions;

    fn about(&self) -> About {
        About {
            name: "structure-aware",
            version: 1,
            summary: "each factor at the scale of its own sizes",
            description: "Every number of a factor with d_in inputs and d_out outputs of its own from N(0, s²), \
                s = √(1/d_in) · min(1, √(d_out/d_in)): its output is as large as its input, however wide it is.\n\
                Source: Qiu, Potapczynski, Finzi, Goldblum & Wilson, \"Compute Better Spent: Replacing Dense Layers with \
                Structured Matrices\", ICML 2024.",
            example: "",
        }
    }

    fn starts(&self, _: &StructureAwareOptions, target: &Target<'_>) -> Result<Vec<(usize, Start)>, OptionError> {
        Ok(target.factors().map(|(i, rows, columns)| (i, structure_aware(rows, columns))).collect())
    }
}

/// N(0, s²) for a factor of so many outputs and inputs of its own.
pub(crate) fn structure_aware(outputs: usize, inputs: usize) -> Start {
    let (outputs, inputs) = (outputs as f64, inputs as f64);
    Start::Normal { std: ((1.0 / inputs).sqrt() * (outputs / inputs).sqrt().min(1.0)) as f32 }
}
