//! The language-model head, tied to the token embedding, and the cross-entropy, in one pass over blocks of tokens.
//!
//! All logits at once would be tokens × vocabulary numbers, by far the largest matrix of a training step. They are
//! computed for a block of tokens, turned into loss and gradient in place, multiplied into the two gradients, forgotten.

use std::cell::Cell;

use dfdx::tensor::{PutTape, SplitTape};
use rayon::prelude::*;

use crate::matmul::{MatMut, MatRef, Threads, matmul, product, product_of_long};
use crate::simd::{exp, exponentials, max, sum, vectorised};
use crate::{Activation, Matrix, Parameter, Scalar, dims, matrix, scalar, values};

/// Numbers in a block of logits at most: 128 MiB.
const BLOCK_LOGITS: usize = 1 << 25;

thread_local! {
    /// The block of logits, kept from step to step: were it freed, smaller buffers would settle in its place, and the next
    /// step would have to find another.
    static LOGITS: Cell<Vec<f32>> = const { Cell::new(Vec::new()) };
}

/// The mean over tokens of `−ln softmax(x · Eᵀ)[target]`, in nats. x: tokens × features, E: vocabulary × features.
///
/// Gradients, with P = (softmax − one-hot target) / tokens: dx = P · E, dE = Pᵀ · x. They are computed together with the
/// loss, so the loss must be the root of the backward pass (or one of several that are added up): its own gradient is 1.
///
/// # Panics
/// When there are no tokens, a target is outside the vocabulary, or the shapes do not fit; in the backward pass when
/// the loss was scaled.
pub fn head_cross_entropy(x: Activation, embedding: &Parameter, targets: &[u32]) -> Scalar {
    let (x, mut tape) = x.split_tape();
    let (tokens, features) = dims(&x);
    let (vocabulary, embedding_features) = embedding.dims();
    assert_eq!(features, embedding_features, "features of the embedding");
    assert!(tokens == targets.len() && tokens > 0, "{tokens} tokens with {} targets", targets.len());
    assert!(targets.iter().all(|&t| (t as usize) < vocabulary), "targets in the vocabulary");

    let recording = tape.is_recording();
    let scale = 1.0 / tokens as f32;
    let mut dx = Vec::with_capacity(if recording { tokens * features } else { 0 });
    let mut loss = 0.0;
    let e = MatRef::new(embedding.values(), vocabulary, features);
    let embedding_gradient = embedding.gradient_handle();
    let block = block_tokens(tokens, vocabulary);
    let mut logits_buffer = LOGITS.take();
    if logits_buffer.len() < block * vocabulary {
        logits_buffer = vec![0.0; block * vocabulary];
    }
    for (x, targets) in values(&x).chunks(block * features).zip(targets.chunks(block)) {
        let rows = targets.len();
        let x_block = MatRef::new(x, rows, features);
        let logits = &mut logits_buffer[..rows * vocabulary];
        matmul(MatMut::new(logits, rows, vocabulary), false, x_block, e.t(), Threads::All);
        let rows_done: Vec<(f32, f32)> = logits
            .par_chunks_exact_mut(vocabulary)
            .zip(targets)
            .map(|(logits, &target)| loss_and_gradient(logits, target as usize, recording))
            .collect();
        loss += rows_done.iter().map(|&(loss, _)| f64::from(loss)).sum::<f64>();
        if recording {
            // The gradient of the logits is what stands there times a factor for each row. It is cheaper to multiply the
            // rows of the narrow matrices by it.
            let d_logits = MatRef::new(logits, rows, vocabulary);
            let factors: Vec<f32> = rows_done.iter().map(|&(_, total)| scale / total).collect();
            let mut dx_block = product_of_long(d_logits, e);
            let mut x_scaled = x.to_vec();
            for narrow in [&mut dx_block, &mut x_scaled] {
                for (row, factor) in narrow.chunks_exact_mut(features).zip(&factors) {
                    row.iter_mut().for_each(|number| *number *= factor);
                }
            }
            embedding_gradient.add_product(d_logits.t(), MatRef::new(&x_scaled, rows, features));
            dx.append(&mut dx_block);
        }
    }

    LOGITS.set(logits_buffer);

    let loss = scalar((loss / tokens as f64) as f32);
    if recording {
        let output = loss.clone();
        tape.record(move |gradients| {
            assert_eq!(gradients.of_scalar(&output), 1.0, "the gradient of a loss that was not scaled");
            gradients.of(&x).add(dx);
        });
    }
    loss.put_tape(tape)
}

/// `x · Eᵀ`: the logits of each token, for generation. x: tokens × features, E: vocabulary × features.
pub fn head_logits(x: &Matrix, embedding: &Parameter) -> Matrix {
    let (tokens, features) = dims(x);
    let (vocabulary, _) = embedding.dims();
    let e = MatRef::new(embedding.values(), vocabulary, features);
    matrix(product(MatRef::new(values(x), tokens, features), e.t(), Threads::All), tokens, vocabulary)
}

/// Tokens in a block: as few blocks as the limit allows, equally long.
fn block_tokens(tokens: usize, vocabulary: usize) -> usize {
    tokens.div_ceil((tokens * vocabulary).div_ceil(BLOCK_LOGITS))
}

/// Returns −ln softmax(logits)[target] and t = Σ exp(logit − largest logit). When `gradient`, what is left in `logits` is
/// exp(logit − largest logit) − t · (one-hot target): t times the gradient.
fn loss_and_gradient(logits: &mut [f32], target: usize, gradient: bool) -> (f32, f32) {
    let target_logit = logits[target];
    let (largest, total) = vectorised(
        #[inline(always)]
        || {
            let largest = max(logits);
            let total = if gradient { exponentials(logits, largest) } else { sum(logits, |l| exp(l - largest)) };
            (largest, total)
        },
    );
    if gradient {
        logits[target] -= total;
    }
    (total.ln() + largest - target_logit, total)
}
