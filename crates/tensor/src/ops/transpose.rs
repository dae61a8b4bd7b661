//! Small matrices turned over, in the cache.

use std::mem::MaybeUninit;
use std::ops::Range;

use crate::simd::vectorised;

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
            // Tiles as large as there is room for: what is left of rows and columns is turned over in smaller ones.
            let mut whole = Tiles { x, columns, rows, first: some.start, y };
            let (r8, c8) = (rows / 8 * 8, some.start + some.len() / 8 * 8);
            whole.turn::<8>(0..r8, some.start..c8);
            whole.small(r8..rows, some.start..c8);
            whole.small(0..rows, c8..some.end);
        },
    );
}

struct Tiles<'a> {
    x: &'a [f32],
    columns: usize,
    rows: usize,
    first: usize,
    y: &'a mut [MaybeUninit<f32>],
}

impl Tiles<'_> {
    /// In tiles of four, and number by number.
    #[inline(always)]
    fn small(&mut self, rows: Range<usize>, columns: Range<usize>) {
        let r4 = rows.start + rows.len() / 4 * 4;
        let c4 = columns.start + columns.len() / 4 * 4;
        self.turn::<4>(rows.start..r4, columns.start..c4);
        self.each(r4..rows.end, columns.start..c4);
        self.each(rows, c4..columns.end);
    }

    /// Both ranges are of whole tiles.
    #[inline(always)]
    fn turn<const TILE: usize>(&mut self, rows: Range<usize>, columns: Range<usize>) {
        for r in rows.step_by(TILE) {
            for c in columns.clone().step_by(TILE) {
                let tile: [[f32; TILE]; TILE] = std::array::from_fn(|i| {
                    *self.x[(r + i) * self.columns + c..].first_chunk::<TILE>().expect("a row of the tile")
                });
                let turned: [[f32; TILE]; TILE] = std::array::from_fn(|j| std::array::from_fn(|i| tile[i][j]));
                for (column, row) in (c - self.first..).zip(turned) {
                    let y = &mut self.y[column * self.rows + r..][..TILE];
                    y.iter_mut().zip(row).for_each(|(y, x)| {
                        y.write(x);
                    });
                }
            }
        }
    }

    #[inline(always)]
    fn each(&mut self, rows: Range<usize>, columns: Range<usize>) {
        for c in columns {
            for r in rows.clone() {
                self.y[(c - self.first) * self.rows + r].write(self.x[r * self.columns + c]);
            }
        }
    }
}
