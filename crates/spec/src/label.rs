//! Labels: what a configuration is, and what sets it apart from the others of its experiment, in words.
//!
//! A configuration is called as its config says, else by the seed's notation where that applies, else by what stands in its
//! blocks: `low-rank 12, late, q k`. What stands where is always told, and the weights that training starts from. Of all
//! other settings, those are told that are not the same in all configurations of the experiment: whoever reads one label
//! alone shall not take a difference for one of kind or rank that is also one of learning rate. Different configurations
//! never have the same label.

use std::collections::{HashMap, HashSet};

use lrx_model::BlockWords;
use toml::Value;

use crate::names::is_invisible;

/// What is known of a configuration before it has a label.
pub(crate) struct Described {
    /// As the config calls it.
    pub(crate) given: Option<String>,
    /// The seed's notation, where it applies.
    pub(crate) notation: Option<String>,
    /// What stands in attention and MLP.
    pub(crate) blocks: [BlockWords; 2],
    /// The file that training starts from: its name, and the hash of its content.
    pub(crate) from: Option<(String, String)>,
    /// What the sweep set, in its order.
    pub(crate) settings: Vec<(String, Value)>,
    /// What each key that the sweep sets in some configuration is in this one, set or not, where that is known.
    pub(crate) values: HashMap<String, Value>,
    /// Whether `dense_baseline` added it: without what stands beside a kind.
    pub(crate) is_added: bool,
    /// A hash that no other configuration has.
    pub(crate) unique: String,
}

/// The blocks of a layer: their tables in `[model]`, and how labels call them beside the other.
const BLOCKS: [(&str, &str); 2] = [("attention", "attention"), ("mlp", "MLP")];

/// The weights that training starts from: told by their file.
const FROM: &str = "model.init_from";

/// A label for each of `configurations`, which are all different.
pub(crate) fn labels(configurations: &[Described]) -> Vec<String> {
    let all = Differences::of(configurations);
    // Each configuration's labels, the shortest first, each longer one for where the one before is also another's.
    let mut ladders: Vec<Vec<String>> = configurations.iter().map(|one| all.derived(one)).collect();
    let mut groups: HashMap<&str, Vec<usize>> = HashMap::new();
    for (i, given) in configurations.iter().enumerate().filter_map(|(i, one)| Some((i, one.given.as_deref()?))) {
        groups.entry(given.trim()).or_default().push(i);
    }
    for (given, group) in groups {
        let own = Differences::of(group.iter().map(|&i| &configurations[i]));
        for i in group {
            let settings = |differences: &Differences| {
                std::iter::once(given.to_string()).chain(differences.settings(&configurations[i], true)).collect()
            };
            let words: [Vec<String>; 2] = [settings(&own), settings(&all)];
            let model = all.model(&configurations[i], true);
            let longest = [&words[1][..], &model[..]].concat();
            ladders[i] = [words[0].join(", "), words[1].join(", "), longest.join(", ")].into();
        }
    }
    let mut labels = distinct(&ladders, |i| configurations[i].given.as_deref().map(str::trim));
    make_unique(&mut labels, configurations);
    labels
}

/// The first of each ladder, where it is not the same as another's; configurations of one `family` take the step together, so
/// that their labels are alike.
fn distinct<'c>(ladders: &[Vec<String>], family: impl Fn(usize) -> Option<&'c str>) -> Vec<String> {
    let mut steps = vec![0; ladders.len()];
    loop {
        let label = |i: usize| &ladders[i][steps[i]];
        let mut known: HashMap<&str, usize> = HashMap::new();
        (0..ladders.len()).for_each(|i| *known.entry(label(i)).or_default() += 1);
        let can_go_on = |i: &usize| known[label(*i).as_str()] > 1 && steps[*i] + 1 < ladders[*i].len();
        let next: Vec<usize> = (0..ladders.len()).filter(can_go_on).collect();
        if next.is_empty() {
            return (0..ladders.len()).map(|i| label(i).clone()).collect();
        }
        // A label that is given is the one to be explained, where another follows from what the configuration is.
        let given: Vec<usize> = next.iter().copied().filter(|&i| family(i).is_some()).collect();
        let families: HashSet<&str> = given.iter().filter_map(|&i| family(i)).collect();
        for i in 0..ladders.len() {
            let is_meant = match family(i) {
                Some(family) => families.contains(family) && steps[i] + 1 < ladders[i].len(),
                None => families.is_empty() && next.contains(&i),
            };
            steps[i] += usize::from(is_meant);
        }
    }
}

/// Adds to labels that are still the same their configurations' hashes.
fn make_unique(labels: &mut [String], configurations: &[Described]) {
    loop {
        let mut known: HashMap<String, usize> = HashMap::new();
        labels.iter().for_each(|label| *known.entry(label.clone()).or_default() += 1);
        if known.len() == labels.len() {
            return;
        }
        for (label, configuration) in labels.iter_mut().zip(configurations).filter(|(label, _)| known[*label] > 1) {
            *label = format!("{label} ({})", configuration.unique);
        }
    }
}

/// In what configurations differ, beside what stands where.
struct Differences {
    /// Keys of settings outside the blocks that have several values, in the order in which sweeps set them, with their names.
    settings: Vec<(String, String)>,
    /// Keys of settings in the blocks, for configurations whose label hides what stands there, with their names.
    inside: Vec<(String, String)>,
    /// Keys of rules and of the blocks' own options, by block.
    others: [HashSet<String>; 2],
    /// Whether files of one name have several contents.
    files: HashSet<String>,
    is_alone: bool,
}

impl Differences {
    fn of<'d>(configurations: impl IntoIterator<Item = &'d Described>) -> Self {
        let configurations: Vec<&Described> = configurations.into_iter().collect();
        let mut keys: Vec<&str> = Vec::new();
        let mut known = HashSet::new();
        for (key, _) in configurations.iter().flat_map(|one| &one.settings) {
            if !["label", "seeds", FROM].contains(&key.as_str()) && known.insert(key.as_str()) {
                keys.push(key);
            }
        }
        let differ = |key: &&str| {
            let mut values = configurations.iter().map(|one| one.values.get(*key).map(canonical));
            let first = values.next();
            values.any(|value| Some(value) != first)
        };
        keys.retain(differ);
        // Heads of one size follow from how many features there are.
        let number = |one: &Described, key: &str| one.values.get(key).and_then(Value::as_integer);
        let head_size = |one: &&Described| Some((number(one, HIDDEN)?, number(one, HEADS).filter(|heads| *heads > 0)?));
        let sizes: Option<HashSet<i64>> =
            configurations.iter().map(|one| head_size(one).map(|(hidden, heads)| hidden / heads)).collect();
        if keys.contains(&HIDDEN) && sizes.is_some_and(|sizes| sizes.len() == 1) {
            keys.retain(|key| *key != HEADS);
        }
        let named = |keys: Vec<&str>| -> Vec<(String, String)> {
            keys.iter().map(|key| key.to_string()).zip(names(&keys)).collect()
        };
        let (inside, outside): (Vec<&str>, Vec<&str>) = keys.into_iter().partition(|key| is_in_block(key));
        // A baseline that was added has no rules of the kind: that all others have them tells none of these from another.
        let by_hand: Vec<&Described> = configurations.iter().copied().filter(|one| !one.is_added).collect();
        let compared = if by_hand.len() > 1 { by_hand } else { configurations.clone() };
        let others = [0, 1].map(|block| {
            let of = |one: &Described, key: &str| {
                one.blocks[block].others.iter().find(|other| other.key == key).map(|other| other.words.clone())
            };
            let mut keys: HashSet<String> = compared
                .iter()
                .flat_map(|one| one.blocks[block].others.iter().map(|other| other.key.clone()))
                .collect();
            keys.retain(|key| compared.iter().any(|one| of(one, key) != of(compared[0], key)));
            keys
        });
        let mut files: HashMap<&str, HashSet<&str>> = HashMap::new();
        for (name, hash) in configurations.iter().filter_map(|one| one.from.as_ref()) {
            files.entry(name).or_default().insert(hash);
        }
        let files = files.into_iter().filter(|(_, hashes)| hashes.len() > 1).map(|(name, _)| name.to_string());
        let is_alone = configurations.len() == 1;
        Self { settings: named(outside), inside: named(inside), others, files: files.collect(), is_alone }
    }

    /// The labels of a configuration that is not called anything: what it is; that with the ranks behind a notation that does
    /// not give them, as `Inc`; and with all that is not at its default, as an added baseline may be the same but for what all
    /// others have.
    fn derived(&self, one: &Described) -> Vec<String> {
        let label = |with_ranks: bool, in_full: bool| {
            let mut words = self.model(one, in_full || self.is_alone && one.notation.is_none());
            if with_ranks {
                words.extend(one.blocks.iter().flat_map(|block| block.standing.iter().cloned()));
            }
            words.extend(self.settings(one, false));
            words.join(", ")
        };
        let has_notation = one.notation.is_some();
        vec![label(false, false), label(has_notation, false), label(has_notation, true)]
    }

    /// What the model is: notation or kinds, and of what else is not at its default what differs, or all where it is told
    /// `in_full`.
    fn model(&self, one: &Described, in_full: bool) -> Vec<String> {
        let others = |block: usize| -> Vec<(&str, &str)> {
            let is_told = |key: &String| in_full || self.others[block].contains(key);
            let told = one.blocks[block].others.iter().filter(|other| is_told(&other.key));
            told.map(|other| (other.key.as_str(), other.words.as_str())).collect()
        };
        let mut words: Vec<String> = one.notation.iter().cloned().collect();
        let mut apart = [others(0), others(1)];
        if one.notation.is_none() {
            for (block, apart) in apart.iter_mut().enumerate().filter(|(b, _)| !one.blocks[*b].standing.is_empty()) {
                words.extend(one.blocks[block].standing.iter().cloned());
                words.extend(std::mem::take(apart).into_iter().map(|(_, words)| words.to_string()));
            }
            if words.is_empty() {
                words.push("dense".into());
            }
        }
        // One thing in both blocks is said once.
        let both: Vec<_> = apart[0].iter().copied().filter(|other| apart[1].contains(other)).collect();
        words.extend(both.iter().map(|(_, words)| words.to_string()));
        for ((_, called), others) in BLOCKS.iter().zip(&apart) {
            let own = others.iter().filter(|other| !both.contains(other));
            let said = |(key, words): &(&str, &str)| match *key {
                "block" => words.to_string(),
                _ => format!("{called} {words}"),
            };
            words.extend(own.map(said));
        }
        if let Some((name, hash)) = &one.from {
            let which =
                if self.files.contains(name) { format!(" ({})", &hash[..hash.len().min(6)]) } else { String::new() };
            words.push(format!("from {}{which}", shown(name)));
        }
        words
    }

    /// The settings of a configuration that differ; with those in the blocks where they are not told otherwise.
    fn settings(&self, one: &Described, with_inside: bool) -> Vec<String> {
        let inside = self.inside.iter().filter(|_| with_inside);
        let told = self.settings.iter().chain(inside).filter_map(|(key, name)| {
            // What a case sets again is the later.
            let (_, value) = one.settings.iter().rev().find(|(set, _)| set == key)?;
            Some(phrase(name, &short(value)))
        });
        told.collect()
    }
}

const HIDDEN: &str = "model.hidden";
const HEADS: &str = "model.heads";

/// The keys whose values labels look at in every configuration, for those that a sweep sets.
pub(crate) fn keys_to_compare<'s>(set: impl Iterator<Item = &'s str>) -> HashSet<String> {
    set.chain([HIDDEN, HEADS]).map(str::to_string).collect()
}

/// Whether a key is that of a block or of something in one.
fn is_in_block(key: &str) -> bool {
    let rest = |block: &str| key.strip_prefix("model.")?.strip_prefix(block);
    BLOCKS.iter().any(|(block, _)| rest(block).is_some_and(|rest| rest.is_empty() || rest.starts_with('.')))
}

/// What each key is called: its last part, with as many before it as tell it from the others.
fn names(keys: &[&str]) -> Vec<String> {
    let suffix = |key: &str, parts: usize| -> Vec<String> {
        let all: Vec<&str> = key.split('.').collect();
        all[all.len().saturating_sub(parts)..].iter().map(|part| part.to_string()).collect()
    };
    let name = |key: &&str| {
        let most = key.split('.').count();
        // `kind` says nothing without what it is the kind of.
        let least = if key.ends_with(".kind") { 2 } else { 1 };
        let fits =
            |parts: &usize| keys.iter().filter(|other| suffix(other, *parts) == suffix(key, *parts)).count() == 1;
        let parts = (least..most).find(fits).unwrap_or(most);
        let called =
            |part: String| BLOCKS.iter().find(|(block, _)| *block == part).map_or(part, |(_, c)| c.to_string());
        suffix(key, parts).into_iter().map(called).collect::<Vec<_>>().join(" ").replace('_', " ")
    };
    keys.iter().map(name).collect()
}

/// A value with its name, where it does not speak for itself: `late`, but `layers 0 2`.
fn phrase(name: &str, value: &str) -> String {
    let is_word = value.starts_with(|c: char| c.is_alphabetic());
    match name {
        "layers" | "slots" | "block" if is_word => value.to_string(),
        name if is_word && name.ends_with(" kind") => value.to_string(),
        name => format!("{name} {value}"),
    }
}

/// A value by what it is, however it is written: numbers with or without a point.
fn canonical(value: &Value) -> String {
    match value {
        Value::Integer(number) => (*number as f64).to_string(),
        Value::Float(number) => (number + 0.0).to_string(),
        Value::Array(values) => values.iter().map(canonical).collect::<Vec<_>>().join(" "),
        value => value.to_string(),
    }
}

/// Text without what would do something where it is shown.
fn shown(text: &str) -> String {
    text.chars().map(|c| if is_invisible(c) { '?' } else { c }).collect()
}

/// A value without quotes and brackets.
fn short(value: &Value) -> String {
    let joined = |values: Vec<String>| values.join(" ");
    match value {
        Value::String(text) if text.is_empty() => "-".to_string(),
        Value::String(text) => shown(text),
        Value::Array(values) => joined(
            values
                .iter()
                .map(|value| if value.is_array() { short(value).replace(' ', "/") } else { short(value) })
                .collect(),
        ),
        Value::Table(table) => joined(
            table
                .iter()
                .map(|(key, value)| match key.as_str() {
                    "kind" | "rule" | "rank" => short(value),
                    key => format!("{} {}", key.replace('_', " "), short(value)),
                })
                .collect(),
        ),
        value => value.to_string(),
    }
}
