//! What is done to packed pairs, in each kind of instructions.

use std::hint::black_box;
use std::mem::MaybeUninit;
use std::sync::LazyLock;

use crate::matmul::{MatMut, MatRef};
use crate::simd::vectorised;

/// Two numbers of a line that follow one another, as bfloat16: the first in the lower half.
pub(super) type Pair = u32;

/// Rows of a tile of the result.
pub(super) const ROWS: usize = 12;
/// Columns of a tile: two vectors of AVX-512. With 12 rows, 24 sums are under way at once, enough to hide how long one takes.
pub(super) const COLUMNS: usize = 2 * LANES;
const LANES: usize = 16;

/// Of [`multiply_adds`]: two for each multiply-add of a pair in each lane of a tile's sums.
pub(crate) const FLOPS_OF_ROUND: usize = 4 * ROWS * COLUMNS;

/// The instructions that products of bfloat16 are computed with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Instructions {
    /// Of pairs, by `AVX512_BF16`.
    #[cfg(all(target_arch = "x86_64", not(lrx_without_avx512)))]
    Avx512Bf16,
    /// Of f32 numbers, as whatever vectors the processor has.
    Widened,
}

/// Those of this processor.
pub(crate) fn instructions() -> Instructions {
    static FOUND: LazyLock<Instructions> = LazyLock::new(|| {
        #[cfg(all(target_arch = "x86_64", not(lrx_without_avx512)))]
        if std::arch::is_x86_feature_detected!("avx512bf16") && std::arch::is_x86_feature_detected!("avx512f") {
            return Instructions::Avx512Bf16;
        }
        Instructions::Widened
    });
    *FOUND
}

/// `c = a · b`, or added to it, for a panel of rows, one of columns, and the tile that they give: at most [`ROWS`] ×
/// [`COLUMNS`]. What of the panels lies outside the tile is not written.
pub(super) fn multiply_tile(c: MatMut<'_>, add: bool, a: &[Pair], b: &[Pair]) {
    multiply_tile_by(instructions(), c, add, a, b);
}

fn multiply_tile_by(instructions: Instructions, c: MatMut<'_>, add: bool, a: &[Pair], b: &[Pair]) {
    assert!(a.len() / ROWS == b.len() / COLUMNS && c.rows() <= ROWS && c.columns() <= COLUMNS, "panels of a tile");
    match instructions {
        // SAFETY: the processor has the instructions (it was asked).
        #[cfg(all(target_arch = "x86_64", not(lrx_without_avx512)))]
        Instructions::Avx512Bf16 if c.columns() <= LANES => unsafe { avx512::multiply_tile::<1>(c, add, a, b) },
        // SAFETY: as above.
        #[cfg(all(target_arch = "x86_64", not(lrx_without_avx512)))]
        Instructions::Avx512Bf16 => unsafe { avx512::multiply_tile::<2>(c, add, a, b) },
        Instructions::Widened => multiply_tile_widened(c, add, a, b),
    }
}

/// So many rounds of a tile's multiply-adds, of [`FLOPS_OF_ROUND`] each, its panels in the nearest cache.
pub(crate) fn multiply_adds(rounds: usize) -> f32 {
    const DEPTH: usize = 64;
    let pair = black_box(pair_of(0.5, 0.25));
    let (a, b) = ([pair; DEPTH * ROWS], [pair; DEPTH * COLUMNS]);
    let mut c = [0.0; ROWS * COLUMNS];
    let mut left = rounds;
    while left > 0 {
        let depth = left.min(DEPTH);
        multiply_tile(MatMut::new(&mut c, ROWS, COLUMNS), true, &a[..depth * ROWS], &b[..depth * COLUMNS]);
        left -= depth;
    }
    c[0]
}

/// Pairs of lines (rows) whose numbers lie side by side: two of each line at a time, for all lines, then the next two. Lines
/// that are fewer than `width` are followed by zeros.
pub(super) fn pairs_of_rows(pairs: &mut [MaybeUninit<Pair>], lines: MatRef<'_>, width: usize) {
    pairs_of_rows_by(instructions(), pairs, lines, width);
}

fn pairs_of_rows_by(instructions: Instructions, pairs: &mut [MaybeUninit<Pair>], lines: MatRef<'_>, width: usize) {
    let inner = lines.columns();
    assert!(pairs.len() == inner.div_ceil(2) * width && lines.rows() <= width, "all pairs of a panel");
    #[cfg(all(target_arch = "x86_64", not(lrx_without_avx512)))]
    if instructions == Instructions::Avx512Bf16 {
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

/// Pairs of lines (rows) that lie side by side: the first number of each, then the second of each.
pub(super) fn pairs_of_columns(pairs: &mut [MaybeUninit<Pair>], lines: MatRef<'_>, width: usize) {
    let (inner, columns, count) = (lines.columns(), lines.t(), lines.rows());
    assert!(pairs.len() == inner.div_ceil(2) * width && count <= width, "all pairs of a panel");
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
                none.iter_mut().for_each(|pair| {
                    pair.write(0);
                });
            }
        },
    );
}

#[inline(always)]
fn pair_of(first: f32, second: f32) -> Pair {
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

#[cfg(all(target_arch = "x86_64", not(lrx_without_avx512)))]
mod avx512 {
    use std::arch::x86_64::*;
    use std::mem::{MaybeUninit, transmute};

    use super::{COLUMNS, LANES, MatMut, MatRef, Pair, ROWS};

    /// Blocks of sixteen lines by sixteen pairs.
    #[target_feature(enable = "avx512f,avx512bf16")]
    pub(super) fn pairs_of_rows(pairs: &mut [MaybeUninit<Pair>], lines: MatRef<'_>, width: usize) {
        for first in (0..width).step_by(LANES) {
            let there = (width - first).min(LANES);
            for (block, pairs) in pairs.chunks_mut(LANES * width).enumerate() {
                let mut lanes = [_mm512_setzero_si512(); LANES];
                for (lane, line) in lanes.iter_mut().zip(first..lines.rows()) {
                    let numbers = &lines.row(line)[2 * LANES * block..];
                    // SAFETY: any 512 bits are of integers as well.
                    *lane = unsafe { transmute::<__m512bh, __m512i>(rounded(numbers)) };
                }
                for (pairs, lane) in pairs.chunks_exact_mut(width).zip(transposed(lanes)) {
                    let pairs = &mut pairs[first..first + there];
                    // SAFETY: as many lanes are written as there are pairs.
                    unsafe { _mm512_mask_storeu_epi32(pairs.as_mut_ptr().cast(), mask(there), lane) };
                }
            }
        }
    }

    /// The next 32 numbers, or those that are left and zeros.
    #[target_feature(enable = "avx512f,avx512bf16")]
    fn rounded(numbers: &[f32]) -> __m512bh {
        let (first, second) = numbers.split_at(numbers.len().min(LANES));
        // SAFETY: only as many numbers are read as there are.
        let [first, second] =
            [first, second].map(|numbers| unsafe { _mm512_maskz_loadu_ps(mask(numbers.len()), numbers.as_ptr()) });
        _mm512_cvtne2ps_pbh(second, first)
    }

    /// Lane i of vector j for lane j of vector i. Interleaving each vector with that eight places on moves the highest bit of
    /// the vector's number to the end of the lane's, and that of the lane's to the end of the vector's: four times exchange
    /// them.
    #[target_feature(enable = "avx512f")]
    fn transposed(mut vectors: [__m512i; LANES]) -> [__m512i; LANES] {
        let low = _mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
        let high = _mm512_setr_epi32(8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
        for _ in 0..LANES.ilog2() {
            let before = vectors;
            for (i, pair) in vectors.chunks_exact_mut(2).enumerate() {
                let (a, b) = (before[i], before[i + LANES / 2]);
                pair[0] = _mm512_permutex2var_epi32(a, low, b);
                pair[1] = _mm512_permutex2var_epi32(a, high, b);
            }
        }
        vectors
    }

    /// The first `count` lanes, or all of them.
    fn mask(count: usize) -> __mmask16 {
        ((1_u32 << count.min(LANES)) - 1) as __mmask16
    }

    /// The first `VECTORS` vectors of columns, which are all that the tile has.
    #[target_feature(enable = "avx512f,avx512bf16")]
    pub(super) fn multiply_tile<const VECTORS: usize>(mut c: MatMut<'_>, add: bool, a: &[Pair], b: &[Pair]) {
        let (rows, columns, stride) = (c.rows(), c.columns(), c.row_stride());
        if add {
            // What is added to comes from afar while the sums are taken.
            for row in 0..rows {
                for vector in 0..VECTORS {
                    let at = c.as_mut_ptr().wrapping_add(row * stride + vector * LANES);
                    _mm_prefetch::<_MM_HINT_T0>(at.cast());
                }
            }
        }
        let mut sums = [[_mm512_setzero_ps(); VECTORS]; ROWS];
        for (a, b) in a.chunks_exact(ROWS).zip(b.chunks_exact(COLUMNS)) {
            let mut right = [_mm512_setzero_si512(); VECTORS];
            for (right, b) in right.iter_mut().zip(b.chunks_exact(LANES)) {
                // SAFETY: a chunk is as long as a vector, which may lie anywhere.
                *right = unsafe { _mm512_loadu_si512(b.as_ptr().cast()) };
            }
            for (sums, &a) in sums.iter_mut().zip(a) {
                let left = _mm512_set1_epi32(a as i32);
                for (sum, &right) in sums.iter_mut().zip(&right) {
                    // SAFETY: vectors of 512 bits both, any of which is one of bfloat16.
                    let (left, right) =
                        unsafe { (transmute::<__m512i, __m512bh>(left), transmute::<__m512i, __m512bh>(right)) };
                    *sum = _mm512_dpbf16_ps(*sum, left, right);
                }
            }
        }
        for (row, sums) in sums.iter().enumerate().take(rows) {
            for (vector, &sum) in sums.iter().enumerate() {
                let mask = mask(columns.saturating_sub(vector * LANES));
                // SAFETY: of the vector only numbers are read and written that are in the tile: in one of its rows, and by
                // the mask in one of its columns. They are read only where the caller says that they have been written.
                unsafe {
                    let at = c.as_mut_ptr().wrapping_add(row * stride + vector * LANES);
                    let sum = if add { _mm512_add_ps(_mm512_maskz_loadu_ps(mask, at), sum) } else { sum };
                    _mm512_mask_storeu_ps(at, mask, sum);
                }
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
        pairs_of_rows_by(by, &mut pairs, lines, width);
        // SAFETY: all have been written.
        pairs.into_iter().map(|pair| unsafe { pair.assume_init() }).collect()
    }

    #[test]
    fn both_kinds_of_instructions_give_the_same_bits() {
        for (inner, rows, columns) in [(1, 1, 1), (2, 12, 32), (33, 5, 16), (512, 12, 17), (77, 7, 31)] {
            let (a, b) = (numbers(rows * inner, 1), numbers(columns * inner, 2));
            let (a, b) = (MatRef::new(&a, rows, inner), MatRef::new(&b, columns, inner));
            let by = |instructions, add| {
                let (a, b) = (packed(a, ROWS, instructions), packed(b, COLUMNS, instructions));
                let mut c = numbers(rows * columns, 3);
                multiply_tile_by(instructions, MatMut::new(&mut c, rows, columns), add, &a, &b);
                (a, b, c)
            };
            for add in [false, true] {
                assert!(by(instructions(), add) == by(Instructions::Widened, add), "{inner} {rows} {columns} {add}");
            }
        }
    }

    #[test]
    fn lines_side_by_side_are_packed_as_lines_one_after_the_other() {
        for (inner, count, width) in [(1, 1, ROWS), (6, 12, ROWS), (65, 20, COLUMNS), (34, 32, COLUMNS)] {
            let x = numbers(inner * count, 4);
            let apart: Vec<f32> = (0..count * inner).map(|i| x[i % inner * count + i / inner]).collect();
            let mut pairs: Vec<MaybeUninit<Pair>> = vec![MaybeUninit::uninit(); inner.div_ceil(2) * width];
            pairs_of_columns(&mut pairs, MatRef::new(&x, inner, count).t(), width);
            // SAFETY: all have been written.
            let pairs: Vec<Pair> = pairs.into_iter().map(|pair| unsafe { pair.assume_init() }).collect();
            assert_eq!(pairs, packed(MatRef::new(&apart, count, inner), width, instructions()));
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
