//! Operands of a product, rounded to bfloat16 and in the order in which they are read.

use std::mem::MaybeUninit;

use rayon::prelude::*;

use super::kernel::{COLUMNS, Pair, ROWS, pairs_of_columns, pairs_of_rows};
use crate::matmul::{MatRef, Threads};

/// Products that are added up before their sum is added to the others: a panel of columns and one of rows of so many numbers
/// fit the nearest cache.
pub(super) const DEPTH: usize = 512;

/// Panels that are worth another thread.
const PANELS_OF_A_TASK: usize = 4;

/// The lines (rows of the left operand, columns of the right one) of a matrix in panels of `width`.
///
/// The inner dimension is cut into pieces of at most [`DEPTH`]. For each piece, then for each panel, then for two consecutive
/// numbers of the inner dimension: a pair for each line. Lines and numbers that are not there are zero.
pub(crate) struct Packed {
    pairs: Vec<Pair>,
    lines: usize,
    depth: usize,
    width: usize,
}

impl Packed {
    /// A left operand.
    pub(crate) fn left(matrix: MatRef<'_>, threads: Threads) -> Self {
        Self::new(matrix, ROWS, threads)
    }

    /// A right operand.
    pub(crate) fn right(matrix: MatRef<'_>, threads: Threads) -> Self {
        Self::new(matrix.t(), COLUMNS, threads)
    }

    /// The rows of `lines`.
    fn new(lines: MatRef<'_>, width: usize, threads: Threads) -> Self {
        let (count, depth) = (lines.rows(), lines.columns());
        let mut packed = Self { pairs: Vec::new(), lines: count, depth, width };
        let panels = packed.panels();
        let len = packed.start(packed.pieces());
        let mut pairs: Vec<Pair> = Vec::with_capacity(len);
        let mut rest = &mut pairs.spare_capacity_mut()[..len];
        let mut parts = Vec::with_capacity(packed.pieces() * panels);
        for piece in 0..packed.pieces() {
            for panel in 0..panels {
                let (part, after) = rest.split_at_mut(packed.pairs_of(piece) * width);
                parts.push((piece, panel, part));
                rest = after;
            }
        }
        let write = |(piece, panel, part): (usize, usize, &mut [MaybeUninit<Pair>])| {
            let inner = piece * DEPTH..depth.min((piece + 1) * DEPTH);
            let own = lines.some_rows(panel * width..count.min((panel + 1) * width)).t().some_rows(inner).t();
            write_panel(part, own, width);
        };
        match threads {
            Threads::One => parts.into_iter().for_each(write),
            Threads::All => parts.into_par_iter().with_min_len(PANELS_OF_A_TASK).for_each(write),
        }
        // SAFETY: the parts cover all, and `write_panel` writes each of its pairs.
        unsafe { pairs.set_len(len) };
        packed.pairs = pairs;
        packed
    }

    pub(super) fn lines(&self) -> usize {
        self.lines
    }

    /// The inner dimension.
    pub(super) fn depth(&self) -> usize {
        self.depth
    }

    pub(super) fn panels(&self) -> usize {
        self.lines.div_ceil(self.width)
    }

    /// Pieces of the inner dimension; one, of nothing, where it has no numbers.
    pub(super) fn pieces(&self) -> usize {
        self.depth.div_ceil(DEPTH).max(1)
    }

    /// A panel's pairs of one piece.
    pub(super) fn panel(&self, piece: usize, panel: usize) -> &[Pair] {
        let len = self.pairs_of(piece) * self.width;
        &self.pairs[self.start(piece) + panel * len..][..len]
    }

    fn pairs_of(&self, piece: usize) -> usize {
        (self.depth - piece * DEPTH).min(DEPTH).div_ceil(2)
    }

    /// Where a piece begins: those before it are whole.
    fn start(&self, piece: usize) -> usize {
        let pairs = if piece == self.pieces() { self.depth.div_ceil(2) } else { piece * DEPTH / 2 };
        pairs * self.width * self.panels()
    }
}

/// Writes one panel of one piece: all of `part`, from at most `width` lines.
fn write_panel(part: &mut [MaybeUninit<Pair>], lines: MatRef<'_>, width: usize) {
    if lines.rows_are_contiguous() { pairs_of_rows(part, lines, width) } else { pairs_of_columns(part, lines, width) }
}
