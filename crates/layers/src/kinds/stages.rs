//! What several structured kinds are: products by blocks, one after the other.

use lrx_tensor::ops::{self, Blocks, Order};
use lrx_tensor::{Activation, Matrix, Parameter, matrix};

use crate::{Linear, ParameterId, Parameters, Pass, Progress};

/// Products by blocks, applied in their order, and a bias behind the last.
#[derive(Clone)]
pub(super) struct Stages {
    pub(super) stages: Vec<Stage>,
    pub(super) bias: Option<ParameterId>,
}

/// A product by blocks.
#[derive(Clone, Copy)]
pub(super) struct Stage {
    pub(super) weight: ParameterId,
    pub(super) blocks: Blocks,
}

impl Stage {
    /// Each block reads and writes features that lie together.
    pub(super) fn together(weight: ParameterId, count: usize) -> Self {
        Self { weight, blocks: Blocks { count, reads: Order::Together, writes: Order::Together } }
    }

    fn forward(&self, pass: &Pass<'_>, x: Activation, bias: Option<&Parameter>) -> Activation {
        let weight = &pass[self.weight];
        if self.blocks.count == 1 {
            ops::linear(x, weight, bias)
        } else {
            ops::block_linear(x, weight, bias, self.blocks)
        }
    }

    /// The whole matrix of the blocks.
    fn whole(&self, parameters: &Parameters) -> Matrix {
        let Blocks { count, reads, writes } = self.blocks;
        let weight = &parameters[self.weight];
        let (rows, columns) = (weight.dims().0 / count, weight.dims().1);
        let feature = |order: Order, width: usize, block: usize, i: usize| match order {
            Order::Together => block * width + i,
            Order::Apart => i * count + block,
        };
        let (outputs, inputs) = (count * rows, count * columns);
        let mut whole = vec![0.0; outputs * inputs];
        for (i, row) in weight.values().chunks_exact(columns).enumerate() {
            let (block, row_of_block) = (i / rows, i % rows);
            let output = feature(writes, rows, block, row_of_block);
            for (j, number) in row.iter().enumerate() {
                whole[output * inputs + feature(reads, columns, block, j)] = *number;
            }
        }
        matrix(whole, outputs, inputs)
    }
}

impl Stages {
    /// The stages without their bias.
    pub(super) fn apply(&self, pass: &Pass<'_>, x: Activation) -> Activation {
        self.stages.iter().fold(x, |x, stage| stage.forward(pass, x, None))
    }

    /// The product of the stages' whole matrices.
    pub(super) fn product(&self, parameters: &Parameters) -> Matrix {
        let wholes = self.stages.iter().map(|stage| stage.whole(parameters));
        wholes.reduce(|product, next| next.product(&product)).expect("at least one stage")
    }
}

impl Linear for Stages {
    fn forward(&self, pass: &Pass<'_>, x: Activation) -> Activation {
        let (last, others) = self.stages.split_last().expect("at least one stage");
        let x = others.iter().fold(x, |x, stage| stage.forward(pass, x, None));
        last.forward(pass, x, self.bias.map(|bias| &pass[bias]))
    }

    fn dense_equivalent(&self, parameters: &Parameters, _: Progress) -> Option<Matrix> {
        Some(self.product(parameters))
    }
}
