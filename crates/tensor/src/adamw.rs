//! AdamW (Loshchilov & Hutter 2019) and the global norm for clipping, as passes over memory on all threads.

use rayon::prelude::*;

use crate::Parameter;
use crate::simd::{sum, vectorised};

/// Numbers that one thread works on at a time. Fixed, so that sums do not depend on the threads.
const BLOCK: usize = 1 << 15;

/// The constants of one step.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    /// The learning rate of this step, for this parameter.
    pub learning_rate: f32,
    /// Decay rate of the first moment.
    pub beta1: f32,
    /// Decay rate of the second moment.
    pub beta2: f32,
    /// Added to the root of the second moment.
    pub epsilon: f32,
    /// Decoupled: the parameter shrinks by learning rate × decay, whatever its gradient.
    pub weight_decay: f32,
    /// Steps taken since the parameter is there, this one included: 1 for the first, in which the moments are zero before.
    pub step: u64,
    /// The gradient is multiplied by it first: clipping.
    pub gradient_scale: f32,
}

/// One step on one parameter, and its gradient set to zero. With g the scaled gradient:
///
/// m ← β₁ m + (1 − β₁) g, v ← β₂ v + (1 − β₂) g²,
/// w ← (1 − η λ) w − η / (1 − β₁ᵗ) · m / (√v / √(1 − β₂ᵗ) + ε)
///
/// # Panics
/// When a moment has another length than the parameter.
pub fn update(parameter: &mut Parameter, first: &mut [f32], second: &mut [f32], step: &Step) {
    let (values, gradient) = parameter.values_and_gradient_mut();
    assert!(first.len() == values.len() && second.len() == values.len(), "moments of the parameter's length");
    let bias1 = 1.0 - f64::from(step.beta1).powf(step.step as f64);
    let bias2 = 1.0 - f64::from(step.beta2).powf(step.step as f64);
    let rate = (f64::from(step.learning_rate) / bias1) as f32;
    let root_scale = (1.0 / bias2.sqrt()) as f32;
    let keep = 1.0 - step.learning_rate * step.weight_decay;
    let Step { beta1, beta2, epsilon, gradient_scale, .. } = *step;

    let moments = first.par_chunks_mut(BLOCK).zip(second.par_chunks_mut(BLOCK));
    values.par_chunks_mut(BLOCK).zip(gradient.par_chunks(BLOCK)).zip(moments).for_each(|((w, g), (m, v))| {
        vectorised(
            #[inline(always)]
            || {
                for ((w, g), (m, v)) in w.iter_mut().zip(g).zip(m.iter_mut().zip(v.iter_mut())) {
                    let scaled = *g * gradient_scale;
                    *m = beta1 * *m + (1.0 - beta1) * scaled;
                    *v = beta2 * *v + (1.0 - beta2) * scaled * scaled;
                    *w = keep * *w - rate * *m / (v.sqrt() * root_scale + epsilon);
                }
            },
        );
    });
    drop(gradient);
    parameter.clear_gradient();
}

/// Σ g² over one parameter's gradient.
pub fn squared_norm(parameter: &Parameter) -> f64 {
    sum_of_squares(&parameter.gradient())
}

pub(crate) fn sum_of_squares(numbers: &[f32]) -> f64 {
    let blocks: Vec<f64> = numbers
        .par_chunks(BLOCK)
        .map(|block| {
            f64::from(vectorised(
                #[inline(always)]
                || sum(block, |x| x * x),
            ))
        })
        .collect();
    blocks.iter().sum()
}
