//! `learning_rate = "tuned"`: values that a config leaves to what `lrx tune` has chosen.

use toml::{Table, Value};

use crate::error::{ConfigError, ConfigErrors, ErrorKind};
use crate::experiment::resolve_point;
use crate::point::Point;
use crate::sections::{DataState, Sections};

/// The word that stands in the place of a value.
const TUNED: &str = "tuned";

/// The key that is tuned unless another is named, and for each value of another.
pub const LEARNING_RATE: &str = "train.learning_rate";

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
    /// The runs that it was chosen by.
    pub run_ids: String,
}

/// Values that were chosen before.
pub trait TunedValues {
    /// The value of the dotted `key` for the configuration of an experiment whose hash without the key is `configuration`, as
    /// [`Untuned::configuration`](crate::Untuned::configuration) has it.
    ///
    /// Where the value of another key, `within`, was chosen for each value of this one, the hash is without that as well.
    ///
    /// # Errors
    /// Why there is none, and what to do: a sentence.
    fn of(&self, experiment: &str, key: &str, within: Option<&str>, configuration: &str) -> Result<Tuned, String>;
}

/// Nothing was.
pub struct NothingTuned;

impl TunedValues for NothingTuned {
    fn of(&self, _: &str, key: &str, _: Option<&str>, _: &str) -> Result<Tuned, String> {
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
    let keys = tuned_keys(&point.table());
    // Of two, the one for each of whose values the other was chosen comes first.
    let orders: Vec<Vec<&str>> = match &keys[..] {
        [] => return Some(Settled { point, tuned: String::new() }),
        [key] => vec![vec![key]],
        [rate, other] if rate == LEARNING_RATE => vec![vec![other, rate], vec![rate, other]],
        [one, other] => vec![vec![one, other], vec![other, one]],
        [.., more] => {
            let message = format!(
                "`{more}` is \"{TUNED}\", as are {} others; two keys of a configuration can be",
                keys.len() - 1
            );
            errors.add(ConfigError::new(ErrorKind::Value, message, point.value_place(more)));
            return None;
        }
    };
    let bare = keys.iter().fold(point.clone(), |point, key| without(&point, key));
    let unknown: Vec<ConfigError> = keys.iter().flat_map(|key| unknown(key, &bare, sections)).collect();
    if !unknown.is_empty() {
        unknown.into_iter().for_each(|error| errors.add(error));
        return None;
    }
    let base = resolve_point(bare, sections, errors)?;
    if let DataState::Missing(missing) = &base.data {
        missing.iter().for_each(|error| errors.add(error.clone()));
        return None;
    }
    let (experiment, base) = (experiment?, base.identity.text());
    let known = |order: &&Vec<&str>| values.of(experiment, order[0], order.get(1).copied(), &base).is_ok();
    let order = orders.iter().filter(|_| orders.len() > 1).find(known).unwrap_or(&orders[0]);
    let (mut point, mut base, mut tuned, mut chosen_by) = (point, base, Vec::new(), None);
    for (place, key) in order.iter().enumerate() {
        let within = order.get(place + 1).copied();
        if place > 0 {
            base = resolve_point(without(&point, key), sections, errors)?.identity.text();
        }
        match values.of(experiment, key, within, &base) {
            Ok(Tuned { run_ids, .. }) if chosen_by.as_ref().is_some_and(|chosen_by| *chosen_by != run_ids) => {
                let other = order[0];
                let message = format!(
                    "`{key}` has been tuned again since `{other}` was chosen by it; choose both anew: lrx tune --with {other}=A,B"
                );
                errors.add(ConfigError::new(ErrorKind::Value, message, point.value_place(key)));
                return None;
            }
            Ok(Tuned { value, among, run_ids }) => {
                chosen_by = Some(run_ids);
                point = point.with([((*key).to_owned(), number(value))]);
                tuned.push(format!("{key} {among}"));
            }
            Err(message) => {
                errors.add(ConfigError::new(ErrorKind::Value, message, point.value_place(key)));
                return None;
            }
        }
    }
    tuned.reverse();
    Some(Settled { point, tuned: tuned.join("; ") })
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
