//! How the configurations of an experiment are drawn: one colour a kind, whatever kinds there are; where kinds tell little
//! apart, one a configuration, or a value of what was varied.

use std::collections::{HashMap, HashSet};

use lrx_records::RunRecord;

use super::canvas::{Key, MUTED, Shape};
use super::names::{MOST, shortened};
use super::palette::{ALONE, INKS, Ink, ON_LINES, PLACED};
use crate::settings::{SETTINGS, Setting};
use crate::{Configuration, Experiment};

/// The styles of the configurations of an experiment, and of its unfinished runs.
pub(super) struct Styles {
    /// The place of each configuration in the experiment.
    places: HashMap<*const Configuration, usize>,
    classes: Vec<String>,
    looks: Vec<Look>,
    /// Whether markers tell where kinds stand, as colours have enough to do with what they are.
    is_by_place: bool,
}

/// How one configuration is drawn.
pub(super) struct Look {
    name: String,
    class: usize,
    /// Where its kind stands, where markers tell that.
    place: Option<usize>,
    ink: Ink,
    alone: Shape,
    on_line: Shape,
}

impl Look {
    /// Its line, with its name.
    pub(super) fn line_key(&self) -> Key<'_> {
        Key { name: &self.name, color: self.ink.color(), shape: self.on_line }
    }

    /// Its point.
    pub(super) fn key(&self) -> Key<'_> {
        Key { name: &self.name, color: self.ink.color(), shape: self.alone }
    }

    pub(super) fn class(&self) -> usize {
        self.class
    }

    pub(super) fn place(&self) -> Option<usize> {
        self.place
    }

    /// As its class stands in the legend.
    pub(super) fn class_key(&self) -> Key<'_> {
        let shape = if self.place.is_some() { swatch(self.class) } else { self.alone };
        Key { shape, ..self.key() }
    }

    /// Its name, short enough for a plot.
    pub(super) fn name(&self) -> &str {
        &self.name
    }
}

impl Styles {
    pub(super) fn new(experiment: &Experiment, baseline: Option<&Configuration>) -> Self {
        let configurations = &experiment.configurations;
        let names = configurations.iter().map(|one| one.short_name(baseline).to_owned());
        let unfinished = experiment.unfinished.iter().map(|run| format!("{} ({})", run.label, run.status));
        let names: Vec<String> = shortened(&names.chain(unfinished).collect::<Vec<_>>(), MOST);
        let finished: Vec<&RunRecord> = configurations.iter().map(Configuration::first).collect();
        let mut of_finished = classes(&finished, &names);
        let runs = || finished.iter().copied().chain(&experiment.unfinished);
        let is_by_place = are_many(&of_finished) && runs().all(|run| kind_alone(run).is_some());
        let kind = |run: &RunRecord| kind_alone(run).filter(|_| is_by_place).unwrap_or_else(|| kind(run));
        if is_by_place {
            of_finished = finished.iter().map(|run| kind(run)).collect();
        }
        let standing: Vec<Option<usize>> = runs().map(|run| standing(run).filter(|_| is_by_place)).collect();
        let by_label: HashMap<&str, &String> =
            finished.iter().zip(&of_finished).rev().map(|(run, class)| (run.label.as_str(), class)).collect();
        // Coloured as its finished fellows, where it has some.
        let fellow = |run: &RunRecord| by_label.get(run.label.as_str()).map(|class| (*class).clone());
        let of_unfinished = experiment.unfinished.iter().map(|run| fellow(run).unwrap_or_else(|| kind(run)));
        let of_each: Vec<String> = of_finished.iter().cloned().chain(of_unfinished).collect();
        // Dense models first, so that they have the same colour everywhere.
        let dense = of_each.iter().find(|class| *class == DENSE);
        let mut numbers: HashMap<&String, usize> = HashMap::new();
        let different = dense.into_iter().chain(&of_each).filter(|class| {
            let next = numbers.len();
            *numbers.entry(class).or_insert(next) == next
        });
        let classes: Vec<String> = different.cloned().collect();
        let mut members = vec![0; classes.len()];
        let look = |((class, name), place): ((&String, String), Option<usize>)| {
            let class = numbers[class];
            let member = members[class];
            members[class] += 1;
            Look {
                name,
                class,
                place,
                ink: INKS[class % INKS.len()],
                alone: place.map_or(ALONE[class % ALONE.len()], |place| shape(place, class)),
                on_line: ON_LINES[(class + member) % ON_LINES.len()],
            }
        };
        let looks = of_each.iter().zip(names).zip(standing).map(look).collect();
        let places = configurations.iter().enumerate().map(|(place, one)| (std::ptr::from_ref(one), place)).collect();
        Self { places, classes: shortened(&classes, MOST), looks, is_by_place }
    }

    /// Where a kind may stand, as the legend has it.
    pub(super) const PLACES: [&str; 3] = ["in the attention", "in the MLP", "in both"];

    /// The entry of a place in the legend.
    pub(super) fn place_key(place: usize) -> Key<'static> {
        Key { name: Self::PLACES[place], color: MUTED, shape: shape(place, 0) }
    }

    pub(super) fn classes(&self) -> &[String] {
        &self.classes
    }

    /// Whether markers tell where kinds stand.
    pub(super) fn is_by_place(&self) -> bool {
        self.is_by_place
    }

    /// That of a configuration of the experiment.
    pub(super) fn of(&self, configuration: &Configuration) -> &Look {
        let place = self.places.get(&std::ptr::from_ref(configuration));
        &self.looks[*place.expect("a configuration of the experiment")]
    }

    /// That of an unfinished run, by its number.
    pub(super) fn of_unfinished(&self, number: usize) -> &Look {
        &self.looks[self.places.len() + number]
    }
}

/// Whether there are more classes than colours.
fn are_many(classes: &[String]) -> bool {
    let different: HashSet<&String> = classes.iter().collect();
    different.len() > INKS.len()
}

/// The marker of a kind in a place; an outline once all colours are taken.
fn shape(place: usize, class: usize) -> Shape {
    PLACED[place][usize::from(class >= INKS.len())]
}

/// The marker of a kind in a legend, wherever it stands.
fn swatch(class: usize) -> Shape {
    if class < INKS.len() { Shape::Dot } else { Shape::Circle }
}

/// What a run substitutes, wherever it stands; `None` of different kinds in attention and MLP.
fn kind_alone(run: &RunRecord) -> Option<String> {
    match substituted(run) {
        (attention, mlp) if attention.is_empty() && mlp.is_empty() => Some(DENSE.to_owned()),
        (attention, mlp) if attention == mlp || mlp.is_empty() => Some(attention),
        (attention, mlp) => attention.is_empty().then_some(mlp),
    }
}

/// Where it stands: the number of one of [`Styles::PLACES`].
fn standing(run: &RunRecord) -> Option<usize> {
    match substituted(run) {
        (attention, mlp) if attention.is_empty() && mlp.is_empty() => None,
        (_, mlp) if mlp.is_empty() => Some(0),
        (attention, _) if attention.is_empty() => Some(1),
        _ => Some(2),
    }
}

/// What all-dense configurations are called.
const DENSE: &str = "dense";

/// Fewer kinds than these tell little apart.
const FEW_KINDS: usize = 3;

/// The class of each configuration: its kind. Where there are few kinds, the configurations of one kind are told apart, each
/// or by the first setting that has several values, as long as the colours suffice.
fn classes(runs: &[&RunRecord], names: &[String]) -> Vec<String> {
    let kinds: Vec<String> = runs.iter().map(|run| kind(run)).collect();
    let number = |classes: &[String]| {
        let mut different: Vec<&String> = classes.iter().collect();
        different.sort_unstable();
        different.dedup();
        different.len()
    };
    if number(&kinds) >= FEW_KINDS {
        return kinds;
    }
    let several = |kind: &String| kinds.iter().filter(|other| *other == kind).count() > 1;
    if runs.len() <= INKS.len() {
        let own = |(kind, name): (&String, &String)| if several(kind) { name.clone() } else { kind.clone() };
        return kinds.iter().zip(names).map(own).collect();
    }
    // What differs gives the colour: ranks first, since a sweep of them is what this is for.
    let ranks = [
        Setting { name: "rank", value: |run| run.attention_ranks.to_string() },
        Setting { name: "MLP rank", value: |run| run.mlp_ranks.to_string() },
    ];
    let by_setting = ranks.iter().chain(&SETTINGS).map(|Setting { name, value }| -> Vec<String> {
        let class = |(kind, run): (&String, &&RunRecord)| match first_of_all_same(&value(run)) {
            "" => kind.clone(),
            value => format!("{kind}, {name} {value}"),
        };
        kinds.iter().zip(runs).map(class).collect()
    });
    let telling = |classes: &Vec<String>| (number(&kinds) + 1..=INKS.len()).contains(&number(classes));
    by_setting.into_iter().find(telling).unwrap_or(kinds)
}

/// `16` of `16 16 16 16`: ranks that are the same in all layers.
fn first_of_all_same(value: &str) -> &str {
    let first = value.split(' ').next().unwrap_or_default();
    if value.split(' ').all(|word| word == first) { first } else { value }
}

/// The kinds that stand for dense ones in attention and MLP.
fn substituted(run: &RunRecord) -> (String, String) {
    let substitutes = |kinds: &str| -> String {
        let mut kinds: Vec<&str> = kinds.split(',').map(str::trim).collect();
        kinds.retain(|kind| *kind != DENSE && !kind.is_empty());
        kinds.sort_unstable();
        kinds.dedup();
        kinds.join(" + ")
    };
    (substitutes(&run.attention), substitutes(&run.mlp))
}

/// What a run substitutes, and by what: in the seed's notation, or by its kinds.
fn kind(run: &RunRecord) -> String {
    let (attention, mlp) = substituted(run);
    let unknown = run.attention.is_empty() && run.mlp.is_empty();
    let named = notation(&run.label);
    if let Some(family) = named.filter(|family| *family != "Full" && [&attention, &mlp].iter().all(|one| low(one))) {
        return family.to_owned();
    }
    match (attention.as_str(), mlp.as_str()) {
        ("", "") if unknown && named.is_none() => "other".to_owned(),
        ("", "") => DENSE.to_owned(),
        (attention, "") => format!("{attention} attention"),
        ("", mlp) => format!("{mlp} MLP"),
        (attention, mlp) if attention == mlp => attention.to_owned(),
        (attention, mlp) => format!("{attention} attention, {mlp} MLP"),
    }
}

/// Whether the seed's names for ranks say all of these substitutes.
fn low(kinds: &str) -> bool {
    kinds.is_empty() || kinds == "low-rank"
}

/// What a label of the seed's notation substitutes: `Med` of `MedSA-FullMLP-4L`, `Full` where it is nothing.
fn notation(label: &str) -> Option<&'static str> {
    const FAMILIES: [&str; 5] = ["Full", "Lg", "Med", "Inc", "Dec"];
    let word = label.split_whitespace().next()?;
    let parts = word.split('-').filter_map(|part| part.strip_suffix("SA").or_else(|| part.strip_suffix("MLP")));
    let families: Vec<Option<&'static str>> =
        parts.map(|prefix| FAMILIES.into_iter().find(|family| *family == prefix)).collect();
    families.iter().copied().find(|family| *family != Some("Full")).or(families.first().copied()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(label: &str, attention: &str, mlp: &str, learning_rate: f64) -> RunRecord {
        let learning_rate = Some(learning_rate);
        RunRecord {
            label: label.into(),
            attention: attention.into(),
            mlp: mlp.into(),
            learning_rate,
            ..RunRecord::default()
        }
    }

    fn of(runs: &[RunRecord]) -> Vec<String> {
        let names: Vec<String> = runs.iter().map(|run| run.label.clone()).collect();
        classes(&runs.iter().collect::<Vec<_>>(), &names)
    }

    #[test]
    fn the_kind_gives_the_colour_whatever_kinds_there_are() {
        for (label, attention, mlp, expected) in [
            ("FullSA-FullMLP-4L hidden 96", "dense", "dense", "dense"),
            ("LgSA-LgMLP-4L", "low-rank", "low-rank", "Lg"),
            ("FullSA-IncMLP-8L", "", "", "Inc"),
            ("MixedSA-FullMLP-4L", "low-rank", "dense", "low-rank attention"),
            ("MedSA-FullMLP-4L", "monarch", "dense", "monarch attention"),
            ("x", "dense, monarch, dense", "silu-low-rank", "monarch attention, silu-low-rank MLP"),
            ("y", "tensor-train", "tensor-train, dense", "tensor-train"),
            ("y", "dense", "butterfly, sparse", "butterfly + sparse MLP"),
            ("my idea", "", "", "other"),
        ] {
            assert_eq!(kind(&run(label, attention, mlp, 1e-3)), expected, "{label}");
        }
    }

    #[test]
    fn one_kind_is_coloured_by_what_differs() {
        let rates = [1e-3, 2e-3, 4e-3];
        let few: Vec<_> = rates.iter().map(|rate| run(&format!("rate {rate}"), "dense", "dense", *rate)).collect();
        assert_eq!(of(&few), ["rate 0.001", "rate 0.002", "rate 0.004"]);
        let many: Vec<_> = (0..15).map(|i| run(&format!("{i}"), "dense", "dense", rates[i % 3])).collect();
        let classes = of(&many);
        assert_eq!(
            classes[..3],
            ["dense, learning rate 0.001", "dense, learning rate 0.002", "dense, learning rate 0.004"]
        );
        assert_eq!(classes[3], classes[0]);
        let kinds = ["dense", "monarch", "butterfly"].map(|kind| run(kind, kind, "dense", 1e-3));
        assert_eq!(of(&kinds), ["dense", "monarch attention", "butterfly attention"]);
    }
}
