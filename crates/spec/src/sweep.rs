//! `[sweep]`: from one config to one for each point.
//!
//! Keys with lists span a grid, `[[sweep.case]]` tables are hand-picked combinations of keys; with both, every case is
//! combined with every point of the grid. The first key varies slowest, in the order of the file. `dense_baseline = true`
//! adds a dense model beside them.

use std::collections::HashSet;
use std::rc::Rc;

use lrx_layers::{Place, Registry};
use toml::{Table, Value};

use crate::error::{ConfigError, ConfigErrors, ErrorKind};
use crate::point::{Change, Choice, Point, Setting};
use crate::tree::{DEEPEST_KEY, Tree, flatten};

const CASE: &str = "case";
const BASELINE: &str = "dense_baseline";

/// The tables of the blocks, which a dense baseline replaces.
const BLOCKS: [&str; 2] = ["attention", "mlp"];

/// More than anybody trains; a few lists of a thousand values would otherwise fill the memory.
const MOST_POINTS: usize = 10_000;

/// The points of `tree`; one that changes nothing when there is no `[sweep]`. What is wrong with the sweep goes to
/// `errors`, and is left out of the points.
pub(crate) fn points(mut tree: Tree, registry: &Registry, errors: &mut ConfigErrors) -> Vec<Point> {
    let mut sweep = match tree.table.remove("sweep") {
        None => Table::new(),
        Some(Value::Table(sweep)) => sweep,
        Some(other) => {
            let message = format!("`sweep` is {other}; expected a table of keys with lists of values");
            errors.add(ConfigError::new(ErrorKind::Sweep, message, tree.value_place("sweep")));
            Table::new()
        }
    };
    let with_baseline = match sweep.remove(BASELINE) {
        None | Some(Value::Boolean(false)) => false,
        Some(Value::Boolean(true)) => true,
        Some(other) => {
            let message = format!("`{BASELINE}` is {other}; expected true or false");
            let place = tree.value_place(&format!("sweep.{BASELINE}"));
            errors.add(ConfigError::new(ErrorKind::Sweep, message, place));
            false
        }
    };
    let start = |key: &str| tree.key_place(&format!("sweep.{key}")).map_or(0, |place| place.span.start);
    let mut keys: Vec<(usize, String, Value)> =
        flatten(&sweep, "").into_iter().map(|(key, values)| (start(&key), key, values)).collect();
    keys.sort_by(|a, b| (a.0, &a.1).cmp(&(b.0, &b.1)));

    let mut points = vec![Vec::new()];
    for (_, key, values) in keys {
        match choices(&tree, &key, values, points.len()) {
            Ok(choices) => points = combined(&points, &choices),
            Err(error) => errors.add(error),
        }
    }
    if with_baseline {
        let dense = Rc::new(DenseBlocks::of(&tree.table, registry));
        let mut baselines = baselines(&points, &dense);
        baselines.append(&mut points);
        points = baselines;
    }
    let base = Rc::new(tree);
    points.into_iter().map(|changes| Point { base: base.clone(), changes }).collect()
}

/// Each of `points` with each of `choices`.
fn combined(points: &[Vec<Change>], choices: &[Rc<Choice>]) -> Vec<Vec<Change>> {
    let with = |point: &Vec<Change>, choice: &Rc<Choice>| {
        let mut changes = Vec::with_capacity(point.len() + 1);
        changes.extend(point.iter().cloned());
        changes.push(Change::Set(choice.clone()));
        changes
    };
    points.iter().flat_map(|point| choices.iter().map(move |choice| with(point, choice))).collect()
}

/// What `points` become where all layers are dense: each different one once, without the keys of the blocks.
fn baselines(points: &[Vec<Change>], dense: &Rc<DenseBlocks>) -> Vec<Vec<Change>> {
    let mut known = HashSet::new();
    let mut baselines = Vec::new();
    for point in points {
        let outside: Vec<Change> = point.iter().filter_map(outside_blocks).collect();
        let told: String = outside.iter().map(|change| format!("{change:?}\n")).collect();
        if known.insert(told) {
            baselines.push(outside.into_iter().chain([Change::Dense(dense.clone())]).collect());
        }
    }
    baselines
}

/// A change without the keys of the blocks, and without a label, which would be that of another model; `None` where
/// nothing remains.
fn outside_blocks(change: &Change) -> Option<Change> {
    let Change::Set(choice) = change else { return None };
    let is_outside = |setting: &&Setting| {
        let key = setting.key.as_str();
        key != "label" && !BLOCKS.iter().any(|block| key.strip_prefix("model.").is_some_and(|key| is_in(key, block)))
    };
    let kept: Vec<&Setting> = choice.settings.iter().filter(is_outside).collect();
    if kept.len() == choice.settings.len() {
        return Some(change.clone());
    }
    if kept.is_empty() {
        return None;
    }
    let mut over = Table::new();
    kept.iter().for_each(|setting| insert(&mut over, &setting.key, setting.value.clone()));
    let settings = kept.into_iter().cloned().collect();
    Some(Change::Set(Rc::new(Choice { over, settings, case: None })))
}

/// Whether the dotted `key` is that of the table `block` or of something in it.
fn is_in(key: &str, block: &str) -> bool {
    key.strip_prefix(block).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// The blocks of a config with dense layers in their slots, and no more of what stands in their tables than belongs to the
/// blocks themselves.
#[derive(Debug)]
pub(crate) struct DenseBlocks([Table; 2]);

impl DenseBlocks {
    fn of(config: &Table, registry: &Registry) -> Self {
        let table = |place: Place| {
            let written = config.get("model").and_then(|model| model.get(place.key())).and_then(Value::as_table);
            let mut own = written.cloned().unwrap_or_default();
            let named = |key: &str| own.get(key).and_then(Value::as_str).map(str::to_string);
            // `kind` may name a block, too. One without slots has no place for a dense layer: the standard one has.
            let has_slots = |name: &String| !registry.slots(name).is_empty();
            let block = named("kind").filter(has_slots).or(named("block").filter(has_slots));
            let schema = registry.describe(block.as_deref().unwrap_or(place.standard()));
            let keys = schema.ok().and_then(|(_, _, schema)| schema.as_value()["properties"].as_object().cloned());
            let keys = keys.unwrap_or_default();
            own.retain(|key, _| keys.contains_key(key));
            own.extend(block.map(|block| ("block".to_string(), block.into())));
            own.insert("kind".into(), "dense".into());
            own
        };
        Self([Place::Attention, Place::Mlp].map(table))
    }

    /// Puts them into a config, which loses its label: it is that of another model.
    pub(crate) fn put_into(&self, config: &mut Table) {
        config.remove("label");
        for (block, table) in BLOCKS.iter().zip(&self.0) {
            if let Value::Table(model) = config.entry("model").or_insert_with(|| Table::new().into()) {
                model.insert(block.to_string(), table.clone().into());
            }
        }
    }
}

/// What the sweep has for `key`, one choice for each of its values.
fn choices(tree: &Tree, key: &str, values: Value, points: usize) -> Result<Vec<Rc<Choice>>, ConfigError> {
    let error =
        |message: String| ConfigError::new(ErrorKind::Sweep, message, tree.value_place(&format!("sweep.{key}")));
    if key.starts_with(&format!("{CASE}.")) {
        return Err(error(format!("`sweep.{CASE}` is a table; expected a list of tables, each as [[sweep.{CASE}]]")));
    }
    check_key(key).map_err(error)?;
    let Value::Array(values) = values else {
        return Err(error(format!("`{key}` of the sweep is {values}; expected a list of values")));
    };
    if values.is_empty() {
        return Err(error(format!("`{key}` of the sweep is an empty list: there would be no run")));
    }
    if points.saturating_mul(values.len()) > MOST_POINTS {
        return Err(error(format!("the sweep has more than {MOST_POINTS} points from `{key}` on")));
    }
    let named_at = format!("sweep.{key}");
    let each = values.into_iter().enumerate().map(|(i, value)| {
        let given_at = format!("{named_at}.{i}");
        match (key, value) {
            (CASE, Value::Table(case)) => case_choice(tree, i, &case),
            (CASE, other) => Err(error(format!("a case of the sweep is {other}; expected a table"))),
            (key, value) => {
                let mut over = Table::new();
                insert(&mut over, key, value.clone());
                let settings = leaves(key, value).into_iter().map(|(key, value, inner)| Setting {
                    key,
                    value,
                    named_at: named_at.clone(),
                    given_at: format!("{given_at}{inner}"),
                });
                Ok(Choice { over, settings: settings.collect(), case: None })
            }
        }
    });
    each.map(|choice| choice.map(Rc::new)).collect()
}

fn case_choice(tree: &Tree, number: usize, case: &Table) -> Result<Choice, ConfigError> {
    let given_at = format!("sweep.{CASE}.{number}");
    let mut over = Table::new();
    let mut settings = Vec::new();
    for (key, value) in flatten(case, "") {
        let at = format!("{given_at}.{key}");
        check_key(&key).map_err(|message| ConfigError::new(ErrorKind::Sweep, message, tree.key_place(&at)))?;
        insert(&mut over, &key, value.clone());
        settings.push(Setting { key, value, named_at: at.clone(), given_at: at });
    }
    let start = |setting: &Setting| tree.key_place(&setting.given_at).map_or(0, |place| place.span.start);
    settings.sort_by_key(start);
    Ok(Choice { over, settings, case: Some(number) })
}

/// The values in a table by their keys seen from outside, and how the place of each ends; of another value, itself.
fn leaves(key: &str, value: Value) -> Vec<(String, Value, String)> {
    match value {
        Value::Table(table) if !table.is_empty() => {
            let inner = flatten(&table, "").into_iter();
            inner.map(|(inner, value)| (format!("{key}.{inner}"), value, format!(".{inner}"))).collect()
        }
        value => vec![(key.to_string(), value, String::new())],
    }
}

/// Puts a value at a dotted key, in tables made for it.
pub(crate) fn insert(table: &mut Table, key: &str, value: Value) {
    match key.split_once('.') {
        None => {
            table.insert(key.to_string(), value);
        }
        Some((outer, rest)) => {
            let inner = table.entry(outer.to_string()).or_insert_with(|| Value::Table(Table::new()));
            if !inner.is_table() {
                *inner = Value::Table(Table::new());
            }
            insert(inner.as_table_mut().expect("a table"), rest, value);
        }
    }
}

/// Keys that hold for the experiment as a whole have one value.
fn check_key(key: &str) -> Result<(), String> {
    let mut parts = key.split('.');
    if parts.clone().any(|part| part.trim().is_empty()) {
        return Err(format!("`{key}` of the sweep is no key: a part of it is empty"));
    }
    if parts.clone().nth(DEEPEST_KEY).is_some() {
        return Err(format!("`{key}` of the sweep has more than {DEEPEST_KEY} parts, which no key has"));
    }
    match parts.next() {
        Some(whole @ ("name" | "sweep" | "compare" | "extends" | "log")) => {
            Err(format!("`{whole}` cannot be swept: an experiment has only one"))
        }
        _ => Ok(()),
    }
}
