//! Dropout (Srivastava et al. 2014) whose mask is computed, not kept: a function of a key and of an element's place.

use rayon::prelude::*;

use crate::buffer::{filled, write_copy};
use crate::simd::vectorised;
use crate::{Activation, ActivationId, Node, dims, values};

/// Counters side by side, of four random numbers each.
const LANES: usize = 16;
/// Elements of a group. Element `64 g + 16 w + l` takes word w of counter `16 g + l`.
const GROUP: usize = 4 * LANES;
/// Elements that one thread works on at a time: whole groups.
const BLOCK: usize = 64 * GROUP;

/// x with each element set to zero with probability `rate`, and divided by 1 − rate else (inverted dropout).
///
/// Which ones is decided by the random number that Philox4x32-10 (Salmon et al. 2011) gives for the key and the element's
/// place in the matrix, whatever the threads: the same key gives the same mask in the backward pass, and after resuming.
/// Masks of different keys are independent; so every use takes a key of its own in every step.
///
/// Gradient: dx = dy with the same mask. A rate of 0 is no operation.
///
/// # Panics
/// When the rate is below 0, or 1 or more.
pub fn dropout(x: Activation, rate: f32, key: u64) -> Activation {
    dropout_from(0, x, rate, key)
}

/// The same for a part of a larger matrix: its rows from `first` on. The parts get the mask that the whole would get.
///
/// # Panics
/// As [`dropout`].
pub fn dropout_from(first: usize, x: Activation, rate: f32, key: u64) -> Activation {
    assert!((0.0..1.0).contains(&rate), "a dropout rate of {rate}, not at least 0 and below 1");
    if rate == 0.0 {
        return x;
    }
    let (x, mut tape) = x.split_tape();
    let (rows, columns) = dims(&x);
    let mask = Mask::new(rate, key, first * columns);
    let blocks = values(&x).par_chunks(BLOCK);
    // SAFETY: the blocks cover both, which are equally long, and every number of a block is written.
    let y = unsafe {
        filled(rows * columns, |y| {
            let blocks = y.par_chunks_mut(BLOCK).zip(blocks).enumerate();
            blocks.for_each(|(i, (y, x))| mask.apply(i, write_copy(y, x)));
        })
    };
    let y = Node::new(y, rows, columns);

    if tape.is_recording() {
        let [output, x] = [&y, &x].map(ActivationId::from);
        tape.record(move |gradients| {
            let mut dx = gradients.take(output);
            dx.par_chunks_mut(BLOCK).enumerate().for_each(|(i, dx)| mask.apply(i, dx));
            gradients.of(x).add(dx);
        });
    }
    y.put_tape(tape)
}

#[derive(Clone, Copy)]
struct Mask {
    key: [u32; 2],
    /// The place of the first element.
    first: usize,
    /// Random numbers below it are zeros: rate · 2³².
    zeros_below: u64,
    /// Of elements that stay.
    factor: f32,
}

impl Mask {
    fn new(rate: f32, key: u64, first: usize) -> Self {
        let rate = f64::from(rate);
        Self {
            key: [key as u32, (key >> 32) as u32],
            first,
            zeros_below: (rate * 2.0_f64.powi(32)) as u64,
            factor: (1.0 / (1.0 - rate)) as f32,
        }
    }

    /// Multiplies the elements of a block.
    fn apply(self, block: usize, elements: &mut [f32]) {
        // All blocks begin at the same place within a group: at its first element unless this is a part of a matrix.
        let (group, within) = ((self.first + block * BLOCK) / GROUP, self.first % GROUP);
        let (head, rest) = elements.split_at_mut(((GROUP - within) % GROUP).min(elements.len()));
        vectorised(
            #[inline(always)]
            || {
                let next = if head.is_empty() { group } else { group + 1 };
                if !head.is_empty() {
                    self.apply_to_group(group, within, head);
                }
                for (group, elements) in (next..).zip(rest.chunks_mut(GROUP)) {
                    self.apply_to_group(group, 0, elements);
                }
            },
        );
    }

    /// Multiplies elements of a group from its `skip`-th on.
    #[inline(always)]
    fn apply_to_group(self, group: usize, skip: usize, elements: &mut [f32]) {
        let words = random_numbers((group * LANES) as u64, self.key);
        for (element, &word) in elements.iter_mut().zip(&words.as_flattened()[skip..]) {
            *element *= if word < self.zeros_below { 0.0 } else { self.factor };
        }
    }
}

/// The four words of each of sixteen counters from `first` on, a multiple of sixteen.
#[inline(always)]
fn random_numbers(first: u64, key: [u32; 2]) -> [[u64; LANES]; 4] {
    let low = std::array::from_fn(|lane| u64::from(first as u32) + lane as u64);
    philox([low, [first >> 32; LANES], [0; LANES], [0; LANES]], key)
}

/// Philox4x32-10 (Salmon, Moraes, Dror & Shaw 2011, "Parallel random numbers: as easy as 1, 2, 3") of N counters of four words
/// of 32 bits. Each stands in 64, where processors multiply them.
#[inline(always)]
fn philox<const N: usize>(counters: [[u64; N]; 4], [mut k0, mut k1]: [u32; 2]) -> [[u64; N]; 4] {
    const LOW: u64 = 0xffff_ffff;
    let [mut x0, mut x1, mut x2, mut x3] = counters;
    for _ in 0..10 {
        for i in 0..N {
            let (a, b) = ((x0[i] & LOW) * 0xd251_1f53, (x2[i] & LOW) * 0xcd9e_8d57);
            x0[i] = (b >> 32) ^ x1[i] ^ u64::from(k0);
            x1[i] = b & LOW;
            x2[i] = (a >> 32) ^ x3[i] ^ u64::from(k1);
            x3[i] = a & LOW;
        }
        k0 = k0.wrapping_add(0x9e37_79b9);
        k1 = k1.wrapping_add(0xbb67_ae85);
    }
    [x0, x1, x2, x3]
}

#[cfg(test)]
mod tests {
    use super::philox;

    #[test]
    fn philox_gives_the_published_numbers() {
        // Of Random123's file kat_vectors: "philox4x32 10".
        let digits_of_pi = ([0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344], [0xa409_3822, 0x299f_31d0]);
        for ((counter, key), numbers) in [
            (([0; 4], [0; 2]), [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]),
            (([u32::MAX; 4], [u32::MAX; 2]), [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]),
            (digits_of_pi, [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1]),
        ] {
            assert_eq!(philox(counter.map(|word| [u64::from(word)]), key), numbers.map(|number| [number]));
        }
    }
}
