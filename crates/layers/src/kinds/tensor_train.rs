//! A block tensor train: a matrix as two cores.

use std::num::NonZeroUsize;

use lrx_tensor::ops::{Blocks, Order};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use toml::Table;

use super::divide::{checked_parts, near_root, near_root_below, sizes};
use super::stages::{Stage, Stages};
use crate::rules::init::structure_aware;
use crate::{About, Linear, LinearKind, LinearShape, OptionError, Plan};

/// A block tensor train of two cores.
pub struct TensorTrain;

/// The options of `tensor-train`.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TensorTrainOptions {
    /// s: how many numbers the two cores have in common for each pair of their blocks.
    #[serde(default = "one")]
    pub rank: NonZeroUsize,
    /// m₁, which divides the inputs m = m₁ · m₂; the divisor nearest to √m, at least √m, unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input_split: Option<NonZeroUsize>,
    /// n₁, which divides the outputs n = n₁ · n₂; the divisor nearest to √n, at most √n, unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_split: Option<NonZeroUsize>,
}

fn one() -> NonZeroUsize {
    NonZeroUsize::MIN
}

impl LinearKind for TensorTrain {
    type Options = TensorTrainOptions;

    fn about(&self) -> About {
        About {
            name: "tensor-train",
            version: 1,
            summary: "a matrix as two cores of small matrices (BTT)",
            description: "With m = m₁ m₂ inputs and n = n₁ n₂ outputs, y[c, o] = Σ over (a, i, ρ) of second[c][o, (a, ρ)] · \
                first[a][(ρ, c), i] · x[a, i], for a < m₂, i < m₁, c < n₁, o < n₂, ρ < rank: m₂ matrices (rank · n₁) × m₁ are each \
                applied to their part of the inputs, then n₁ matrices n₂ × (m₂ · rank) to what has index c. Parameters: \
                rank · (inputs · n₁ + outputs · m₂).\n\
                Each core starts from N(0, s²), s = √(1/d_in) · min(1, √(d_out/d_in)) of its own matrices' sizes.\n\
                Source: Qiu, Potapczynski, Finzi, Goldblum & Wilson, \"Compute Better Spent: Replacing Dense Layers with \
                Structured Matrices\", ICML 2024.",
            example: "rank = 2",
        }
    }

    fn settle(&self, options: &mut TensorTrainOptions, shape: &LinearShape) {
        options.input_split.get_or_insert_with(|| near_root(shape.inputs));
        options.output_split.get_or_insert_with(|| near_root_below(shape.outputs));
    }

    fn layer(
        &self,
        options: &TensorTrainOptions,
        shape: &LinearShape,
        plan: &mut Plan,
    ) -> Result<Box<dyn Linear>, OptionError> {
        let rank = options.rank.get();
        let input_split = options.input_split.unwrap_or_else(|| near_root(shape.inputs));
        let output_split = options.output_split.unwrap_or_else(|| near_root_below(shape.outputs));
        let m1 = checked_parts("input_split", input_split, &[(shape.inputs, "inputs")])?;
        let n1 = checked_parts("output_split", output_split, &[(shape.outputs, "outputs")])?;
        let (m2, n2) = (shape.inputs / m1, shape.outputs / n1);
        let first = plan.blocks("first.weight", m2, rank * n1, m1);
        plan.starting(first, structure_aware(rank * n1, m1));
        let second = plan.blocks("second.weight", n1, n2, m2 * rank);
        plan.starting(second, structure_aware(n2, m2 * rank));
        plan.product(&[first, second], rank as f64);
        plan.rank(rank);
        let apart = Blocks { count: n1, reads: Order::Apart, writes: Order::Together };
        let stages = vec![Stage::together(first, m2), Stage { weight: second, blocks: apart }];
        Ok(Box::new(Stages { stages, bias: plan.bias(shape) }))
    }

    fn sizes(&self, shape: &LinearShape) -> Vec<Table> {
        let (m1, n1) = (near_root(shape.inputs).get(), near_root_below(shape.outputs).get());
        let most = shape.inputs * shape.outputs / (shape.inputs * n1 + shape.outputs * (shape.inputs / m1));
        (1..=most.max(1)).map(|rank| sizes([("rank", rank), ("input_split", m1), ("output_split", n1)])).collect()
    }
}
