//! A matrix that is zero but in fixed places: the sparse part of "sparse + low-rank" (Han et al. 2024, SLTrain).
//!
//! Tokens are worked on 64 side by side, so that each nonzero number of the matrix meets whole vectors.

use std::mem::MaybeUninit;

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use crate::buffer::filled;
use crate::kept::Kept;
use crate::simd::{ARCH, LANES, sum, vectorised};
use crate::{Activation, ActivationId, Node, Parameter, dims, values};

/// Tokens side by side.
const TILE: usize = 64;
/// Features that are turned at once: a cache line of each token.
const LINE: usize = 16;
/// Nonzero numbers whose gradients one thread computes at a time, and tiles that it takes them over: those stay in the cache.
const BLOCK: usize = 512;
const TILES: usize = 8;

/// One feature of each of the tokens.
type Tile = [f32; TILE];

/// `y = x · Sᵀ` with x: tokens × inputs, and S: outputs × inputs, zero but in the places `support`, where it has `nonzeros`
/// (1 × as many). A place is `output · inputs + input`; they ascend.
///
/// Gradients: dx = dy · S, and of each nonzero number Σ over tokens of its output's dy · its input's x.
///
/// # Panics
/// When there are not as many nonzeros as places, or places do not ascend or are outside the matrix.
pub fn sparse_linear(x: Activation, nonzeros: &Parameter, support: &[u32], outputs: usize) -> Activation {
    let (x, mut tape) = x.split_tape();
    let (tokens, inputs) = dims(&x);
    assert_eq!(nonzeros.dims(), (1, support.len()), "a number for each of {} places", support.len());
    assert!(support.windows(2).all(|pair| pair[0] < pair[1]), "places that ascend");
    assert!(support.last().is_none_or(|&last| (last as usize) < outputs * inputs), "places in {outputs} × {inputs}");

    let places = Places::new(support, outputs, inputs);
    let y = Node::new(places.applied(nonzeros.values(), values(&x), inputs), tokens, outputs);

    if tape.is_recording() {
        let output = ActivationId::from(&y);
        let (nonzeros, gradient) = (nonzeros.value().clone(), nonzeros.gradient_handle());
        let x = Kept::from(x);
        tape.record(move |gradients| {
            let dy = gradients.take(output);
            gradient.add(&places.products(
                &turned(&dy, outputs),
                &turned(values(&x.matrix()), inputs),
                outputs,
                inputs,
            ));
            let (transposed, order) = places.transposed(inputs);
            let nonzeros = values(&nonzeros);
            let nonzeros: Vec<f32> = order.iter().map(|&j| nonzeros[j as usize]).collect();
            gradients.of(&x).add(transposed.applied(&nonzeros, &dy, outputs));
        });
    }
    y.put_tape(tape)
}

/// Where the nonzero numbers of a matrix are, row by row.
struct Places {
    /// Row r has the numbers `starts[r]..starts[r + 1]`.
    starts: Vec<usize>,
    rows: Vec<u32>,
    columns: Vec<u32>,
}

impl Places {
    fn new(support: &[u32], rows: usize, columns: usize) -> Self {
        let coordinates = support.iter().map(|&place| (place / columns as u32, place % columns as u32));
        let (of_rows, of_columns): (Vec<u32>, Vec<u32>) = coordinates.unzip();
        Self { starts: starts(&of_rows, rows), rows: of_rows, columns: of_columns }
    }

    /// Those of the transpose, which has `rows` rows, and which of these numbers its numbers are.
    fn transposed(&self, rows: usize) -> (Self, Vec<u32>) {
        let starts = starts(&self.columns, rows);
        let mut next = starts.clone();
        let mut order = vec![0; self.rows.len()];
        for (j, &column) in self.columns.iter().enumerate() {
            let next = &mut next[column as usize];
            order[*next] = j as u32;
            *next += 1;
        }
        let [rows, columns] =
            [&self.columns, &self.rows].map(|indices| order.iter().map(|&j| indices[j as usize]).collect());
        (Self { starts, rows, columns }, order)
    }

    /// Each token of x, `width` wide, multiplied by the matrix.
    fn applied(&self, nonzeros: &[f32], x: &[f32], width: usize) -> Vec<f32> {
        let rows = self.starts.len() - 1;
        // SAFETY: the tiles are whole tokens, and the kernel writes each row's number of each of them.
        unsafe {
            filled(x.len() / width * rows, |y| {
                y.par_chunks_mut(TILE * rows).zip(x.par_chunks(TILE * width)).for_each(|(y, x)| {
                    let mut tile = vec![[0.0; TILE]; width];
                    turn(x, &mut tile);
                    ARCH.dispatch(Apply { places: self, nonzeros, x: &tile, y });
                });
            })
        }
    }

    /// For each place Σ over tokens of a[row] · b[column].
    fn products(&self, a: &[Tile], b: &[Tile], rows: usize, columns: usize) -> Vec<f32> {
        let mut sums = vec![0.0; self.rows.len()];
        let places = self.rows.par_chunks(BLOCK).zip(self.columns.par_chunks(BLOCK));
        sums.par_chunks_mut(BLOCK).zip(places).for_each(|(sums, (of_rows, of_columns))| {
            let tiles = a.chunks(TILES * rows).zip(b.chunks(TILES * columns));
            vectorised(
                #[inline(always)]
                || {
                    for (a, b) in tiles {
                        for (sum, (&row, &column)) in sums.iter_mut().zip(of_rows.iter().zip(of_columns)) {
                            let of_row = a[row as usize..].iter().step_by(rows);
                            *sum += dot(of_row.zip(b[column as usize..].iter().step_by(columns)));
                        }
                    }
                },
            );
        });
        sums
    }
}

/// Σ a · b over the tokens of all tiles.
#[inline(always)]
fn dot<'a>(tiles: impl Iterator<Item = (&'a Tile, &'a Tile)>) -> f32 {
    let mut sums = [0.0; 2 * LANES];
    for (a, b) in tiles {
        let (a, b) = (a.as_chunks::<{ 2 * LANES }>().0, b.as_chunks::<{ 2 * LANES }>().0);
        for (a, b) in a.iter().zip(b) {
            for i in 0..2 * LANES {
                sums[i] += a[i] * b[i];
            }
        }
    }
    sum(&sums, |x| x)
}

/// Where each of `count` indices begins in an ascending list; counted, in any.
fn starts(indices: &[u32], count: usize) -> Vec<usize> {
    let mut starts = vec![0; count + 1];
    indices.iter().for_each(|&index| starts[index as usize + 1] += 1);
    for i in 0..count {
        starts[i + 1] += starts[i];
    }
    starts
}

/// Tokens of `width` features, 64 side by side: `tiles[token / 64 * width + feature][token % 64]`, and zeros behind the last.
fn turned(x: &[f32], width: usize) -> Vec<Tile> {
    let mut tiles = vec![[0.0; TILE]; (x.len() / width).div_ceil(TILE) * width];
    tiles.par_chunks_mut(width).zip(x.par_chunks(TILE * width)).for_each(|(tile, x)| turn(x, tile));
    tiles
}

/// At most 64 tokens.
fn turn(x: &[f32], tile: &mut [Tile]) {
    let width = tile.len();
    for (first, features) in (0..).step_by(LINE).zip(tile.chunks_mut(LINE)) {
        for (token, x) in x.chunks_exact(width).enumerate() {
            for (feature, x) in features.iter_mut().zip(&x[first..]) {
                feature[token] = *x;
            }
        }
    }
}

/// `y[token][row] = Σ nonzero · x[column][token]` over the row's numbers.
struct Apply<'a> {
    places: &'a Places,
    nonzeros: &'a [f32],
    x: &'a [Tile],
    y: &'a mut [MaybeUninit<f32>],
}

impl WithSimd for Apply<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        /// Vectors of tokens whose sums are held in registers.
        const N: usize = 4;
        let Self { places, nonzeros, x, y } = self;
        let rows = places.starts.len() - 1;
        let mut sums = [[0.0; TILE]; LINE];
        for first in (0..rows).step_by(LINE) {
            let sums = &mut sums[..LINE.min(rows - first)];
            for (sums, range) in sums.iter_mut().zip(places.starts[first..].windows(2)) {
                let (columns, nonzeros) = (&places.columns[range[0]..range[1]], &nonzeros[range[0]..range[1]]);
                for (part, sums) in S::as_mut_simd_f32s(sums).0.chunks_exact_mut(N).enumerate() {
                    let mut own = [simd.splat_f32s(0.0); N];
                    for (&column, &nonzero) in columns.iter().zip(nonzeros) {
                        let x = &S::as_simd_f32s(&x[column as usize]).0[part * N..][..N];
                        let nonzero = simd.splat_f32s(nonzero);
                        for n in 0..N {
                            own[n] = simd.mul_add_f32s(x[n], nonzero, own[n]);
                        }
                    }
                    sums.copy_from_slice(&own);
                }
            }
            for (token, y) in y.chunks_exact_mut(rows).enumerate() {
                for (y, sums) in y[first..].iter_mut().zip(&*sums) {
                    y.write(sums[token]);
                }
            }
        }
    }
}
