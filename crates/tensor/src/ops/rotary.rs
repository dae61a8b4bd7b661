//! Rotary positions (Su et al. 2021), in the convention of Hugging Face's Llama: feature i of a head turns with i + size / 2.

use rayon::prelude::*;

use super::BLOCK_ROWS;
use crate::buffer::{filled, write_copy};
use crate::simd::vectorised;
use crate::{Activation, ActivationId, Node, Offsets, dims, values};

/// Turns each head's pairs of features by an angle that grows with the token's position p in its story:
/// with a = xᵢ, b = xᵢ₊ₛ⸝₂ for i < s / 2, s the head's size, and φ = (first_position + p) · theta^(−2i / s),
///
/// a ← a cos φ − b sin φ, b ← b cos φ + a sin φ.
///
/// x: tokens × features, heads side by side; theta is 10,000 in Su et al. and in Llama. In generation `first_position` is how
/// many tokens of the story came before.
///
/// Gradient: dy turned back by the same angles.
///
/// # Panics
/// When the heads do not divide the features, a head has an odd number of them, or the offsets do not end at the number of
/// tokens.
pub fn rotary(x: Activation, offsets: &Offsets, heads: usize, theta: f64, first_position: usize) -> Activation {
    let (x, mut tape) = x.split_tape();
    let (tokens, features) = dims(&x);
    assert_eq!(offsets.last(), Some(&tokens), "offsets that end at the number of tokens");
    assert!(heads > 0 && features.is_multiple_of(heads), "{heads} heads divide {features} features");
    assert!((features / heads).is_multiple_of(2), "a head of {} features in pairs", features / heads);

    let rotation = Rotation::new(offsets, features / heads, theta, first_position);
    let block = BLOCK_ROWS * features;
    let blocks = values(&x).par_chunks(block);
    // SAFETY: the blocks cover both, which are equally long, and every number of a block is written.
    let y = unsafe {
        filled(tokens * features, |y| {
            let blocks = y.par_chunks_mut(block).zip(blocks).enumerate();
            blocks.for_each(|(i, (y, x))| rotation.turn(i * BLOCK_ROWS, write_copy(y, x), features, 1.0));
        })
    };
    let y = Node::new(y, tokens, features);

    if tape.is_recording() {
        let [output, x] = [&y, &x].map(ActivationId::from);
        tape.record(move |gradients| {
            let mut dx = gradients.take(output);
            let blocks = dx.par_chunks_mut(block).enumerate();
            blocks.for_each(|(i, dx)| rotation.turn(i * BLOCK_ROWS, dx, features, -1.0));
            gradients.of(x).add(dx);
        });
    }
    y.put_tape(tape)
}

/// The angles of every position, and where each token stands.
struct Rotation {
    /// Half of a head's features: pairs.
    pairs: usize,
    /// For each token its position in its story.
    positions: Vec<usize>,
    /// For each position the cosines of its angles, then their sines.
    turns: Vec<f32>,
}

impl Rotation {
    fn new(offsets: &[usize], head_size: usize, theta: f64, first_position: usize) -> Self {
        let pairs = head_size / 2;
        let positions: Vec<usize> = offsets.windows(2).flat_map(|story| 0..story[1] - story[0]).collect();
        let longest = positions.iter().max().map_or(0, |last| last + 1);
        // In f64: a far position's angle is large, and what counts is what is left of it after whole turns.
        let frequencies: Vec<f64> = (0..pairs).map(|i| theta.powf(-2.0 * i as f64 / head_size as f64)).collect();
        let mut turns = vec![0.0; longest * head_size];
        turns.par_chunks_exact_mut(head_size.max(1)).enumerate().for_each(|(position, turns)| {
            let (cosines, sines) = turns.split_at_mut(pairs);
            for ((cosine, sine), frequency) in cosines.iter_mut().zip(sines).zip(&frequencies) {
                let (s, c) = ((first_position + position) as f64 * frequency).sin_cos();
                (*cosine, *sine) = (c as f32, s as f32);
            }
        });
        Self { pairs, positions, turns }
    }

    /// Turns the rows of the tokens from `first` on, forwards (direction 1) or back (−1).
    fn turn(&self, first: usize, rows: &mut [f32], features: usize, direction: f32) {
        let pairs = self.pairs;
        vectorised(
            #[inline(always)]
            || {
                for (row, position) in rows.chunks_exact_mut(features).zip(&self.positions[first..]) {
                    let (cosines, sines) = self.turns[position * 2 * pairs..][..2 * pairs].split_at(pairs);
                    for head in row.chunks_exact_mut(2 * pairs) {
                        let (a, b) = head.split_at_mut(pairs);
                        for ((a, b), (c, s)) in a.iter_mut().zip(b).zip(cosines.iter().zip(sines)) {
                            let s = direction * s;
                            (*a, *b) = (*a * c - *b * s, *b * c + *a * s);
                        }
                    }
                }
            },
        );
    }
}
