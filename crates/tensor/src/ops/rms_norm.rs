//! Normalisation by the root of the mean square (Zhang & Sennrich 2019): Llama's norm.

use super::norms::backward_rows;
use super::{BLOCK_ROWS, add_into};
use crate::buffer::mapped;
use crate::kept::Again;
use crate::simd::{sum, sum3, vectorised};
use crate::{Activation, ActivationId, Matrix, Node, Parameter, dims, matrix, values};

/// `y = x / √(mean(x²) + epsilon) · weight`, the mean over each token's features.
///
/// x: tokens × features; weight: 1 × features.
///
/// Gradients, with x̂ the normalised token and g = dy ∘ weight: dx = (g − x̂ · mean(g ∘ x̂)) / √(mean(x²) + epsilon),
/// d weight = Σ dy ∘ x̂.
///
/// # Panics
/// When weight has another width than `x`.
pub fn rms_norm(x: Activation, weight: &Parameter, epsilon: f32) -> Activation {
    let (x, mut tape) = x.split_tape();
    let (tokens, features) = dims(&x);
    assert_eq!(weight.dims(), (1, features), "a weight a feature");

    let mut y = Node::new(forward(values(&x), weight.values(), epsilon), tokens, features);

    if tape.is_recording() {
        let output = ActivationId::from(&y);
        let again = {
            let (x, w) = (Matrix::clone(&x), weight.value().clone());
            Again::new(move || matrix(forward(values(&x), values(&w), epsilon), tokens, features))
        };
        y = y.that_is_made_again(again.clone());
        let (weight, weight_gradient) = (weight.value().clone(), weight.gradient_handle());
        tape.record(move |gradients| {
            again.forget();
            let dy = gradients.take(output);
            let w = values(&weight);
            let partial = backward_rows(
                gradients,
                &x,
                dy,
                features,
                #[inline(always)]
                |x, dy, dw| backward_row(x, w, epsilon, dy, dw),
            );
            let mut dw = weight_gradient.borrow_mut();
            partial.iter().for_each(|block| add_into(&mut dw, block));
        });
    }
    y.put_tape(tape)
}

fn forward(x: &[f32], w: &[f32], epsilon: f32) -> Vec<f32> {
    let features = w.len();
    // SAFETY: the blocks are whole rows, and every number of a row is written.
    unsafe {
        mapped(x, BLOCK_ROWS * features, |y, x| {
            vectorised(
                #[inline(always)]
                || {
                    for (y, x) in y.chunks_exact_mut(features).zip(x.chunks_exact(features)) {
                        let scale = scale(x, epsilon);
                        for (y, (x, w)) in y.iter_mut().zip(x.iter().zip(w)) {
                            y.write(x * scale * w);
                        }
                    }
                },
            );
        })
    }
}

/// 1 / √(mean(x²) + epsilon)
#[inline(always)]
fn scale(x: &[f32], epsilon: f32) -> f32 {
    1.0 / (sum(x, |x| x * x) / x.len() as f32 + epsilon).sqrt()
}

/// Turns a row of dy into one of dx; adds to dw.
#[inline(always)]
fn backward_row(x: &[f32], w: &[f32], epsilon: f32, dy: &mut [f32], dw: &mut [f32]) {
    let scale = scale(x, epsilon);
    for (dw, (&dy, &x)) in dw.iter_mut().zip(dy.iter().zip(x)) {
        *dw += dy * (x * scale);
    }
    let mean_gx = sum3(dy, w, x, |dy, w, x| dy * w * (x * scale)) / x.len() as f32;
    for (dy, (&w, &x)) in dy.iter_mut().zip(w.iter().zip(x)) {
        *dy = (*dy * w - x * scale * mean_gx) * scale;
    }
}
