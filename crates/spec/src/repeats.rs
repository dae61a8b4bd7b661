//! Configurations that a config describes more than once: each is trained once.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::rc::Rc;

use crate::experiment::Configuration;
use crate::identity::Identity;
use crate::point::Point;

/// Runs that a config describes more than once.
#[derive(Default)]
pub(crate) struct Repeats {
    /// For each configuration that is there again: the earlier one, and what the sweep set for the later.
    configurations: Vec<(usize, Rc<Point>)>,
    /// Seeds that stand in `seeds` again.
    seeds: BTreeSet<u64>,
}

impl Repeats {
    pub(crate) fn notes(&self, experiment: &str, labels: &[String]) -> Vec<String> {
        let mut notes = Vec::new();
        if let Some((first, point)) = self.configurations.first() {
            let set: Vec<String> =
                point.settings().map(|setting| format!("{} = {}", setting.key, setting.value)).collect();
            let more = match self.configurations.len() - 1 {
                0 => String::new(),
                more => format!(" (and so with {more} more)"),
            };
            notes.push(format!(
                "{experiment}: {} is the same as {}, and is trained once{more}",
                set.join(", "),
                labels[*first],
            ));
        }
        if !self.seeds.is_empty() {
            let seeds: Vec<String> = self.seeds.iter().take(5).map(u64::to_string).collect();
            let (seeds, more) = (seeds.join(", "), if self.seeds.len() > 5 { ", …" } else { "" });
            notes.push(format!("{experiment}: seeds has {seeds}{more} more than once; each is trained once"));
        }
        notes
    }
}

/// Each different configuration once, in the order in which they come first, with the seeds of all that are the same.
pub(crate) fn merged(configurations: Vec<Configuration>, repeats: &mut Repeats) -> Vec<Configuration> {
    let mut known: HashMap<Identity, usize> = HashMap::new();
    let mut merged: Vec<Configuration> = Vec::new();
    for mut configuration in configurations {
        let mut seeds = HashSet::new();
        let again: Vec<u64> = configuration.seeds.extract_if(.., |seed| !seeds.insert(*seed)).collect();
        repeats.seeds.extend(again);
        match known.get(&configuration.identity) {
            None => {
                known.insert(configuration.identity, merged.len());
                merged.push(configuration);
            }
            Some(&first) => {
                let earlier = &mut merged[first];
                let before: HashSet<u64> = earlier.seeds.iter().copied().collect();
                let (twice, new): (Vec<u64>, Vec<u64>) =
                    configuration.seeds.into_iter().partition(|seed| before.contains(seed));
                earlier.seeds.extend(new);
                // A sweep that passes a dense model anyway is its own baseline.
                if !twice.is_empty() && !earlier.point.is_baseline() {
                    repeats.configurations.push((first, configuration.point));
                }
                if earlier.given.is_none() {
                    earlier.given = configuration.given;
                }
                if earlier.tuned.is_empty() {
                    earlier.tuned = configuration.tuned;
                }
            }
        }
    }
    merged
}
