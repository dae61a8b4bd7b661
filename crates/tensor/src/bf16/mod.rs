//! Matrix products of operands rounded to bfloat16, summed in f32.
//!
//! A bfloat16 is the upper half of an f32: its sign, its exponent, 7 of its 23 bits of fraction. A product of two of them is
//! exact in f32, so that all the error of a product is that of rounding its operands, relatively 2⁻⁹ at most each, and that of
//! f32 sums.
//!
//! Operands are rounded while they are packed: `pack` brings both matrices into the order in which `kernel` or `amx` reads them.
//! `AMX-BF16` multiplies tiles of 16 × 32 numbers in one instruction, sixteen times the multiply-adds of f32 vectors;
//! `AVX512_BF16` pairs, twice as many at best. A processor without either widens them to f32 and adds up as pairs
//! are ([`is_native`] tells whether there is one of them).
//!
//! # The same bits
//!
//! Of pairs, each number of the result is `Σ` over pieces of `pack::DEPTH` products, in their order; within a piece pairs are
//! added in their order, of each pair the second product first, as the instruction does. Of tiles, the sums of 32 products
//! each, as `amx` says them, are added to the number in their order. Nothing depends on where in a
//! tile, or in which thread's part, a number is.

#[cfg(all(target_arch = "x86_64", target_os = "linux", not(lrx_without_avx512)))]
mod amx;
#[cfg(all(target_arch = "x86_64", not(lrx_without_avx512)))]
mod avx512;
mod instructions;
mod kernel;
mod pack;

use std::ops::Range;

use rayon::prelude::*;

use instructions::Instructions;
use kernel::{Pair, multiply_tile};
pub(crate) use pack::Packed;

use crate::matmul::{MatMut, MatRef, Threads};

/// Multiply-adds below which a second thread costs more than it brings.
const WORTH_SPLITTING: usize = 1 << 20;
/// The same for tiles.
const TILES_WORTH_SPLITTING: usize = 1 << 22;
/// Multiply-adds of a task of pairs at least.
const TASK: usize = 1 << 19;
/// Tasks of pairs for each thread: one that is slowed down by others on the machine gets fewer.
const TASKS_OF_A_THREAD: usize = 8;
/// Panels of rows, and of columns, of a task of tiles: 256 KiB of each in a piece.
const PANELS_IN_CACHE: usize = 8;

/// Whether this processor has instructions for it; if not, it gives the numbers that pairs have, more slowly than f32 ones.
pub fn is_native() -> bool {
    Instructions::of_this_processor() != Instructions::Widened
}

/// Whether they are of tiles, whose products are added up in another order than those of pairs.
pub(crate) fn is_of_tiles() -> bool {
    Instructions::of_this_processor().are_of_tiles()
}

/// `c = a · b`, or `c += a · b` when `add` is true; the shapes fit.
pub(crate) fn multiply(c: MatMut<'_>, add: bool, a: MatRef<'_>, b: MatRef<'_>, threads: Threads) {
    let work = a.rows() * a.columns() * b.columns();
    let worth_splitting = if is_of_tiles() { TILES_WORTH_SPLITTING } else { WORTH_SPLITTING };
    let threads = if work < worth_splitting { Threads::One } else { threads };
    multiply_packed(c, add, &Packed::left(a, threads), &Packed::right(b, threads), threads);
}

/// The same for operands that are packed already.
///
/// # Panics
/// When the shapes do not fit.
pub(crate) fn multiply_packed(mut c: MatMut<'_>, add: bool, a: &Packed, b: &Packed, threads: Threads) {
    let (m, n, k) = (a.lines(), b.lines(), a.depth());
    assert!((m, n, k) == (c.rows(), c.columns(), b.depth()), "a product of {m} × {k} by {} × {n}", b.depth());
    assert_eq!(a.instructions(), b.instructions(), "both are packed for the same instructions");
    if m == 0 || n == 0 {
        return;
    }
    if matches!(threads, Threads::One) || rayon::current_num_threads() == 1 {
        return multiply_panels(&mut c, add, (a, 0..a.panels()), (b, 0..b.panels()));
    }
    let parts = parts(a, b);
    let mut rest = Some(c);
    let mut tasks: Vec<(Range<usize>, Range<usize>, MatMut<'_>)> = Vec::with_capacity(parts.0 * parts.1);
    for rows in (0..parts.0).map(|part| a.panels() * part / parts.0..a.panels() * (part + 1) / parts.0) {
        let whole = rest.take().expect("what the rows before have left");
        let height = (rows.len() * a.width()).min(whole.rows());
        let (row, after) = whole.split_rows(height);
        rest = Some(after);
        let mut rest = Some(row);
        for columns in (0..parts.1).map(|part| b.panels() * part / parts.1..b.panels() * (part + 1) / parts.1) {
            let whole = rest.take().expect("what the columns before have left");
            let width = (columns.len() * b.width()).min(whole.columns());
            let (part, after) = whole.split_columns(width);
            rest = Some(after);
            tasks.push((rows.clone(), columns, part));
        }
    }
    tasks.into_par_iter().with_max_len(1).for_each(|(rows, columns, mut c)| {
        multiply_panels(&mut c, add, (a, rows), (b, columns));
    });
}

/// Into how many parts, by rows and by columns, a product of so many panels is divided.
///
/// Of pairs, by rows or by columns, whichever are more. Tiles are multiplied faster than their panels come from memory: a
/// part has few enough of both for the processor's own cache.
fn parts(a: &Packed, b: &Packed) -> (usize, usize) {
    let (m, n, k) = (a.lines(), b.lines(), a.depth());
    if a.instructions().are_of_tiles() {
        return (a.panels().div_ceil(PANELS_IN_CACHE), b.panels().div_ceil(PANELS_IN_CACHE));
    }
    let by_rows = a.panels() >= b.panels();
    let panels = if by_rows { a.panels() } else { b.panels() };
    let tasks = (m * n * k / TASK).min(TASKS_OF_A_THREAD * rayon::current_num_threads()).clamp(1, panels);
    if by_rows { (tasks, 1) } else { (1, tasks) }
}

/// The products of some panels of rows and some of columns, whose numbers `c` is.
fn multiply_panels(c: &mut MatMut<'_>, add: bool, a: (&Packed, Range<usize>), b: (&Packed, Range<usize>)) {
    match a.0.instructions() {
        #[cfg(all(target_arch = "x86_64", target_os = "linux", not(lrx_without_avx512)))]
        Instructions::Amx => {
            let tiles = amx::Tiles::new();
            each_tile(c, add, a, b, |c, add, a, b| amx::multiply_block(&tiles, c, add, a, b));
        }
        instructions => each_tile(c, add, a, b, |c, add, a, b| multiply_tile(instructions, c, add, a, b)),
    }
}

/// Calls `multiply` for each piece of the inner dimension and each part of `c` that a panel of rows and one of columns give.
fn each_tile(
    c: &mut MatMut<'_>,
    add: bool,
    (a, rows): (&Packed, Range<usize>),
    (b, columns): (&Packed, Range<usize>),
    multiply: impl Fn(MatMut<'_>, bool, &[Pair], &[Pair]),
) {
    let (height, width) = (a.width(), b.width());
    for (piece, add) in (0..a.pieces()).map(|piece| (piece, add || piece > 0)) {
        for (j, column) in columns.clone().enumerate() {
            // The panel of columns stays in the nearest cache while those of rows pass.
            let b = b.panel(piece, column);
            for (i, row) in rows.clone().enumerate() {
                let tile = c.tile(i * height..(i + 1) * height, j * width..(j + 1) * width);
                multiply(tile, add, a.panel(piece, row), b);
            }
        }
    }
}

/// Of [`multiply_adds`]: floating-point operations of a round.
pub(crate) fn flops_of_round() -> usize {
    match Instructions::of_this_processor() {
        #[cfg(all(target_arch = "x86_64", target_os = "linux", not(lrx_without_avx512)))]
        Instructions::Amx => amx::FLOPS_OF_ROUND,
        _ => kernel::FLOPS_OF_ROUND,
    }
}

/// So many rounds of multiply-adds by this processor's instructions, their operands in registers or in the nearest cache.
pub(crate) fn multiply_adds(rounds: usize) -> f32 {
    match Instructions::of_this_processor() {
        #[cfg(all(target_arch = "x86_64", target_os = "linux", not(lrx_without_avx512)))]
        Instructions::Amx => amx::multiply_adds(rounds),
        instructions => kernel::multiply_adds(instructions, rounds),
    }
}
