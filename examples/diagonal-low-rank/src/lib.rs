//! A layer kind of our own: `diag(g) x + B A x`.

use std::num::NonZeroUsize;

use lrx::layers::{About, Linear, LinearKind, LinearShape, OptionError, ParameterId, Parameters, Pass, Plan, Progress};
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
            version: 1,
            summary: "a diagonal plus a product of two thin matrices",
            description: "y = g ∘ x + B (A x) + b, for square matrices. Parameters: n + 2 · rank · n.\n\
                A and B start as N(0, 0.02²), g at `diagonal`.",
            example: "rank = 2\ndiagonal = 0.5",
        }
    }

    fn layer(&self, options: &Options, shape: &LinearShape, plan: &mut Plan) -> Result<Box<dyn Linear>, OptionError> {
        let (n, rank) = (shape.inputs, options.rank.get());
        if shape.outputs != n {
            return Err(OptionError::new("", format!("a diagonal needs a square matrix, this slot is {shape}")));
        }
        plan.rank(rank);
        Ok(Box::new(Layer {
            diagonal: plan.scale("diagonal", n, options.diagonal),
            down: plan.matrix("down.weight", rank, n),
            up: plan.matrix("up.weight", n, rank),
            bias: plan.bias(shape),
        }))
    }
}

impl Linear for Layer {
    fn forward(&self, pass: &Pass<'_>, x: Activation) -> Activation {
        let narrow = ops::linear(x.clone(), &pass[self.down], None); // tokens × rank
        let low_rank = ops::linear(narrow, &pass[self.up], self.bias.map(|bias| &pass[bias]));
        ops::add(ops::scale_columns(x, &pass[self.diagonal]), low_rank)
    }

    fn dense_equivalent(&self, parameters: &Parameters, _: Progress) -> Option<Matrix> {
        let product = parameters[self.up].value().product(parameters[self.down].value());
        let (mut dense, diagonal) = (values(&product).to_vec(), parameters[self.diagonal].values());
        let n = diagonal.len();
        dense.iter_mut().step_by(n + 1).zip(diagonal).for_each(|(w, g)| *w += g);
        Some(matrix(dense, n, n))
    }
}
