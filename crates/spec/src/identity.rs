//! What a run is known by: a hash of all that its numbers depend on, however it was written.
//!
//! In it are the values of the config that are not at their defaults (so that an option that is added later renames
//! nothing), files by their content, the versions of kinds and readers, and the version of the arithmetic as a whole. Not
//! in it are label, experiment, sweep, spelling (`0` or `0.0`, `4` or `[4, 4]`) and where files lie.

use lrx_data::DataSpec;
use lrx_model::ModelSpec;
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

    /// That of a training, whatever its model.
    pub(crate) fn of_training(data: Self, train: Self) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&NUMERICS.to_le_bytes());
        for section in [data, train] {
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

#[cfg(test)]
mod tests {
    use lrx_layers::without_defaults;
    use serde::{Deserialize, Serialize};

    use super::*;

    /// A section as it is, and as it may be once options have been added.
    #[derive(Serialize, Deserialize)]
    #[serde(deny_unknown_fields, default)]
    struct Now {
        rate: f64,
        steps: Option<usize>,
        inner: Inner,
    }

    #[derive(Serialize, Deserialize)]
    #[serde(deny_unknown_fields, default)]
    struct Later {
        rate: f64,
        steps: Option<usize>,
        inner: InnerLater,
        /// Its default follows from another key.
        half: Option<f64>,
        mode: String,
    }

    #[derive(Serialize, Deserialize)]
    #[serde(deny_unknown_fields, default)]
    struct Inner {
        beta: f64,
    }

    #[derive(Serialize, Deserialize)]
    #[serde(deny_unknown_fields, default)]
    struct InnerLater {
        beta: f64,
        nesterov: bool,
    }

    impl Default for Now {
        fn default() -> Self {
            Self { rate: 1.0, steps: None, inner: Inner::default() }
        }
    }

    impl Default for Later {
        fn default() -> Self {
            Self { rate: 1.0, steps: None, inner: InnerLater::default(), half: None, mode: "plain".into() }
        }
    }

    impl Default for Inner {
        fn default() -> Self {
            Self { beta: 0.9 }
        }
    }

    impl Default for InnerLater {
        fn default() -> Self {
            Self { beta: 0.9, nesterov: false }
        }
    }

    fn now(table: Table) -> Option<Table> {
        Table::try_from(table.try_into::<Now>().ok()?).ok()
    }

    fn later(table: Table) -> Option<Table> {
        let read: Later = table.try_into().ok()?;
        let half = Some(read.half.unwrap_or(read.rate / 2.0));
        Table::try_from(Later { half, ..read }).ok()
    }

    fn identity(text: &str, resolve: &dyn Fn(Table) -> Option<Table>) -> (Table, Identity) {
        let table = without_defaults(&resolve(text.parse().unwrap()).unwrap(), resolve);
        let identity = Identity::of_section(&table);
        (table, identity)
    }

    #[test]
    fn an_option_that_is_added_with_a_default_renames_nothing() {
        for text in ["", "rate = 2.0", "steps = 3", "inner = { beta = 0.5 }", "rate = 3.0\ninner = { beta = 0.9 }"] {
            let (before, own) = identity(text, &now);
            assert_eq!((identity(text, &later).1 == own, &identity(text, &later).0), (true, &before), "{text}");
        }
        let own = identity("rate = 2.0", &later).1;
        for other in [
            "rate = 2.0\nhalf = 2.0",
            "rate = 2.0\nmode = 'x'",
            "rate = 2.0\ninner = { nesterov = true }",
            "rate = 2.0\nsteps = 1",
        ] {
            assert!(identity(other, &later).1 != own, "{other}");
        }
        for same in ["rate = 2.0\nhalf = 1.0", "rate = 2.0\nmode = 'plain'", "inner = { beta = 0.9 }\nrate = 2.0"] {
            assert!(identity(same, &later).1 == own, "{same}");
        }
    }

    #[test]
    fn what_is_at_its_default_is_left_out() {
        let train = |text: &str| {
            let config: lrx_train::TrainConfig = toml::from_str(text).unwrap();
            Identity::of_section(&config.resolve(&Default::default()).unwrap().identity())
        };
        for (text, left) in [
            ("", ""),
            ("steps = 7\nbatch_stories = 4", "steps = 7"),
            ("batch_tokens = 4\nclip_norm = 1", "batch_tokens = 4"),
        ] {
            assert!(train(text) == Identity::of_section(&left.parse().unwrap()), "{text}");
        }
        assert_eq!(identity("", &now).0, Table::new());
        assert_eq!(identity("rate = 1.0\ninner = { beta = 0.5 }", &now).0, "inner = { beta = 0.5 }".parse().unwrap());
    }

    #[test]
    fn equal_values_are_equal_however_they_are_written() {
        let of = |text: &str| Identity::of_section(&text.parse().unwrap());
        for (one, other) in [("a = 0", "a = 0.0"), ("a = -0.0", "a = 0"), ("a = 3\nb = [1]", "b = [1.0]\na = 3e0")] {
            assert!(of(one) == of(other), "{one} and {other}");
        }
        let different =
            ["", "a = 1", "a = '1'", "a = 1.5", "a = [1]", "a = [1, 1]", "a = [[1], 1]", "a = true", "a = {}"];
        let more =
            ["a = { a = 1 }", "b = 1", "a = ''", "a = []", "a = 9223372036854775807", "a = 1e300", "a = 'b'\nb = ''"];
        let hashes: std::collections::HashSet<Identity> = different.iter().chain(&more).map(|text| of(text)).collect();
        assert_eq!(hashes.len(), different.len() + more.len());
    }
}
