//! Labels: what tells the configurations of an experiment apart, in words, shortest first.
//!
//! A configuration is called as its config says, else by the seed's notation where that applies, else by its kinds with
//! their ranks: `low-rank 12, late, q k`. Where several would be called the same, what differs among them is added:
//! `FullSA-FullMLP-4L, learning rate 0.001`. Different configurations never have the same label.

use std::collections::{BTreeMap, HashMap, HashSet};

use toml::{Table, Value};

use crate::names::is_invisible;

/// What is known of a configuration before it has a label.
pub(crate) struct Described {
    /// As the config calls it.
    pub(crate) given: Option<String>,
    /// The seed's notation, where it applies.
    pub(crate) notation: Option<String>,
    /// `[model]` as written.
    pub(crate) model: Table,
    /// What the sweep set, in its order.
    pub(crate) settings: Vec<(String, Value)>,
    /// A hash that no other configuration has.
    pub(crate) unique: String,
}

/// A value at a key, to be told in words.
#[derive(Clone)]
struct Fact {
    key: String,
    value: Value,
}

/// A label in the making.
struct Draft {
    /// What it begins with.
    head: String,
    /// What may be added, in this order.
    facts: Vec<Fact>,
}

/// The blocks of a layer, and how labels call them beside the other.
const BLOCKS: [(&str, &str); 2] = [("attention", "attention"), ("mlp", "MLP")];

/// A label for each of `configurations`, which are all different.
pub(crate) fn labels(configurations: &[Described]) -> Vec<String> {
    let mut labels = vec![String::new(); configurations.len()];
    let in_words = |i: &usize| configurations[*i].given.is_none() && configurations[*i].notation.is_none();
    // Those in words are told apart as a whole: they are of one family, and their heads alone say little.
    let (words, others): (Vec<usize>, Vec<usize>) = (0..configurations.len()).partition(in_words);
    let drafts: Vec<Draft> = words.iter().map(|&i| described(&configurations[i])).collect();
    for (i, label) in words.iter().zip(told_apart(drafts, true)) {
        labels[*i] = label;
    }
    let mut groups: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for &i in &others {
        let Described { given, notation, .. } = &configurations[i];
        let head = given.as_deref().map(str::trim).or(notation.as_deref()).expect("one of the two");
        groups.entry(head).or_default().push(i);
    }
    for (head, group) in groups {
        let drafts = group.iter().map(|&i| Draft { head: head.to_string(), facts: beside_head(&configurations[i]) });
        for (i, label) in group.iter().zip(told_apart(drafts.collect(), false)) {
            labels[*i] = label;
        }
    }
    make_unique(&mut labels, configurations);
    labels
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

/// What may be added to a label or to the notation: what the sweep set; at last, where a label hides it, what the model is.
fn beside_head(configuration: &Described) -> Vec<Fact> {
    let mut facts = settings(configuration);
    if configuration.given.is_some() {
        let model = configuration
            .notation
            .clone()
            .unwrap_or_else(|| told_apart(vec![described(configuration)], true).remove(0));
        facts.push(Fact { key: MODEL.to_string(), value: Value::String(model) });
    }
    facts
}

/// The key of what a model is called where it has another label.
const MODEL: &str = "model";

/// The settings of the sweep as facts.
fn settings(configuration: &Described) -> Vec<Fact> {
    let setting = |(key, value): &(String, Value)| Fact { key: key.clone(), value: value.clone() };
    configuration.settings.iter().filter(|(key, _)| !["label", "seeds"].contains(&key.as_str())).map(setting).collect()
}

/// A configuration by its kinds, and what else stands in its blocks.
fn described(configuration: &Described) -> Draft {
    let mut heads = Vec::new();
    let mut facts = Vec::new();
    for (block, called) in BLOCKS {
        let Some(Value::Table(table)) = configuration.model.get(block) else { continue };
        let mut rest = table.clone();
        let kind = rest.remove("kind");
        let is_dense = kind.as_ref().is_none_or(|kind| kind.as_str() == Some("dense"));
        if let Some(kind) = kind.filter(|_| !is_dense) {
            let rank = rest.remove("rank").map(|rank| format!(" {}", short(&rank))).unwrap_or_default();
            let called = if block == "attention" { String::new() } else { format!("{called} ") };
            heads.push(format!("{called}{}{rank}", short(&kind).replace(' ', "/")));
        }
        facts.extend(rest.into_iter().map(|(key, value)| Fact { key: format!("model.{block}.{key}"), value }));
    }
    facts.extend(settings(configuration).into_iter().filter(|fact| !is_in_block(&fact.key)));
    // Where and in what a kind stands comes before its other options.
    facts.sort_by_key(|fact| !is_place(&fact.key));
    Draft { head: heads.join(", "), facts }
}

/// Whether a key is that of a block or of something in one.
fn is_in_block(key: &str) -> bool {
    let rest = |block: &str| key.strip_prefix("model.")?.strip_prefix(block);
    BLOCKS.iter().any(|(block, _)| rest(block).is_some_and(|rest| rest.is_empty() || rest.starts_with('.')))
}

/// Whether a key says where a kind stands.
fn is_place(key: &str) -> bool {
    matches!(last(key), "layers" | "slots") && key != "model.layers"
}

fn last(key: &str) -> &str {
    key.rsplit('.').next().unwrap_or(key)
}

/// The labels of `drafts`: their heads, and of their facts those that differ among them, as few as tell them apart. One that
/// is alone is told `in_full`.
fn told_apart(mut drafts: Vec<Draft>, in_full: bool) -> Vec<String> {
    let is_alone = drafts.len() == 1;
    if is_alone && !in_full {
        drafts.iter_mut().for_each(|draft| draft.facts.clear());
    }
    let mut keys: Vec<String> = Vec::new();
    for fact in drafts.iter().flat_map(|draft| &draft.facts) {
        if !keys.contains(&fact.key) {
            keys.push(fact.key.clone());
        }
    }
    let value =
        |draft: &Draft, key: &str| draft.facts.iter().find(|fact| fact.key == key).map(|fact| short(&fact.value));
    let columns: Vec<Vec<Option<String>>> =
        keys.iter().map(|key| drafts.iter().map(|draft| value(draft, key)).collect()).collect();
    // Of a configuration without a head, all that stands in its blocks is one.
    let is_head = |k: usize| {
        let without_head = |(draft, value): (&Draft, &Option<String>)| draft.head.is_empty() && value.is_some();
        is_in_block(&keys[k]) && drafts.iter().zip(&columns[k]).any(without_head)
    };
    let differs = |k: usize| columns[k].iter().any(|value| *value != columns[k][0]);
    // Indices of the keys that are told.
    let mut told: Vec<usize> = (0..keys.len()).filter(|&k| is_alone || is_head(k) || differs(k)).collect();
    // The same value under the same name in both blocks is one thing.
    told = told
        .iter()
        .copied()
        .filter(|&k| {
            !told.iter().any(|&other| other < k && last(&keys[other]) == last(&keys[k]) && columns[other] == columns[k])
        })
        .collect();
    let names = names(&told.iter().map(|&k| keys[k].as_str()).collect::<Vec<_>>());
    let names: HashMap<usize, String> = told.iter().copied().zip(names).collect();
    let label = |told: &[usize], i: usize| {
        let words = told.iter().filter_map(|k| columns[*k][i].as_deref().map(|value| phrase(&names[k], value)));
        let head = Some(drafts[i].head.clone()).filter(|head| !head.is_empty());
        head.into_iter().chain(words).collect::<Vec<_>>().join(", ")
    };
    let all = |told: &[usize]| (0..drafts.len()).map(|i| label(told, i)).collect::<Vec<String>>();
    let distinct = |told: &[usize]| all(told).into_iter().collect::<HashSet<_>>().len();
    let most = distinct(&told);
    for k in told.clone().into_iter().rev().filter(|&k| !is_alone && !is_place(&keys[k]) && !is_head(k)) {
        let fewer: Vec<usize> = told.iter().copied().filter(|&other| other != k).collect();
        if distinct(&fewer) == most {
            told = fewer;
        }
    }
    all(&told)
}

/// What each key is called: its last part, with as many before it as tell it from the others.
fn names(keys: &[&str]) -> Vec<String> {
    let suffix = |key: &str, parts: usize| -> Vec<String> {
        let all: Vec<&str> = key.split('.').collect();
        all[all.len().saturating_sub(parts)..].iter().map(|part| part.to_string()).collect()
    };
    let name = |key: &&str| {
        let most = key.split('.').count();
        let fits =
            |parts: &usize| keys.iter().filter(|other| suffix(other, *parts) == suffix(key, *parts)).count() == 1;
        let parts = (1..most).find(fits).unwrap_or(most);
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
        "layers" | "slots" | "kind" | "block" | MODEL if is_word => value.to_string(),
        name => format!("{name} {value}"),
    }
}

/// A value without quotes and brackets.
fn short(value: &Value) -> String {
    let joined = |values: Vec<String>| values.join(" ");
    match value {
        Value::String(text) if text.is_empty() => "-".to_string(),
        Value::String(text) => text.chars().map(|c| if is_invisible(c) { '?' } else { c }).collect(),
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
