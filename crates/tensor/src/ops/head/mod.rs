//! The language-model head, a matrix of its own or tied to the token embedding, and the cross-entropy, in one pass over
//! blocks of tokens.
//!
//! All logits at once would be tokens × vocabulary numbers, by far the largest matrix of a training step. They are
//! computed for a block of tokens, turned into loss and gradient in place, multiplied into the two gradients, forgotten.
//!
//! Within a block, a part of the vocabulary at a time stays in the cache from the logits to their share in dx. The softmax is
//! therefore taken part by part, each exponential relative to the largest logit so far, and what came before scaled down
//! when a larger one comes (Milakov & Gimelshein 2018, as in Dao et al. 2022).

mod block;
mod room;
mod softmax;

use block::Block;
use room::Room;

use crate::matmul::{MatRef, Threads, product};
use crate::{Activation, ActivationId, Matrix, Parameter, Precision, Scalar, dims, matrix, values};

/// Logits that are held at once at most: 68 MiB. Larger blocks pass over the embedding and its gradient less often, which of a
/// step of 1,024 tokens is a few percent of the time for each, and hold more memory than anything else of the step.
pub const LOGITS_AT_ONCE: usize = 17 << 20;
/// Tokens of a block are a multiple of it, where there are more: whole tiles of the matrix products.
const TOKENS_UNIT: usize = 32;

/// The mean over tokens of `−ln softmax(x · Eᵀ)[target]`, in nats. x: tokens × features, E: vocabulary × features: the token
/// embedding where the head is tied to it, another parameter where not.
///
/// Gradients, with P = (softmax − one-hot target) / tokens: dx = P · E, dE = Pᵀ · x. They are computed together with the
/// loss, so the loss must be the root of the backward pass (or one of several that are added up): its own gradient is 1.
///
/// # Panics
/// When there are no tokens, a target is outside the vocabulary, or the shapes do not fit; in the backward pass when
/// the loss was scaled.
pub fn head_cross_entropy(x: Activation, embedding: &Parameter, targets: &[u32]) -> Scalar {
    head_cross_entropy_of(targets.len(), x, embedding, targets)
}

/// The same for a part of a batch of `batch` tokens: the sum over the part's tokens is divided by `batch`, so that losses and
/// gradients of all parts add up to those of the batch.
///
/// # Panics
/// As [`head_cross_entropy`].
pub fn head_cross_entropy_of(batch: usize, x: Activation, embedding: &Parameter, targets: &[u32]) -> Scalar {
    cross_entropy(batch, x, embedding, targets, &mut |_| {})
}

/// The same loss, and what each token adds to it: `−ln softmax(x · Eᵀ)[target]`, in nats.
///
/// # Panics
/// As [`head_cross_entropy`].
pub fn head_cross_entropies(x: Activation, embedding: &Parameter, targets: &[u32]) -> (Scalar, Vec<f32>) {
    let mut losses = Vec::with_capacity(targets.len());
    let mean = cross_entropy(targets.len(), x, embedding, targets, &mut |loss| losses.push(loss));
    (mean, losses)
}

/// The mean over a batch of `batch` tokens; `each` is told the loss of every token, in their order.
fn cross_entropy(
    batch: usize,
    x: Activation,
    embedding: &Parameter,
    targets: &[u32],
    each: &mut dyn FnMut(f32),
) -> Scalar {
    let (x, mut tape) = x.split_tape();
    let precision = tape.precision();
    let (tokens, features) = dims(&x);
    let (vocabulary, embedding_features) = embedding.dims();
    assert_eq!(features, embedding_features, "features of the embedding");
    assert!(tokens == targets.len() && tokens > 0, "{tokens} tokens with {} targets", targets.len());
    assert!(targets.iter().all(|&t| (t as usize) < vocabulary), "targets in the vocabulary");

    let recording = tape.is_recording();
    let scale = 1.0 / batch as f32;
    let mut dx = Vec::with_capacity(if recording { tokens * features } else { 0 });
    let mut loss = 0.0;
    let block = block_tokens(tokens, vocabulary, precision);
    if recording {
        embedding.gradient_handle().keep();
    }
    let mut room = Room::new(block, vocabulary, precision, recording);
    for (x, targets) in values(&x).chunks(block * features).zip(targets.chunks(block)) {
        let block = Block { x, targets, e: embedding.values(), features, precision };
        let groups = block.groups(&mut room, recording);
        let softmax = block.softmax(&groups);
        loss += softmax.losses().inspect(|loss| each(*loss)).map(f64::from).sum::<f64>();
        if recording {
            dx.append(&mut block.dx(&groups, &softmax, scale));
            embedding.gradient_handle().update(|de, add| block.add_de(de, add, &groups, &softmax, scale));
        }
    }
    drop(room); // Before the backward pass, whose gradients settle there.

    let loss = Scalar::new((loss / batch as f64) as f32, &tape);
    if recording {
        let (input, output) = (ActivationId::from(&x), ActivationId::from(&loss));
        tape.record(move |gradients| {
            assert_eq!(gradients.take(output), [1.0], "the gradient of a loss that was not scaled");
            gradients.of(input).add(dx);
        });
    }
    loss
}

/// `x · Eᵀ`: the logits of each token, for generation. x: tokens × features, E: vocabulary × features.
pub fn head_logits(x: &Matrix, embedding: &Parameter) -> Matrix {
    let (tokens, features) = dims(x);
    let (vocabulary, _) = embedding.dims();
    let e = MatRef::new(embedding.values(), vocabulary, features);
    matrix(product(MatRef::new(values(x), tokens, features), e.t(), Precision::F32, Threads::All), tokens, vocabulary)
}

/// Tokens in a block: as few blocks as the limit allows, about equally long.
fn block_tokens(tokens: usize, vocabulary: usize, precision: Precision) -> usize {
    // What is kept of a logit takes half the memory.
    let at_once = if precision == Precision::Bf16 { 2 * LOGITS_AT_ONCE } else { LOGITS_AT_ONCE };
    let most = (at_once / vocabulary).max(1);
    let equal = tokens.div_ceil(tokens.div_ceil(most));
    let whole_tiles = equal.next_multiple_of(TOKENS_UNIT);
    if whole_tiles <= most { whole_tiles } else { equal }.min(tokens)
}
