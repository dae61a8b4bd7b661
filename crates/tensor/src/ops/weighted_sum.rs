//! A sum of everything: a loss for what has none of its own.

use rayon::prelude::*;

use crate::{Activation, ActivationId, Matrix, Scalar, dims, values};

/// Numbers that one thread adds up at a time. Fixed, so that the sum does not depend on the threads.
const BLOCK: usize = 1 << 14;

/// `Σᵢⱼ xᵢⱼ wᵢⱼ`, both tokens × features; added up in f64.
///
/// Gradient: dx = w, times the sum's own.
///
/// # Panics
/// When the shapes differ.
pub fn weighted_sum(x: Activation, weights: &Matrix) -> Scalar {
    let (x, mut tape) = x.split_tape();
    assert_eq!(dims(&x), dims(weights), "a weight for each number");
    let blocks = values(&x).par_chunks(BLOCK).zip(values(weights).par_chunks(BLOCK));
    let partial: Vec<f64> =
        blocks.map(|(x, w)| x.iter().zip(w).map(|(&x, &w)| f64::from(x) * f64::from(w)).sum()).collect();
    let sum = Scalar::new(partial.iter().sum::<f64>() as f32, &tape);

    if tape.is_recording() {
        let (output, input, weights) = (ActivationId::from(&sum), ActivationId::from(&x), weights.clone());
        tape.record(move |gradients| {
            let d_sum = gradients.take(output)[0];
            let dx = values(&weights).iter().map(|w| d_sum * w).collect();
            gradients.of(input).add(dx);
        });
    }
    sum
}
