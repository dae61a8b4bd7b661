//! Products of tiles, by `AMX-BF16`: 16 × 32 numbers by 32 × 16 in one instruction, sixteen times the multiply-adds of
//! f32 vectors.
//!
//! To each number of the result the instruction adds `e + o`, where e is the sum of the first products of the 16 pairs and o that of
//! the second ones, each taken in the order of the pairs and from 0 on.
//! Sums are rounded to the nearest; whatever is below 1.2e-38 is 0, of operands, of sums and of what is added to (Intel, *Software
//! Developer's Manual*, TDPBF16PS).

use std::arch::asm;
use std::arch::x86_64::_mm512_setzero_si512;
use std::hint::black_box;
use std::marker::PhantomData;
use std::mem::MaybeUninit;

use super::avx512::{rounded, side_by_side, transposed, write};
use super::kernel::{COLUMNS, PAIRS_OF_TILE, Pair, pair_of};
use crate::matmul::{MatMut, MatRef};

/// Rows of a tile, and pairs of each.
const SIDE: usize = PAIRS_OF_TILE;
/// Rows and columns of the result that are computed at once: of two tiles each.
const BLOCK: usize = COLUMNS;
const _: () = assert!(BLOCK == 2 * SIDE);
/// Of [`multiply_adds`]: two for each multiply-add of a round, four tiles.
pub(super) const FLOPS_OF_ROUND: usize = 2 * BLOCK * BLOCK * 2 * SIDE;

/// The tile registers, set up for this thread: eight of 16 rows of 64 bytes. While there is one, the thread makes no other, whose
/// end would release this one's registers: nothing that might, as a call of `rayon`, comes between.
pub(super) struct Tiles {
    /// They are a thread's own.
    not_send: PhantomData<*const ()>,
}

impl Tiles {
    pub(super) fn new() -> Self {
        /// Palette 1, then from byte 16 on two bytes for the length of each tile's rows, from byte 48 on one for their number.
        #[repr(C, align(64))]
        struct Shapes([u8; 64]);
        static SHAPES: Shapes = {
            let mut shapes = [0; 64];
            shapes[0] = 1;
            let mut tile = 0;
            while tile < 8 {
                shapes[16 + 2 * tile] = 64;
                shapes[48 + tile] = SIDE as u8;
                tile += 1;
            }
            Shapes(shapes)
        };
        // SAFETY: the processor has the instruction and the system grants it (`Instructions::Amx` was found); it reads 64 bytes,
        // and changes tile registers alone, which the compiler does not use.
        unsafe {
            asm!(
                "ldtilecfg [{}]", in(reg) &raw const SHAPES,
                out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
                out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
                options(nostack, readonly, preserves_flags)
            );
        }
        Self { not_send: PhantomData }
    }
}

impl Drop for Tiles {
    /// Threads whose tiles are released are faster to switch between.
    fn drop(&mut self) {
        // SAFETY: as above.
        unsafe {
            asm!(
                "tilerelease",
                out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
                out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
                options(nostack, nomem, preserves_flags)
            );
        }
    }
}

/// The instructions of a product, written once for each number of tiles: what begins the sums, what is done for each 16 pairs,
/// what writes the sums.
macro_rules! multiply {
    ($a:expr, $b:expr, $blocks:expr, $from:expr, $to:expr, [$($begin:literal)*] [$($inner:literal)*] [$($end:literal)*]) => {
        asm!(
            $($begin,)*
            "2:",
            $($inner,)*
            "add {a}, {of_block}",
            "add {b}, {of_block}",
            "dec {blocks}",
            "jnz 2b",
            $($end,)*
            a = inout(reg) $a => _,
            b = inout(reg) $b => _,
            blocks = inout(reg) $blocks => _,
            of_a = in(reg) 4 * SIDE,
            of_b = in(reg) 4 * BLOCK,
            from = in(reg) $from.0,
            of_from = in(reg) $from.1,
            from_below = in(reg) $from.0.wrapping_byte_add(SIDE * $from.1),
            to = in(reg) $to.0,
            of_to = in(reg) $to.1,
            to_below = in(reg) $to.0.wrapping_byte_add(SIDE * $to.1),
            of_block = const 4 * SIDE * BLOCK,
            out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
            out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
            options(nostack)
        )
    };
}

/// `c = a · b`, or added to it, for a panel of rows, one of columns, and the block that they give: at most [`BLOCK`] ×
/// [`BLOCK`]. What of the panels lies outside the block is not written.
pub(super) fn multiply_block(_: &Tiles, mut c: MatMut<'_>, add: bool, a: &[Pair], b: &[Pair]) {
    #[repr(align(64))]
    struct Block([f32; BLOCK * BLOCK]);
    static ZEROS: Block = Block([0.0; BLOCK * BLOCK]);
    let blocks = a.len() / (SIDE * BLOCK);
    assert!(a.len() == b.len() && a.len() == blocks * SIDE * BLOCK, "panels of whole blocks");
    let (rows, columns) = (c.rows(), c.columns());
    assert!((1..=BLOCK).contains(&rows) && (1..=BLOCK).contains(&columns), "a block of {rows} × {columns}");
    if blocks == 0 {
        (0..rows).filter(|_| !add).for_each(|row| c.write_row(row, &ZEROS.0[..columns]));
        return;
    }
    let whole = rows.is_multiple_of(SIDE) && columns.is_multiple_of(SIDE);
    let mut aside = MaybeUninit::<Block>::uninit();
    let of_c = (c.as_mut_ptr(), size_of::<f32>() * c.row_stride());
    let to = if whole { of_c } else { (aside.as_mut_ptr().cast::<f32>(), size_of::<f32>() * BLOCK) };
    if add && !whole {
        // SAFETY: rows of c are read as far as the block goes, which have been written as the caller says, and room for them and
        // for what is beyond is in `aside`.
        unsafe {
            to.0.cast::<Block>().write(Block([0.0; BLOCK * BLOCK]));
            for row in 0..rows {
                let from = of_c.0.wrapping_byte_add(row * of_c.1);
                std::ptr::copy_nonoverlapping(from, to.0.add(row * BLOCK), columns);
            }
        }
    }
    // With nothing from one row to the next, a tile is 16 times the same row of zeros.
    let from = if add { (to.0.cast_const(), to.1) } else { (ZEROS.0.as_ptr(), 0) };
    let (a, b) = (a.as_ptr(), b.as_ptr());
    // SAFETY: the instructions are there and their registers set up (`Tiles`), which the compiler uses for nothing. For each of
    // `blocks` blocks, of which there is one, they read 16 pairs of the first 16 or of all 32 rows of a (`BLOCK` × `SIDE` pairs
    // a block, a row after the other), and as many of the columns of b (a pair of all columns after the other). Of c, or of
    // what stands aside for it, they read and write the 16 or 32 rows and columns that are there: all of it is borrowed
    // mutably, and read only if the caller says that it has been written.
    unsafe {
        match (rows > SIDE, columns > SIDE) {
            (true, true) => multiply!(
                a, b, blocks, from, to,
                [
                    "tileloadd tmm0, [{from} + {of_from}]"
                    "tileloadd tmm1, [{from} + {of_from} + 64]"
                    "tileloadd tmm2, [{from_below} + {of_from}]"
                    "tileloadd tmm3, [{from_below} + {of_from} + 64]"
                ]
                [
                    "tileloadd tmm4, [{a} + {of_a}]"
                    "tileloadd tmm6, [{b} + {of_b}]"
                    "tdpbf16ps tmm0, tmm4, tmm6"
                    "tileloadd tmm7, [{b} + {of_b} + 64]"
                    "tdpbf16ps tmm1, tmm4, tmm7"
                    "tileloadd tmm5, [{a} + {of_a} + 1024]"
                    "tdpbf16ps tmm2, tmm5, tmm6"
                    "tdpbf16ps tmm3, tmm5, tmm7"
                ]
                [
                    "tilestored [{to} + {of_to}], tmm0"
                    "tilestored [{to} + {of_to} + 64], tmm1"
                    "tilestored [{to_below} + {of_to}], tmm2"
                    "tilestored [{to_below} + {of_to} + 64], tmm3"
                ]
            ),
            (true, false) => multiply!(
                a, b, blocks, from, to,
                ["tileloadd tmm0, [{from} + {of_from}]" "tileloadd tmm2, [{from_below} + {of_from}]"]
                [
                    "tileloadd tmm4, [{a} + {of_a}]"
                    "tileloadd tmm6, [{b} + {of_b}]"
                    "tdpbf16ps tmm0, tmm4, tmm6"
                    "tileloadd tmm5, [{a} + {of_a} + 1024]"
                    "tdpbf16ps tmm2, tmm5, tmm6"
                ]
                ["tilestored [{to} + {of_to}], tmm0" "tilestored [{to_below} + {of_to}], tmm2"]
            ),
            (false, true) => multiply!(
                a, b, blocks, from, to,
                [
                    "tileloadd tmm0, [{from} + {of_from}]"
                    "tileloadd tmm1, [{from} + {of_from} + 64]"
                    "/* {from_below} */"
                ]
                [
                    "tileloadd tmm4, [{a} + {of_a}]"
                    "tileloadd tmm6, [{b} + {of_b}]"
                    "tdpbf16ps tmm0, tmm4, tmm6"
                    "tileloadd tmm7, [{b} + {of_b} + 64]"
                    "tdpbf16ps tmm1, tmm4, tmm7"
                ]
                ["tilestored [{to} + {of_to}], tmm0" "tilestored [{to} + {of_to} + 64], tmm1" "/* {to_below} */"]
            ),
            (false, false) => multiply!(
                a, b, blocks, from, to,
                ["tileloadd tmm0, [{from} + {of_from}]" "/* {from_below} */"]
                [
                    "tileloadd tmm4, [{a} + {of_a}]"
                    "tileloadd tmm6, [{b} + {of_b}]"
                    "tdpbf16ps tmm0, tmm4, tmm6"
                ]
                ["tilestored [{to} + {of_to}], tmm0" "/* {to_below} */"]
            ),
        }
    }
    if !whole {
        for row in 0..rows {
            // SAFETY: the instructions have written all 16 or 32 of the rows and columns that the block has some of.
            let sums = unsafe { std::slice::from_raw_parts(to.0.add(row * BLOCK), columns) };
            c.write_row(row, sums);
        }
    }
}

/// So many rounds of a block's multiply-adds, of [`FLOPS_OF_ROUND`] each, all of them in registers.
pub(super) fn multiply_adds(rounds: usize) -> f32 {
    let tiles = Tiles::new();
    let pair = pair_of(0.5, 0.25);
    let panel = black_box([pair; SIDE * BLOCK]);
    let mut c = [0.0; BLOCK * BLOCK];
    multiply_block(&tiles, MatMut::new(&mut c, BLOCK, BLOCK), false, &panel, &panel);
    // SAFETY: as in `multiply_block`; what is in the registers is of no interest.
    unsafe {
        asm!(
            "2:",
            "tdpbf16ps tmm0, tmm4, tmm6",
            "tdpbf16ps tmm1, tmm4, tmm7",
            "tdpbf16ps tmm2, tmm5, tmm6",
            "tdpbf16ps tmm3, tmm5, tmm7",
            "dec {rounds}",
            "jnz 2b",
            rounds = inout(reg) rounds.max(1) => _,
            out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
            out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
            options(nostack, nomem)
        );
    }
    c[0]
}

/// The rows of a left operand for [`multiply_block`]: 16 pairs of each of [`BLOCK`] rows, then the next 16. Rows and numbers
/// that are not there are zero.
pub(super) fn pack_rows(pairs: &mut [MaybeUninit<Pair>], rows: MatRef<'_>) {
    assert!(
        rows.rows() <= BLOCK && pairs.len() == rows.columns().div_ceil(2 * SIDE) * SIDE * BLOCK,
        "all pairs of a panel"
    );
    // SAFETY: the processor has these instructions where it has tiles (`Instructions::of_this_processor`).
    unsafe { if rows.rows_are_contiguous() { pack_contiguous(pairs, rows) } else { pack_apart(pairs, rows) } }
}

#[target_feature(enable = "avx512f,avx512bf16")]
fn pack_contiguous(pairs: &mut [MaybeUninit<Pair>], rows: MatRef<'_>) {
    for (block, pairs) in pairs.chunks_exact_mut(SIDE * BLOCK).enumerate() {
        for (row, pairs) in pairs.chunks_exact_mut(SIDE).enumerate() {
            let numbers = if row < rows.rows() { &rows.row(row)[2 * SIDE * block..] } else { &[] };
            write(pairs, rounded(numbers));
        }
    }
}

/// Rows that lie side by side: pairs are made of two rows of the transpose, and transposed 16 by 16.
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
fn pack_apart(pairs: &mut [MaybeUninit<Pair>], rows: MatRef<'_>) {
    let columns = rows.t();
    for (block, pairs) in pairs.chunks_exact_mut(SIDE * BLOCK).enumerate() {
        for (half, pairs) in pairs.chunks_exact_mut(SIDE * SIDE).enumerate() {
            let mut lanes = [_mm512_setzero_si512(); SIDE];
            for (pair, lane) in lanes.iter_mut().enumerate() {
                let number = 2 * (SIDE * block + pair);
                let numbers = |i: usize| {
                    let row = if i < columns.rows() { columns.row(i) } else { &[] };
                    &row[row.len().min(SIDE * half)..row.len().min(SIDE * (half + 1))]
                };
                *lane = side_by_side(numbers(number), numbers(number + 1));
            }
            for (pairs, lane) in pairs.chunks_exact_mut(SIDE).zip(transposed(lanes)) {
                write(pairs, lane);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::bf16::instructions::Instructions;
    use crate::bf16::{Packed, multiply_packed};
    use crate::matmul::Threads;

    /// The number that two rows of bfloat16 numbers add up to, by the words of Intel's manual.
    fn as_the_manual_says(a: &[f32], b: &[f32], before: f32) -> f32 {
        a.chunks(2 * SIDE).zip(b.chunks(2 * SIDE)).fold(before, |sum, (a, b)| {
            // Products of two bfloat16 numbers are exact.
            let of = |first: usize| {
                (first..a.len())
                    .step_by(2)
                    .map(|i| f64::from(a[i]) * f64::from(b[i]))
                    .fold(0.0_f32, |sum, product| (f64::from(sum) + product) as f32)
            };
            sum + (of(0) + of(1))
        })
    }

    /// Integers of few bits, and powers of two between them.
    fn number() -> impl Strategy<Value = f32> {
        (-255..256_i32, -6..7_i32).prop_map(|(n, power)| n as f32 * 2f32.powi(power))
    }

    fn numbers(count: usize) -> impl Strategy<Value = Vec<f32>> {
        prop::collection::vec(number(), count)
    }

    fn operands() -> impl Strategy<Value = (usize, usize, usize, Vec<f32>, Vec<f32>, Vec<f32>)> {
        // Whole tiles, alone and beside others, and what is none.
        let lines = || prop_oneof![1..70_usize, prop::sample::select(vec![16, 32, 48, 64])];
        (lines(), lines(), prop_oneof![0..70_usize, 500..530_usize])
            .prop_flat_map(|(m, n, k)| (Just(m), Just(n), Just(k), numbers(m * k), numbers(n * k), numbers(m * n)))
    }

    fn transposed(x: &[f32], columns: usize) -> Vec<f32> {
        (0..x.len()).map(|i| x[i % (x.len() / columns) * columns + i / (x.len() / columns)]).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(100))]

        #[test]
        fn sums_have_the_bits_that_the_manual_says((m, n, k, a, b, before) in operands(), apart: [bool; 2], add: bool) {
            if Instructions::of_this_processor() != Instructions::Amx {
                eprintln!("no AMX here: nothing is shown");
                return Ok(());
            }
            let turned = [transposed(&a, k), transposed(&b, k)];
            let left = if apart[0] { MatRef::new(&turned[0], k, m).t() } else { MatRef::new(&a, m, k) };
            let right = if apart[1] { MatRef::new(&turned[1], k, n) } else { MatRef::new(&b, n, k).t() };
            let left = Packed::left_for(Instructions::Amx, left, Threads::All);
            let right = Packed::right_for(Instructions::Amx, right, Threads::All);
            let mut c = before.clone();
            multiply_packed(MatMut::new(&mut c, m, n), add, &left, &right, Threads::All);
            for i in 0..m {
                for j in 0..n {
                    let before = if add { before[i * n + j] } else { 0.0 };
                    let should = as_the_manual_says(&a[i * k..][..k], &b[j * k..][..k], before);
                    let is = c[i * n + j];
                    prop_assert_eq!(is.to_bits(), should.to_bits(), "[{}, {}] of {} × {} × {}", i, j, m, k, n);
                }
            }
        }
    }
}
