//! Blocks of features that are added to one another, feature by feature, with a factor each: the middle of BLAST.

use rayon::prelude::*;

use super::{BLOCK_ROWS, add_into};
use crate::buffer::filled;
use crate::kept::Kept;
use crate::simd::vectorised;
use crate::{Activation, ActivationId, Node, Parameter, dims, values};

/// `yᵢ = Σⱼ dᵢⱼ ∘ xⱼ` over the `inputs` blocks of a token's features, for `outputs` blocks of as many features; x: tokens ×
/// (inputs · r), d: (outputs · inputs) × r, dᵢⱼ in row `i · inputs + j`, y: tokens × (outputs · r).
///
/// Gradients: dxⱼ = Σᵢ dᵢⱼ ∘ dyᵢ, and of dᵢⱼ Σ over tokens of dyᵢ ∘ xⱼ.
///
/// # Panics
/// When the shapes do not fit.
pub fn couple(x: Activation, factors: &Parameter, outputs: usize) -> Activation {
    let (x, mut tape) = x.split_tape();
    let ((tokens, features), (rows, r)) = (dims(&x), factors.dims());
    assert!(outputs > 0 && rows % outputs == 0, "{rows} rows of factors for {outputs} outputs");
    let inputs = rows / outputs;
    assert_eq!(features, inputs * r, "{inputs} blocks of {r} features");
    let shape = Shape { inputs, outputs, r };
    let d = factors.values();
    let y = shape.applied(values(&x), tokens, |i, j| &d[(i * inputs + j) * r..][..r]);
    let y = Node::new(y, tokens, outputs * r);

    if tape.is_recording() {
        let (output, d, gradient) = (ActivationId::from(&y), factors.value().clone(), factors.gradient_handle());
        let x = Kept::from(x);
        tape.record(move |gradients| {
            let dy = gradients.take(output);
            let partial = shape.products(&dy, values(&x.matrix()));
            let mut sum = gradient.borrow_mut();
            partial.iter().for_each(|block| add_into(&mut sum, block));
            let d = values(&d);
            let transposed = Shape { inputs: outputs, outputs: inputs, r };
            gradients.of(&x).add(transposed.applied(&dy, tokens, |j, i| &d[(i * inputs + j) * r..][..r]));
        });
    }
    y.put_tape(tape)
}

#[derive(Clone, Copy)]
struct Shape {
    inputs: usize,
    outputs: usize,
    r: usize,
}

impl Shape {
    /// Each row of x coupled by the factors of output i and input j.
    fn applied<'d>(self, x: &[f32], tokens: usize, factors: impl Fn(usize, usize) -> &'d [f32] + Sync) -> Vec<f32> {
        let Self { inputs, outputs, r } = self;
        if r == 0 {
            return Vec::new();
        }
        let blocks = |y: &mut [std::mem::MaybeUninit<f32>], x: &[f32]| {
            for (y, x) in y.chunks_exact_mut(outputs * r).zip(x.chunks_exact(inputs * r)) {
                for (i, y) in y.chunks_exact_mut(r).enumerate() {
                    for ((y, x), d) in y.iter_mut().zip(x).zip(factors(i, 0)) {
                        y.write(d * x);
                    }
                    for (j, x) in x.chunks_exact(r).enumerate().skip(1) {
                        for ((y, x), d) in y.iter_mut().zip(x).zip(factors(i, j)) {
                            // SAFETY: every number was written for j = 0.
                            unsafe { *y.assume_init_mut() += d * x };
                        }
                    }
                }
            }
        };
        // SAFETY: the blocks are whole rows, and every number of a row is written.
        unsafe {
            filled(tokens * outputs * r, |y| {
                y.par_chunks_mut(BLOCK_ROWS * outputs * r).zip(x.par_chunks(BLOCK_ROWS * inputs * r)).for_each(
                    |(y, x)| {
                        vectorised(
                            #[inline(always)]
                            || blocks(y, x),
                        )
                    },
                );
            })
        }
    }

    /// dyᵢ ∘ xⱼ, summed over blocks of tokens.
    fn products(self, dy: &[f32], x: &[f32]) -> Vec<Vec<f32>> {
        /// Tokens whose products one thread adds up. Fixed, so that sums do not depend on the threads.
        const TOKENS: usize = 8 * BLOCK_ROWS;
        let Self { inputs, outputs, r } = self;
        if r == 0 {
            return Vec::new();
        }
        let sums = |dy: &[f32], x: &[f32]| {
            let mut sums = vec![0.0; outputs * inputs * r];
            for (dy, x) in dy.chunks_exact(outputs * r).zip(x.chunks_exact(inputs * r)) {
                for (dy, sums) in dy.chunks_exact(r).zip(sums.chunks_exact_mut(inputs * r)) {
                    for (x, sums) in x.chunks_exact(r).zip(sums.chunks_exact_mut(r)) {
                        for ((sum, dy), x) in sums.iter_mut().zip(dy).zip(x) {
                            *sum += dy * x;
                        }
                    }
                }
            }
            sums
        };
        dy.par_chunks(TOKENS * outputs * r)
            .zip(x.par_chunks(TOKENS * inputs * r))
            .map(|(dy, x)| {
                vectorised(
                    #[inline(always)]
                    || sums(dy, x),
                )
            })
            .collect()
    }
}
