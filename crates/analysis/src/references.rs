//! What configurations are compared with, where nobody has chosen.

use std::collections::HashMap;

use crate::Configuration;
use crate::settings::{same_beside_blocks, same_training, training_hash, training_key};

/// A way of training, and a size beside it.
type Sized = (Vec<String>, Option<u64>, Option<u64>);

/// The dense configurations of an experiment, found by how they were trained: sweeps may have thousands.
pub(crate) struct References<'a> {
    baseline: &'a Configuration,
    /// In the order of the experiment, the baseline first.
    by_training: HashMap<Vec<String>, Vec<&'a Configuration>>,
    by_size: HashMap<Sized, Vec<&'a Configuration>>,
}

impl<'a> References<'a> {
    /// Those of all configurations of an experiment with this baseline.
    pub(crate) fn new(configurations: &'a [Configuration], baseline: &'a Configuration) -> Self {
        let (mut by_training, mut by_size) = (HashMap::<_, Vec<_>>::new(), HashMap::<_, Vec<_>>::new());
        for one in std::iter::once(baseline).chain(configurations.iter().filter(|one| one.is_dense())) {
            by_training.entry(training_key(one.first())).or_default().push(one);
            if one.is_dense() {
                by_size.entry(sized(one)).or_default().push(one);
            }
        }
        Self { baseline, by_training, by_size }
    }

    /// What a configuration is compared with: the dense one that differs from it in nothing but its blocks; else the baseline,
    /// if that was trained in the same way; else a dense one that was; else the baseline.
    pub(crate) fn of(&self, one: &Configuration) -> &'a Configuration {
        // Two dense models are a comparison of their sizes or trainings: with the one baseline.
        if one.is_dense() {
            return self.baseline;
        }
        let own = one.first();
        let twins = self.by_size.get(&sized(one)).into_iter().flatten();
        let trained_alike = self.by_training.get(&training_key(own)).into_iter().flatten();
        let twin = twins.copied().find(|other| same_beside_blocks(own, other.first()));
        twin.or_else(|| trained_alike.copied().find(|other| same_training(own, other.first()))).unwrap_or(self.baseline)
    }
}

fn sized(one: &Configuration) -> Sized {
    let run = one.first();
    (training_key(run), run.hidden, run.layers)
}

/// How many of these configurations were trained as each was: without a hash of its training, one was trained as all that
/// have its settings; with one, as those of the same and those without.
pub(crate) fn trained_alike(configurations: &[Configuration]) -> Vec<usize> {
    let mut counts: HashMap<Vec<String>, HashMap<&str, usize>> = HashMap::new();
    let keys: Vec<Vec<String>> = configurations.iter().map(|one| training_key(one.first())).collect();
    for (one, key) in configurations.iter().zip(&keys) {
        *counts.entry(key.clone()).or_default().entry(training_hash(one.first())).or_default() += 1;
    }
    let count = |(one, key): (&Configuration, &Vec<String>)| {
        let (known, own) = (&counts[key], training_hash(one.first()));
        match own {
            "" => known.values().sum(),
            own => known[own] + known.get("").copied().unwrap_or(0),
        }
    };
    configurations.iter().zip(&keys).map(count).collect()
}

#[cfg(test)]
mod tests {
    use lrx_records::RunRecord;

    use super::*;

    #[test]
    fn what_is_looked_up_is_what_a_search_finds() {
        let mut state = 1_u64;
        let mut any = |below: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % below
        };
        let hash = |number: u64| if number == 0 { String::new() } else { number.to_string() };
        let (mut twins, mut alike_only) = (0, 0);
        for _ in 0..500 {
            let one = |any: &mut dyn FnMut(u64) -> u64| RunRecord {
                hidden: Some(any(2)),
                attention: ["dense", "low-rank"][any(2) as usize].into(),
                mlp: "dense".into(),
                learning_rate: Some(any(2) as f64),
                training: hash(any(3)),
                frame: hash(any(3)),
                ..RunRecord::default()
            };
            let runs = (0..1 + any(8)).map(|_| one(&mut any)).map(|run| vec![run]);
            let all: Vec<_> =
                runs.map(|runs| Configuration { name: String::new(), runs, repeats: 0, held_out: None }).collect();
            let count = |one: &Configuration| all.iter().filter(|o| same_training(one.first(), o.first())).count();
            assert_eq!(trained_alike(&all), all.iter().map(count).collect::<Vec<_>>());

            let Some(baseline) = all.iter().rfind(|one| one.is_dense()) else { continue };
            let references = References::new(&all, baseline);
            for one in &all {
                let dense = all.iter().filter(|other| other.is_dense() && !one.is_dense());
                let in_order: Vec<_> = std::iter::once(baseline).chain(dense).collect();
                let twin = in_order.iter().find(|other| same_beside_blocks(one.first(), other.first()));
                let alike = || in_order.iter().find(|other| same_training(one.first(), other.first()));
                let found = twin.or_else(alike).copied().unwrap_or(baseline);
                assert!(std::ptr::eq(references.of(one), found), "{one:?} {all:?}");
                twins += usize::from(twin.is_some() && !one.is_dense());
                alike_only += usize::from(twin.is_none() && alike().is_some());
            }
        }
        assert!(twins > 100 && alike_only > 100, "{twins} {alike_only}");
    }
}
