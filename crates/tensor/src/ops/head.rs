//! The language-model head, a matrix of its own or tied to the token embedding, and the cross-entropy, in one pass over
//! blocks of tokens.
//!
//! All logits at once would be tokens × vocabulary numbers, by far the largest matrix of a training step. They are
//! computed for a block of tokens, turned into loss and gradient in place, multiplied into the two gradients, forgotten.
//!
//! Within a block, a part of the vocabulary at a time stays in the cache from the logits to their share in dx. The softmax is
//! therefore taken part by part, each exponential relative to the largest logit so far, and what came before scaled down
//! when a larger one comes (Milakov & Gimelshein 2018, as in Dao et al. 2022).

use std::cell::Cell;
use std::ops::Range;

use rayon::prelude::*;

use crate::matmul::{MatMut, MatRef, Threads, matmul, product};
use crate::simd::{exp, vectorised};
use crate::{Activation, ActivationId, Matrix, Parameter, Scalar, dims, matrix, values};

/// Logits that are held at once at most: 80 MiB. Larger blocks pass over the embedding and its gradient less often, a few
/// percent of the time, and hold more memory than anything else of the step.
pub const LOGITS_AT_ONCE: usize = 20 << 20;
/// Tokens of a block are a multiple of it, where there are more: whole tiles of the matrix products.
const TOKENS_UNIT: usize = 64;
/// Groups of vocabulary entries that are worked on side by side, each with a dx of its own: few enough to add up.
const GROUPS: usize = 8;
/// Entries of a group at least: some tiles of the matrix products.
const GROUP_AT_LEAST: usize = 128;
/// Vocabulary entries in a part at most: with the logits of a block they fit the cache.
const PART: usize = 1024;

thread_local! {
    /// The block of logits, kept from step to step: were it freed, smaller buffers would settle in its place, and the next
    /// step would have to find another.
    static LOGITS: Cell<Vec<f32>> = const { Cell::new(Vec::new()) };
}

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
    let (x, mut tape) = x.split_tape();
    let (tokens, features) = dims(&x);
    let (vocabulary, embedding_features) = embedding.dims();
    assert_eq!(features, embedding_features, "features of the embedding");
    assert!(tokens == targets.len() && tokens > 0, "{tokens} tokens with {} targets", targets.len());
    assert!(targets.iter().all(|&t| (t as usize) < vocabulary), "targets in the vocabulary");

    let recording = tape.is_recording();
    let scale = 1.0 / batch as f32;
    let mut dx = Vec::with_capacity(if recording { tokens * features } else { 0 });
    let mut loss = 0.0;
    let block = block_tokens(tokens, vocabulary);
    let mut logits = LOGITS.take();
    if logits.len() < block * vocabulary {
        drop(std::mem::take(&mut logits)); // First, so that its place can be a part of the new one's.
        logits = vec![0.0; block * vocabulary];
    }
    for (x, targets) in values(&x).chunks(block * features).zip(targets.chunks(block)) {
        let block = Block { x, targets, e: embedding.values(), features };
        let groups = block.groups(&mut logits, recording);
        let softmax = block.softmax(&groups);
        loss += softmax.losses().map(f64::from).sum::<f64>();
        if recording {
            dx.append(&mut block.dx(&groups, &softmax, scale));
            embedding.gradient_handle().update(|de, add| block.add_de(de, add, &logits, &groups, &softmax, scale));
        }
    }
    LOGITS.set(logits);

    let loss = Scalar::new((loss / batch as f64) as f32, &tape);
    if recording {
        let output = ActivationId::from(&loss);
        tape.record(move |gradients| {
            assert_eq!(gradients.take(output), [1.0], "the gradient of a loss that was not scaled");
            gradients.of(&x).add(dx);
        });
    }
    loss
}

/// `x · Eᵀ`: the logits of each token, for generation. x: tokens × features, E: vocabulary × features.
pub fn head_logits(x: &Matrix, embedding: &Parameter) -> Matrix {
    let (tokens, features) = dims(x);
    let (vocabulary, _) = embedding.dims();
    let e = MatRef::new(embedding.values(), vocabulary, features);
    matrix(product(MatRef::new(values(x), tokens, features), e.t(), Threads::All), tokens, vocabulary)
}

/// Tokens in a block: as few blocks as the limit allows, about equally long.
fn block_tokens(tokens: usize, vocabulary: usize) -> usize {
    let most = (LOGITS_AT_ONCE / vocabulary).max(1);
    let equal = tokens.div_ceil(tokens.div_ceil(most));
    let whole_tiles = equal.next_multiple_of(TOKENS_UNIT);
    if whole_tiles <= most { whole_tiles } else { equal }.min(tokens)
}

/// The tokens of a block, and all entries of the vocabulary.
struct Block<'a> {
    /// tokens × features
    x: &'a [f32],
    targets: &'a [u32],
    /// vocabulary × features
    e: &'a [f32],
    features: usize,
}

/// What some consecutive entries of the vocabulary give.
struct Group {
    /// For each token of the block the largest logit.
    largest: Vec<f32>,
    /// For each token Σ exp(logit − largest).
    total: Vec<f32>,
    /// Tokens, and the logits of their targets, of those whose target is one of the entries.
    targets: Vec<(usize, f32)>,
    /// Σ exp(logit − largest) · E over the entries that are not the target: tokens × features. Empty when no gradient is asked
    /// for, as `parts`.
    dx: Vec<f32>,
    parts: Vec<Part>,
}

/// What is left of some entries' logits: entries × tokens exponentials, zero for targets.
struct Part {
    entries: Range<usize>,
    /// For each token what was subtracted from the logits.
    shift: Vec<f32>,
}

/// Of each token of a block.
struct Softmax {
    largest: Vec<f32>,
    /// Σ exp(logit − largest).
    total: Vec<f32>,
    /// The logit of the target.
    target_logit: Vec<f32>,
}

impl Block<'_> {
    fn tokens(&self) -> usize {
        self.targets.len()
    }

    /// Computes the logits of all entries, and what can be said of each group by itself.
    fn groups(&self, logits: &mut [f32], gradient: bool) -> Vec<Group> {
        let (tokens, vocabulary) = (self.tokens(), self.e.len() / self.features);
        let group = vocabulary.div_ceil(GROUPS).max(GROUP_AT_LEAST);
        let logits = logits[..vocabulary * tokens].par_chunks_mut(group * tokens).with_max_len(1);
        logits.enumerate().map(|(i, logits)| self.group(i * group, logits, gradient)).collect()
    }

    /// `logits`: entries × tokens, to be written.
    fn group(&self, first: usize, logits: &mut [f32], gradient: bool) -> Group {
        let (tokens, features) = (self.tokens(), self.features);
        let entries = logits.len() / tokens;
        let x = MatRef::new(self.x, tokens, features);
        let mut group = Group {
            largest: vec![f32::NEG_INFINITY; tokens],
            total: vec![0.0; tokens],
            targets: Vec::new(),
            dx: vec![0.0; if gradient { tokens * features } else { 0 }],
            parts: Vec::new(),
        };
        let part = entries.div_ceil(entries.div_ceil(PART));
        for (i, logits) in logits.chunks_mut(part * tokens).enumerate() {
            let start = first + i * part;
            let entries = start..start + logits.len() / tokens;
            let e = MatRef::new(&self.e[entries.start * features..entries.end * features], entries.len(), features);
            matmul(MatMut::new(logits, entries.len(), tokens), false, e, x.t(), Threads::One);
            let of_targets: Vec<(usize, usize)> = (self.targets.iter().enumerate())
                .filter(|(_, target)| entries.contains(&(**target as usize)))
                .map(|(token, &target)| (token, (target as usize - start) * tokens + token))
                .collect();
            group.targets.extend(of_targets.iter().map(|&(token, at)| (token, logits[at])));
            let shrink = exponentials(logits, &mut group.largest, &mut group.total);
            // Targets have a share of their own, p − 1: without it here, sums need not cancel where p is nearly 1.
            of_targets.iter().for_each(|&(_, at)| logits[at] = 0.0);
            if gradient {
                scale_rows(&mut group.dx, &shrink);
                let p = MatRef::new(logits, entries.len(), tokens);
                matmul(MatMut::new(&mut group.dx, tokens, features), true, p.t(), e, Threads::One);
                group.parts.push(Part { entries, shift: group.largest.clone() });
            }
        }
        group
    }

    fn softmax(&self, groups: &[Group]) -> Softmax {
        let tokens = 0..self.tokens();
        let largest = |token: usize| groups.iter().map(|group| group.largest[token]).fold(f32::NEG_INFINITY, f32::max);
        let largest: Vec<f32> = tokens.clone().map(largest).collect();
        let total = |token: usize| -> f32 {
            groups.iter().map(|group| group.total[token] * exp(group.largest[token] - largest[token])).sum()
        };
        let total: Vec<f32> = tokens.map(total).collect();
        let mut target_logit = vec![f32::NAN; total.len()];
        for &(token, logit) in groups.iter().flat_map(|group| &group.targets) {
            target_logit[token] = logit;
        }
        Softmax { largest, total, target_logit }
    }

    /// scale · (softmax − one-hot target) · E: tokens × features.
    fn dx(&self, groups: &[Group], softmax: &Softmax, scale: f32) -> Vec<f32> {
        let features = self.features;
        let factors: Vec<Vec<f32>> = groups.iter().map(|group| softmax.factors(&group.largest, scale)).collect();
        let mut dx = vec![0.0; self.x.len()];
        dx.par_chunks_exact_mut(features).zip(self.targets).enumerate().for_each(|(token, (dx, &target))| {
            for (group, factors) in groups.iter().zip(&factors) {
                let factor = factors[token];
                dx.iter_mut().zip(&group.dx[token * features..]).for_each(|(dx, share)| *dx += factor * share);
            }
            let factor = scale * softmax.of_target(token);
            let e = &self.e[target as usize * features..];
            dx.iter_mut().zip(e).for_each(|(dx, e)| *dx += factor * e);
        });
        dx
    }

    /// de + scale · (softmax − one-hot target)ᵀ · x, or without de: vocabulary × features.
    fn add_de(&self, de: &mut [f32], add: bool, logits: &[f32], groups: &[Group], softmax: &Softmax, scale: f32) {
        let (tokens, features) = (self.tokens(), self.features);
        let mut parts = Vec::new();
        let mut rest = &mut *de;
        for part in groups.iter().flat_map(|group| &group.parts) {
            let (de, after) = rest.split_at_mut(part.entries.len() * features);
            parts.push((part, de));
            rest = after;
        }
        parts.into_par_iter().with_max_len(1).for_each(|(Part { entries, shift }, de)| {
            let mut x = self.x.to_vec();
            scale_rows(&mut x, &softmax.factors(shift, scale));
            let p = MatRef::new(&logits[entries.start * tokens..entries.end * tokens], entries.len(), tokens);
            let x = MatRef::new(&x, tokens, features);
            matmul(MatMut::new(de, entries.len(), features), add, p, x, Threads::One);
        });
        for (token, (&target, x)) in self.targets.iter().zip(self.x.chunks_exact(features)).enumerate() {
            let factor = scale * softmax.of_target(token);
            let de = &mut de[target as usize * features..];
            de.iter_mut().zip(x).for_each(|(de, x)| *de += factor * x);
        }
    }
}

impl Softmax {
    /// −ln softmax(logits)[target], for each token.
    fn losses(&self) -> impl Iterator<Item = f32> {
        let of_tokens = self.largest.iter().zip(&self.total).zip(&self.target_logit);
        of_tokens.map(|((largest, total), logit)| total.ln() + largest - logit)
    }

    /// p − 1, p the probability of the token's target.
    fn of_target(&self, token: usize) -> f32 {
        (exp(self.target_logit[token] - self.largest[token]) - self.total[token]) / self.total[token]
    }

    /// What makes exp(logit − shift) to scale · softmax, for each token.
    fn factors(&self, shift: &[f32], scale: f32) -> Vec<f32> {
        let of_tokens = self.largest.iter().zip(&self.total).zip(shift);
        of_tokens.map(|((largest, total), shift)| exp(shift - largest) * scale / total).collect()
    }
}

/// Raises `largest` to the largest of `logits` (entries × tokens), replaces these by exp(logit − largest), adds them to
/// `total`. Returns what sums of earlier exponentials are to be multiplied by; `total` has been.
fn exponentials(logits: &mut [f32], largest: &mut [f32], total: &mut [f32]) -> Vec<f32> {
    let tokens = largest.len();
    let mut shrink = largest.to_vec();
    let mut sum = vec![0.0; tokens];
    vectorised(
        #[inline(always)]
        || {
            for logits in logits.chunks_exact(tokens) {
                for (largest, &logit) in largest.iter_mut().zip(logits) {
                    *largest = if logit > *largest { logit } else { *largest };
                }
            }
            for logits in logits.chunks_exact_mut(tokens) {
                for ((logit, largest), sum) in logits.iter_mut().zip(&*largest).zip(&mut sum) {
                    *logit = exp(*logit - largest);
                    *sum += *logit;
                }
            }
            for ((shrink, largest), (total, sum)) in shrink.iter_mut().zip(&*largest).zip(total.iter_mut().zip(&sum)) {
                *shrink = exp(*shrink - largest);
                *total = *total * *shrink + sum;
            }
        },
    );
    shrink
}

/// Multiplies each row by its factor.
fn scale_rows(rows: &mut [f32], factors: &[f32]) {
    let columns = rows.len() / factors.len();
    for (row, factor) in rows.chunks_exact_mut(columns).zip(factors) {
        row.iter_mut().for_each(|number| *number *= factor);
    }
}
