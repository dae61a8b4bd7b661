//! `[sweep]`: from one tree to one for each point.
//!
//! Keys with lists span a grid, `[[sweep.case]]` tables are hand-picked combinations of keys; with both, every case is
//! combined with every point of the grid. The first key varies slowest, in the order of the file.

use toml::{Table, Value};

use crate::error::{ConfigError, ConfigErrors, ErrorKind};
use crate::tree::Tree;

/// A point of a sweep.
pub(crate) struct Point {
    /// The whole config at this point, without `[sweep]`.
    pub(crate) tree: Tree,
    /// What was set, for a label that has to tell the point from others: `hidden=128`.
    pub(crate) name: String,
}

const CASE: &str = "case";

/// More runs than anybody trains; a few lists of a thousand values would otherwise fill the memory.
const MOST_POINTS: usize = 10_000;

/// The points of `tree`; one that changes nothing when there is no `[sweep]`. What is wrong with the sweep goes to
/// `errors`, and is left out of the points.
pub(crate) fn points(mut tree: Tree, errors: &mut ConfigErrors) -> Vec<Point> {
    let sweep = match tree.table.remove("sweep") {
        None => Table::new(),
        Some(Value::Table(sweep)) => sweep,
        Some(other) => {
            let message = format!("`sweep` is {other}; expected a table of keys with lists of values");
            errors.add(ConfigError::new(ErrorKind::Sweep, message, tree.value_place("sweep")));
            Table::new()
        }
    };
    let start = |key: &str| tree.key_place(&format!("sweep.{key}")).map_or(0, |place| place.span.start);
    let mut keys: Vec<(usize, String, Value)> =
        flatten(&sweep, "").into_iter().map(|(key, values)| (start(&key), key, values)).collect();
    keys.sort_by(|a, b| (a.0, &a.1).cmp(&(b.0, &b.1)));
    let mut points = vec![Point { tree, name: String::new() }];
    for (_, key, values) in keys {
        match with_values(&points, &key, values) {
            Ok(more) => points = more,
            Err(error) => errors.add(error),
        }
    }
    points
}

/// Each of `points` with each of the values that the sweep has for `key`.
fn with_values(points: &[Point], key: &str, values: Value) -> Result<Vec<Point>, ConfigError> {
    let error = |message: String| {
        ConfigError::new(ErrorKind::Sweep, message, points[0].tree.value_place(&format!("sweep.{key}")))
    };
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
    if points.len().saturating_mul(values.len()) > MOST_POINTS {
        return Err(error(format!("the sweep has more than {MOST_POINTS} points from `{key}` on")));
    }
    let each = points.iter().flat_map(|point| values.iter().enumerate().map(move |(i, value)| (point, i, value)));
    each.map(|(point, i, value)| match (key, value) {
        (CASE, Value::Table(case)) => with_case(point, i, case),
        (CASE, other) => Err(error(format!("a case of the sweep is {other}; expected a table"))),
        (key, value) => Ok(with_value(point, key, i, value)),
    })
    .collect()
}

fn with_value(point: &Point, key: &str, index: usize, value: &Value) -> Point {
    let origin = format!("sweep.{key}");
    let tree = point.tree.clone().with(key, value.clone(), &origin, &format!("{origin}.{index}"));
    Point { tree, name: joined(&point.name, &part(key, value)) }
}

fn with_case(point: &Point, index: usize, case: &Table) -> Result<Point, ConfigError> {
    let mut names = point.name.clone();
    let mut tree = point.tree.clone();
    for (key, value) in flatten(case, "") {
        let origin = format!("sweep.{CASE}.{index}.{key}");
        check_key(&key).map_err(|message| ConfigError::new(ErrorKind::Sweep, message, tree.key_place(&origin)))?;
        names = joined(&names, &part(&key, &value));
        tree = tree.with(&key, value, &origin, &origin);
    }
    Ok(Point { tree, name: names })
}

/// Keys that hold for the experiment as a whole have one value.
fn check_key(key: &str) -> Result<(), String> {
    match key.split('.').next() {
        Some(whole @ ("name" | "sweep" | "extends")) => {
            Err(format!("`{whole}` cannot be swept: an experiment has only one"))
        }
        _ => Ok(()),
    }
}

/// Nested tables as dotted keys, `kind` first because it clears the options of the former kind.
fn flatten(table: &Table, prefix: &str) -> Vec<(String, Value)> {
    let mut entries: Vec<(&String, &Value)> = table.iter().collect();
    entries.sort_by_key(|(key, _)| key.as_str() != "kind");
    entries
        .into_iter()
        .flat_map(|(key, value)| {
            let path = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
            match value {
                Value::Table(inner) => flatten(inner, &path),
                value => vec![(path, value.clone())],
            }
        })
        .collect()
}

fn part(key: &str, value: &Value) -> String {
    let last = key.rsplit('.').next().unwrap_or(key);
    format!("{last}={}", short(value))
}

fn short(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Table(table) => table.values().map(short).collect::<Vec<_>>().join("/"),
        value => value.to_string().replace([' ', '"'], ""),
    }
}

fn joined(a: &str, b: &str) -> String {
    if a.is_empty() { b.to_string() } else { format!("{a} {b}") }
}
