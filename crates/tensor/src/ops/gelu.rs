//! GELU in its tanh form, GPT-2's and GPT-Neo's `gelu_new` (Hendrycks & Gimpel 2016).

use dfdx::tensor::{PutTape, SplitTape};
use rayon::prelude::*;

use crate::simd::{tanh, vectorised};
use crate::tape::{gradient_of, take_gradient};
use crate::{Activation, dims, matrix, values};

const BLOCK: usize = 1 << 13;
/// √(2/π)
const SCALE: f32 = 0.797_884_6;
const CUBIC: f32 = 0.044_715;

/// `½ x (1 + tanh(√(2/π) (x + 0.044715 x³)))`, element by element.
///
/// Gradient: dx = dy · (½ (1 + t) + ½ x (1 − t²) √(2/π) (1 + 3 · 0.044715 x²)), t the tanh.
pub fn gelu(x: Activation) -> Activation {
    let (x, mut tape) = x.split_tape();
    let (tokens, features) = dims(&x);

    let mut y = vec![0.0; tokens * features];
    y.par_chunks_mut(BLOCK).zip(values(&x).par_chunks(BLOCK)).for_each(|(y, x)| {
        vectorised(
            #[inline(always)]
            || {
                for (y, &x) in y.iter_mut().zip(x) {
                    *y = 0.5 * x * (1.0 + inner_tanh(x));
                }
            },
        );
    });
    let y = matrix(y, tokens, features);

    if tape.is_recording() {
        let output = y.clone();
        tape.record(move |gradients| {
            let dy = take_gradient(gradients, &output);
            let dx = gradient_of(gradients, &x);
            let blocks = dx.par_chunks_mut(BLOCK).zip(dy.par_chunks(BLOCK)).zip(values(&x).par_chunks(BLOCK));
            blocks.for_each(|((dx, dy), x)| {
                vectorised(
                    #[inline(always)]
                    || {
                        for ((dx, &dy), &x) in dx.iter_mut().zip(dy).zip(x) {
                            *dx = dy.mul_add(derivative(x), *dx);
                        }
                    },
                );
            });
        });
    }
    y.put_tape(tape)
}

#[inline(always)]
fn inner_tanh(x: f32) -> f32 {
    tanh(SCALE * x * (CUBIC * x).mul_add(x, 1.0))
}

#[inline(always)]
fn derivative(x: f32) -> f32 {
    let t = inner_tanh(x);
    let inner_derivative = SCALE * (3.0 * CUBIC * x).mul_add(x, 1.0);
    0.5 * (1.0 + t) + 0.5 * x * (1.0 - t * t) * inner_derivative
}
