//! `learning_rate = "tuned"`: values that a config leaves to what `lrx tune` has chosen.

use toml::{Table, Value};

use crate::error::{ConfigError, ConfigErrors, ErrorKind};
use crate::experiment::resolve_point;
use crate::point::Point;
use crate::sections::{DataState, Sections};

/// The word that stands in the place of a value.
const TUNED: &str = "tuned";

/// Keys whose values are words.
const WORDS: [&str; 2] = ["schedule", "kind"];

/// Changes no weight, so that what is best does not depend on it.
const MEASURING: [&str; 2] = ["train.eval_every", "train.log_every"];

/// A value that was chosen, and how.
#[derive(Clone, Debug, PartialEq)]
pub struct Tuned {
    /// The value.
    pub value: f64,
    /// Among which it was chosen, in words.
    pub among: String,
}

/// Values that were chosen before.
pub trait TunedValues {
    /// The value of the dotted `key` for the configuration of an experiment whose hash without the key is `configuration`, as
    /// [`Untuned::configuration`](crate::Untuned::configuration) has it.
    ///
    /// # Errors
    /// Why there is none, and what to do: a sentence.
    fn of(&self, experiment: &str, key: &str, configuration: &str) -> Result<Tuned, String>;
}

/// Nothing was.
pub struct NothingTuned;

impl TunedValues for NothingTuned {
    fn of(&self, _: &str, key: &str, _: &str) -> Result<Tuned, String> {
        Err(format!("`{key}` is \"{TUNED}\"; expected a number here"))
    }
}

/// A point with all its values, and which of them was tuned.
pub(crate) struct Settled {
    pub(crate) point: Point,
    /// Empty where none was.
    pub(crate) tuned: String,
}

/// A point with the number that was chosen in the place of `"tuned"`. `None` where something is wrong with that, which goes to
/// `errors`.
pub(crate) fn settled(
    point: Point,
    experiment: Option<&str>,
    values: &dyn TunedValues,
    sections: &mut Sections<'_>,
    errors: &mut ConfigErrors,
) -> Option<Settled> {
    let table = point.table();
    let key = match &tuned_keys(&table)[..] {
        [] => return Some(Settled { point, tuned: String::new() }),
        [key] => key.clone(),
        [first, second, ..] => {
            let message = format!("`{second}` is \"{TUNED}\", and so is `{first}`; one key of a configuration can be");
            errors.add(ConfigError::new(ErrorKind::Value, message, point.value_place(second)));
            return None;
        }
    };
    let unknown = unknown(&key, &point, sections);
    if !unknown.is_empty() {
        unknown.into_iter().for_each(|error| errors.add(error));
        return None;
    }
    let base = resolve_point(without(&point, &key), sections, errors)?;
    if let DataState::Missing(missing) = &base.data {
        missing.iter().for_each(|error| errors.add(error.clone()));
        return None;
    }
    match values.of(experiment?, &key, &base.identity.text()) {
        Ok(Tuned { value, among }) => {
            Some(Settled { point: point.with([(key.clone(), number(value))]), tuned: format!("{key} {among}") })
        }
        Err(message) => {
            errors.add(ConfigError::new(ErrorKind::Value, message, point.value_place(&key)));
            None
        }
    }
}

/// A point without what a choice of `key` does not depend on: itself, and how often is measured.
pub(crate) fn without(point: &Point, key: &str) -> Point {
    point.without(MEASURING.iter().map(|key| key.to_string()).chain([key.to_string()]))
}

/// A number as TOML has it: a whole one is right for every key that takes numbers.
pub(crate) fn number(value: f64) -> Value {
    let is_whole = value.fract() == 0.0 && value.abs() < 2_f64.powi(53);
    if is_whole { Value::Integer(value as i64) } else { Value::Float(value) }
}

/// The keys of `[train]` that are `"tuned"`.
pub(crate) fn tuned_keys(config: &Table) -> Vec<String> {
    fn collect(table: &Table, prefix: &str, found: &mut Vec<String>) {
        for (key, value) in table {
            let path = format!("{prefix}.{key}");
            match value {
                Value::String(text) if text == TUNED && !WORDS.contains(&key.as_str()) => found.push(path),
                Value::Table(inner) => collect(inner, &path, found),
                _ => {}
            }
        }
    }
    let mut found = Vec::new();
    if let Some(Value::Table(train)) = config.get("train") {
        collect(train, "train", &mut found);
    }
    found
}

/// What is wrong with a key of `[train]` that nobody knows: a misspelt one is not to be tuned.
pub(crate) fn unknown(key: &str, point: &Point, sections: &mut Sections<'_>) -> Vec<ConfigError> {
    let probe = point.with([(key.to_string(), number(1.0))]);
    let Some(Value::Table(train)) = probe.table().remove("train") else { return Vec::new() };
    let Err(wrong) = sections.train(&probe, &train) else { return Vec::new() };
    let is_last = |error: &&ConfigError| {
        let last = key.rsplit('.').next().unwrap_or(key);
        error.kind() == ErrorKind::UnknownKey && error.message().starts_with(&format!("unknown key `{last}`"))
    };
    wrong.iter().filter(is_last).cloned().collect()
}
