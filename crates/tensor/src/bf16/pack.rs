//! Operands of a product, rounded to bfloat16 and in the order in which they are read.

use std::mem::MaybeUninit;

use rayon::prelude::*;

#[cfg(all(target_arch = "x86_64", target_os = "linux", not(lrx_without_avx512)))]
use super::amx;
use super::instructions::Instructions;
use super::kernel::{COLUMNS, PAIRS_OF_TILE, Pair, ROWS, pairs_of_columns, pairs_of_rows};
use crate::matmul::{MatRef, Threads};

/// Products of pairs that are added up before their sum is added to the others. A panel of columns of so many numbers, 32 KiB,
/// stays in the nearest cache while those of rows pass.
pub(super) const DEPTH: usize = 512;

/// Panels of a task at most; of lines that lie side by side they are read together.
const PANELS_OF_A_TASK: usize = 16;
/// Tasks for each thread, where there are so many panels.
const TASKS_OF_A_THREAD: usize = 4;

/// On which side of a product an operand stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    /// Its rows are its lines.
    Left,
    /// Its columns are its lines.
    Right,
}

/// The lines (rows of the left operand, columns of the right one) of a matrix in panels of some lines each.
///
/// The inner dimension is cut into pieces of at most [`DEPTH`], and its numbers are taken two by two. For each piece, then for
/// each panel come its pairs: one of each line, then the next of each; but of a left operand that is multiplied in tiles,
/// sixteen of each line, then the next sixteen. Lines and numbers that are not there are zero.
pub(crate) struct Packed {
    pairs: Vec<Pair>,
    lines: usize,
    depth: usize,
    /// Lines of a panel.
    width: usize,
    /// For which the pairs are in their order.
    instructions: Instructions,
}

impl Packed {
    /// A left operand.
    pub(crate) fn left(matrix: MatRef<'_>, threads: Threads) -> Self {
        Self::left_for(Instructions::of_this_processor(), matrix, threads)
    }

    /// A right operand.
    pub(crate) fn right(matrix: MatRef<'_>, threads: Threads) -> Self {
        Self::right_for(Instructions::of_this_processor(), matrix, threads)
    }

    pub(super) fn left_for(instructions: Instructions, matrix: MatRef<'_>, threads: Threads) -> Self {
        Self::new(instructions, Side::Left, matrix, threads)
    }

    pub(super) fn right_for(instructions: Instructions, matrix: MatRef<'_>, threads: Threads) -> Self {
        Self::new(instructions, Side::Right, matrix.t(), threads)
    }

    /// The rows of `lines`.
    fn new(instructions: Instructions, side: Side, lines: MatRef<'_>, threads: Threads) -> Self {
        let (count, depth) = (lines.rows(), lines.columns());
        let width = match side {
            Side::Left if !instructions.are_of_tiles() => ROWS,
            _ => COLUMNS,
        };
        let mut packed = Self { pairs: Vec::new(), lines: count, depth, width, instructions };
        let panels = packed.panels();
        let len = packed.start(packed.pieces());
        let mut pairs: Vec<Pair> = Vec::with_capacity(len);
        let mut rest = &mut pairs.spare_capacity_mut()[..len];
        let mut all = Vec::with_capacity(packed.pieces() * panels);
        for piece in 0..packed.pieces() {
            let inner = piece * DEPTH..depth.min((piece + 1) * DEPTH);
            let lines = lines.t().some_rows(inner).t();
            for panel in 0..panels {
                let (own, after) = rest.split_at_mut(packed.pairs_of(piece) * width);
                rest = after;
                all.push(Panel {
                    lines: lines.some_rows(panel * width..count.min((panel + 1) * width)),
                    width,
                    pairs: own,
                });
            }
        }
        let write = |panels: &mut [Panel<'_>]| write_panels(instructions, side, panels);
        match threads {
            Threads::One => write(&mut all),
            Threads::All => {
                let tasks = TASKS_OF_A_THREAD * rayon::current_num_threads();
                let of_task = all.len().div_ceil(tasks).clamp(1, PANELS_OF_A_TASK);
                all.par_chunks_mut(of_task).for_each(write);
            }
        }
        // SAFETY: the panels cover all, and of each `write_panels` writes all pairs.
        unsafe { pairs.set_len(len) };
        packed.pairs = pairs;
        packed
    }

    pub(super) fn instructions(&self) -> Instructions {
        self.instructions
    }

    /// Lines of a panel, but for the last.
    pub(super) fn width(&self) -> usize {
        self.width
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
        self.whole_pairs((self.depth - piece * DEPTH).min(DEPTH))
    }

    /// Where a piece begins: those before it are whole.
    fn start(&self, piece: usize) -> usize {
        let numbers = if piece == self.pieces() { self.depth } else { piece * DEPTH };
        self.whole_pairs(numbers) * self.width * self.panels()
    }

    /// Pairs of a line for so many numbers, those that fill a tile included.
    fn whole_pairs(&self, numbers: usize) -> usize {
        let pairs = numbers.div_ceil(2);
        if self.instructions.are_of_tiles() { pairs.next_multiple_of(PAIRS_OF_TILE) } else { pairs }
    }
}

/// A piece is one of whole tiles.
const _: () = assert!(DEPTH.is_multiple_of(2 * PAIRS_OF_TILE));

/// Some lines' numbers of one piece.
struct Panel<'a> {
    lines: MatRef<'a>,
    /// Lines for which there is room.
    width: usize,
    /// All of it is to be written.
    pairs: &'a mut [MaybeUninit<Pair>],
}

/// Writes all pairs of each panel: at once; or, where lines lie side by side, 16 of each line at a time, in all panels, so that what
/// is side by side is read together.
fn write_panels(instructions: Instructions, side: Side, panels: &mut [Panel<'_>]) {
    if panels.iter().all(|panel| panel.lines.rows_are_contiguous()) {
        return panels
            .iter_mut()
            .for_each(|panel| write_pairs(instructions, side, panel.pairs, panel.lines, panel.width));
    }
    let longest = panels.iter().map(|panel| panel.lines.columns()).max().unwrap_or(0);
    for begin in (0..longest).step_by(2 * PAIRS_OF_TILE) {
        for Panel { lines, width, pairs } in panels.iter_mut().filter(|panel| begin < panel.lines.columns()) {
            let inner = begin..lines.columns().min(begin + 2 * PAIRS_OF_TILE);
            let end = pairs.len().min((begin / 2 + PAIRS_OF_TILE) * *width);
            let own = &mut pairs[begin / 2 * *width..end];
            write_pairs(instructions, side, own, lines.t().some_rows(inner).t(), *width);
        }
    }
}

/// Writes all of `pairs`, from at most `width` lines.
fn write_pairs(
    instructions: Instructions,
    side: Side,
    pairs: &mut [MaybeUninit<Pair>],
    lines: MatRef<'_>,
    width: usize,
) {
    #[cfg(all(target_arch = "x86_64", target_os = "linux", not(lrx_without_avx512)))]
    if side == Side::Left && instructions == Instructions::Amx {
        return amx::pack_rows(pairs, lines);
    }
    let _ = side;
    let (pairs, none) = pairs.split_at_mut(lines.columns().div_ceil(2) * width);
    let pack = if lines.rows_are_contiguous() { pairs_of_rows } else { pairs_of_columns };
    pack(instructions, pairs, lines, width);
    none.fill(MaybeUninit::new(0));
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of more panels than a task has, and more than two pieces.
    #[test]
    fn one_thread_packs_what_all_do() {
        let (lines, depth) = (18 * COLUMNS + 5, 2 * DEPTH + 6);
        let x: Vec<f32> = (0..lines * depth).map(|i| (i * 7919 % 1013) as f32 - 500.0).collect();
        for matrix in [MatRef::new(&x, lines, depth), MatRef::new(&x, depth, lines).t()] {
            let sides: [fn(MatRef<'_>, Threads) -> Packed; 2] =
                [Packed::left, |matrix, threads| Packed::right(matrix.t(), threads)];
            for pack in sides {
                let [one, all] = [Threads::One, Threads::All].map(|threads| pack(matrix, threads));
                assert!(one.pairs == all.pairs && one.pairs.iter().any(|pair| *pair != 0));
            }
        }
    }
}
