//! Which stories a training step sees.

use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use crate::batch::{Batch, fitting, targets_at};
use crate::random::Random;
use crate::stories::Stories;

/// How much goes into one batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BatchSize {
    /// So many stories; the last batch of an epoch has what is left.
    Stories(usize),
    /// As many of the next stories as have so many targets together at most, but at least one.
    Tokens(usize),
}

/// Stories that may be put in order to count the steps of epochs: seconds of work.
const MOST_ORDERED: usize = 1 << 28;
/// What an epoch costs beside its stories, in stories.
const COST_OF_EPOCH: usize = 64;

/// How a [`Sampler`] makes batches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SamplerConfig {
    /// Stories are cut after so many tokens; at least 2.
    pub context: usize,
    /// The size of a batch; at least 1.
    pub size: BatchSize,
    /// Whether each epoch has a random order of its own; else every epoch has that of the stories.
    pub shuffle: bool,
    /// The seed of the random orders: that of the run.
    pub seed: u64,
}

/// Gives the batch of every training step, over any number of epochs; each epoch takes every story once.
///
/// A batch depends on nothing but its step: a resumed run needs to know no more than where it stopped.
///
/// ```
/// use lrx_data::{BatchSize, Sampler, SamplerConfig, Stories};
///
/// let stories = Stories::from_ids([[1, 2], [3, 4], [5, 6]]);
/// let config = SamplerConfig { context: 8, size: BatchSize::Stories(2), shuffle: false, seed: 0 };
/// let sampler = Sampler::new(stories, config);
/// assert_eq!(sampler.steps(2), 4);
/// assert_eq!(sampler.batch(0).inputs, [1, 3]);
/// assert_eq!(sampler.batch(1).inputs, [5]);
/// assert_eq!(sampler.batch(2), sampler.batch(0));
/// ```
#[derive(Debug)]
pub struct Sampler {
    stories: Stories,
    config: SamplerConfig,
    plans: Mutex<Plans>,
}

/// What is known of the epochs so far. Everything here can be computed anew.
#[derive(Debug)]
struct Plans {
    /// The first step of each epoch from 0, as far as they were counted.
    starts: Vec<usize>,
    latest: Option<(usize, Arc<Plan>)>,
}

/// The batches of an epoch.
#[derive(Debug)]
struct Plan {
    /// The stories in the order of the epoch.
    order: Vec<u32>,
    /// Where each batch begins in that order, and the end of the last.
    bounds: Vec<u32>,
}

impl Plan {
    fn batches(&self) -> usize {
        self.bounds.len() - 1
    }

    fn members(&self, batch: usize) -> impl Iterator<Item = usize> {
        let Range { start, end } = self.bounds[batch]..self.bounds[batch + 1];
        self.order[start as usize..end as usize].iter().map(|story| *story as usize)
    }
}

impl Sampler {
    /// A sampler of `stories`.
    ///
    /// # Panics
    /// If there is no story, or a size of `config` is below what its documentation asks for.
    pub fn new(stories: Stories, config: SamplerConfig) -> Self {
        let (BatchSize::Stories(size) | BatchSize::Tokens(size)) = config.size;
        assert!(!stories.is_empty(), "there is no story to take a batch from");
        assert!(config.context >= 2, "a context of {} leaves no token to predict", config.context);
        assert!(size > 0, "a batch of nothing");
        Self { stories, config, plans: Mutex::new(Plans { starts: vec![0], latest: None }) }
    }

    /// The stories that batches are made of.
    pub fn stories(&self) -> &Stories {
        &self.stories
    }

    /// The number of batches of an epoch, which for [`BatchSize::Tokens`] depends on its order.
    pub fn batches_in_epoch(&self, epoch: usize) -> usize {
        match self.config.size {
            BatchSize::Stories(size) => self.stories.len().div_ceil(size),
            BatchSize::Tokens(_) if self.config.shuffle => self.plan(epoch).batches(),
            BatchSize::Tokens(_) => self.plan(0).batches(),
        }
    }

    /// Whether the steps of so many epochs can be counted in reasonable time and memory. With [`BatchSize::Tokens`] each
    /// shuffled epoch has a number of its own, so that each has to be put in order.
    pub fn can_count(&self, epochs: usize) -> bool {
        if self.same_length() {
            return epochs.checked_mul(self.batches_in_epoch(0)).is_some();
        }
        epochs.checked_mul(self.stories.len() + COST_OF_EPOCH).is_some_and(|cost| cost <= MOST_ORDERED)
    }

    /// Whether the [`position`](Self::position) of a step can be found in reasonable time and memory.
    pub fn can_reach(&self, step: usize) -> bool {
        self.same_length() || self.can_count(step / self.batches_in_epoch(0) + 1)
    }

    /// The number of steps that `epochs` epochs take, if they [can be counted](Self::can_count).
    pub fn steps(&self, epochs: usize) -> usize {
        if self.same_length() {
            return epochs * self.batches_in_epoch(0);
        }
        let known = self.plans().starts.len();
        for epoch in known - 1..epochs {
            let batches = self.batches_in_epoch(epoch);
            let mut plans = self.plans();
            if plans.starts.len() == epoch + 1 {
                let start = plans.starts[epoch] + batches;
                plans.starts.push(start);
            }
        }
        self.plans().starts[epochs]
    }

    /// The epoch of a step, counted from 0, and the number of the step's batch in it.
    pub fn position(&self, step: usize) -> (usize, usize) {
        if self.same_length() {
            let batches = self.batches_in_epoch(0);
            return (step / batches, step % batches);
        }
        let mut counted = self.plans().starts.len() - 1;
        while self.steps(counted) <= step {
            counted += 1;
        }
        let plans = self.plans();
        let epoch = plans.starts.partition_point(|start| *start <= step) - 1;
        (epoch, step - plans.starts[epoch])
    }

    /// The batch of a step, counted from 0.
    pub fn batch(&self, step: usize) -> Batch {
        let (epoch, batch) = self.position(step);
        let epoch = if self.config.shuffle { epoch } else { 0 };
        Batch::new(&self.stories, self.plan(epoch).members(batch), self.config.context)
    }

    /// The number of targets of an epoch.
    pub fn targets_per_epoch(&self) -> u64 {
        self.stories.targets(self.config.context)
    }

    /// Whether every epoch has as many batches.
    fn same_length(&self) -> bool {
        !self.config.shuffle || matches!(self.config.size, BatchSize::Stories(_))
    }

    fn plans(&self) -> std::sync::MutexGuard<'_, Plans> {
        // The plans are whole at every point where a thread can panic.
        self.plans.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The plan of an epoch; the latest is kept.
    fn plan(&self, epoch: usize) -> Arc<Plan> {
        if let Some((known, plan)) = &self.plans().latest
            && *known == epoch
        {
            return Arc::clone(plan);
        }
        let plan = Arc::new(self.make_plan(epoch));
        self.plans().latest = Some((epoch, Arc::clone(&plan)));
        plan
    }

    fn make_plan(&self, epoch: usize) -> Plan {
        let count = self.stories.len() as u32;
        let order = if self.config.shuffle {
            Random::new("lrx-data order of an epoch", &[self.config.seed, epoch as u64]).permutation(count)
        } else {
            (0..count).collect()
        };
        let targets = targets_at(&self.stories, self.config.context);
        let mut bounds = vec![0];
        let mut start = 0;
        while start < order.len() {
            let rest = &order[start..];
            start += match self.config.size {
                BatchSize::Stories(size) => rest.len().min(size),
                BatchSize::Tokens(most) => fitting(rest.iter().map(|story| targets(*story as usize)), most),
            };
            bounds.push(start as u32);
        }
        Plan { order, bounds }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Stories of 2 to 9 tokens, all of which differ.
    fn stories(count: u32) -> Stories {
        Stories::from_ids((0..count).map(|i| (0..2 + i % 8).map(|j| 10 * i + j).collect::<Vec<_>>()))
    }

    fn sampler(size: BatchSize, shuffle: bool, seed: u64) -> Sampler {
        Sampler::new(stories(101), SamplerConfig { context: 6, size, shuffle, seed })
    }

    const SIZES: [BatchSize; 5] = [
        BatchSize::Stories(1),
        BatchSize::Stories(4),
        BatchSize::Stories(500),
        BatchSize::Tokens(1),
        BatchSize::Tokens(17),
    ];

    /// The first inputs of the stories of an epoch, which tell them apart.
    fn epoch(sampler: &Sampler, epoch: usize) -> Vec<u32> {
        let steps = sampler.steps(epoch)..sampler.steps(epoch + 1);
        let firsts = |batch: Batch| {
            let starts = batch.offsets[..batch.stories()].to_vec();
            starts.into_iter().map(move |start| batch.inputs[start])
        };
        steps.flat_map(|step| firsts(sampler.batch(step))).collect()
    }

    #[test]
    fn every_epoch_takes_each_story_once_in_an_order_of_its_own() {
        for size in SIZES {
            let shuffled = sampler(size, true, 3);
            let orders: Vec<Vec<u32>> = (0..3).map(|e| epoch(&shuffled, e)).collect();
            for order in &orders {
                let mut sorted = order.clone();
                sorted.sort_unstable();
                assert_eq!(sorted, (0..101).map(|i| 10 * i).collect::<Vec<_>>(), "{size:?}");
            }
            assert!(orders[0] != orders[1] && orders[1] != orders[2] && orders[0] != orders[2]);
            // The order does not depend on how it is cut into batches.
            assert_eq!(orders[1], epoch(&sampler(BatchSize::Stories(1), true, 3), 1));
            assert_ne!(orders[1], epoch(&sampler(size, true, 4), 1));
            let straight = sampler(size, false, 3);
            assert!(epoch(&straight, 0).is_sorted());
            assert_eq!(epoch(&straight, 0), epoch(&straight, 5));
        }
    }

    #[test]
    fn a_batch_depends_on_its_step_only() {
        for (size, shuffle) in SIZES.into_iter().flat_map(|size| [(size, true), (size, false)]) {
            let forward = sampler(size, shuffle, 0);
            let steps = forward.steps(3).min(60);
            let expected: Vec<Batch> = (0..steps).map(|step| forward.batch(step)).collect();
            let backward = sampler(size, shuffle, 0);
            for step in (0..steps).rev() {
                assert_eq!(backward.batch(step), expected[step], "{size:?} {shuffle} {step}");
            }
        }
    }

    #[test]
    fn batches_have_their_size() {
        let by_stories = sampler(BatchSize::Stories(4), true, 0);
        let counts: Vec<usize> = (0..by_stories.steps(1)).map(|step| by_stories.batch(step).stories()).collect();
        assert_eq!(counts, [vec![4; 25], vec![1]].concat());

        let by_tokens = sampler(BatchSize::Tokens(17), true, 0);
        let tokens: Vec<usize> = (0..by_tokens.steps(2)).map(|step| by_tokens.batch(step).tokens()).collect();
        // No story has more than 5 targets in a context of 6: only the last of an epoch can be far from full.
        assert!(tokens.iter().all(|tokens| *tokens <= 17));
        assert!(tokens.iter().filter(|tokens| **tokens <= 12).count() <= 2);
        assert_eq!(tokens.iter().sum::<usize>() as u64, 2 * by_tokens.targets_per_epoch());
        assert!((0..101).all(|step| sampler(BatchSize::Tokens(1), true, 0).batch(step).stories() == 1));
    }

    #[test]
    fn steps_and_positions_agree() {
        for (size, shuffle) in SIZES.into_iter().flat_map(|size| [(size, true), (size, false)]) {
            let sampler = sampler(size, shuffle, 1);
            let mut step = 0;
            for epoch in 0..4 {
                assert_eq!(sampler.steps(epoch), step);
                for batch in 0..sampler.batches_in_epoch(epoch) {
                    assert_eq!(sampler.position(step), (epoch, batch), "{size:?} {shuffle}");
                    step += 1;
                }
            }
        }
    }

    #[test]
    fn what_cannot_be_counted_is_said_at_once() {
        let began = std::time::Instant::now();
        for shuffle in [true, false] {
            let by_stories = sampler(BatchSize::Stories(4), shuffle, 0);
            assert!(by_stories.can_count(999_999_999) && by_stories.can_reach(usize::MAX));
            assert_eq!(by_stories.steps(999_999_999), 26 * 999_999_999);
            assert!(!by_stories.can_count(usize::MAX));
        }
        assert!(sampler(BatchSize::Tokens(17), false, 0).can_count(999_999_999));
        let by_tokens = sampler(BatchSize::Tokens(17), true, 0);
        assert!(by_tokens.can_count(1000) && by_tokens.can_reach(by_tokens.steps(1000)));
        for many in [999_999_999, usize::MAX] {
            assert!(!by_tokens.can_count(many) && !by_tokens.can_reach(many));
        }
        assert!(began.elapsed() < std::time::Duration::from_secs(10));
    }

    #[test]
    fn the_seeds_epoch_has_its_steps() {
        let stories = Stories::from_ids(std::iter::repeat_n([1, 2], 24_750));
        let config = SamplerConfig { context: 2048, size: BatchSize::Stories(4), shuffle: true, seed: 0 };
        assert_eq!(Sampler::new(stories, config).steps(1), 6_188);
    }

    #[test]
    #[should_panic(expected = "no story")]
    fn no_stories_are_a_mistake() {
        let config = SamplerConfig { context: 2, size: BatchSize::Stories(1), shuffle: false, seed: 0 };
        Sampler::new(Stories::from_ids([[1]]), config);
    }
}
