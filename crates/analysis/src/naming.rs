//! Names that tell configurations of one label apart.

use std::collections::HashMap;

use lrx_records::{Cell, RunRecord};

use crate::Configuration;
use crate::settings::SETTINGS;

/// A name for each configuration: its label, and in brackets, where others have the same, the first property that differs
/// from all of theirs, or all that differ from one of them.
pub(crate) fn unique_names(configurations: &[Configuration]) -> Vec<String> {
    let mut groups: HashMap<&str, Vec<usize>> = HashMap::new();
    for (index, one) in configurations.iter().enumerate() {
        groups.entry(one.label()).or_default().push(index);
    }
    let mut names: Vec<String> = configurations.iter().map(|one| one.label().to_owned()).collect();
    for group in groups.into_values().filter(|group| group.len() > 1) {
        let runs: Vec<&RunRecord> = group.iter().map(|&index| configurations[index].first()).collect();
        for (index, told) in group.into_iter().zip(Alike::new(&runs).told()) {
            names[index] = format!("{} ({told})", names[index]);
        }
    }
    names
}

/// Runs of one label, and their properties. How often a value occurs is counted once: to hold each run against each other
/// would take the square of their number.
struct Alike {
    properties: Vec<Vec<String>>,
    /// How many runs have each value of each property.
    counts: Vec<HashMap<String, usize>>,
    /// The slots of each run, and in how many runs each occurs.
    slots: Vec<Vec<String>>,
    slot_counts: HashMap<String, usize>,
}

/// Where the slots stand among the properties: kinds and ranks say more than all but the sizes, which come first.
const SLOTS: usize = 6;
/// So many settings are sizes.
const SIZES: usize = 2;

impl Alike {
    fn new(runs: &[&RunRecord]) -> Self {
        let slots: Vec<Vec<String>> =
            runs.iter().map(|run| run.slots.split_whitespace().map(str::to_owned).collect()).collect();
        let mut slot_counts: HashMap<String, usize> = HashMap::new();
        for own in &slots {
            let mut own = own.clone();
            own.sort_unstable();
            own.dedup();
            own.into_iter().for_each(|slot| *slot_counts.entry(slot).or_default() += 1);
        }
        let of_some = |own: &Vec<String>| -> Vec<String> {
            own.iter().filter(|slot| slot_counts[*slot] < runs.len()).cloned().collect()
        };
        let properties: Vec<Vec<String>> =
            runs.iter().zip(&slots).map(|(run, own)| properties(run, of_some(own).join(" "))).collect();
        let mut counts = vec![HashMap::new(); properties[0].len()];
        for (value, count) in properties.iter().flat_map(|own| own.iter().zip(0..)) {
            *counts[count].entry(value.clone()).or_default() += 1;
        }
        Self { properties, counts, slots, slot_counts }
    }

    /// What sets each apart.
    fn told(&self) -> impl Iterator<Item = String> {
        (0..self.properties.len()).map(|run| {
            let own = &self.properties[run];
            let others = own.len() - 1; // The last is the run's id, which says nothing to a person.
            let telling: Vec<usize> = match (0..own.len()).find(|&property| self.same(run, property) == 0) {
                Some(one) => vec![one],
                None => (0..others).filter(|&i| self.same(run, i) < self.properties.len() - 1).collect(),
            };
            let part = |i: usize| if own[i].is_empty() { of_default(i) } else { own[i].clone() };
            let parts: Vec<String> = telling.into_iter().map(part).filter(|part| !part.is_empty()).collect();
            if parts.is_empty() { own[others].clone() } else { parts.join(", ") }
        })
    }

    /// How many others have the same value of a property.
    fn same(&self, run: usize, property: usize) -> usize {
        let others = self.properties.len() - 1;
        // A slot that all others have is none of theirs alone.
        let lacks = |(slot, count): (&String, &usize)| *count == others && !self.slots[run].contains(slot);
        if property == SLOTS && self.slot_counts.iter().any(lacks) {
            let is_told =
                |slot: &&str| self.slot_counts[*slot] < others || self.slots[run].iter().any(|own| own == slot);
            let told = |other: usize| self.properties[other][SLOTS].split_whitespace().filter(is_told);
            return (0..=others).filter(|&other| other != run && told(other).eq(told(run))).count();
        }
        self.counts[property][&self.properties[run][property]] - 1
    }
}

/// Where the settings behind the sizes and the slots begin among the properties.
const SETTINGS_AFTER: usize = SLOTS + 1;

/// What to say of a property without a value, where others have one: rules that a config does not name are the kinds' own.
fn of_default(property: usize) -> String {
    let place = property.checked_sub(SETTINGS_AFTER).map(|place| place + SIZES);
    let name = place.and_then(|place| SETTINGS.get(place)).map_or("", |setting| setting.name);
    if ["init", "rates by", "decay by"].contains(&name) { format!("{name} default") } else { String::new() }
}

/// What may tell a run from others of its label: settings, kinds and ranks, the slots that not all have, its id.
fn properties(run: &RunRecord, slots: String) -> Vec<String> {
    let named = |name: &str, value: String| if value.is_empty() { value } else { format!("{name} {value}") };
    let mut all: Vec<String> = SETTINGS.iter().map(|setting| named(setting.name, (setting.value)(run))).collect();
    let kinds = [
        run.attention.clone(),
        named("SA", run.attention_ranks.to_string()),
        run.mlp.clone(),
        named("MLP", run.mlp_ranks.to_string()),
        slots,
    ];
    all.splice(SIZES..SIZES, kinds);
    all.extend([named("params", run.params.write()), run.run_id.clone()]);
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The same by its definition, each held against each other.
    fn held_against_all(run: &RunRecord, others: &[&RunRecord]) -> String {
        let of_some = |one: &RunRecord| -> String {
            let has = |other: &RunRecord, slot: &str| other.slots.split_whitespace().any(|word| word == slot);
            let told = one.slots.split_whitespace().filter(|slot| !others.iter().all(|other| has(other, slot)));
            told.collect::<Vec<_>>().join(" ")
        };
        let own = properties(run, of_some(run));
        let others: Vec<Vec<String>> = others.iter().map(|other| properties(other, of_some(other))).collect();
        let from_all = (0..own.len()).find(|&i| others.iter().all(|other| other[i] != own[i]));
        let from_some = (0..own.len() - 1).filter(|&i| others.iter().any(|other| other[i] != own[i]));
        let told = from_all.map_or_else(|| from_some.collect(), |one| vec![one]);
        let told: Vec<&str> = told.into_iter().map(|i| own[i].as_str()).filter(|text| !text.is_empty()).collect();
        if told.is_empty() { run.run_id.clone() } else { told.join(", ") }
    }

    /// One says how its matrices start, the other leaves it to the kind.
    #[test]
    fn a_rule_that_is_not_named_is_the_default() {
        let named = |init: &str, decay: &str| {
            let run =
                RunRecord { label: "A".into(), init: init.into(), decay_rule: decay.into(), ..RunRecord::default() };
            Configuration { name: String::new(), runs: vec![run], repeats: 0, held_out: None }
        };
        assert_eq!(
            unique_names(&[named("", ""), named("mlp: spectral", "")]),
            ["A (init default)", "A (init mlp: spectral)"]
        );
        assert_eq!(unique_names(&[named("x", ""), named("x", "mlp: none")])[0], "A (decay by default)");
    }

    #[test]
    fn counting_values_tells_what_holding_each_against_each_does() {
        // A linear congruential sequence: runs that share this and that.
        let mut state = 1_u64;
        let mut any = |below: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % below
        };
        let slots = ["q=dense", "k=low-rank 4", "v=dense", ""];
        let mut by_slots = 0;
        for _ in 0..500 {
            let run = |number: u64, any: &mut dyn FnMut(u64) -> u64| RunRecord {
                run_id: format!("r{number}"),
                label: "A".into(),
                hidden: Some(8 * any(2)),
                attention: ["dense", "low-rank"][any(2) as usize].into(),
                slots: (0..3).map(|_| slots[any(4) as usize]).collect::<Vec<_>>().join(" "),
                learning_rate: Some(any(3) as f64),
                steps: (any(2) == 0).then(|| any(2)),
                params: Some(any(3)),
                ..RunRecord::default()
            };
            let runs: Vec<RunRecord> = (0..2 + any(4)).map(|number| run(number, &mut any)).collect();
            let one = |run: &RunRecord| Configuration {
                name: String::new(),
                runs: vec![run.clone()],
                repeats: 0,
                held_out: None,
            };
            let names = unique_names(&runs.iter().map(one).collect::<Vec<_>>());
            for (i, (run, name)) in runs.iter().zip(&names).enumerate() {
                let others: Vec<_> = runs.iter().enumerate().filter(|(j, _)| *j != i).map(|(_, run)| run).collect();
                assert_eq!(*name, format!("A ({})", held_against_all(run, &others)), "{runs:?}");
                by_slots += usize::from(name.contains('='));
            }
        }
        assert!(by_slots > 50, "{by_slots}");
    }
}
