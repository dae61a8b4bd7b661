//! Two block-diagonal matrices with a shuffle between them: Monarch.

use std::num::NonZeroUsize;

use lrx_tensor::ops::{Blocks, Order};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use toml::Table;

use super::divide::{checked_parts, common_divisors, sizes};
use super::stages::{Stage, Stages};
use crate::rules::init::orthogonal_blocks;
use crate::{About, Linear, LinearKind, LinearShape, OptionError, Plan};

/// `y = P⁻¹ U P V x + c`
pub struct BlockShuffle;

/// The options of `block-shuffle`.
#[derive(Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BlockShuffleOptions {
    /// How many blocks b the two matrices have: it divides the inputs and the outputs.
    pub blocks: NonZeroUsize,
}

impl LinearKind for BlockShuffle {
    type Options = BlockShuffleOptions;

    fn about(&self) -> About {
        About {
            name: "block-shuffle",
            version: 1,
            summary: "two block-diagonal matrices with a shuffle between them (Monarch)",
            description: "y = P⁻¹ U P V x + c: V (`first`) and U (`second`) have b blocks along their diagonals and r = min(inputs, \
                outputs) features between them; P puts feature i b + j at j (r/b) + i, so that each block of U sees some of every \
                block of V, and P⁻¹ does so with the outputs. Parameters: r · (inputs + outputs) / b.\n\
                Each block starts with orthogonal rows or columns.\n\
                Sources: Dao et al., \"Monarch\", ICML 2022; Wei, Moalla, Pascanu & Gulcehre, \"Building on Efficient Foundations: \
                Effectively Training LLMs with Structured Feedforward Layers\", NeurIPS 2024.",
            example: "blocks = 2",
        }
    }

    fn layer(
        &self,
        options: &BlockShuffleOptions,
        shape: &LinearShape,
        plan: &mut Plan,
    ) -> Result<Box<dyn Linear>, OptionError> {
        let stages = block_shuffle(options.blocks, shape, plan)?;
        Ok(Box::new(Stages { bias: plan.bias(shape), ..stages }))
    }

    fn sizes(&self, shape: &LinearShape) -> Vec<Table> {
        common_divisors(&[shape.inputs, shape.outputs]).into_iter().map(|blocks| sizes([("blocks", blocks)])).collect()
    }
}

/// The two matrices, without a bias.
pub(super) fn block_shuffle(blocks: NonZeroUsize, shape: &LinearShape, plan: &mut Plan) -> Result<Stages, OptionError> {
    let parts = [(shape.inputs, "inputs"), (shape.outputs, "outputs")];
    let count = checked_parts("blocks", blocks, &parts)?;
    let inner = shape.inputs.min(shape.outputs) / count;
    let mut matrix = |name: &str, outputs: usize, inputs: usize| {
        let id = plan.blocks(name, count, outputs, inputs);
        plan.starting(id, orthogonal_blocks(name, count, outputs, inputs, 1.0))
    };
    let first = matrix("first.weight", inner, shape.inputs / count);
    let second = matrix("second.weight", shape.outputs / count, inner);
    // Between an input and an output there are the features that one block of V writes and one of U reads.
    plan.product(&[first, second], (inner as f64 / count as f64).max(1.0));
    let apart = Blocks { count, reads: Order::Apart, writes: Order::Apart };
    let stages = vec![Stage::together(first, count), Stage { weight: second, blocks: apart }];
    Ok(Stages { stages, bias: None })
}
