//! Small matrices turned over, in the cache.

use std::mem::MaybeUninit;
use std::ops::Range;

use crate::simd::vectorised;

/// Numbers a side of what is turned over at once.
const TILE: usize = 8;

/// Some columns of `x`, a matrix with rows of `columns`, as rows one behind the other: `y[(c − first) · rows + r] = x[r, c]`.
/// Writes all of `y`.
///
/// # Panics
/// When `y` is not as long as the columns are.
pub(super) fn transpose(x: &[f32], columns: usize, some: Range<usize>, y: &mut [MaybeUninit<f32>]) {
    let rows = x.len() / columns;
    assert!(x.len() == rows * columns && some.end <= columns && y.len() == rows * some.len(), "numbers to turn over");
    vectorised(
        #[inline(always)]
        || {
            let (whole_rows, first, last) = (rows / TILE * TILE, some.start, some.end);
            let whole_columns = first + (last - first) / TILE * TILE;
            for r in (0..whole_rows).step_by(TILE) {
                for c in (first..whole_columns).step_by(TILE) {
                    turn(&x[r * columns + c..], columns, &mut y[(c - first) * rows + r..], rows);
                }
            }
            // What is left at the right, and below.
            for c in first..last {
                let from = if c < whole_columns { whole_rows } else { 0 };
                let y = &mut y[(c - first) * rows..][..rows];
                for (r, y) in y.iter_mut().enumerate().skip(from) {
                    y.write(x[r * columns + c]);
                }
            }
        },
    );
}

/// One tile.
#[inline(always)]
fn turn(x: &[f32], x_stride: usize, y: &mut [MaybeUninit<f32>], y_stride: usize) {
    let mut tile = [[0.0_f32; TILE]; TILE];
    for (r, row) in tile.iter_mut().enumerate() {
        row.copy_from_slice(&x[r * x_stride..][..TILE]);
    }
    let mut turned = [[0.0_f32; TILE]; TILE];
    for r in 0..TILE {
        for c in 0..TILE {
            turned[c][r] = tile[r][c];
        }
    }
    for (c, row) in turned.iter().enumerate() {
        for (y, x) in y[c * y_stride..][..TILE].iter_mut().zip(row) {
            y.write(*x);
        }
    }
}
