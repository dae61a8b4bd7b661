//! Text from a model, token by token.

use lrx_layers::Progress;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::{Continuation, Model};

/// How the next token is drawn.
#[derive(Clone, Copy, Debug)]
pub struct Sampling {
    /// Logits are divided by it: below 1 sharper, above 1 flatter; 0 takes the likeliest token.
    pub temperature: f32,
    /// Only the k likeliest tokens are drawn from; 0 for all.
    pub top_k: usize,
    /// A seed gives the same text again.
    pub seed: u64,
}

/// Continues `prompt` by up to `count` tokens; stops after `end_of_text` or when the context is full. `emit` sees each
/// token as it comes.
///
/// # Panics
/// When the prompt is empty.
pub fn generate(
    model: &Model,
    prompt: &[u32],
    count: usize,
    end_of_text: Option<u32>,
    sampling: &Sampling,
    emit: impl FnMut(u32),
) {
    generate_at(Progress::DONE, model, prompt, count, end_of_text, sampling, emit);
}

/// As [`generate`], of a model that is so far in its training: layers that change with it are as they are then.
///
/// # Panics
/// When the prompt is empty.
pub fn generate_at(
    progress: Progress,
    model: &Model,
    prompt: &[u32],
    count: usize,
    end_of_text: Option<u32>,
    sampling: &Sampling,
    mut emit: impl FnMut(u32),
) {
    assert!(!prompt.is_empty(), "a prompt of at least one token");
    let mut random = ChaCha8Rng::seed_from_u64(sampling.seed);
    let mut continuation = Continuation::at(progress);
    let mut new = prompt.to_vec();
    for _ in 0..count.min(model.context().saturating_sub(prompt.len())) {
        let next = draw(&model.continue_logits(&new, &mut continuation), sampling, &mut random);
        emit(next);
        if Some(next) == end_of_text {
            break;
        }
        new = vec![next];
    }
}

fn draw(logits: &[f32], sampling: &Sampling, random: &mut ChaCha8Rng) -> u32 {
    // Likeliest first; of equals the smaller token, so that the order is the same everywhere.
    let mut order: Vec<u32> = (0..logits.len() as u32).collect();
    order.sort_by(|&a, &b| logits[b as usize].total_cmp(&logits[a as usize]).then(a.cmp(&b)));
    if sampling.temperature == 0.0 {
        return order[0];
    }
    if sampling.top_k > 0 {
        order.truncate(sampling.top_k);
    }
    let weight =
        |&token: &u32| f64::from((logits[token as usize] - logits[order[0] as usize]) / sampling.temperature).exp();
    let total: f64 = order.iter().map(weight).sum();
    // 53 random bits, uniform in [0, 1).
    let mut left = (random.next_u64() >> 11) as f64 / (1u64 << 53) as f64 * total;
    for token in &order {
        left -= weight(token);
        if left < 0.0 {
            return *token;
        }
    }
    *order.last().expect("a vocabulary of at least one token")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draws(sampling: &Sampling, count: usize) -> Vec<f64> {
        let logits = [0.5, 2.0, -1.0, 1.0];
        let mut random = ChaCha8Rng::seed_from_u64(sampling.seed);
        let mut counts = vec![0.0; logits.len()];
        for _ in 0..count {
            counts[draw(&logits, sampling, &mut random) as usize] += 1.0 / count as f64;
        }
        counts
    }

    #[test]
    fn tokens_come_as_often_as_their_softmax_says() {
        let temperature = 0.7;
        let often = draws(&Sampling { temperature, top_k: 0, seed: 3 }, 40_000);
        let weights = [0.5f64, 2.0, -1.0, 1.0].map(|logit| (logit / f64::from(temperature)).exp());
        let total: f64 = weights.iter().sum();
        for (often, weight) in often.iter().zip(weights) {
            assert!((often - weight / total).abs() < 0.01, "{often} for {}", weight / total);
        }
        let two = draws(&Sampling { temperature: 1.0, top_k: 2, seed: 3 }, 1_000);
        assert_eq!((two[0], two[2]), (0.0, 0.0), "top-k leaves the others out");
        assert!((draws(&Sampling { temperature: 0.0, top_k: 0, seed: 3 }, 10)[1] - 1.0).abs() < 1e-9, "greedy");
    }
}
