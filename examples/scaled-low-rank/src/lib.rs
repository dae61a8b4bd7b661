//! A layer kind of our own: `B diag(g) A x`.

use std::num::NonZeroUsize;

use lrx::layers::{About, Linear, LinearKind, LinearShape, OptionError, ParameterId, Parameters, Pass, Plan, Progress};
use lrx::tensor::{Activation, Matrix, matrix, ops};

/// The kind, as the registry knows it.
pub struct ScaledLowRank;

/// What stands beside `kind = "scaled-low-rank"` in a config.
#[derive(serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Options {
    /// The rank of B·diag(g)·A.
    rank: NonZeroUsize,
    /// Where every number of g starts.
    #[serde(default = "one")]
    gain: f32,
}

fn one() -> f32 {
    1.0
}

struct Layer {
    down: ParameterId,
    gain: ParameterId,
    up: ParameterId,
    bias: Option<ParameterId>,
}

impl LinearKind for ScaledLowRank {
    type Options = Options;

    fn about(&self) -> About {
        About {
            name: "scaled-low-rank",
            version: 1,
            summary: "two thin matrices with a factor for each of the features between them",
            description: "y = B (g ∘ (A x)) + b, as a singular value decomposition has it. Parameters: rank · (inputs + outputs + 1).\n\
                A and B start as N(0, 0.02²), g at `gain`.",
            example: "rank = 2\ngain = 0.5",
        }
    }

    fn layer(&self, options: &Options, shape: &LinearShape, plan: &mut Plan) -> Result<Box<dyn Linear>, OptionError> {
        let (rank, most) = (options.rank.get(), shape.inputs.min(shape.outputs));
        if rank > most {
            return Err(OptionError::new(
                "rank",
                format!("rank {rank} is more than {most}, the smaller side of {shape}"),
            ));
        }
        plan.rank(rank);
        Ok(Box::new(Layer {
            down: plan.matrix("down.weight", rank, shape.inputs),
            gain: plan.scale("gain", rank, options.gain),
            up: plan.matrix("up.weight", shape.outputs, rank),
            bias: plan.bias(shape),
        }))
    }
}

impl Linear for Layer {
    fn forward(&self, pass: &Pass<'_>, x: Activation) -> Activation {
        let narrow = ops::linear(x, &pass[self.down], None); // tokens × rank
        let narrow = ops::scale_columns(narrow, &pass[self.gain]);
        ops::linear(narrow, &pass[self.up], self.bias.map(|bias| &pass[bias]))
    }

    fn dense_equivalent(&self, parameters: &Parameters, _: Progress) -> Option<Matrix> {
        let (down, gain) = (&parameters[self.down], parameters[self.gain].values());
        let (rank, inputs) = down.dims();
        let rows = down.values().chunks_exact(inputs).zip(gain);
        let scaled = rows.flat_map(|(row, g)| row.iter().map(move |a| g * a)).collect();
        Some(parameters[self.up].value().product(&matrix(scaled, rank, inputs)))
    }
}
