//! What several structured kinds are: products by blocks, one after the other.

use lrx_tensor::ops::{self, Blocks, Order};
use lrx_tensor::{Activation, Matrix, Parameter, matrix};

use crate::approximate::factors;
use crate::{Linear, ParameterId, Parameters, Pass, Progress, Values};

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

    /// Outputs and inputs of one block.
    fn block_dims(&self, parameters: &Parameters) -> (usize, usize) {
        let (rows, columns) = parameters[self.weight].dims();
        (rows / self.blocks.count, columns)
    }

    /// The whole matrix of the blocks.
    fn whole(&self, parameters: &Parameters) -> Matrix {
        let Blocks { count, reads, writes } = self.blocks;
        let (rows, columns) = self.block_dims(parameters);
        let (outputs, inputs) = (count * rows, count * columns);
        let mut whole = vec![0.0; outputs * inputs];
        for (i, row) in parameters[self.weight].values().chunks_exact(columns).enumerate() {
            let output = feature(writes, count, rows, i);
            for (j, number) in row.iter().enumerate() {
                whole[output * inputs + feature(reads, count, columns, i / rows * columns + j)] = *number;
            }
        }
        matrix(whole, outputs, inputs)
    }

    /// The blocks of `dense`, a matrix such as [`whole`](Self::whole) gives, one under the other.
    fn blocks_of(&self, dense: &Matrix, parameters: &Parameters) -> Matrix {
        let Blocks { count, reads, writes } = self.blocks;
        let (rows, columns) = self.block_dims(parameters);
        let places = (0..count * rows).flat_map(|i| (0..columns).map(move |j| (i, i / rows * columns + j)));
        let number = |(i, j)| dense[[feature(writes, count, rows, i), feature(reads, count, columns, j)]];
        matrix(places.map(number).collect(), count * rows, columns)
    }
}

/// Where feature `i` lies, of blocks of `width` features that are counted one block after the other.
fn feature(order: Order, count: usize, width: usize, i: usize) -> usize {
    match order {
        Order::Together => i,
        Order::Apart => i % width * count + i / width,
    }
}

impl Stages {
    /// The stages without their bias.
    pub(super) fn apply(&self, pass: &Pass<'_>, x: Activation) -> Activation {
        self.stages.iter().fold(x, |x, stage| stage.forward(pass, x, None))
    }

    /// Numbers with which one stage, or two, come as near to `dense` as they can.
    ///
    /// Between a block of inputs and a block of outputs lie some features that no other pair has: that part of the matrix is of
    /// so low a rank and of nothing else, and is best approximated by its singular values.
    pub(super) fn nearest(&self, dense: &Matrix, parameters: &Parameters) -> Option<Values> {
        let (first, second) = match self.stages[..] {
            [only] => return Some(vec![(only.weight, only.blocks_of(dense, parameters))]),
            [first, second] => (first, second),
            _ => return None,
        };
        let ((inner, inputs), (outputs, reads)) = (first.block_dims(parameters), second.block_dims(parameters));
        let (from, to) = (first.blocks, second.blocks);
        // Of each feature in between: its row in the first weight and its place among all that the second reads, by where it lies.
        let mut row_at = vec![0; from.count * inner];
        (0..row_at.len()).for_each(|row| row_at[feature(from.writes, from.count, inner, row)] = row);
        let mut between: Vec<Vec<(usize, usize)>> = vec![Vec::new(); from.count * to.count];
        for place in 0..to.count * reads {
            let row = row_at[feature(to.reads, to.count, reads, place)];
            between[row / inner * to.count + place / reads].push((row, place % reads));
        }
        let mut found = [(first, from.count * inner, inputs), (second, to.count * outputs, reads)]
            .map(|(stage, rows, columns)| (stage.weight, vec![0.0; rows * columns], rows, columns));
        for (pair, features) in between.iter().enumerate().filter(|(_, features)| !features.is_empty()) {
            let (a, b) = (pair / to.count, pair % to.count);
            let places = (0..outputs).flat_map(|i| (0..inputs).map(move |j| (b * outputs + i, a * inputs + j)));
            let number =
                |(i, j)| dense[[feature(to.writes, to.count, outputs, i), feature(from.reads, from.count, inputs, j)]];
            let part: Vec<f32> = places.map(number).collect();
            let rank = features.len();
            let (down, up) = factors(&part, outputs, inputs, rank);
            for (r, &(row, column)) in features.iter().enumerate() {
                found[0].1[row * inputs..][..inputs].copy_from_slice(&down[r * inputs..][..inputs]);
                (0..outputs).for_each(|i| found[1].1[(b * outputs + i) * reads + column] = up[i * rank + r]);
            }
        }
        Some(found.map(|(weight, numbers, rows, columns)| (weight, matrix(numbers, rows, columns))).into())
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

    fn approximation(&self, dense: &Matrix, parameters: &Parameters) -> Option<Values> {
        self.nearest(dense, parameters)
    }
}
