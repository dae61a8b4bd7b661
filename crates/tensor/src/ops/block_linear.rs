//! Matrices side by side, each applied to its own part of a token's features: what structured layers are made of.
//!
//! The features of a block lie side by side, or as far apart as there are blocks. In the latter case some hundred tokens at
//! a time are brought together in the cache before a product reads them, or apart after one has written them: a shuffle
//! costs no pass over memory of its own, and no buffer that outlives it.

use std::borrow::Cow;
use std::mem::MaybeUninit;
use std::ops::Range;

use rayon::prelude::*;

use super::add_column_sums;
use super::transpose::transpose;
use crate::buffer::{filled, write_copy};
use crate::kept::Kept;
use crate::matmul::{MatMut, MatRef, NARROW, Threads, matmul};
use crate::{Activation, ActivationId, Node, Parameter, Precision, dims, values};

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
    let precision = tape.precision();
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
    let y = applied(values(&x), tokens, (from, to), bias_values, matrix, precision);
    let y = Node::new(y, tokens, rows);

    if tape.is_recording() {
        let output = ActivationId::from(&y);
        let (weight, gradient) = (weight.value().clone(), weight.gradient_handle());
        let bias_gradient = bias.map(Parameter::gradient_handle);
        let x = Kept::from(x);
        tape.record(move |gradients| {
            let dy = gradients.take(output);
            if let Some(gradient) = bias_gradient {
                add_column_sums(&mut gradient.borrow_mut(), &dy);
            }
            gradient
                .update(|sum, add| add_products(sum, add, (&dy, to), (values(&x.matrix()), from), tokens, precision));
            let weights = values(&weight);
            let matrix = |i: usize| MatRef::new(&weights[i * size..][..size], outputs, inputs);
            gradients.of(&x).add(applied(&dy, tokens, (to, from), None, matrix, precision));
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

    /// Rows with the features of each block side by side.
    fn together(self, x: &[f32]) -> Cow<'_, [f32]> {
        /// Rows that one thread brings together at a time.
        const ROWS: usize = 32;
        let features = self.features();
        if self.order == Order::Together || features == 0 {
            return Cow::Borrowed(x);
        }
        // SAFETY: each row is written whole.
        Cow::Owned(unsafe {
            filled(x.len(), |rows| {
                rows.par_chunks_mut(ROWS * features).zip(x.par_chunks(ROWS * features)).for_each(|(rows, x)| {
                    for (row, x) in rows.chunks_exact_mut(features).zip(x.chunks_exact(features)) {
                        transpose(x, self.count, 0..self.count, row);
                    }
                });
            })
        })
    }

    /// Block i of rows as `together` gives them.
    fn block(self, rows: &[f32], count: usize, i: usize) -> MatRef<'_> {
        MatRef::block(&rows[(i * self.width).min(rows.len())..], count, self.width, self.features())
    }
}

/// Rows that a thread gets at least.
const PART_AT_LEAST: usize = 96;
/// Rows that are worked on at a time: what is brought together of them stays in the cache.
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
    (from, to): (Side, Side),
    bias: Option<&[f32]>,
    matrix: impl Fn(usize) -> MatRef<'m> + Sync,
    precision: Precision,
) -> Vec<f32> {
    let range = parts(tokens, to.width <= NARROW);
    let multiply = |x: &[f32], rows: usize, mut y: MatMut<'_>, add: bool| {
        let x = from.together(x);
        for i in 0..to.count {
            let (block, rest) = y.split_columns(to.width);
            matmul(block, add, from.block(&x, rows, i), matrix(i), precision, Threads::One);
            y = rest;
        }
    };
    let width = to.features();
    let part = |x: &[f32], y: &mut [MaybeUninit<f32>], rows: usize| match (to.order, bias) {
        // SAFETY: the products of all blocks write every number.
        (Order::Together, None) => multiply(x, rows, unsafe { MatMut::unwritten(y, rows, width) }, false),
        (Order::Together, Some(bias)) => {
            y.chunks_exact_mut(width).for_each(|y| {
                write_copy(y, bias);
            });
            // SAFETY: every row has just been written.
            multiply(x, rows, unsafe { MatMut::unwritten(y, rows, width) }, true);
        }
        (Order::Apart, bias) => {
            // SAFETY: as above.
            let blocks =
                unsafe { filled(rows * width, |y| multiply(x, rows, MatMut::unwritten(y, rows, width), false)) };
            for (y, blocks) in y.chunks_exact_mut(width).zip(blocks.chunks_exact(width)) {
                transpose(blocks, to.width, 0..to.width, y);
                if let Some(bias) = bias {
                    // SAFETY: `transpose` has written every number.
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
                for rows in (0..).map(&range) {
                    let (own, rest) = std::mem::take(&mut y).split_at_mut(rows.len() * width);
                    let (x, part) = (&x[rows.start * from.features()..rows.end * from.features()], &part);
                    y = rest;
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

/// `sumᵢ = dyᵢᵀ · xᵢ`, or added to it, for each block, over all tokens in their order.
fn add_products(
    sum: &mut [f32],
    add: bool,
    (dy, to): (&[f32], Side),
    (x, from): (&[f32], Side),
    tokens: usize,
    precision: Precision,
) {
    let (count, size) = (to.count, to.width * from.width);
    if size == 0 {
        return;
    }
    let threads = rayon::current_num_threads();
    // Few blocks are divided themselves.
    let divided = if count % threads == 0 || count >= 4 * threads { Threads::One } else { Threads::All };
    // Where all lies together there is nothing to bring into the cache.
    let is_apart = to.order == Order::Apart || from.order == Order::Apart;
    let at_once = if is_apart { PART_AT_MOST } else { tokens.max(1) };
    let mut begin = 0;
    loop {
        let rows = begin..(begin + at_once).min(tokens);
        let dy = to.together(&dy[rows.start * to.features()..rows.end * to.features()]);
        let x = from.together(&x[rows.start * from.features()..rows.end * from.features()]);
        sum.par_chunks_exact_mut(size).enumerate().for_each(|(i, sum)| {
            let (dy, x) = (to.block(&dy, rows.len(), i), from.block(&x, rows.len(), i));
            matmul(MatMut::new(sum, to.width, from.width), add || rows.start > 0, dy.t(), x, precision, divided);
        });
        begin = rows.end;
        if begin == tokens {
            return;
        }
    }
}
