//! A layer kind of our own: `diag(g) x + B A x`.

use std::num::NonZeroUsize;

use lrx::layers::{About, Builder, Cost, Linear, LinearKind, LinearShape, OptionError, ParameterId, Parameters, Pass};
use lrx::tensor::{Activation, Matrix, matrix, ops, values};

/// The kind, as the registry knows it.
pub struct DiagonalLowRank;

/// What stands beside `kind = "diagonal-low-rank"` in a config.
#[derive(serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Options {
    /// The rank of B·A.
    rank: NonZeroUsize,
    /// Where every entry of the diagonal starts.
    #[serde(default)]
    diagonal: f32,
}

struct Layer {
    diagonal: ParameterId,
    down: ParameterId,
    up: ParameterId,
    bias: Option<ParameterId>,
}

impl LinearKind for DiagonalLowRank {
    type Options = Options;

    fn about(&self) -> About {
        About {
            name: "diagonal-low-rank",
            summary: "a diagonal plus a product of two thin matrices",
            description: "y = g ∘ x + B (A x) + b, for square matrices. Parameters: n + 2 · rank · n.\n\
                A and B start as N(0, 0.02²), g at `diagonal`.",
            example: "rank = 2\ndiagonal = 0.5",
        }
    }

    fn check(&self, _: &Options, shape: &LinearShape) -> Result<(), OptionError> {
        if shape.inputs == shape.outputs {
            return Ok(());
        }
        Err(OptionError::new("", format!("a diagonal needs a square matrix, this slot is {shape}")))
    }

    fn cost(&self, options: &Options, shape: &LinearShape) -> Cost {
        Cost::of_matrices(shape.inputs + 2 * options.rank.get() * shape.inputs, shape)
    }

    fn rank(&self, options: &Options) -> Option<usize> {
        Some(options.rank.get())
    }

    fn build(&self, options: &Options, shape: &LinearShape, builder: &mut Builder<'_>) -> Box<dyn Linear> {
        let (n, rank) = (shape.inputs, options.rank.get());
        let (down, up) = (builder.normal("down.weight", rank * n, 0.02), builder.normal("up.weight", n * rank, 0.02));
        Box::new(Layer {
            diagonal: builder.vector("diagonal", vec![options.diagonal; n]),
            down: builder.matrix("down.weight", rank, n, down),
            up: builder.matrix("up.weight", n, rank, up),
            bias: builder.bias(shape),
        })
    }
}

impl Linear for Layer {
    fn forward(&self, pass: &Pass<'_>, x: Activation) -> Activation {
        let narrow = ops::linear(x.clone(), &pass[self.down], None); // tokens × rank
        let low_rank = ops::linear(narrow, &pass[self.up], self.bias.map(|bias| &pass[bias]));
        ops::add(ops::scale_columns(x, &pass[self.diagonal]), low_rank)
    }

    fn dense_equivalent(&self, parameters: &Parameters) -> Matrix {
        let (up, down) = (&parameters[self.up], &parameters[self.down]);
        let (n, rank) = up.dims();
        let mut dense = vec![0.0; n * n];
        for (i, row) in dense.chunks_exact_mut(n).enumerate() {
            for (j, w) in row.iter_mut().enumerate() {
                *w = (0..rank).map(|r| up.values()[i * rank + r] * down.values()[r * n + j]).sum();
            }
            row[i] += values(parameters[self.diagonal].value())[i];
        }
        matrix(dense, n, n)
    }
}
