//! A layer kind of our own that is not linear: `B silu(A x)`, the auto-encoder layer of CoLA (Liu et al. 2025).
//!
//! lrx brings it as `silu-low-rank`; here it stands to show how one is written.

use std::num::NonZeroUsize;

use lrx::layers::{About, Linear, LinearKind, LinearShape, OptionError, ParameterId, Pass, Plan, Start};
use lrx::tensor::Activation;
use lrx::tensor::ops::{self, Nonlinearity};

/// The kind, as the registry knows it.
pub struct SiluLowRank;

/// What stands beside `kind = "own-silu-low-rank"` in a config.
#[derive(serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Options {
    /// Features between the two matrices.
    rank: NonZeroUsize,
}

struct Layer {
    down: ParameterId,
    up: ParameterId,
    bias: Option<ParameterId>,
}

impl LinearKind for SiluLowRank {
    type Options = Options;

    fn about(&self) -> About {
        About {
            name: "own-silu-low-rank",
            version: 1,
            summary: "two thin matrices with silu between them",
            description: "y = B silu(A x) + b, A: rank × inputs, B: outputs × rank. Parameters: rank · (inputs + outputs).\n\
                Each factor starts from N(0, s²), s = rank^-¼ (inputs + outputs)^-¼. Source: CoLA, 2025.",
            example: "rank = 3",
        }
    }

    fn layer(&self, options: &Options, shape: &LinearShape, plan: &mut Plan) -> Result<Box<dyn Linear>, OptionError> {
        let (rank, sides) = (options.rank.get(), shape.inputs + shape.outputs);
        let std = ((rank * sides) as f32).powf(-0.25);
        let down = plan.matrix("down.weight", rank, shape.inputs);
        let up = plan.matrix("up.weight", shape.outputs, rank);
        for factor in [down, up] {
            plan.starting(factor, Start::Normal { std });
        }
        plan.rank(rank);
        Ok(Box::new(Layer { down, up, bias: plan.bias(shape) }))
    }
}

impl Linear for Layer {
    fn forward(&self, pass: &Pass<'_>, x: Activation) -> Activation {
        let narrow = ops::nonlinear(ops::linear(x, &pass[self.down], None), Nonlinearity::Silu); // tokens × rank
        ops::linear(narrow, &pass[self.up], self.bias.map(|bias| &pass[bias]))
    }
}
