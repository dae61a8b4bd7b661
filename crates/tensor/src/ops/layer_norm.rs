//! Layer normalisation (Ba, Kiros & Hinton 2016).

use super::norms::backward_rows;
use super::{BLOCK_ROWS, add_into};
use crate::buffer::mapped;
use crate::kept::Again;
use crate::simd::{sum, sum2, sum3, vectorised};
use crate::{Activation, ActivationId, Matrix, Node, Parameter, dims, matrix, values};

/// `y = (x − mean) / √(variance + epsilon) · weight + bias`, mean and (biased) variance over each token's features.
///
/// x: tokens × features; weight, bias: 1 × features; without a bias nothing is added.
///
/// Gradients, with x̂ the normalised token and g = dy ∘ weight: dx = (g − mean(g) − x̂ · mean(g ∘ x̂)) / √(variance +
/// epsilon), d weight = Σ dy ∘ x̂, d bias = Σ dy.
///
/// # Panics
/// When weight or bias has another width than `x`.
pub fn layer_norm(x: Activation, weight: &Parameter, bias: Option<&Parameter>, epsilon: f32) -> Activation {
    let (x, mut tape) = x.split_tape();
    let (tokens, features) = dims(&x);
    assert_eq!(weight.dims(), (1, features), "a weight a feature");
    assert!(bias.is_none_or(|bias| bias.dims() == (1, features)), "one bias a feature");

    let no_bias = || matrix(vec![0.0; features], 1, features);
    let b = bias.map_or_else(no_bias, |bias| bias.value().clone());
    let mut y = Node::new(forward(values(&x), weight.values(), values(&b), epsilon), tokens, features);

    if tape.is_recording() {
        let output = ActivationId::from(&y);
        let again = {
            let (x, w) = (Matrix::clone(&x), weight.value().clone());
            Again::new(move || matrix(forward(values(&x), values(&w), values(&b), epsilon), tokens, features))
        };
        y = y.that_is_made_again(again.clone());
        let (weight, weight_gradient) = (weight.value().clone(), weight.gradient_handle());
        let bias_gradient = bias.map(Parameter::gradient_handle);
        tape.record(move |gradients| {
            again.forget();
            let dy = gradients.take(output);
            let w = values(&weight);
            // Σ dy ∘ x̂, then Σ dy.
            let partial = backward_rows(
                gradients,
                &x,
                dy,
                2 * features,
                #[inline(always)]
                |x, dy, sums| {
                    let (dw, db) = sums.split_at_mut(features);
                    backward_row(x, w, epsilon, dy, dw, db);
                },
            );
            // One after the other: a parameter may be both.
            for (gradient, first) in [(Some(weight_gradient), 0), (bias_gradient, features)] {
                let Some(gradient) = gradient else { continue };
                let mut sum = gradient.borrow_mut();
                partial.iter().for_each(|block| add_into(&mut sum, &block[first..][..features]));
            }
        });
    }
    y.put_tape(tape)
}

fn forward(x: &[f32], w: &[f32], b: &[f32], epsilon: f32) -> Vec<f32> {
    let features = w.len();
    // SAFETY: the blocks are whole rows, and every number of a row is written.
    unsafe {
        mapped(x, BLOCK_ROWS * features, |y, x| {
            vectorised(
                #[inline(always)]
                || {
                    for (y, x) in y.chunks_exact_mut(features).zip(x.chunks_exact(features)) {
                        let Moments { mean, scale } = moments(x, epsilon);
                        for ((y, &x), (&w, &b)) in y.iter_mut().zip(x).zip(w.iter().zip(b)) {
                            y.write(((x - mean) * scale).mul_add(w, b));
                        }
                    }
                },
            );
        })
    }
}

struct Moments {
    mean: f32,
    /// 1 / √(variance + epsilon)
    scale: f32,
}

#[inline(always)]
fn moments(x: &[f32], epsilon: f32) -> Moments {
    let n = x.len() as f32;
    let mean = sum(x, |x| x) / n;
    let variance = sum(x, |x| (x - mean) * (x - mean)) / n;
    Moments { mean, scale: 1.0 / (variance + epsilon).sqrt() }
}

/// Turns a row of dy into one of dx; adds to dw and db.
#[inline(always)]
fn backward_row(x: &[f32], w: &[f32], epsilon: f32, dy: &mut [f32], dw: &mut [f32], db: &mut [f32]) {
    let Moments { mean, scale } = moments(x, epsilon);
    for ((dw, db), (&dy, &x)) in dw.iter_mut().zip(db.iter_mut()).zip(dy.iter().zip(x)) {
        *dw += dy * ((x - mean) * scale);
        *db += dy;
    }
    let n = x.len() as f32;
    let mean_g = sum2(dy, w, |dy, w| dy * w) / n;
    let mean_gx = sum3(dy, w, x, |dy, w, x| dy * w * ((x - mean) * scale)) / n;
    for (dy, (&w, &x)) in dy.iter_mut().zip(w.iter().zip(x)) {
        *dy = (*dy * w - mean_g - (x - mean) * scale * mean_gx) * scale;
    }
}
