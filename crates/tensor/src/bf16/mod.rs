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
/// The same for tiles.
const TILES_TASK: usize = 1 << 22;
/// Tasks for each thread: one that is slowed down by others on the machine gets fewer.
const TASKS_OF_A_THREAD: usize = 8;
/// Panels of rows, and of columns, of a task of tiles at most: 256 KiB of each in a piece.
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
pub(crate) fn multiply_packed(c: MatMut<'_>, add: bool, a: &Packed, b: &Packed, threads: Threads) {
    let (m, n, k) = (a.lines(), b.lines(), a.depth());
    assert!((m, n, k) == (c.rows(), c.columns(), b.depth()), "a product of {m} × {k} by {} × {n}", b.depth());
    assert_eq!(a.instructions(), b.instructions(), "both are packed for the same instructions");
    if m == 0 || n == 0 {
        return;
    }
    let threads = match threads {
        Threads::One => 1,
        Threads::All => rayon::current_num_threads(),
    };
    let multiply = |Part { rows, columns, mut c }: Part<'_>| multiply_panels(&mut c, add, (a, rows), (b, columns));
    let parts = parts(c, a, b, threads);
    if threads == 1 {
        parts.into_iter().for_each(multiply);
    } else {
        parts.into_par_iter().with_max_len(1).for_each(multiply);
    }
}

/// A part of a product.
struct Part<'a> {
    /// Panels of the left operand.
    rows: Range<usize>,
    /// Panels of the right operand.
    columns: Range<usize>,
    /// What they give.
    c: MatMut<'a>,
}

/// Divides a product by whole panels.
fn parts<'a>(c: MatMut<'a>, a: &Packed, b: &Packed, threads: usize) -> Vec<Part<'a>> {
    let (by_rows, by_columns) = division(a, b, threads);
    let range = |panels: usize, part: usize, of: usize| panels * part / of..panels * (part + 1) / of;
    let mut parts = Vec::with_capacity(by_rows * by_columns);
    let mut below = c;
    for part in 0..by_rows {
        let rows = range(a.panels(), part, by_rows);
        let height = (rows.len() * a.width()).min(below.rows());
        let (mut right, rest) = below.split_rows(height);
        below = rest;
        for part in 0..by_columns {
            let columns = range(b.panels(), part, by_columns);
            let width = (columns.len() * b.width()).min(right.columns());
            let (c, rest) = right.split_columns(width);
            right = rest;
            parts.push(Part { rows: rows.clone(), columns, c });
        }
    }
    parts
}

/// Into how many parts a product is divided by its rows, and by its columns.
///
/// Of pairs, by rows or by columns, whichever are more. Tiles are multiplied faster than their panels come from memory: a
/// part has few enough of both for the processor's own cache, on one thread, too.
fn division(a: &Packed, b: &Packed, threads: usize) -> (usize, usize) {
    let work = a.lines() * b.lines() * a.depth();
    let (rows, columns) = (a.panels(), b.panels());
    let task = if a.instructions().are_of_tiles() { TILES_TASK } else { TASK };
    let wanted = if threads == 1 { 1 } else { (work / task).min(TASKS_OF_A_THREAD * threads).max(1) };
    if a.instructions().are_of_tiles() {
        let (mut by_rows, mut by_columns) = (rows.div_ceil(PANELS_IN_CACHE), columns.div_ceil(PANELS_IN_CACHE));
        while by_rows * by_columns < wanted && (by_rows < rows || by_columns < columns) {
            let longer_by_rows = rows.div_ceil(by_rows) >= columns.div_ceil(by_columns);
            let (parts, panels) = if longer_by_rows { (&mut by_rows, rows) } else { (&mut by_columns, columns) };
            *parts = (2 * *parts).min(panels);
        }
        return (by_rows, by_columns);
    }
    if rows >= columns { (wanted.min(rows), 1) } else { (1, wanted.min(columns)) }
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// All that this processor can compute with.
    fn possible() -> Vec<Instructions> {
        #[allow(unused_mut)]
        let mut possible = vec![Instructions::Widened];
        #[cfg(all(target_arch = "x86_64", not(lrx_without_avx512)))]
        if is_native() {
            possible.push(Instructions::Avx512Bf16);
        }
        if is_of_tiles() {
            possible.push(Instructions::of_this_processor());
        }
        possible
    }

    /// Integers of few bits times powers of two: bfloat16 numbers.
    fn numbers(count: usize) -> impl Strategy<Value = Vec<f32>> {
        prop::collection::vec((-255..256_i32, -6..7_i32), count)
            .prop_map(|numbers| numbers.into_iter().map(|(n, power)| n as f32 * 2f32.powi(power)).collect())
    }

    fn operands() -> impl Strategy<Value = ([usize; 3], Vec<f32>, Vec<f32>, Vec<f32>)> {
        (1..150_usize, 1..150_usize, prop_oneof![0..80_usize, 500..530_usize, 1010..1030_usize])
            .prop_flat_map(|(m, n, k)| (Just([m, n, k]), numbers(m * k), numbers(k * n), numbers(m * n)))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(60))]

        #[test]
        fn whole_products_by_every_kind_of_instructions(
            ([m, n, k], a, b, before) in operands(),
            transposed: [bool; 2],
            add: bool,
        ) {
            let view = |x, rows, columns, transposed: bool| {
                if transposed { MatRef::new(x, columns, rows).t() } else { MatRef::new(x, rows, columns) }
            };
            let (a, b) = (view(&a[..], m, k, transposed[0]), view(&b[..], k, n, transposed[1]));
            let by = |instructions, threads| {
                let mut c = before.clone();
                let (a, b) = (Packed::left_for(instructions, a, threads), Packed::right_for(instructions, b, threads));
                multiply_packed(MatMut::new(&mut c, m, n), add, &a, &b, threads);
                c
            };
            let at = |x: MatRef<'_>, row: usize, column: usize| {
                let line = if x.rows_are_contiguous() { x.row(row)[column] } else { x.t().row(column)[row] };
                f64::from(line)
            };
            let bits = |c: &[f32]| c.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
            let mut of_pairs: Option<Vec<f32>> = None;
            for instructions in possible() {
                let c = by(instructions, Threads::All);
                prop_assert_eq!(bits(&c), bits(&by(instructions, Threads::One)), "{:?}, one thread or all", instructions);
                for i in 0..m {
                    for j in 0..n {
                        let products = (0..k).map(|l| at(a, i, l) * at(b, l, j));
                        let (sum, sizes) = products.fold((0.0, 0.0), |(sum, sizes), p| (sum + p, sizes + p.abs()));
                        let was = if add { f64::from(before[i * n + j]) } else { 0.0 };
                        let allowed = (k as f64).sqrt().max(2.0) * 4.0 * 2f64.powi(-24) * (sizes + was.abs());
                        let error = (f64::from(c[i * n + j]) - (sum + was)).abs();
                        prop_assert!(error <= allowed, "{:?} [{}, {}]: {:e} > {:e}", instructions, i, j, error, allowed);
                    }
                }
                if !instructions.are_of_tiles() {
                    let first = of_pairs.get_or_insert_with(|| c.clone());
                    prop_assert_eq!(bits(first), bits(&c), "{:?} as widened ones", instructions);
                }
            }
        }
    }
}
