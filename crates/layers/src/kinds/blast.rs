//! Blocks that share their low-rank factors.

use std::num::NonZeroUsize;

use lrx_tensor::ops::{self, Blocks, Order};
use lrx_tensor::{Activation, Matrix, matrix};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use toml::Table;

use super::divide::{checked_parts, common_divisors, sizes};
use super::low_rank::checked_rank;
use crate::{
    About, Linear, LinearKind, LinearShape, OptionError, ParameterId, Parameters, Pass, Plan, Progress, Role, Size,
    Start,
};

/// `yᵢ = Bᵢ Σⱼ dᵢⱼ ∘ (Cⱼ xⱼ)`
pub struct Blast;

/// The options of `blast`.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BlastOptions {
    /// The rank r that all blocks share: at most the smaller side of the matrix.
    pub rank: NonZeroUsize,
    /// b: the matrix is divided into b × b blocks. It divides the inputs and the outputs.
    pub blocks: NonZeroUsize,
}

struct BlastLayer {
    /// C: b blocks of rank × (inputs / b).
    right: ParameterId,
    /// d: row `i · b + j` couples output block i to input block j.
    coupling: ParameterId,
    /// B: b blocks of (outputs / b) × rank.
    left: ParameterId,
    bias: Option<ParameterId>,
    blocks: usize,
}

/// Of the numbers that couple blocks, which start evenly in 0 … 2: E d².
const MEAN_SQUARE_OF_COUPLING: f64 = 4.0 / 3.0;

impl LinearKind for Blast {
    type Options = BlastOptions;

    fn about(&self) -> About {
        About {
            name: "blast",
            version: 1,
            summary: "b × b blocks of low rank that share their factors (BLAST)",
            description: "y_i = B_i Σ_j d_ij ∘ (C_j x_j) + c_i: block (i, j) of the matrix is B_i diag(d_ij) C_j, with one B_i a row of \
                blocks (`left`), one C_j a column (`right`) and rank numbers d_ij a block (`coupling`). Parameters: \
                rank · (inputs + outputs + b²).\n\
                B and C start from N(0, 0.02), d evenly in 0 … 2.\n\
                Source: Lee, Kwon, Qu & Kim, \"BLAST: Block-Level Adaptive Structured Matrices for Efficient Deep Neural Network \
                Inference\", NeurIPS 2024.",
            example: "rank = 3\nblocks = 2",
        }
    }

    fn layer(
        &self,
        options: &BlastOptions,
        shape: &LinearShape,
        plan: &mut Plan,
    ) -> Result<Box<dyn Linear>, OptionError> {
        let rank = checked_rank(options.rank, shape)?;
        let parts = [(shape.inputs, "inputs"), (shape.outputs, "outputs")];
        let blocks = checked_parts("blocks", options.blocks, &parts)?;
        let std = 0.02_f32.sqrt();
        let right = plan.blocks("right.weight", blocks, rank, shape.inputs / blocks);
        plan.starting(right, Start::Normal { std });
        let evenly = Start::Uniform { low: 0.0, high: 2.0 };
        let coupling = plan.parameter("coupling.weight", Size::Matrix(blocks * blocks, rank), Role::Scale, evenly);
        let left = plan.blocks("left.weight", blocks, shape.outputs / blocks, rank);
        plan.starting(left, Start::Normal { std });
        plan.product(&[right, left], rank as f64 * MEAN_SQUARE_OF_COUPLING);
        plan.rank(rank);
        plan.flops(2 * rank * (shape.inputs + shape.outputs + blocks * blocks));
        Ok(Box::new(BlastLayer { right, coupling, left, bias: plan.bias(shape), blocks }))
    }

    fn sizes(&self, shape: &LinearShape) -> Vec<Table> {
        let most = shape.inputs.min(shape.outputs);
        let of_blocks = |blocks| (1..=most).map(move |rank| sizes([("rank", rank), ("blocks", blocks)]));
        common_divisors(&[shape.inputs, shape.outputs]).into_iter().flat_map(of_blocks).collect()
    }
}

impl Linear for BlastLayer {
    fn forward(&self, pass: &Pass<'_>, x: Activation) -> Activation {
        let blocks = Blocks { count: self.blocks, reads: Order::Together, writes: Order::Together };
        let z = ops::block_linear(x, &pass[self.right], None, blocks); // tokens × (b · rank)
        let z = ops::couple(z, &pass[self.coupling], self.blocks);
        ops::block_linear(z, &pass[self.left], self.bias.map(|bias| &pass[bias]), blocks)
    }

    fn dense_equivalent(&self, parameters: &Parameters, _: Progress) -> Option<Matrix> {
        let [right, coupling, left] = [self.right, self.coupling, self.left].map(|id| parameters[id].value());
        let b = self.blocks;
        let (left_rows, rank) = parameters[self.left].dims();
        let (rows, columns) = (left_rows / b, parameters[self.right].dims().1);
        let number = |row: usize, column: usize| -> f32 {
            let (i, j) = (row / rows, column / columns);
            let term = |r: usize| left[[row, r]] * coupling[[i * b + j, r]] * right[[j * rank + r, column % columns]];
            (0..rank).map(term).sum()
        };
        let places = (0..b * rows).flat_map(|row| (0..b * columns).map(move |column| (row, column)));
        Some(matrix(places.map(|(row, column)| number(row, column)).collect(), b * rows, b * columns))
    }
}
