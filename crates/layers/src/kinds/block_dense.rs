//! A block-diagonal matrix and a dense one behind it.

use std::num::NonZeroUsize;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use toml::Table;

use super::divide::{checked_parts, divisors, sizes};
use super::stages::{Stage, Stages};
use crate::rules::init::orthogonal_blocks;
use crate::{About, Linear, LinearKind, LinearShape, OptionError, Plan};

/// `y = U blkdiag(V₁ … V_b) x + c`
pub struct BlockDense;

/// The options of `block-dense`.
#[derive(Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BlockDenseOptions {
    /// Features r between the two matrices: at most the smaller side of the matrix.
    pub rank: NonZeroUsize,
    /// How many blocks b the first matrix has: it divides the inputs and the rank.
    pub blocks: NonZeroUsize,
}

impl LinearKind for BlockDense {
    type Options = BlockDenseOptions;

    fn about(&self) -> About {
        About {
            name: "block-dense",
            version: 1,
            summary: "a low-rank product whose first matrix is block-diagonal",
            description: "y = U blkdiag(V_1 … V_b) x + c, V (`first`): rank × inputs in b blocks, U (`second`): outputs × rank. \
                Parameters: rank · (inputs / b + outputs).\n\
                Each block, and U, starts with orthogonal rows or columns.\n\
                Source: Wei, Moalla, Pascanu & Gulcehre, \"Building on Efficient Foundations: Effectively Training LLMs with \
                Structured Feedforward Layers\", NeurIPS 2024.",
            example: "rank = 4\nblocks = 2",
        }
    }

    fn layer(
        &self,
        options: &BlockDenseOptions,
        shape: &LinearShape,
        plan: &mut Plan,
    ) -> Result<Box<dyn Linear>, OptionError> {
        let stages = block_dense(options.rank, options.blocks, shape, plan)?;
        plan.rank(options.rank.get());
        Ok(Box::new(Stages { bias: plan.bias(shape), ..stages }))
    }

    fn sizes(&self, shape: &LinearShape) -> Vec<Table> {
        let most = shape.inputs.min(shape.outputs);
        let of_blocks = |blocks: usize| {
            (1..=most)
                .filter(move |rank| rank % blocks == 0)
                .map(move |rank| sizes([("rank", rank), ("blocks", blocks)]))
        };
        divisors(shape.inputs).into_iter().filter(|blocks| *blocks <= most).flat_map(of_blocks).collect()
    }
}

/// The two matrices, without a bias.
pub(super) fn block_dense(
    rank: NonZeroUsize,
    blocks: NonZeroUsize,
    shape: &LinearShape,
    plan: &mut Plan,
) -> Result<Stages, OptionError> {
    let rank = super::low_rank::checked_rank(rank, shape)?;
    let count = checked_parts("blocks", blocks, &[(shape.inputs, "inputs"), (rank, "features of the rank")])?;
    let first = plan.blocks("first.weight", count, rank / count, shape.inputs / count);
    plan.starting(first, orthogonal_blocks("first.weight", count, rank / count, shape.inputs / count, 1.0));
    let second = plan.matrix("second.weight", shape.outputs, rank);
    plan.starting(second, orthogonal_blocks("second.weight", 1, shape.outputs, rank, 1.0));
    plan.product(&[first, second], (rank / count) as f64);
    Ok(Stages { stages: vec![Stage::together(first, count), Stage::together(second, 1)], bias: None })
}
