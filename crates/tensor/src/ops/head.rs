//! The language-model head, tied to the token embedding, and the cross-entropy, in one pass over blocks of tokens.
//!
//! All logits at once would be tokens × vocabulary numbers, by far the largest matrix of a training step. They are
//! computed for a block of tokens, turned into loss and gradient in place, multiplied into the two gradients, forgotten.

use dfdx::tensor::{PutTape, SplitTape};
use rayon::prelude::*;

use super::add_into;
use crate::matmul::{MatMut, MatRef, Threads, matmul};
use crate::simd::{exp, max, sum, vectorised};
use crate::tape::gradient_of;
use crate::{Activation, Matrix, Parameter, Scalar, dims, matrix, scalar, values};

/// Numbers in a block of logits: 64 MiB.
const BLOCK_LOGITS: usize = 1 << 24;

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

    let block = block_tokens(vocabulary).min(tokens);
    let recording = tape.is_recording();
    let scale = 1.0 / tokens as f32;
    let mut logits = vec![0.0; block * vocabulary];
    let mut dx = vec![0.0; if recording { tokens * features } else { 0 }];
    let mut loss = 0.0;
    let e = MatRef::new(embedding.values(), vocabulary, features);
    let embedding_gradient = embedding.gradient_handle();
    for (block_index, (x, targets)) in values(&x).chunks(block * features).zip(targets.chunks(block)).enumerate() {
        let rows = targets.len();
        let x = MatRef::new(x, rows, features);
        let logits = &mut logits[..rows * vocabulary];
        matmul(MatMut::new(logits, rows, vocabulary), false, x, e.t(), Threads::All);
        let losses: Vec<f32> = logits
            .par_chunks_exact_mut(vocabulary)
            .zip(targets)
            .map(|(logits, &target)| loss_and_gradient(logits, target as usize, scale, recording))
            .collect();
        loss += losses.iter().map(|&loss| f64::from(loss)).sum::<f64>();
        if recording {
            let p = MatRef::new(logits, rows, vocabulary);
            let dx = &mut dx[block_index * block * features..][..rows * features];
            matmul(MatMut::new(dx, rows, features), false, p, e, Threads::All);
            let mut de = embedding_gradient.borrow_mut();
            matmul(MatMut::new(&mut de, vocabulary, features), true, p.t(), x, Threads::All);
        }
    }

    let loss = scalar((loss / tokens as f64) as f32);
    if recording {
        let output = loss.clone();
        tape.record(move |gradients| {
            let upstream = gradients.get_or_alloc_mut(&output).expect("memory for one number")[0];
            assert_eq!(upstream, 1.0, "the gradient of a loss that was not scaled");
            add_into(gradient_of(gradients, &x), &dx);
        });
    }
    loss.put_tape(tape)
}

/// `x · Eᵀ`: the logits of each token, for generation. x: tokens × features, E: vocabulary × features.
pub fn head_logits(x: &Matrix, embedding: &Parameter) -> Matrix {
    let (tokens, features) = dims(x);
    let (vocabulary, _) = embedding.dims();
    let mut logits = vec![0.0; tokens * vocabulary];
    let e = MatRef::new(embedding.values(), vocabulary, features);
    let x = MatRef::new(values(x), tokens, features);
    matmul(MatMut::new(&mut logits, tokens, vocabulary), false, x, e.t(), Threads::All);
    matrix(logits, tokens, vocabulary)
}

fn block_tokens(vocabulary: usize) -> usize {
    (BLOCK_LOGITS / vocabulary).next_multiple_of(64)
}

/// Returns −ln softmax(logits)[target]; leaves (softmax − one-hot) · scale in `logits` when `gradient`.
fn loss_and_gradient(logits: &mut [f32], target: usize, scale: f32, gradient: bool) -> f32 {
    let target_logit = logits[target];
    let (largest, total) = vectorised(
        #[inline(always)]
        || {
            let largest = max(logits);
            if gradient {
                for logit in logits.iter_mut() {
                    *logit = exp(*logit - largest);
                }
                (largest, sum(logits, |p| p))
            } else {
                (largest, sum(logits, |logit| exp(logit - largest)))
            }
        },
    );
    if gradient {
        let factor = scale / total;
        vectorised(
            #[inline(always)]
            || logits.iter_mut().for_each(|p| *p *= factor),
        );
        logits[target] -= scale;
    }
    total.ln() + largest - target_logit
}
