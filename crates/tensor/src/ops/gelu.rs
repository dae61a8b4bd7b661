//! GELU in its tanh form, GPT-2's and GPT-Neo's `gelu_new` (Hendrycks & Gimpel 2016).

use rayon::prelude::*;

use crate::buffer::mapped;
use crate::simd::{sigmoid, vectorised};
use crate::{Activation, ActivationId, Node, dims, values};

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

    // SAFETY: every number of a block is written.
    let y = unsafe {
        mapped(values(&x), BLOCK, |y, x| {
            vectorised(
                #[inline(always)]
                || {
                    for (y, &x) in y.iter_mut().zip(x) {
                        y.write(value(x));
                    }
                },
            );
        })
    };
    let y = Node::new(y, tokens, features);

    if tape.is_recording() {
        let output = ActivationId::from(&y);
        tape.record(move |gradients| {
            // dy becomes dx.
            let mut dx = gradients.take(output);
            dx.par_chunks_mut(BLOCK).zip(values(&x).par_chunks(BLOCK)).for_each(|(dx, x)| {
                vectorised(
                    #[inline(always)]
                    || {
                        for (dx, &x) in dx.iter_mut().zip(x) {
                            *dx *= value_and_derivative(x).1;
                        }
                    },
                );
            });
            gradients.of(&x).add(dx);
        });
    }
    y.put_tape(tape)
}

/// ½ (1 + tanh u) = σ(2u), which unlike the left side keeps its precision where it is small.
#[inline(always)]
fn gate(x: f32) -> f32 {
    sigmoid(2.0 * SCALE * x * (CUBIC * x).mul_add(x, 1.0))
}

/// The value alone.
#[inline(always)]
pub(super) fn value(x: f32) -> f32 {
    x * gate(x)
}

/// The value and the derivative.
#[inline(always)]
pub(super) fn value_and_derivative(x: f32) -> (f32, f32) {
    let gate = gate(x);
    let inner_derivative = 2.0 * SCALE * (3.0 * CUBIC * x).mul_add(x, 1.0);
    (x * gate, (x * (1.0 - gate) * inner_derivative).mul_add(gate, gate))
}
