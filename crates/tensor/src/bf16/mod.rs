//! Matrix products of operands rounded to bfloat16, summed in f32.
//!
//! A bfloat16 is the upper half of an f32: its sign, its exponent, 7 of its 23 bits of fraction. A product of two of them is
//! exact in f32, so that all the error of a product is that of rounding its operands, relatively 2⁻⁹ at most each, and that of
//! f32 sums.
//!
//! Operands are rounded while they are packed: `pack` brings both matrices into the order in which `kernel` reads them.
//! `AVX512_BF16` multiplies and adds two pairs a lane in one instruction, twice as many as f32 has; a processor without it
//! widens them to f32 and does the same in the same order ([`is_native`] tells which).
//!
//! # The same bits
//!
//! Each number of the result is `Σ` over pieces of `pack::DEPTH` products, in their order; within a piece pairs are added in
//! their order, of each pair the second product first, as the instruction does. Nothing depends on where in a tile, or in
//! which thread's part, a number is.

mod kernel;
mod pack;

use std::ops::Range;

use rayon::prelude::*;

use kernel::{COLUMNS, Instructions, ROWS, instructions, multiply_tile};
pub(crate) use kernel::{FLOPS_OF_ROUND, multiply_adds};
pub(crate) use pack::Packed;

use crate::matmul::{MatMut, MatRef, Threads};

/// Multiply-adds below which a second thread costs more than it brings.
const WORTH_SPLITTING: usize = 1 << 20;
/// Multiply-adds of a task at least.
const TASK: usize = 1 << 19;
/// Tasks for each thread: one that is slowed down by others on the machine gets fewer.
const TASKS_OF_A_THREAD: usize = 8;

/// Whether this processor has instructions for it; if not, it gives the same numbers, more slowly than f32 ones.
pub fn is_native() -> bool {
    instructions() != Instructions::Widened
}

/// `c = a · b`, or `c += a · b` when `add` is true; the shapes fit.
pub(crate) fn multiply(c: MatMut<'_>, add: bool, a: MatRef<'_>, b: MatRef<'_>, threads: Threads) {
    let work = a.rows() * a.columns() * b.columns();
    let threads = if work < WORTH_SPLITTING { Threads::One } else { threads };
    multiply_packed(c, add, &Packed::left(a, threads), &Packed::right(b, threads), threads);
}

/// The same for operands that are packed already.
///
/// # Panics
/// When the shapes do not fit.
pub(crate) fn multiply_packed(mut c: MatMut<'_>, add: bool, a: &Packed, b: &Packed, threads: Threads) {
    let (m, n, k) = (a.lines(), b.lines(), a.depth());
    assert!((m, n, k) == (c.rows(), c.columns(), b.depth()), "a product of {m} × {k} by {} × {n}", b.depth());
    if m == 0 || n == 0 {
        return;
    }
    if matches!(threads, Threads::One) || rayon::current_num_threads() == 1 {
        return multiply_panels(&mut c, add, (a, 0..a.panels()), (b, 0..b.panels()));
    }
    // Tasks are parts of the rows or of the columns, whichever are more, by whole panels.
    let by_rows = a.panels() >= b.panels();
    let (panels, unit) = if by_rows { (a.panels(), ROWS) } else { (b.panels(), COLUMNS) };
    let tasks = (m * n * k / TASK).min(TASKS_OF_A_THREAD * rayon::current_num_threads()).clamp(1, panels);
    let begin = |task: usize| panels * task / tasks;
    let mut rest = Some(c);
    let parts: Vec<(Range<usize>, MatMut<'_>)> = (0..tasks)
        .map(|task| {
            let range = begin(task)..begin(task + 1);
            let whole = rest.take().expect("what the tasks before have left");
            let len = (range.len() * unit).min(if by_rows { whole.rows() } else { whole.columns() });
            let (part, after) = if by_rows { whole.split_rows(len) } else { whole.split_columns(len) };
            rest = Some(after);
            (range, part)
        })
        .collect();
    parts.into_par_iter().with_max_len(1).for_each(|(range, mut c)| {
        let (rows, columns) = if by_rows { (range, 0..b.panels()) } else { (0..a.panels(), range) };
        multiply_panels(&mut c, add, (a, rows), (b, columns));
    });
}

/// The products of some panels of rows and some of columns, whose numbers `c` is.
fn multiply_panels(
    c: &mut MatMut<'_>,
    add: bool,
    (a, rows): (&Packed, Range<usize>),
    (b, columns): (&Packed, Range<usize>),
) {
    for (piece, add) in (0..a.pieces()).map(|piece| (piece, add || piece > 0)) {
        for (j, column) in columns.clone().enumerate() {
            // The panel of columns stays in the nearest cache while those of rows pass.
            let b = b.panel(piece, column);
            for (i, row) in rows.clone().enumerate() {
                let tile = c.tile(i * ROWS..(i + 1) * ROWS, j * COLUMNS..(j + 1) * COLUMNS);
                multiply_tile(tile, add, a.panel(piece, row), b);
            }
        }
    }
}
