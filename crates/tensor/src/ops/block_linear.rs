//! Matrices side by side, each applied to its own part of a token's features: what structured layers are made of.
//!
//! The features of a block lie side by side, or as far apart as there are blocks. A product reads them where they lie; where
//! it is to write them apart, it writes a few hundred tokens into the cache, and they go to their places from there: a
//! shuffle costs no pass over memory of its own.

use std::ops::Range;

use rayon::prelude::*;

use super::add_column_sums;
use crate::buffer::filled;
use crate::matmul::{MatMut, MatRef, NARROW, Threads, matmul};
use crate::simd::vectorised;
use crate::{Activation, ActivationId, Node, Parameter, dims, values};

/// Where the features of a block lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Side by side: feature j of block i, of blocks of w features, at `i · w + j`.
    Together,
    /// As far apart as there are blocks: feature j of block i at `j · blocks + i`.
    Apart,
}

/// Which features the blocks read and write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Blocks {
    /// How many there are.
    pub count: usize,
    /// Where their inputs lie.
    pub reads: Order,
    /// Where their outputs lie.
    pub writes: Order,
}

/// `yᵢ = xᵢ · Wᵢᵀ` for each of `blocks.count` blocks, plus b, with x: tokens × (blocks · k), W: (blocks · n) × k, block under
/// block, b: 1 × (blocks · n), y: tokens × (blocks · n).
///
/// Gradients: dxᵢ = dyᵢ · Wᵢ, dWᵢ = dyᵢᵀ · xᵢ, db = Σ over tokens of dy.
///
/// # Panics
/// When the shapes do not fit.
pub fn block_linear(x: Activation, weight: &Parameter, bias: Option<&Parameter>, blocks: Blocks) -> Activation {
    let (x, mut tape) = x.split_tape();
    let ((tokens, features), (rows, inputs)) = (dims(&x), weight.dims());
    let Blocks { count, reads, writes } = blocks;
    assert!(count > 0 && rows % count == 0, "{rows} rows in {count} blocks");
    assert_eq!(features, count * inputs, "{count} blocks of {inputs} inputs");
    let outputs = rows / count;
    let (from, to) = (Side { order: reads, count, width: inputs }, Side { order: writes, count, width: outputs });
    let size = outputs * inputs;

    let (weights, bias_values) = (weight.values(), bias.map(Parameter::values));
    assert!(bias_values.is_none_or(|bias| bias.len() == rows), "one bias an output");
    let matrix = |i: usize| MatRef::new(&weights[i * size..][..size], outputs, inputs).t();
    let y = applied(values(&x), tokens, from, to, bias_values, matrix);
    let y = Node::new(y, tokens, rows);

    if tape.is_recording() {
        let output = ActivationId::from(&y);
        let (weight, gradient) = (weight.value().clone(), weight.gradient_handle());
        let bias_gradient = bias.map(Parameter::gradient_handle);
        tape.record(move |gradients| {
            let dy = gradients.take(output);
            if let Some(gradient) = bias_gradient {
                add_column_sums(&mut gradient.borrow_mut(), &dy);
            }
            // As many blocks as threads, or many more, are a fair share for each; few blocks are divided themselves.
            let threads = rayon::current_num_threads();
            let divided = if count % threads == 0 || count >= 4 * threads { Threads::One } else { Threads::All };
            gradient.update(|sum, add| {
                sum.par_chunks_mut(size.max(1)).enumerate().for_each(|(i, sum)| {
                    let sum = MatMut::new(sum, outputs, inputs);
                    matmul(sum, add, to.block(&dy, i).t(), from.block(values(&x), i), divided);
                });
            });
            let weights = values(&weight);
            let matrix = |i: usize| MatRef::new(&weights[i * size..][..size], outputs, inputs);
            gradients.of(&x).add(applied(&dy, tokens, to, from, None, matrix));
        });
    }
    y.put_tape(tape)
}

/// The features of all blocks on one side of their matrices.
#[derive(Clone, Copy)]
struct Side {
    order: Order,
    count: usize,
    width: usize,
}

impl Side {
    fn features(self) -> usize {
        self.count * self.width
    }

    /// Those of block i of the tokens `x`.
    fn block(self, x: &[f32], i: usize) -> MatRef<'_> {
        let features = self.features();
        let tokens = if features == 0 { 0 } else { x.len() / features };
        match self.order {
            Order::Together => MatRef::block(&x[(i * self.width).min(x.len())..], tokens, self.width, features),
            Order::Apart => MatRef::spread(&x[i.min(x.len())..], tokens, self.width, features, self.count),
        }
    }
}

/// Rows that a thread gets at least.
const PART_AT_LEAST: usize = 96;
/// Rows whose outputs are written apart from a buffer in the cache.
const PART_AT_MOST: usize = 256;
/// Parts begin at multiples of it, as those of `matmul`.
const UNIT: usize = 12;

/// How rows are divided among threads. Of blocks that are not narrow the products of each row are the same in whatever part
/// it is (see [`matmul`]); the others are divided by their shape alone.
fn parts(tokens: usize, narrow: bool) -> impl Fn(usize) -> Range<usize> + Sync {
    let threads = if narrow { 1 } else { rayon::current_num_threads() };
    let most = tokens.div_ceil(PART_AT_MOST);
    // As many as there are threads, or a multiple.
    let wanted = most.div_ceil(threads) * threads;
    let count = wanted.min(tokens / PART_AT_LEAST).max(most).max(1);
    let begin = move |part: usize| if part >= count { tokens } else { tokens * part / count / UNIT * UNIT };
    move |part: usize| begin(part)..begin(part + 1)
}

/// Each token's features on the side `from`, multiplied block by block: `matrix(i)` has `from.width` rows and `to.width`
/// columns.
fn applied<'m>(
    x: &[f32],
    tokens: usize,
    from: Side,
    to: Side,
    bias: Option<&[f32]>,
    matrix: impl Fn(usize) -> MatRef<'m> + Sync,
) -> Vec<f32> {
    let range = parts(tokens, to.width <= NARROW);
    let multiply = |x: &[f32], mut y: MatMut<'_>, add: bool| {
        for i in 0..to.count {
            let (block, rest) = y.split_columns(to.width);
            matmul(block, add, from.block(x, i), matrix(i), Threads::One);
            y = rest;
        }
    };
    let width = to.features();
    let part = |x: &[f32], y: &mut [std::mem::MaybeUninit<f32>], rows: usize| match (to.order, bias) {
        // SAFETY: the products of all blocks write every number.
        (Order::Together, None) => multiply(x, unsafe { MatMut::unwritten(y, rows, width) }, false),
        (Order::Together, Some(bias)) => {
            y.chunks_exact_mut(width).for_each(|y| {
                crate::buffer::write_copy(y, bias);
            });
            // SAFETY: every row has just been written.
            multiply(x, unsafe { MatMut::unwritten(y, rows, width) }, true);
        }
        (Order::Apart, bias) => {
            // SAFETY: as above.
            let blocks =
                unsafe { filled(rows * width, |blocks| multiply(x, MatMut::unwritten(blocks, rows, width), false)) };
            for (y, blocks) in y.chunks_exact_mut(width).zip(blocks.chunks_exact(width)) {
                spread(blocks, to.count, y);
                if let Some(bias) = bias {
                    // SAFETY: `spread` has written every number.
                    y.iter_mut().zip(bias).for_each(|(y, bias)| unsafe { *y.assume_init_mut() += bias });
                }
            }
        }
    };
    if width == 0 {
        return Vec::new();
    }
    // SAFETY: the parts cover all rows, and each writes all of its own.
    unsafe {
        filled(tokens * width, |mut y| {
            rayon::scope(|scope| {
                let mut begin = 0;
                for rows in (0..).map(&range) {
                    let (own, rest) = std::mem::take(&mut y).split_at_mut(rows.len() * width);
                    let (x, part) = (&x[begin * from.features()..rows.end * from.features()], &part);
                    (begin, y) = (rows.end, rest);
                    if rows.end == tokens {
                        part(x, own, rows.len());
                        return;
                    }
                    scope.spawn(move |_| part(x, own, rows.len()));
                }
            });
        })
    }
}

/// A row whose blocks lie together, written with their features apart.
fn spread(row: &[f32], count: usize, y: &mut [std::mem::MaybeUninit<f32>]) {
    /// With the number of blocks known, the compiler interleaves whole vectors.
    #[inline(always)]
    fn interleave<const COUNT: usize>(row: &[f32], y: &mut [std::mem::MaybeUninit<f32>]) {
        let width = row.len() / COUNT;
        let blocks: [&[f32]; COUNT] = std::array::from_fn(|i| &row[i * width..][..width]);
        for (j, y) in y.as_chunks_mut::<COUNT>().0.iter_mut().take(width).enumerate() {
            for i in 0..COUNT {
                y[i].write(blocks[i][j]);
            }
        }
    }
    vectorised(
        #[inline(always)]
        || match count {
            2 => interleave::<2>(row, y),
            3 => interleave::<3>(row, y),
            4 => interleave::<4>(row, y),
            6 => interleave::<6>(row, y),
            8 => interleave::<8>(row, y),
            16 => interleave::<16>(row, y),
            _ => {
                let width = row.len() / count;
                for (i, block) in row.chunks_exact(width).enumerate() {
                    y[i..].iter_mut().step_by(count).zip(block).for_each(|(y, &x)| {
                        y.write(x);
                    });
                }
            }
        },
    );
}
