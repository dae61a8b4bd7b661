//! A product of two low-rank matrices.

use std::num::NonZeroUsize;

use lrx_tensor::{Activation, Matrix, dims, matrix, ops, values};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::approximate::factors;
use crate::{
    About, Chain, Linear, LinearKind, LinearShape, OptionError, ParameterId, Parameters, Pass, Plan, Progress, Values,
};

/// `y = B (A x) + b`
pub struct LowRank;

/// The options of `low-rank`.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LowRankOptions {
    /// The rank r of B·A, at least 1 and at most the smaller side of the matrix.
    pub rank: NonZeroUsize,
}

#[derive(Clone)]
pub(super) struct LowRankLayer {
    pub(super) down: ParameterId,
    pub(super) up: ParameterId,
    pub(super) bias: Option<ParameterId>,
}

impl LinearKind for LowRank {
    type Options = LowRankOptions;

    fn about(&self) -> About {
        About {
            name: "low-rank",
            version: 1,
            summary: "a product of two thin matrices",
            description: "y = B (A x) + b, A (`down`): rank × inputs, B (`up`): outputs × rank.\n\
                Parameters: rank · (inputs + outputs); fewer than dense while rank < inputs · outputs / (inputs + outputs).\n\
                Each factor starts from N(0, 0.02²), so B A starts at a standard deviation of only 0.0004 √rank; init rules \
                (`spectral`, `variance-matched`, …) start it otherwise.",
            example: "rank = 3",
        }
    }

    fn layer(
        &self,
        options: &LowRankOptions,
        shape: &LinearShape,
        plan: &mut Plan,
    ) -> Result<Box<dyn Linear>, OptionError> {
        let rank = checked_rank(options.rank, shape)?;
        let down = plan.matrix("down.weight", rank, shape.inputs);
        let up = plan.matrix("up.weight", shape.outputs, rank);
        plan.chain(&[down, up]);
        plan.rank(rank);
        Ok(Box::new(LowRankLayer { down, up, bias: plan.bias(shape) }))
    }
}

/// The rank, where a matrix of this shape can have it.
pub(super) fn checked_rank(rank: NonZeroUsize, shape: &LinearShape) -> Result<usize, OptionError> {
    let most = shape.inputs.min(shape.outputs);
    if rank.get() > most {
        let message = format!("rank {rank} is more than {most}, the smaller side of a matrix {shape}");
        return Err(OptionError::new("rank", message));
    }
    Ok(rank.get())
}

impl Linear for LowRankLayer {
    fn forward(&self, pass: &Pass<'_>, x: Activation) -> Activation {
        let narrow = ops::linear(x, &pass[self.down], None);
        ops::linear(narrow, &pass[self.up], self.bias.map(|bias| &pass[bias]))
    }

    fn dense_equivalent(&self, parameters: &Parameters, _: Progress) -> Option<Matrix> {
        self.chain().map(|chain| chain.product(parameters))
    }

    fn approximation(&self, dense: &Matrix, parameters: &Parameters) -> Option<Values> {
        let ((rows, columns), rank) = (dims(dense), parameters[self.down].dims().0);
        let (down, up) = factors(values(dense), rows, columns, rank);
        Some(vec![(self.down, matrix(down, rank, columns)), (self.up, matrix(up, rows, rank))])
    }

    fn chain(&self) -> Option<Chain> {
        Some(Chain { matrices: vec![self.down, self.up], bias: self.bias })
    }
}
