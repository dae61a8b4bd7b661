//! A low-rank product with a nonlinearity in its middle: CoLA's layer.

use std::num::NonZeroUsize;

use lrx_tensor::Activation;
use lrx_tensor::ops::{self, Nonlinearity};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::low_rank::checked_rank;
use crate::{About, Linear, LinearKind, LinearShape, OptionError, ParameterId, Pass, Plan, Start};

/// `y = B silu(A x) + b`
pub struct SiluLowRank;

/// The options of `silu-low-rank`.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SiluLowRankOptions {
    /// Features between the two matrices: at most the smaller side of the matrix.
    pub rank: NonZeroUsize,
}

struct SiluLowRankLayer {
    down: ParameterId,
    up: ParameterId,
    bias: Option<ParameterId>,
}

impl LinearKind for SiluLowRank {
    type Options = SiluLowRankOptions;

    fn about(&self) -> About {
        About {
            name: "silu-low-rank",
            version: 1,
            summary: "two thin matrices with silu between them (CoLA)",
            description: "y = B silu(A x) + b, A (`down`): rank × inputs, B (`up`): outputs × rank, silu(z) = z / (1 + e^−z). \
                Parameters: rank · (inputs + outputs). It is not linear, so no matrix is its equivalent.\n\
                Each factor starts from N(0, s²), s = rank^-¼ (inputs + outputs)^-¼.\n\
                Source: Liu et al., \"CoLA: Compute-Efficient Pre-Training of LLMs via Low-Rank Activation\", 2025.",
            example: "rank = 3",
        }
    }

    fn layer(
        &self,
        options: &SiluLowRankOptions,
        shape: &LinearShape,
        plan: &mut Plan,
    ) -> Result<Box<dyn Linear>, OptionError> {
        let rank = checked_rank(options.rank, shape)?;
        let std = ((rank * (shape.inputs + shape.outputs)) as f32).powf(-0.25);
        let down = plan.matrix("down.weight", rank, shape.inputs);
        let up = plan.matrix("up.weight", shape.outputs, rank);
        for factor in [down, up] {
            plan.starting(factor, Start::Normal { std });
        }
        plan.rank(rank);
        Ok(Box::new(SiluLowRankLayer { down, up, bias: plan.bias(shape) }))
    }
}

impl Linear for SiluLowRankLayer {
    fn forward(&self, pass: &Pass<'_>, x: Activation) -> Activation {
        let narrow = ops::linear(x, &pass[self.down], None); // tokens × rank
        let narrow = ops::nonlinear(narrow, Nonlinearity::Silu);
        ops::linear(narrow, &pass[self.up], self.bias.map(|bias| &pass[bias]))
    }
}
