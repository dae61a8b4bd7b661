//! Rounding and packing, and products of pairs, by `AVX512_BF16`.

use std::arch::x86_64::*;
use std::mem::{MaybeUninit, transmute};

use super::kernel::{COLUMNS, LANES, Pair, ROWS};
use crate::matmul::{MatMut, MatRef};

/// Lines whose numbers lie side by side: blocks of sixteen lines by sixteen pairs, transposed.
#[target_feature(enable = "avx512f,avx512bf16")]
pub(super) fn pairs_of_rows(pairs: &mut [MaybeUninit<Pair>], lines: MatRef<'_>, width: usize) {
    for first in (0..width).step_by(LANES) {
        let there = (width - first).min(LANES);
        for (block, pairs) in pairs.chunks_mut(LANES * width).enumerate() {
            let mut lanes = [_mm512_setzero_si512(); LANES];
            for (lane, line) in lanes.iter_mut().zip(first..lines.rows()) {
                *lane = rounded(&lines.row(line)[2 * LANES * block..]);
            }
            for (pairs, lane) in pairs.chunks_exact_mut(width).zip(transposed(lanes)) {
                write(&mut pairs[first..first + there], lane);
            }
        }
    }
}

/// Lines that lie side by side: a pair of each, then the next of each.
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
pub(super) fn pairs_of_columns(pairs: &mut [MaybeUninit<Pair>], lines: MatRef<'_>, width: usize) {
    let columns = lines.t();
    for (pair, pairs) in pairs.chunks_exact_mut(width).enumerate() {
        let [first, second] = [2 * pair, 2 * pair + 1].map(|i| if i < columns.rows() { columns.row(i) } else { &[] });
        for (vector, pairs) in pairs.chunks_mut(LANES).enumerate() {
            let [first, second] = [first, second].map(|numbers| &numbers[numbers.len().min(LANES * vector)..]);
            write(pairs, side_by_side(first, second));
        }
    }
}

/// The next 16 pairs of a line, or those that are left and zeros.
#[target_feature(enable = "avx512f,avx512bf16")]
pub(super) fn rounded(numbers: &[f32]) -> __m512i {
    let (first, second) = numbers.split_at(numbers.len().min(LANES));
    of_both(first, second)
}

/// A pair of each of 16 lines: its first number from the one slice, its second from the other; zero where they end.
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
pub(super) fn side_by_side(first: &[f32], second: &[f32]) -> __m512i {
    const INTERLEAVED: [u16; 2 * LANES] = {
        let mut order = [0; 2 * LANES];
        let mut i = 0;
        while i < 2 * LANES {
            order[i] = (i / 2 + i % 2 * LANES) as u16;
            i += 1;
        }
        order
    };
    // SAFETY: as many bits as a vector has, which may lie anywhere.
    let order = unsafe { _mm512_loadu_epi16(INTERLEAVED.as_ptr().cast()) };
    _mm512_permutexvar_epi16(order, of_both(first, second))
}

/// The first 16 numbers of each, rounded, the one's before the other's.
#[target_feature(enable = "avx512f,avx512bf16")]
fn of_both(first: &[f32], second: &[f32]) -> __m512i {
    // SAFETY: any 512 bits are of integers as well.
    unsafe { transmute::<__m512bh, __m512i>(_mm512_cvtne2ps_pbh(read(second), read(first))) }
}

/// The first 16 numbers, or those that are there and zeros.
#[target_feature(enable = "avx512f")]
fn read(numbers: &[f32]) -> __m512 {
    match numbers.first_chunk::<LANES>() {
        // SAFETY: a chunk is as long as a vector, which may lie anywhere.
        Some(numbers) => unsafe { _mm512_loadu_ps(numbers.as_ptr()) },
        // SAFETY: only as many numbers are read as there are.
        None => unsafe { _mm512_maskz_loadu_ps(mask(numbers.len()), numbers.as_ptr()) },
    }
}

/// Writes at most 16 pairs, all that there are.
#[target_feature(enable = "avx512f")]
pub(super) fn write(pairs: &mut [MaybeUninit<Pair>], lanes: __m512i) {
    match pairs.first_chunk_mut::<LANES>() {
        // SAFETY: a chunk is as long as a vector, which may lie anywhere.
        Some(pairs) => unsafe { _mm512_storeu_epi32(pairs.as_mut_ptr().cast(), lanes) },
        // SAFETY: as many lanes are written as there are pairs.
        None => unsafe { _mm512_mask_storeu_epi32(pairs.as_mut_ptr().cast(), mask(pairs.len()), lanes) },
    }
}

/// Lane i of vector j for lane j of vector i. Interleaving each vector with that eight places on moves the highest bit of
/// the vector's number to the end of the lane's, and that of the lane's to the end of the vector's: four times exchange
/// them.
#[target_feature(enable = "avx512f")]
pub(super) fn transposed(mut vectors: [__m512i; LANES]) -> [__m512i; LANES] {
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
                // SAFETY: it reads nothing that the program sees, wherever it points. (Newer compilers know that it is safe.)
                #[allow(unused_unsafe)]
                unsafe {
                    _mm_prefetch::<_MM_HINT_T0>(at.cast());
                }
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
