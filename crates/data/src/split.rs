//! Which stories are held out.

use crate::random::Random;

/// What decides which stories are held out: the fraction, and the seed if they are drawn.
pub(crate) type HeldOut = (f64, Option<u64>);

/// Stories of a source, by their position in it, in its order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Split {
    pub(crate) train: Vec<u32>,
    pub(crate) valid: Vec<u32>,
}

impl Split {
    /// Holds out the rounded `fraction` of `stories`, but at least one, and leaves at least one. With a seed they are
    /// the last of a random permutation, without one the last of the source. None if there are fewer than two stories.
    pub(crate) fn new(stories: u32, fraction: f64, seed: Option<u64>) -> Option<Self> {
        Self::drawn("lrx-data held-out stories", stories, fraction, seed)
    }

    /// The split for tuning: of the stories to train on, as many as [`new`](Self::new) would hold out of them are evaluated on
    /// in place of the held-out ones, which are in neither part. With a seed they are drawn apart from those.
    pub(crate) fn for_tuning(self, fraction: f64, seed: Option<u64>) -> Option<Self> {
        let Self { train: all, .. } = self;
        let split = Self::drawn("lrx-data tuning stories", all.len() as u32, fraction, seed)?;
        // The stories rise, and so do their places among them.
        let at = |places: Vec<u32>| places.into_iter().map(|place| all[place as usize]).collect();
        Some(Self { train: at(split.train), valid: at(split.valid) })
    }

    fn drawn(purpose: &str, stories: u32, fraction: f64, seed: Option<u64>) -> Option<Self> {
        if stories < 2 {
            return None;
        }
        let held_out = (f64::from(stories) * fraction).round().clamp(1.0, f64::from(stories - 1)) as u32;
        let mut train = match seed {
            Some(seed) => Random::new(purpose, &[seed]).permutation(stories),
            None => (0..stories).collect(),
        };
        let mut valid = train.split_off((stories - held_out) as usize);
        train.sort_unstable();
        valid.sort_unstable();
        Some(Self { train, valid })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_rounded_and_neither_part_is_empty() {
        for (stories, fraction, held_out) in [
            (25_000, 0.01, 250),
            (15_249, 0.01, 152),
            (100, 0.005, 1),
            (150, 0.01, 2),
            (10, 0.001, 1),
            (10, 0.999, 9),
            (2, 0.5, 1),
        ] {
            let split = Split::new(stories, fraction, Some(0)).unwrap();
            assert_eq!((split.train.len(), split.valid.len()), ((stories - held_out) as usize, held_out as usize));
        }
        assert_eq!(Split::new(1, 0.5, Some(0)), None);
        assert_eq!(Split::new(0, 0.5, None), None);
    }

    #[test]
    fn every_story_is_in_one_part_and_the_order_is_kept() {
        for seed in [None, Some(0), Some(1)] {
            let Split { train, valid } = Split::new(1000, 0.1, seed).unwrap();
            assert!(train.is_sorted() && valid.is_sorted());
            let mut all = [train, valid].concat();
            all.sort_unstable();
            assert_eq!(all, (0..1000).collect::<Vec<_>>());
        }
    }

    #[test]
    fn the_seed_draws_and_without_one_the_last_are_held_out() {
        let valid = |seed| Split::new(1000, 0.1, seed).unwrap().valid;
        assert_eq!(valid(None), (900..1000).collect::<Vec<_>>());
        assert_eq!(valid(Some(0)), valid(Some(0)));
        assert_ne!(valid(Some(0)), valid(Some(1)));
    }

    #[test]
    fn tuning_never_meets_the_stories_of_the_comparison() {
        for seed in [None, Some(0), Some(1)] {
            let compare = Split::new(1000, 0.1, seed).unwrap();
            let tune = compare.clone().for_tuning(0.05, seed).unwrap();
            assert_eq!((tune.train.len(), tune.valid.len()), (855, 45), "a twentieth of 900");
            assert!(tune.train.is_sorted() && tune.valid.is_sorted());
            let mut all = [tune.train, tune.valid].concat();
            all.sort_unstable();
            assert_eq!(all, compare.train);
        }
        let last = Split::new(1000, 0.1, None).unwrap().for_tuning(0.05, None).unwrap();
        assert_eq!(last.valid, (855..900).collect::<Vec<_>>());
        assert_eq!(Split { train: vec![3], valid: vec![1] }.for_tuning(0.5, None), None);
    }
}
