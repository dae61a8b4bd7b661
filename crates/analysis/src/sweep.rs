//! Loss against what a sweep varies: for each key the lines along which nothing else differs.

use std::collections::{HashMap, HashSet};

use lrx_records::Cell;

use crate::Configuration;
use crate::settings::{SETTINGS, training_hash};
use crate::tuning::tuned_keys;

/// What one key of a sweep does to the loss.
#[derive(Debug, Clone, PartialEq)]
pub struct Sweep<'a> {
    /// What the key is called: `rank of the attention`, `learning rate`.
    pub key: String,
    /// Configurations that differ in nothing else, by rising value.
    pub lines: Vec<SweepLine<'a>>,
    /// Whether values are a matter of ratios, as learning rates and ranks are.
    pub is_geometric: bool,
}

/// Configurations that differ in one key only.
#[derive(Debug, Clone, PartialEq)]
pub struct SweepLine<'a> {
    /// What they have in common, and other lines do not.
    pub name: String,
    /// The key's value, and the configuration with it.
    pub points: Vec<(f64, &'a Configuration)>,
}

/// More plots of what a sweep varies are not looked at.
const MOST_SWEEPS: usize = 4;

/// The keys that several configurations differ in alone, those of the longest lines first.
pub fn sweeps(configurations: &[Configuration]) -> Vec<Sweep<'_>> {
    let mut described: Vec<Described> = configurations.iter().map(Described::new).collect();
    forget_repeated(&mut described);
    let mut keys: Vec<&str> = Vec::new();
    let mut known = HashSet::new();
    for (key, _) in described.iter().flat_map(|one| &one.numbers) {
        if known.insert(key.as_str()) {
            keys.push(key);
        }
    }
    let mut all: Vec<Sweep> = keys.iter().filter_map(|key| sweep(key, &described)).collect();
    let is_rank = |sweep: &Sweep| sweep.key.starts_with(RANK);
    if !all.iter().any(is_rank) {
        // Ranks that go up and down together.
        all.extend(sweep(BOTH, &described));
    }
    let points = |sweep: &Sweep| sweep.lines.iter().map(|line| line.points.len()).sum::<usize>();
    // Long lines say more than many.
    let longest = |sweep: &Sweep| sweep.lines.iter().map(|line| line.points.len()).max();
    all.sort_by_key(|sweep| std::cmp::Reverse((longest(sweep), points(sweep))));
    all.truncate(MOST_SWEEPS);
    all
}

const RANK: &str = "rank of the";
/// The rank of the attention, where that of the MLP goes with it.
const BOTH: &str = "rank of attention and MLP (that of the attention)";

/// A configuration as what is known of its keys.
struct Described<'a> {
    one: &'a Configuration,
    /// The keys whose values are numbers.
    numbers: Vec<(String, f64)>,
    /// Those of them that only the label tells.
    of_label: Vec<String>,
    /// What stands in all keys, for comparison.
    texts: HashMap<String, String>,
}

/// Takes the keys out that labels have, under names of their own, for what a column tells: their values are the same everywhere.
fn forget_repeated(described: &mut [Described]) {
    let mut keys: Vec<String> = described.iter().flat_map(|one| one.of_label.iter().cloned()).collect();
    keys.sort_unstable();
    keys.dedup();
    for key in keys {
        let with_key = || described.iter().filter(|one| one.of_label.contains(&key));
        let columns = |one: &Described| -> Vec<String> {
            let own = one.number(&key);
            let same = one.numbers.iter().filter(|(other, value)| !one.of_label.contains(other) && Some(*value) == own);
            same.map(|(other, _)| other.clone()).collect()
        };
        let mut common = with_key().next().map(&columns).unwrap_or_default();
        for one in with_key() {
            let own = columns(one);
            common.retain(|column| own.contains(column));
        }
        if !common.is_empty() {
            for one in described.iter_mut() {
                one.texts.remove(&key);
                one.numbers.retain(|(own, _)| *own != key);
                one.of_label.retain(|own| *own != key);
            }
        }
    }
}

/// Words that labels have for what follows from a column of another name.
const COLUMNS: [&str; 7] = ["steps", "stories", "tokens", "context", "rank", "epochs", "seed"];

impl<'a> Described<'a> {
    fn new(one: &'a Configuration) -> Self {
        let run = one.first();
        let (mut numbers, mut texts) = (Vec::new(), HashMap::new());
        let mut number = |key: &str, text: String, value: Option<f64>| {
            numbers.extend(value.filter(|value| value.is_finite()).map(|value| (key.to_owned(), value)));
            texts.insert(key.to_owned(), text);
        };
        for setting in &SETTINGS {
            let text = (setting.value)(run);
            let is_number = ["hidden", "layers", "learning rate", "warm-up", "batch", "steps"].contains(&setting.name);
            let key = match setting.name {
                "learning rate" => "train.learning_rate",
                "warm-up" => "train.warmup_steps",
                _ => "",
            };
            let is_tuned = tuned_keys(run).contains(&key);
            let value = text.split(' ').next().and_then(|word| word.parse().ok()).filter(|_| is_number && !is_tuned);
            let text = if is_tuned { "tuned".to_owned() } else { text };
            number(setting.name, text, value);
        }
        number("unit of the batch", run.batch.split_once(' ').map_or("", |(_, unit)| unit).to_owned(), None);
        for (key, value) in [("stories", run.stories), ("context", run.context)] {
            number(key, value.write(), value.map(|value| value as f64));
        }
        for (place, ranks) in [("attention", &run.attention_ranks), ("MLP", &run.mlp_ranks)] {
            let value = uniform(ranks);
            let text = value.map_or(ranks.to_string(), |rank| format!("#{rank}"));
            number(&format!("{RANK} {place}"), text, value);
            number(&format!("places of {place}"), without_numbers(ranks), None);
        }
        for (key, value) in [("attention", &run.attention), ("mlp", &run.mlp)] {
            number(key, value.clone(), None);
        }
        let (kinds, options) = slots(&run.slots);
        number("slots", kinds, None);
        for (key, text, value) in options {
            number(&key, text, value);
        }
        let known: HashSet<String> = numbers.iter().map(|(key, _)| key.clone()).collect();
        let mut told = Vec::new();
        for (key, value) in of_label(&run.label).into_iter().filter(|(key, _)| !known.contains(key)) {
            texts.insert(key.clone(), value.to_string());
            told.push(key.clone());
            numbers.push((key, value));
        }
        Self { one, numbers, of_label: told, texts }
    }

    fn number(&self, key: &str) -> Option<f64> {
        let own = |key: &str| self.numbers.iter().find(|(own, _)| own == key).map(|(_, value)| *value);
        match key {
            BOTH => own("rank of the MLP").and(own("rank of the attention")),
            key => own(key),
        }
    }

    /// What stands in all other keys than `key` and those that follow from it; with a hash of what has no key.
    fn beside(&self, key: &str, all: &[&str]) -> Vec<&str> {
        let follows = |other: &str| match key {
            BOTH => other.starts_with(RANK),
            "stories" => ["steps", "warm-up"].contains(&other),
            "batch" => other == "steps",
            _ => false,
        };
        let mut beside: Vec<&str> = all
            .iter()
            .filter(|other| **other != key && !follows(other))
            .map(|other| self.texts.get(*other).map_or("", String::as_str))
            .collect();
        let run = self.one.first();
        // What has no column is in these, where the key itself is not.
        match key {
            "hidden" | "layers" => beside.push(training_hash(run)),
            key if key.starts_with("rank") => beside.extend([training_hash(run), &run.frame]),
            "learning rate" | "warm-up" | "batch" | "steps" => beside.extend([run.frame.as_str(), &run.data]),
            _ => {}
        }
        beside
    }
}

/// The lines of one key; `None` where there is none.
fn sweep<'a>(key: &str, described: &[Described<'a>]) -> Option<Sweep<'a>> {
    let mut all: Vec<&str> = described.iter().flat_map(|one| one.texts.keys()).map(String::as_str).collect();
    all.sort_unstable();
    all.dedup();
    let mut places: HashMap<Vec<&str>, usize> = HashMap::new();
    let mut groups: Vec<Vec<(f64, &'a Configuration)>> = Vec::new();
    for one in described {
        let Some(value) = one.number(key) else { continue };
        let next = groups.len();
        let place = *places.entry(one.beside(key, &all)).or_insert(next);
        if place == next {
            groups.push(Vec::new());
        }
        groups[place].push((value, one.one));
    }
    for group in &mut groups {
        group.sort_by(|a, b| a.0.total_cmp(&b.0));
    }
    // Two of one value differ in something that nothing tells.
    groups.retain(|group| group.len() > 1 && group.windows(2).all(|pair| pair[0].0 < pair[1].0));
    if groups.is_empty() {
        return None;
    }
    groups.sort_by_key(|group| std::cmp::Reverse(group.len()));
    let values: Vec<f64> = groups.iter().flatten().map(|(value, _)| *value).collect();
    let is_geometric = is_geometric(key, &values);
    let names = names(key, &groups);
    let lines = names.into_iter().zip(groups).map(|(name, points)| SweepLine { name, points }).collect();
    Some(Sweep { key: key.to_owned(), lines, is_geometric })
}

/// Whether values are a matter of ratios: learning rates and ranks that lie apart, and what grows by the same factor, or nearly so,
/// from each to the next; never where it grows by the same step.
fn is_geometric(key: &str, values: &[f64]) -> bool {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    values.dedup();
    let (Some(&low), Some(&high)) = (values.first(), values.last()) else { return false };
    if low <= 0.0 {
        return false;
    }
    let ratios: Vec<f64> = values.windows(2).map(|pair| pair[1] / pair[0]).collect();
    let least = ratios.iter().copied().fold(f64::INFINITY, f64::min);
    let most = ratios.iter().copied().fold(0.0, f64::max);
    let steps: Vec<f64> = values.windows(2).map(|pair| pair[1] - pair[0]).collect();
    if steps.len() > 1 && steps.iter().all(|step| (step / steps[0] - 1.0).abs() < 0.01) {
        return false;
    }
    let is_of_ratios = key.starts_with("rank") || key.contains("rate");
    (is_of_ratios && high / low >= 3.0) || (ratios.len() > 1 && least >= 1.3 && most <= 1.15 * least)
}

/// What the configurations of each line have in common; those of two lines are never called the same.
fn names(key: &str, groups: &[Vec<(f64, &Configuration)>]) -> Vec<String> {
    let common: Vec<String> = groups.iter().map(|group| common(key, group)).collect();
    let is_other = |i: &usize| common.iter().enumerate().any(|(j, other)| j != *i && *other == common[*i]);
    let name = |i: usize| {
        // Where labels hide what differs, the first configuration stands for its line.
        if is_other(&i) { format!("{} …", groups[i][0].1.name) } else { common[i].clone() }
    };
    (0..groups.len()).map(name).collect()
}

/// The words that all labels of a line have, without those for the key.
fn common(key: &str, group: &[(f64, &Configuration)]) -> String {
    let labels: Vec<Vec<&str>> = group.iter().map(|(_, one)| one.name.split(' ').collect()).collect();
    let least = labels.iter().map(Vec::len).min().unwrap_or(0);
    if labels.iter().any(|words| words.len() != least) {
        return group[0].1.label().to_owned();
    }
    let mut kept: Vec<String> = Vec::new();
    for i in 0..least {
        let word = labels[0][i];
        if labels.iter().all(|words| words[i] == word) {
            kept.push(word.to_owned());
            continue;
        }
        // What differs is the value; of a word with more in it, all but its digits.
        let rest = dotted(word);
        if rest.chars().any(char::is_alphabetic) {
            kept.push(rest);
            continue;
        }
        while kept.last().is_some_and(|last| key.split([' ', '-']).any(|part| part == last)) {
            kept.pop();
        }
        let comma = if word.ends_with(',') { "," } else { "" };
        if let Some(last) = kept.last_mut().filter(|last| !last.ends_with(',')) {
            last.push_str(comma);
        }
    }
    let name = kept.join(" ").replace(", (", " (");
    let name = name.trim_end_matches([',', ' ']);
    if name.is_empty() { group[0].1.label().to_owned() } else { name.to_owned() }
}

/// `FullSA-R…MLP-4L` of `FullSA-R61MLP-4L`: the first digits of a word, which are its rank.
fn dotted(word: &str) -> String {
    let Some(begin) = word.find(|c: char| c.is_ascii_digit()) else { return word.to_owned() };
    let end = word[begin..].find(|c: char| !c.is_ascii_digit() && c != '.').map_or(word.len(), |end| begin + end);
    format!("{}…{}", &word[..begin], &word[end..])
}

/// The rank that all that have one have.
fn uniform(ranks: &str) -> Option<f64> {
    let mut numbers = ranks.split([' ', '/']).filter_map(|part| part.parse::<f64>().ok());
    let first = numbers.next()?;
    numbers.all(|other| other == first).then_some(first)
}

fn without_numbers(ranks: &str) -> String {
    let place = |part: &str| if part.parse::<f64>().is_ok() { "#" } else { "-" };
    ranks
        .split(' ')
        .map(|layer| layer.split('/').map(place).collect::<Vec<_>>().join("/"))
        .collect::<Vec<_>>()
        .join(" ")
}

/// An option of kinds: its name, its values, and the one number that they are.
type KindOption = (String, String, Option<f64>);

/// The kinds of the slots without their sizes, and each of their options that has one value wherever it stands.
fn slots(cell: &str) -> (String, Vec<KindOption>) {
    let (mut kinds, mut options) = (Vec::new(), Vec::<(String, Vec<String>)>::new());
    for slot in cell.split_whitespace() {
        let (name, kind) = slot.split_once('=').unwrap_or((slot, ""));
        let (kind, sizes) = kind.split_once([':', '(']).unwrap_or((kind, ""));
        kinds.push(format!("{name}={kind}"));
        for (option, value) in sizes.trim_end_matches(')').split(',').filter_map(|size| size.split_once('=')) {
            let option = option.replace('_', " ");
            match options.iter_mut().find(|(known, _)| *known == option) {
                Some((_, values)) => values.push(value.to_owned()),
                None => options.push((option, vec![value.to_owned()])),
            }
        }
    }
    let one = |(option, mut values): (String, Vec<String>)| {
        values.dedup();
        let value = if let [one] = &values[..] { one.parse().ok() } else { None };
        (option, values.join(" "), value)
    };
    (kinds.join(" "), options.into_iter().map(one).collect())
}

/// Numbers behind words of a label, for keys that have no column: `weight decay 0.1`, `width 128`.
fn of_label(label: &str) -> Vec<(String, f64)> {
    let mut found = Vec::new();
    for piece in label.split([',', '(', ')']) {
        let mut words: Vec<&str> = Vec::new();
        for word in piece.split_whitespace() {
            let is_word = word.len() > 1 && word.chars().all(|c| c.is_ascii_lowercase() || c == '_');
            match word.parse::<f64>() {
                Ok(value) if !words.is_empty() && !COLUMNS.contains(&words[words.len() - 1]) => {
                    found.push((words.join(" "), value));
                    words.clear();
                }
                _ if is_word => words.push(word),
                _ => words.clear(),
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use lrx_records::RunRecord;

    use super::*;

    fn configuration(label: &str, change: impl FnOnce(&mut RunRecord)) -> Configuration {
        let mut run = RunRecord { label: label.into(), eval_loss: Some(3.0), ..RunRecord::default() };
        change(&mut run);
        Configuration { name: label.into(), runs: vec![run], repeats: 0, held_out: None }
    }

    /// The name and values of a line.
    type Told = (String, Vec<f64>);

    /// Key, and each line.
    fn told(configurations: &[Configuration]) -> Vec<(String, Vec<Told>)> {
        let line = |line: &SweepLine<'_>| (line.name.clone(), line.points.iter().map(|point| point.0).collect());
        sweeps(configurations).iter().map(|one| (one.key.clone(), one.lines.iter().map(line).collect())).collect()
    }

    #[test]
    fn a_line_holds_what_differs_in_the_key_alone() {
        // As `where` of the README: ranks by layers.
        let mut all = Vec::new();
        for (place, words) in [("# # - -", "early"), ("- - # #", "late")] {
            for rank in ["4", "16", "64"] {
                all.push(configuration(&format!("low-rank {rank}, {words}, q k"), |run| {
                    run.attention = "low-rank".into();
                    run.attention_ranks = place.replace('#', &format!("{rank}/{rank}/-/-")).into();
                }));
            }
        }
        all.push(configuration("FullSA-FullMLP-4L", |run| run.attention = "dense".into()));
        let expected =
            ["low-rank, early, q k", "low-rank, late, q k"].map(|name| (name.to_owned(), vec![4.0, 16.0, 64.0]));
        assert_eq!(told(&all), [("rank of the attention".to_owned(), expected.to_vec())]);
        assert!(sweeps(&all)[0].is_geometric);
    }

    #[test]
    fn two_keys_give_a_plot_each() {
        let mut all = Vec::new();
        for hidden in [64, 96, 128] {
            for rate in [5e-4, 1e-3] {
                all.push(configuration(&format!("dense, hidden {hidden}, learning rate {rate}"), |run| {
                    run.hidden = Some(hidden);
                    run.learning_rate = Some(rate);
                }));
            }
        }
        let told = told(&all);
        assert_eq!(told.iter().map(|(key, _)| key.as_str()).collect::<Vec<_>>(), ["hidden", "learning rate"]);
        assert_eq!(told[0].1[0], ("dense, learning rate 0.0005".to_owned(), vec![64.0, 96.0, 128.0]));
        assert_eq!(told[1].1[2], ("dense, hidden 128".to_owned(), vec![5e-4, 1e-3]));
        assert!(!sweeps(&all)[0].is_geometric, "64, 96 and 128 are steps of 32");
    }

    #[test]
    fn keys_without_a_column_are_found_in_labels() {
        let all = [0.0, 0.1].map(|decay| configuration(&format!("A, weight decay {decay}"), |_| {}));
        assert_eq!(told(&all), [("weight decay".to_owned(), vec![("A".to_owned(), vec![0.0, 0.1])])]);
        assert_eq!(of_label("MLP block-diagonal blocks 4"), [("blocks".to_owned(), 4.0)]);
        let rate = ("learning rate".to_owned(), 0.001);
        assert_eq!(of_label("MLP silu-low-rank 61, learning rate 0.001, steps 8"), [rate]);
        // As rows of an earlier lrx, which have no columns for them.
        let all = [0.001, 0.002].map(|rate| configuration(&format!("Full learning rate {rate}"), |_| {}));
        assert_eq!(told(&all), [("learning rate".to_owned(), vec![("Full".to_owned(), vec![0.001, 0.002])])]);
    }

    #[test]
    fn what_a_label_calls_otherwise_than_its_column_is_one_key() {
        let all =
            [1.0, 2.0].map(|rate| configuration(&format!("A, rate {rate}"), |run| run.learning_rate = Some(rate)));
        assert_eq!(told(&all), [("learning rate".to_owned(), vec![("A".to_owned(), vec![1.0, 2.0])])]);
        // Another number is another key, and these differ in two.
        let two = [1.0, 2.0]
            .map(|rate| configuration(&format!("A, decay {rate}"), |run| run.learning_rate = Some(rate + 1.0)));
        assert_eq!(told(&two), []);
    }

    #[test]
    fn what_differs_in_more_is_on_no_line() {
        let two = [("4 4", 64), ("8 8", 96)].map(|(ranks, hidden)| {
            configuration(&format!("r {ranks}"), |run| {
                (run.attention_ranks, run.hidden) = (ranks.to_owned().into(), Some(hidden))
            })
        });
        assert_eq!(told(&two), []);
        // Where both ranks change, they change together.
        let both = [("4 4", "8 8"), ("8 8", "16 16")].map(|(attention, mlp)| {
            configuration(&format!("R{attention} x"), |run| {
                (run.attention_ranks, run.mlp_ranks) = (attention.to_owned().into(), mlp.to_owned().into());
            })
        });
        assert_eq!(sweeps(&both).len(), 1);
        assert_eq!(sweeps(&both)[0].key, BOTH);
        // A tuned rate is the same thing in all, whatever it is.
        let tuned = [(64, 1e-3), (96, 2e-3)].map(|(hidden, rate)| {
            configuration(&format!("dense, hidden {hidden}"), |run| {
                (run.hidden, run.learning_rate) = (Some(hidden), Some(rate));
                run.tuned = "train.learning_rate one of 4 from 0.0005 to 0.004".into();
            })
        });
        assert_eq!(told(&tuned), [("hidden".to_owned(), vec![("dense".to_owned(), vec![64.0, 96.0])])]);
    }
}
