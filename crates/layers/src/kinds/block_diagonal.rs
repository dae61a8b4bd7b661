//! Matrices along a diagonal.

use std::num::NonZeroUsize;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use toml::Table;

use super::divide::{checked_parts, common_divisors, sizes};
use super::stages::{Stage, Stages};
use crate::{About, Linear, LinearKind, LinearShape, OptionError, Plan, Start};

/// `y = blkdiag(W₁ … W_b) x + c`
pub struct BlockDiagonal;

/// The options of `block-diagonal`.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BlockDiagonalOptions {
    /// How many matrices b: it divides the inputs and the outputs.
    pub blocks: NonZeroUsize,
}

impl LinearKind for BlockDiagonal {
    type Options = BlockDiagonalOptions;

    fn about(&self) -> About {
        About {
            name: "block-diagonal",
            version: 1,
            summary: "a matrix for each part of the features",
            description: "y = blkdiag(W_1 … W_b) x + c: the features are divided into b parts, and each part of the outputs sees its \
                part of the inputs only. Parameters: inputs · outputs / b.\n\
                Each matrix starts from N(0, b / inputs).",
            example: "blocks = 2",
        }
    }

    fn layer(
        &self,
        options: &BlockDiagonalOptions,
        shape: &LinearShape,
        plan: &mut Plan,
    ) -> Result<Box<dyn Linear>, OptionError> {
        let parts = [(shape.inputs, "inputs"), (shape.outputs, "outputs")];
        let blocks = checked_parts("blocks", options.blocks, &parts)?;
        let columns = shape.inputs / blocks;
        let weight = plan.blocks("weight", blocks, shape.outputs / blocks, columns);
        plan.starting(weight, Start::Normal { std: (columns as f32).powf(-0.5) });
        plan.product(&[weight], 1.0);
        Ok(Box::new(Stages { stages: vec![Stage::together(weight, blocks)], bias: plan.bias(shape) }))
    }

    fn sizes(&self, shape: &LinearShape) -> Vec<Table> {
        common_divisors(&[shape.inputs, shape.outputs]).into_iter().map(|blocks| sizes([("blocks", blocks)])).collect()
    }
}
