//! Packing of pairs and products of them, by whatever instructions the processor has.

use std::hint::black_box;
use std::mem::MaybeUninit;

#[cfg(all(target_arch = "x86_64", not(lrx_without_avx512)))]
use super::avx512;
use super::instructions::Instructions;
use crate::matmul::{MatMut, MatRef};
use crate::simd::vectorised;

/// Two numbers of a line that follow one another, as bfloat16: the first in the lower half.
pub(super) type Pair = u32;

/// Rows of a tile of the result.
pub(super) const ROWS: usize = 12;
/// Columns of a tile: two vectors of AVX-512. With 12 rows, 24 sums are under way at once, enough to hide how long one takes.
pub(super) const COLUMNS: usize = 2 * LANES;
pub(super) const LANES: usize = 16;
/// Pairs of a line in a tile, which are multiplied by one instruction.
pub(super) const PAIRS_OF_TILE: usize = 16;

/// Of [`multiply_adds`]: two for each multiply-add of a pair in each lane of a tile's sums.
pub(super) const FLOPS_OF_ROUND: usize = 4 * ROWS * COLUMNS;

/// `c = a · b`, or added to it, for a panel of rows, one of columns, and the tile that they give: at most [`ROWS`] ×
/// [`COLUMNS`]. What of the panels lies outside the tile is not written.
pub(super) fn multiply_tile(instructions: Instructions, c: MatMut<'_>, add: bool, a: &[Pair], b: &[Pair]) {
    assert!(a.len() / ROWS == b.len() / COLUMNS && c.rows() <= ROWS && c.columns() <= COLUMNS, "panels of a tile");
    match instructions {
        // SAFETY: the processor has the instructions (it was asked).
        #[cfg(all(target_arch = "x86_64", not(lrx_without_avx512)))]
        Instructions::Avx512Bf16 if c.columns() <= LANES => unsafe { avx512::multiply_tile::<1>(c, add, a, b) },
        // SAFETY: as above.
        #[cfg(all(target_arch = "x86_64", not(lrx_without_avx512)))]
        Instructions::Avx512Bf16 => unsafe { avx512::multiply_tile::<2>(c, add, a, b) },
        Instructions::Widened => multiply_tile_widened(c, add, a, b),
        #[cfg(all(target_arch = "x86_64", target_os = "linux", not(lrx_without_avx512)))]
        Instructions::Amx => unreachable!("blocks of tiles are `amx`'s"),
    }
}

/// So many rounds of a tile's multiply-adds, of [`FLOPS_OF_ROUND`] each, its panels in the nearest cache.
pub(super) fn multiply_adds(instructions: Instructions, rounds: usize) -> f32 {
    const DEPTH: usize = 64;
    let pair = black_box(pair_of(0.5, 0.25));
    let (a, b) = ([pair; DEPTH * ROWS], [pair; DEPTH * COLUMNS]);
    let mut c = [0.0; ROWS * COLUMNS];
    let mut left = rounds;
    while left > 0 {
        let depth = left.min(DEPTH);
        let tile = MatMut::new(&mut c, ROWS, COLUMNS);
        multiply_tile(instructions, tile, true, &a[..depth * ROWS], &b[..depth * COLUMNS]);
        left -= depth;
    }
    c[0]
}

/// Pairs of lines (rows) whose numbers lie side by side: two of each line at a time, for all lines, then the next two. Lines
/// that are fewer than `width` are followed by zeros.
pub(super) fn pairs_of_rows(
    instructions: Instructions,
    pairs: &mut [MaybeUninit<Pair>],
    lines: MatRef<'_>,
    width: usize,
) {
    let inner = lines.columns();
    assert!(pairs.len() == inner.div_ceil(2) * width && lines.rows() <= width, "all pairs of a panel");
    #[cfg(all(target_arch = "x86_64", not(lrx_without_avx512)))]
    if instructions != Instructions::Widened {
        // SAFETY: the processor has the instructions (it was asked).
        return unsafe { avx512::pairs_of_rows(pairs, lines, width) };
    }
    let _ = instructions;
    for (p, pairs) in pairs.chunks_exact_mut(width).enumerate() {
        let (first, second) = (2 * p, 2 * p + 1);
        for (line, pair) in pairs.iter_mut().enumerate() {
            let at = |i: usize| if line < lines.rows() && i < inner { lines.row(line)[i] } else { 0.0 };
            pair.write(pair_of(at(first), at(second)));
        }
    }
}

/// The same of lines (rows) that lie side by side: the first number of each, then the second of each.
pub(super) fn pairs_of_columns(
    instructions: Instructions,
    pairs: &mut [MaybeUninit<Pair>],
    lines: MatRef<'_>,
    width: usize,
) {
    let (inner, columns, count) = (lines.columns(), lines.t(), lines.rows());
    assert!(pairs.len() == inner.div_ceil(2) * width && count <= width, "all pairs of a panel");
    #[cfg(all(target_arch = "x86_64", not(lrx_without_avx512)))]
    if instructions != Instructions::Widened {
        // SAFETY: as above.
        return unsafe { avx512::pairs_of_columns(pairs, lines, width) };
    }
    let _ = instructions;
    let zeros = [0.0; COLUMNS];
    vectorised(
        #[inline(always)]
        || {
            for (p, pairs) in pairs.chunks_exact_mut(width).enumerate() {
                let first = columns.row(2 * p);
                let second = if 2 * p + 1 < inner { columns.row(2 * p + 1) } else { &zeros[..count] };
                let (pairs, none) = pairs.split_at_mut(count);
                for ((pair, first), second) in pairs.iter_mut().zip(first).zip(second) {
                    pair.write(pair_of(*first, *second));
                }
                none.fill(MaybeUninit::new(0));
            }
        },
    );
}

#[inline(always)]
pub(super) fn pair_of(first: f32, second: f32) -> Pair {
    rounded(first) | rounded(second) << 16
}

/// The bfloat16 next to `x`, the even one of two that are equally near. Numbers too small for a whole fraction (below 1.2e-38)
/// become 0, as the instructions take them.
#[inline(always)]
fn rounded(x: f32) -> u32 {
    let bits = x.to_bits();
    let magnitude = bits & 0x7fff_ffff;
    let nearest = bits.wrapping_add(0x7fff + (bits >> 16 & 1)) >> 16;
    let not_zero = if magnitude < 0x0080_0000 { bits >> 31 << 15 } else { nearest };
    // Of a NaN the upper bits alone might be those of an infinity.
    if magnitude > 0x7f80_0000 { bits >> 16 | 0x40 } else { not_zero }
}

fn multiply_tile_widened(mut c: MatMut<'_>, add: bool, a: &[Pair], b: &[Pair]) {
    /// Rows whose sums fit the registers of any processor.
    const AT_ONCE: usize = 4;
    let (rows, columns) = (c.rows(), c.columns());
    for row in (0..rows).step_by(AT_ONCE) {
        for column in (0..columns).step_by(LANES) {
            let mut sums = [[0.0_f32; LANES]; AT_ONCE];
            vectorised(
                #[inline(always)]
                || {
                    for (a, b) in a.chunks_exact(ROWS).zip(b.chunks_exact(COLUMNS)) {
                        let b = &b[column..column + LANES];
                        for (sums, &a) in sums.iter_mut().zip(&a[row..row + AT_ONCE]) {
                            // A product is exact, so that it may be rounded together with the sum or not.
                            let (first, second) = (f32::from_bits(a << 16), f32::from_bits(a & 0xffff_0000));
                            for (sum, &b) in sums.iter_mut().zip(b) {
                                *sum += second * f32::from_bits(b & 0xffff_0000);
                                *sum += first * f32::from_bits(b << 16);
                            }
                        }
                    }
                },
            );
            for (row, sums) in (row..rows).zip(&sums) {
                c.write_sums(add, row, column, &sums[..LANES.min(columns - column)]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers of all sizes that products and sums of f32 can have.
    fn numbers(count: usize, mut seed: u64) -> Vec<f32> {
        let next = move || {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let unit = (seed >> 40) as f32 / (1 << 23) as f32 - 1.0;
            unit * f32::powi(2.0, (seed >> 32 & 31) as i32 - 16)
        };
        std::iter::repeat_with(next).take(count).collect()
    }

    fn packed(lines: MatRef<'_>, width: usize, by: Instructions) -> Vec<Pair> {
        let mut pairs: Vec<MaybeUninit<Pair>> = vec![MaybeUninit::uninit(); lines.columns().div_ceil(2) * width];
        let pack = if lines.rows_are_contiguous() { pairs_of_rows } else { pairs_of_columns };
        pack(by, &mut pairs, lines, width);
        // SAFETY: all have been written.
        pairs.into_iter().map(|pair| unsafe { pair.assume_init() }).collect()
    }

    /// Those of pairs that this processor has, beside those that every one has.
    fn of_pairs() -> Option<Instructions> {
        #[cfg(all(target_arch = "x86_64", not(lrx_without_avx512)))]
        if Instructions::of_this_processor() != Instructions::Widened {
            return Some(Instructions::Avx512Bf16);
        }
        None
    }

    #[test]
    fn both_kinds_of_instructions_give_the_same_bits() {
        let Some(native) = of_pairs() else { return };
        for (inner, rows, columns) in [(1, 1, 1), (2, 12, 32), (33, 5, 16), (512, 12, 17), (77, 7, 31)] {
            let (a, b) = (numbers(rows * inner, 1), numbers(columns * inner, 2));
            let (a, b) = (MatRef::new(&a, rows, inner), MatRef::new(&b, columns, inner));
            let by = |instructions, add| {
                let (a, b) = (packed(a, ROWS, instructions), packed(b, COLUMNS, instructions));
                let mut c = numbers(rows * columns, 3);
                multiply_tile(instructions, MatMut::new(&mut c, rows, columns), add, &a, &b);
                (a, b, c)
            };
            for add in [false, true] {
                assert!(by(native, add) == by(Instructions::Widened, add), "{inner} {rows} {columns} {add}");
            }
        }
    }

    #[test]
    fn lines_side_by_side_are_packed_as_lines_one_after_the_other() {
        for instructions in of_pairs().into_iter().chain([Instructions::Widened]) {
            for (inner, count, width) in [(1, 1, ROWS), (6, 12, ROWS), (65, 20, COLUMNS), (34, 32, COLUMNS)] {
                let x = numbers(inner * count, 4);
                let apart: Vec<f32> = (0..count * inner).map(|i| x[i % inner * count + i / inner]).collect();
                let side_by_side = packed(MatRef::new(&x, inner, count).t(), width, instructions);
                assert_eq!(side_by_side, packed(MatRef::new(&apart, count, inner), width, instructions));
            }
        }
    }

    #[test]
    fn numbers_become_the_nearest_with_eight_bits() {
        // From the definition: of the two bfloat16 around x the nearer one, the even one where both are as near.
        let should = |x: f32| {
            let below = x.to_bits() & 0xffff_0000;
            let above = below.wrapping_add(0x1_0000);
            let distance = |bits: u32| (f64::from(f32::from_bits(bits)) - f64::from(x)).abs();
            match distance(below).total_cmp(&distance(above)) {
                std::cmp::Ordering::Less => below >> 16,
                std::cmp::Ordering::Greater => above >> 16,
                std::cmp::Ordering::Equal => (if below >> 16 & 1 == 0 { below } else { above }) >> 16,
            }
        };
        let halves = (0..2000).map(|i| f32::from_bits(0x3f80_8000 + (i << 15)));
        for x in numbers(100_000, 5).into_iter().chain(halves) {
            assert_eq!(rounded(x), should(x), "{x}");
        }
        assert_eq!(rounded(f32::INFINITY), 0x7f80);
        assert_eq!(rounded(f32::MAX), 0x7f80, "beyond the largest");
        assert_eq!(rounded(-1e-40), 0x8000);
        assert!(f32::from_bits(rounded(f32::from_bits(0x7f80_0001)) << 16).is_nan());
    }
}
