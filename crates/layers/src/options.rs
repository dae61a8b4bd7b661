//! From a TOML table to a kind's options, with errors that name the key and the nearest right name.

use serde::de::DeserializeOwned;
use toml::{Table, Value};

/// A wrong option. `key` is dotted and relative to the table that was read; empty for the table itself.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{key}: {message}")]
pub struct OptionError {
    /// Which key.
    pub key: String,
    /// The value, and what was expected.
    pub message: String,
    /// Where the key itself is unknown: its name, and the known ones.
    unknown: Option<(String, Vec<String>)>,
    about_sizes: bool,
    missing: bool,
}

impl OptionError {
    /// An error at `key`.
    pub fn new(key: impl Into<String>, message: impl Into<String>) -> Self {
        Self { key: key.into(), message: message.into(), unknown: None, about_sizes: false, missing: false }
    }

    pub(crate) fn unknown_key(key: String, name: &str, known: &[&str]) -> Self {
        let message = format!("unknown key `{name}`{}", known_names(name, known));
        let known = known.iter().map(|&known| known.to_string()).collect();
        Self { unknown: Some((name.to_string(), known)), ..Self::new(key, message) }
    }

    /// Whether the key itself is wrong, not its value.
    pub fn is_about_the_key(&self) -> bool {
        self.message.starts_with("unknown key")
    }

    /// The same error, with the layer kind that wants the key where one is missing.
    pub fn wanted_by(mut self, kind: &str) -> Self {
        if std::mem::take(&mut self.missing) {
            self.message = format!("{}; `{kind}` needs it", self.message);
        }
        self
    }

    /// The same error as one about sizes that do not fit together: not worth telling where another size is wrong.
    pub fn about_sizes(self) -> Self {
        Self { about_sizes: true, ..self }
    }

    /// Whether this is about sizes that do not fit together.
    pub fn is_about_sizes(&self) -> bool {
        self.about_sizes
    }

    /// The name of the key where it is one that its table does not know.
    pub fn unknown_name(&self) -> Option<&str> {
        self.unknown.as_ref().map(|(name, _)| name.as_str())
    }

    /// The same error about a table in which `keys` are known, too: those that were taken out before it was read.
    pub fn also_known(self, keys: &[&str]) -> Self {
        match &self.unknown {
            Some((name, known)) if *name == self.key => {
                let known: Vec<&str> = known.iter().map(String::as_str).chain(keys.iter().copied()).collect();
                Self::unknown_key(self.key.clone(), name, &known)
            }
            _ => self,
        }
    }

    /// The same error at another key.
    pub(crate) fn at(self, key: &str) -> Self {
        Self { key: key.to_string(), ..self }
    }

    /// The same error seen from the table that holds this one under `key`.
    pub fn inside(mut self, key: &str) -> Self {
        self.key = join(key, &self.key);
        self
    }
}

/// The key `inner` of the table at `outer`; either may be the table itself.
pub(crate) fn join(outer: &str, inner: &str) -> String {
    match (outer, inner) {
        ("", key) | (key, "") => key.to_string(),
        (outer, inner) => format!("{outer}.{inner}"),
    }
}

/// Reads a table as a `T`.
///
/// # Errors
/// An unknown key (with the nearest known one), a missing one, or a value of the wrong type, at its key.
pub fn deserialize<T: DeserializeOwned>(table: Table) -> Result<T, OptionError> {
    serde_path_to_error::deserialize(Value::Table(table)).map_err(|error| {
        let path = error.path().to_string();
        let path = if path == "." { "" } else { &path };
        // `seeds[1]` becomes `seeds.1`.
        let error = explain(path, error.inner().to_string().trim());
        OptionError { key: error.key.replace('[', ".").replace(']', ""), ..error }
    })
}

/// Turns serde's message into one sentence, and finds the key that it is about.
fn explain(path: &str, message: &str) -> OptionError {
    let message = message.lines().next().unwrap_or(message); // The others repeat the path.
    let quoted: Vec<&str> = message.split('`').skip(1).step_by(2).collect();
    if message.starts_with("unknown field") {
        let (unknown, known) = (quoted[0], &quoted[1..]);
        // serde_path_to_error names the unknown key itself in some cases and the table that holds it in others.
        let key = if path == unknown || path.ends_with(&format!(".{unknown}")) {
            path.to_string()
        } else {
            join(path, unknown)
        };
        return OptionError::unknown_key(key, unknown, known);
    }
    if message.starts_with("unknown variant") {
        let (unknown, known) = (quoted[0], &quoted[1..]);
        return OptionError::new(path, format!("unknown value \"{unknown}\"{}", known_names(unknown, known)));
    }
    if message.starts_with("missing field") {
        return OptionError { missing: true, ..OptionError::new(path, format!("the key `{}` is missing", quoted[0])) };
    }
    OptionError::new(path, wrong_value(path, message).unwrap_or_else(|| message.to_string()))
}

/// serde's `invalid type: string "x", expected usize` in words that need no knowledge of Rust.
fn wrong_value(path: &str, message: &str) -> Option<String> {
    let (_, message) = message.split_once("invalid type: ").or_else(|| message.split_once("invalid value: "))?;
    let (found, expected) = message.rsplit_once(", expected ")?;
    let found = match found {
        "sequence" => "a list",
        "map" => "a table",
        value => ["integer ", "floating point ", "boolean ", "string "]
            .iter()
            .find_map(|prefix| value.strip_prefix(prefix))
            .unwrap_or(value)
            .trim_matches('`'),
    };
    let expected = match expected {
        "a nonzero usize" => "a whole number of at least 1",
        "usize" | "u32" | "u64" => "a whole number of at least 0",
        "f32" | "f64" => "a number",
        "a boolean" => "true or false",
        "a string" | "string only" => "text in quotes",
        "a sequence" => "a list",
        "a map" => "a table",
        other => other,
    };
    let name = path.rsplit('.').next().unwrap_or(path);
    match found {
        "unit variant" => Some(format!("`{name}` has a value of the wrong type; expected {expected}")),
        _ => Some(format!("`{name}` is {found}; expected {expected}")),
    }
}

/// The end of a message about an unknown name: `; did you mean …? (known: …)`.
pub fn known_names(unknown: &str, known: &[&str]) -> String {
    let list = known.join(", ");
    match nearest(unknown, known.iter().copied()) {
        _ if known.is_empty() => "; none is known here".to_string(),
        Some(name) => format!("; did you mean `{name}`? (known: {list})"),
        None => format!(" (known: {list})"),
    }
}

/// The known name most like `name`, if one is alike at all.
pub fn nearest<'k>(name: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    known
        .into_iter()
        .map(|candidate| (strsim::jaro_winkler(&name.to_lowercase(), &candidate.to_lowercase()), candidate))
        .filter(|&(likeness, _)| likeness > 0.7)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate)
}

/// A section or options as a table, for what is written out.
///
/// # Panics
/// When the type holds what TOML cannot.
pub fn to_table(section: &impl serde::Serialize) -> Table {
    Table::try_from(section).expect("a table that TOML can hold")
}

/// What of a resolved table is not at its default, tables in it included: `resolve` gives the resolved table of another, and a
/// key is at its default if leaving it out gives the same.
///
/// Keys are what a run is known by, so an option that is added later, with a default that changes nothing, changes no run.
pub fn without_defaults(resolved: &Table, resolve: impl Fn(Table) -> Option<Table>) -> Table {
    not_at_default(resolved, &resolve)
}

fn not_at_default(resolved: &Table, resolve: &dyn Fn(Table) -> Option<Table>) -> Table {
    let mut kept = Table::new();
    for (key, value) in resolved {
        let mut without = resolved.clone();
        without.remove(key);
        if resolve(without).as_ref() == Some(resolved) {
            continue;
        }
        let value = match value {
            Value::Table(inner) => Value::Table(not_at_default(inner, &|inner| {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    #[allow(dead_code)]
    struct Options {
        rank: std::num::NonZeroUsize,
        #[serde(default)]
        inner: Option<Inner>,
    }

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    #[allow(dead_code)]
    struct Inner {
        scale: f64,
    }

    fn error(text: &str) -> OptionError {
        deserialize::<Options>(text.parse().unwrap()).unwrap_err()
    }

    #[test]
    fn errors_name_the_key_and_the_nearest_name() {
        let unknown = error("rnak = 3");
        assert_eq!(unknown.key, "rnak");
        assert_eq!(unknown.message, "unknown key `rnak`; did you mean `rank`? (known: rank, inner)");
        let more = unknown.also_known(&["kind", "rnaks"]).message;
        assert_eq!(more, "unknown key `rnak`; did you mean `rnaks`? (known: rank, inner, kind, rnaks)");
        let inner = error("rank = 3\n[inner]\nscal = 1.0");
        assert_eq!((inner.key.as_str(), inner.message.contains("did you mean `scale`")), ("inner.scal", true));
        assert_eq!(error("rank = 0"), OptionError::new("rank", "`rank` is 0; expected a whole number of at least 1"));
        let text = error("rank = \"three\"");
        assert_eq!(text, OptionError::new("rank", "`rank` is \"three\"; expected a whole number of at least 1"));
        let missing = error("[inner]\nscale = 1.0").wanted_by("it");
        assert_eq!(missing, OptionError::new("", "the key `rank` is missing; `it` needs it"));
    }

    #[test]
    fn what_is_at_its_default_is_left_out() {
        #[derive(serde::Serialize, serde::Deserialize)]
        struct Options {
            rank: u32,
            #[serde(default)]
            scale: f64,
        }
        let fill = |table: Table| Some(to_table(&deserialize::<Options>(table).ok()?));
        let identity = |text: &str| without_defaults(&fill(text.parse().unwrap()).unwrap(), fill).to_string();
        assert_eq!(identity("rank = 3"), "rank = 3\n");
        assert_eq!(identity("rank = 3\nscale = 0"), "rank = 3\n");
        assert_eq!(identity("rank = 3\nscale = 1"), identity("rank = 3\nscale = 1.0"));
    }
}
