//! The floating-point operations of training, and how many steps so many of them are.

use std::collections::BTreeMap;

use lrx_data::{BatchSize, Sampler, SamplerConfig, Stories};
use lrx_model::ModelSpec;

/// What an epoch of training takes.
///
/// Forward: for each target [`ModelSpec::flops_per_token`], and for each story the products of attention itself,
/// [`ModelSpec::attention_flops`]. The backward pass takes twice as much, so that training takes three times the forward pass
/// (Kaplan et al. 2020). A step takes the mean of an epoch's: which stories meet in a batch depends on the seed, and a
/// configuration has as many steps with each. With batches of so many tokens, an epoch has the steps that the first one has
/// with the seed 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EpochFlops {
    /// Floating-point operations of an epoch.
    pub flops: u128,
    /// Steps of an epoch.
    pub steps: usize,
}

impl EpochFlops {
    /// Of a model with so many tokens in its vocabulary, on these stories.
    ///
    /// # Panics
    /// If there is no story.
    pub fn of(model: &ModelSpec, vocabulary: usize, stories: &Stories, size: BatchSize, shuffle: bool) -> Self {
        let mut lengths: BTreeMap<usize, u128> = BTreeMap::new();
        for story in 0..stories.len() {
            *lengths.entry(stories.story_tokens(story, model.context) - 1).or_default() += 1;
        }
        let per_token = model.flops_per_token(vocabulary);
        let forward =
            |length: usize| per_token as u128 * length as u128 + model.attention_flops(std::iter::once(length)) as u128;
        let forward: u128 = lengths.into_iter().map(|(length, stories)| stories * forward(length)).sum();
        let config = SamplerConfig { context: model.context, size, shuffle, seed: 0 };
        Self { flops: 3 * forward, steps: Sampler::new(stories.clone(), config).batches_in_epoch(0) }
    }

    /// The most steps that take no more than so many operations.
    pub fn steps_within(&self, flops: f64) -> usize {
        // Whole numbers: a product of steps is not to be missed by a rounding.
        let steps = (flops as u128).saturating_mul(self.steps as u128) / self.flops.max(1);
        steps.try_into().unwrap_or(usize::MAX)
    }

    /// What so many steps take.
    pub fn of_steps(&self, steps: usize) -> f64 {
        self.flops as f64 * steps as f64 / self.steps as f64
    }
}
