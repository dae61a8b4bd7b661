//! What a run is known by: a hash of all that its numbers depend on, however it was written.
//!
//! In it are the values of the config that are not at their defaults (so that an option that is added later renames
//! nothing), files by their content, the versions of kinds and readers, and the version of the arithmetic as a whole. Not
//! in it are label, experiment, sweep, spelling (`0` or `0.0`, `4` or `[4, 4]`) and where files lie.

use lrx_data::DataSpec;
use lrx_model::ModelSpec;
use lrx_train::{TrainConfig, TrainSpec};
use toml::{Table, Value};

/// The version of what lrx computes from the same config: initial numbers, order of batches, mathematics of the step. Raise
/// it with every change that changes the numbers of runs of all kinds: they are then other runs. What concerns one kind
/// only has a version there.
pub const NUMERICS: u32 = 1;

/// A hash of all that numbers depend on.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Identity(blake3::Hash);

impl Identity {
    /// That of a section, from what it depends on.
    pub(crate) fn of_section(identity: &Table) -> Self {
        let mut hasher = blake3::Hasher::new();
        hash_table(identity, &mut hasher);
        Self(hasher.finalize())
    }

    /// That of a configuration.
    pub(crate) fn of_configuration(data: Self, model: Self, train: Self) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&NUMERICS.to_le_bytes());
        for section in [data, model, train] {
            hasher.update(section.0.as_bytes());
        }
        Self(hasher.finalize())
    }

    /// That of the configuration's run with a seed.
    pub(crate) fn of_run(self, seed: u64) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(self.0.as_bytes()).update(&seed.to_le_bytes());
        Self(hasher.finalize())
    }

    /// Twelve letters and digits, the first a letter that no base of numbers has: nothing takes it for a number.
    pub(crate) fn text(self) -> String {
        let bytes = self.0.as_bytes();
        let letter = char::from(b'g' + bytes[31] % 20);
        format!("{letter}{}", &self.0.to_hex()[..11])
    }
}

/// The identity of `[data]`: its crate knows how bytes become tokens.
pub(crate) fn of_data(spec: &DataSpec) -> Identity {
    Identity::of_section(&Table::try_from(spec.identity()).expect("an identity that TOML can hold"))
}

/// The identity of `[train]`: what is not at its default.
pub(crate) fn of_train(spec: &TrainSpec) -> Identity {
    let resolved = |spec: &TrainSpec| Table::try_from(spec).expect("a section that TOML can hold");
    Identity::of_section(&without_defaults(&resolved(spec), &|table| {
        let config: TrainConfig = lrx_layers::deserialize(table).ok()?;
        Some(resolved(&config.resolve().ok()?))
    }))
}

/// What of a resolved table is not at its default, tables in it included: `resolve` gives the resolved table of another, and
/// a key is at its default if leaving it out gives the same.
pub(crate) fn without_defaults(resolved: &Table, resolve: &dyn Fn(Table) -> Option<Table>) -> Table {
    let mut kept = Table::new();
    for (key, value) in resolved {
        let mut without = resolved.clone();
        without.remove(key);
        if resolve(without).as_ref() == Some(resolved) {
            continue;
        }
        let value = match value {
            Value::Table(inner) => Value::Table(without_defaults(inner, &|inner| {
                let mut with = resolved.clone();
                with.insert(key.clone(), Value::Table(inner));
                resolve(with)?.remove(key)?.try_into().ok()
            })),
            value => value.clone(),
        };
        kept.insert(key.clone(), value);
    }
    kept
}

/// A readable name from what is in the identity, never from a label: the seed's notation.
pub(crate) fn slug(model: &ModelSpec) -> String {
    let words: Vec<String> = model
        .label()
        .split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_ascii_lowercase)
        .collect();
    let mut slug = words.join("-");
    slug.truncate(60);
    let slug = slug.trim_matches('-');
    if slug.is_empty() { "run".to_string() } else { slug.to_string() }
}

/// Hashes a value so that equal ones have equal hashes, whatever their spelling: a number by its value, a table by its keys
/// in their order.
fn hash_value(value: &Value, hasher: &mut blake3::Hasher) {
    let mut text = |tag: u8, text: &str| {
        hasher.update(&[tag]).update(&(text.len() as u64).to_le_bytes()).update(text.as_bytes());
    };
    match value {
        Value::String(string) => text(b's', string),
        Value::Integer(number) => text(b'n', &number.to_string()),
        // A whole number is the same with and without a point, zero with and without a sign.
        Value::Float(number) if number.fract() == 0.0 && number.abs() < 2_f64.powi(63) => {
            text(b'n', &(*number as i64).to_string());
        }
        Value::Float(number) => text(b'f', &number.to_string()),
        Value::Boolean(truth) => text(b'b', &truth.to_string()),
        Value::Datetime(time) => text(b'd', &time.to_string()),
        Value::Array(values) => {
            text(b'l', &values.len().to_string());
            values.iter().for_each(|value| hash_value(value, hasher));
        }
        Value::Table(table) => hash_table(table, hasher),
    }
}

fn hash_table(table: &Table, hasher: &mut blake3::Hasher) {
    let mut entries: Vec<(&String, &Value)> = table.iter().collect();
    entries.sort_by_key(|(key, _)| *key);
    hasher.update(b"t").update(&(entries.len() as u64).to_le_bytes());
    for (key, value) in entries {
        hasher.update(&(key.len() as u64).to_le_bytes()).update(key.as_bytes());
        hash_value(value, hasher);
    }
}
