//! Layer normalisation (Ba, Kiros & Hinton 2016).

use rayon::prelude::*;

use super::{BLOCK_ROWS, add_into};
use crate::buffer::mapped;
use crate::simd::{sum, sum2, sum3, vectorised};
use crate::{Activation, ActivationId, Node, Parameter, dims, values};

/// `y = (x − mean) / √(variance + epsilon) · weight + bias`, mean and (biased) variance over each token's features.
///
/// x: tokens × features; weight, bias: 1 × features.
///
/// Gradients, with x̂ the normalised token and g = dy ∘ weight: dx = (g − mean(g) − x̂ · mean(g ∘ x̂)) / √(variance +
/// epsilon), d weight = Σ dy ∘ x̂, d bias = Σ dy.
///
/// # Panics
/// When weight or bias has another width than `x`.
pub fn layer_norm(x: Activation, weight: &Parameter, bias: &Parameter, epsilon: f32) -> Activation {
    let (x, mut tape) = x.split_tape();
    let (tokens, features) = dims(&x);
    assert_eq!((weight.dims(), bias.dims()), ((1, features), (1, features)), "a weight and a bias a feature");

    let (w, b) = (weight.values(), bias.values());
    // SAFETY: the blocks are whole rows, and every number of a row is written.
    let y = unsafe {
        mapped(values(&x), BLOCK_ROWS * features, |y, x| {
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
    };
    let y = Node::new(y, tokens, features);

    if tape.is_recording() {
        let output = ActivationId::from(&y);
        let weight_value = weight.value().clone();
        let (weight_gradient, bias_gradient) = (weight.gradient_handle(), bias.gradient_handle());
        tape.record(move |gradients| {
            let mut dx = gradients.take(output);
            let w = values(&weight_value);
            let block = BLOCK_ROWS * features;
            // dy becomes dx, row by row, and is added to what the input's gradient may already hold.
            let sum = gradients.of(&x).so_far();
            let is_new = sum.is_none();
            let mut sums: Vec<_> = sum.into_iter().flat_map(|sum| sum.chunks_mut(block)).map(Some).collect();
            sums.resize_with(tokens.div_ceil(BLOCK_ROWS), || None);
            let partial: Vec<(Vec<f32>, Vec<f32>)> = dx
                .par_chunks_mut(block)
                .zip(values(&x).par_chunks(block))
                .zip(sums)
                .map(|((dy, x), sum)| {
                    let (mut dw, mut db) = (vec![0.0; features], vec![0.0; features]);
                    vectorised(
                        #[inline(always)]
                        || {
                            for (dy, x) in dy.chunks_exact_mut(features).zip(x.chunks_exact(features)) {
                                backward_row(x, w, epsilon, dy, &mut dw, &mut db);
                            }
                            if let Some(sum) = sum {
                                add_into(sum, dy);
                            }
                        },
                    );
                    (dw, db)
                })
                .collect();
            if is_new {
                gradients.of(&x).add(dx);
            }
            let (mut dw, mut db) = (weight_gradient.borrow_mut(), bias_gradient.borrow_mut());
            for (block_dw, block_db) in &partial {
                add_into(&mut dw, block_dw);
                add_into(&mut db, block_db);
            }
        });
    }
    y.put_tape(tape)
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
