//! A low-rank product plus a diagonal matrix.

use std::num::NonZeroUsize;

use lrx_tensor::{Activation, Matrix, matrix, ops, values};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::low_rank::checked_rank;
use super::places::low_rank_and_places;
use crate::{
    About, Linear, LinearKind, LinearShape, OptionError, ParameterId, Parameters, Pass, Plan, Progress, Values,
};

/// `y = g ∘ x + B (A x) + b`
pub struct DiagonalLowRank;

/// The options of `diagonal-low-rank`.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DiagonalLowRankOptions {
    /// The rank of B·A: at most the side of the matrix.
    pub rank: NonZeroUsize,
    /// Where every number of the diagonal starts.
    #[serde(default)]
    pub diagonal: f32,
}

struct DiagonalLowRankLayer {
    diagonal: ParameterId,
    down: ParameterId,
    up: ParameterId,
    bias: Option<ParameterId>,
}

impl LinearKind for DiagonalLowRank {
    type Options = DiagonalLowRankOptions;

    fn about(&self) -> About {
        About {
            name: "diagonal-low-rank",
            version: 1,
            summary: "a diagonal matrix plus a product of two thin ones",
            description: "y = g ∘ x + B (A x) + b, in the place of a square matrix; g (`diagonal`): inputs, A (`down`): rank × inputs, \
                B (`up`): outputs × rank. Parameters: inputs + rank · (inputs + outputs).\n\
                g starts at `diagonal` and each factor from N(0, 0.02²).",
            example: "rank = 2\ndiagonal = 0.5",
        }
    }

    fn layer(
        &self,
        options: &DiagonalLowRankOptions,
        shape: &LinearShape,
        plan: &mut Plan,
    ) -> Result<Box<dyn Linear>, OptionError> {
        if shape.inputs != shape.outputs {
            let message = format!("`diagonal-low-rank` stands in for square matrices only, and this one is {shape}");
            return Err(OptionError::new("kind", message));
        }
        let rank = checked_rank(options.rank, shape)?;
        if !options.diagonal.is_finite() {
            return Err(OptionError::new("diagonal", format!("`diagonal` is {}; expected a number", options.diagonal)));
        }
        let diagonal = plan.scale("diagonal", shape.inputs, options.diagonal);
        let down = plan.matrix("down.weight", rank, shape.inputs);
        let up = plan.matrix("up.weight", shape.outputs, rank);
        plan.rank(rank);
        plan.flops(2 * (shape.inputs + rank * (shape.inputs + shape.outputs)));
        Ok(Box::new(DiagonalLowRankLayer { diagonal, down, up, bias: plan.bias(shape) }))
    }
}

impl Linear for DiagonalLowRankLayer {
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

    fn approximation(&self, dense: &Matrix, parameters: &Parameters) -> Option<Values> {
        let (rank, n) = parameters[self.down].dims();
        let diagonal: Vec<usize> = (0..n).map(|i| i * (n + 1)).collect();
        let (down, up, diagonal) = low_rank_and_places(dense, rank, &diagonal);
        Some(vec![(self.down, down), (self.up, up), (self.diagonal, diagonal)])
    }
}
