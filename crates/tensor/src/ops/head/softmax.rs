//! The softmax of each token, taken part by part of the vocabulary.

use crate::simd::{exp, vectorised};

/// Of each token of a block.
pub(super) struct Softmax {
    pub(super) largest: Vec<f32>,
    /// Σ exp(logit − largest).
    pub(super) total: Vec<f32>,
    /// The logit of the target.
    pub(super) target_logit: Vec<f32>,
}

impl Softmax {
    /// −ln softmax(logits)[target], for each token.
    pub(super) fn losses(&self) -> impl Iterator<Item = f32> {
        let of_tokens = self.largest.iter().zip(&self.total).zip(&self.target_logit);
        of_tokens.map(|((largest, total), logit)| total.ln() + largest - logit)
    }

    /// p − 1, p the probability of the token's target.
    pub(super) fn of_target(&self, token: usize) -> f32 {
        (exp(self.target_logit[token] - self.largest[token]) - self.total[token]) / self.total[token]
    }

    /// What makes exp(logit − shift) to scale · softmax, for each token.
    pub(super) fn factors(&self, shift: &[f32], scale: f32) -> Vec<f32> {
        let of_tokens = self.largest.iter().zip(&self.total).zip(shift);
        of_tokens.map(|((largest, total), shift)| exp(shift - largest) * scale / total).collect()
    }
}

/// Raises `largest` to the largest of `logits` (entries × tokens), replaces these by exp(logit − largest), adds them to
/// `total`. Returns what sums of earlier exponentials are to be multiplied by; `total` has been.
pub(super) fn exponentials(logits: &mut [f32], largest: &mut [f32], total: &mut [f32]) -> Vec<f32> {
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
