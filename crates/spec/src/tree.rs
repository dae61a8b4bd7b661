//! Values with the place where each was written, through `extends`, overrides and `--set`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use toml::de::{DeTable, DeValue};
use toml::{Spanned, Table, Value};

use crate::error::{ConfigError, ConfigErrors, Document, ErrorKind, Place};
use crate::read::read;

/// Where a key and its value were written.
#[derive(Clone, Debug)]
pub(crate) struct Origin {
    pub(crate) key: Place,
    pub(crate) value: Place,
    /// What relative paths in the value are relative to.
    pub(crate) folder: Rc<Path>,
}

/// A table with the origin of every key, by its dotted path.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tree {
    pub(crate) table: Table,
    origins: BTreeMap<String, Origin>,
}

/// Keys deeper than any that a section knows, and paths longer than any that somebody writes: whoever asks for the place
/// of one gets the table around it.
pub(crate) const DEEPEST_KEY: usize = 16;
const LONGEST_PATH: usize = 1000;

/// Keys that stay when a file overrides `kind`: they belong to the block, or say where the kind stands; the others belong to
/// the former kind.
const BLOCK_KEYS: [&str; 10] =
    ["block", "layers", "slots", "window", "inner", "kv_heads", "scaled", "activation", "bias", "latent"];

/// Keys that exclude each other: overriding one takes the other away.
const EXCLUSIVE: [(&str, &str); 6] = [
    ("data.valid", "data.valid_fraction"),
    ("train.batch_stories", "train.batch_tokens"),
    ("train.epochs", "train.steps"),
    ("train.epochs", "train.flops"),
    ("train.steps", "train.flops"),
    ("compare.target", "compare.to"),
];

/// The table of the sweep, and its key for hand-picked combinations.
const SWEEP: &str = "sweep";
const CASE: &str = "case";

/// The file that a config extends, if any.
pub(crate) const EXTENDS: &str = "extends";

impl Tree {
    /// Reads a file and the files that it extends.
    pub(crate) fn read(path: &Path) -> Result<Tree, ConfigErrors> {
        let mut chain: Vec<(PathBuf, Tree)> = Vec::new();
        let mut next = Some((path.to_path_buf(), None));
        while let Some((path, named_at)) = next {
            let text = read(&path, named_at.as_ref())?;
            let identity = path.canonicalize().unwrap_or_else(|_| path.clone());
            if chain.iter().any(|(known, _)| *known == identity) {
                let message = format!("{} extends itself, directly or through others", path.display());
                return Err(ConfigError::new(ErrorKind::Unreadable, message, named_at).into());
            }
            let folder = path.parent().unwrap_or(Path::new("")).to_path_buf();
            let mut tree = Tree::parse(path.display().to_string(), text, folder.clone())?;
            next = match tree.table.remove(EXTENDS) {
                None => None,
                Some(Value::String(base)) => Some((folder.join(base), tree.value_place(EXTENDS))),
                Some(other) => {
                    let message = format!("`extends` is {other}; expected the path of a config file");
                    return Err(ConfigError::new(ErrorKind::Value, message, tree.value_place(EXTENDS)).into());
                }
            };
            chain.push((identity, tree));
        }
        let base = chain.pop().expect("at least the file itself").1;
        Ok(chain.into_iter().rev().fold(base, |base, (_, over)| base.overridden(over)))
    }

    /// `dotted.key=VALUE` of the command line.
    pub(crate) fn from_set(argument: &str) -> Result<Tree, ConfigErrors> {
        let error = |message: String| {
            ConfigErrors::from(ConfigError::new(ErrorKind::Set, format!("--set {argument}: {message}"), None))
        };
        let (key, value) = argument.split_once('=').map_or(("", ""), |(key, value)| (key.trim(), value.trim()));
        if key.is_empty() || key.split('.').any(|part| part.is_empty() || part.contains(char::is_whitespace)) {
            return Err(error("expected dotted.key=VALUE, such as train.learning_rate=1e-3".into()));
        }
        if key.split('.').count() > DEEPEST_KEY {
            return Err(error(format!("the key has more than {DEEPEST_KEY} parts, which none has")));
        }
        if key == EXTENDS {
            return Err(error("a config file extends another by `extends` in itself; it cannot be set".into()));
        }
        if let Err(toml_error) = format!("{key}={value}").parse::<Table>() {
            let hint = if !value.is_empty() && !value.contains(['"', '\'', '{', '[']) {
                format!("; if it is text, quote it: --set '{key}=\"{value}\"'")
            } else {
                format!(": {}", syntax_message(&toml_error, ""))
            };
            return Err(error(format!("the right side is not a TOML value{hint}")));
        }
        Tree::parse("--set".into(), argument.to_string(), PathBuf::new())
    }

    /// Reads a text that errors call `name`; relative paths in it are relative to `folder`.
    pub(crate) fn parse(name: String, text: String, folder: PathBuf) -> Result<Tree, ConfigErrors> {
        let document = Rc::new(Document { name, text });
        let not_toml = |error: toml::de::Error| {
            let place = error.span().map(|span| Place { document: document.clone(), span });
            let at = place.as_ref().and_then(|place| document.text.get(place.span.clone())).unwrap_or_default();
            ConfigError::new(ErrorKind::Syntax, format!("not valid TOML: {}", syntax_message(&error, at)), place)
        };
        let (spanned, wrong) = DeTable::parse_recoverable(&document.text);
        let mut errors = ConfigErrors::default();
        wrong.into_iter().for_each(|error| errors.add(not_toml(error)));
        errors.unless_any(())?;
        // Some values, such as numbers that are too large, are only read here.
        let table: Table = document.text.parse().map_err(not_toml)?;
        let mut origins = BTreeMap::new();
        collect_origins(spanned.get_ref(), "", &document, &folder.into(), &mut origins);
        let mut tree = Tree { table, origins };
        tree.with_dotted_sweep()?;
        Ok(tree)
    }

    /// This tree with `over`'s values in place of its own, key by key.
    pub(crate) fn overridden(mut self, over: Tree) -> Tree {
        override_with(&mut self.table, over.table);
        self.origins.extend(over.origins);
        self
    }

    /// Gives the keys of `[sweep]` one spelling, `"model.attention.rank"`, whichever they were written in, so that those of
    /// another file or of `--set` are known to be the same.
    fn with_dotted_sweep(&mut self) -> Result<(), ConfigErrors> {
        let Some(Value::Table(sweep)) = self.table.get_mut(SWEEP) else { return Ok(()) };
        let (mut dotted, mut twice) = (Table::new(), None);
        for (key, value) in flatten(sweep, "") {
            if dotted.contains_key(&key) {
                twice = Some(key.clone());
            }
            dotted.insert(key, value);
        }
        *sweep = dotted;
        let Some(key) = twice else { return Ok(()) };
        let place = self.key_place(&format!("{SWEEP}.{key}"));
        let message = format!("`{key}` stands in the sweep twice: `\"{key}\"` and `{key}` are one key");
        Err(ConfigError::new(ErrorKind::Sweep, message, place).into())
    }

    /// Gives a key its value in every point of the sweep, too, as `--set` does: whether the sweep had others.
    pub(crate) fn hold_in_sweep(&mut self, key: &str, value: &Value) -> bool {
        let Some(Value::Table(sweep)) = self.table.get_mut(SWEEP) else { return false };
        let mut held = Vec::new();
        for (swept, values) in sweep.iter_mut() {
            let at = format!("{SWEEP}.{swept}");
            let Value::Array(values) = values else { continue };
            if swept == key {
                *values = vec![value.clone()];
                held.push(format!("{at}.0"));
                continue;
            }
            let prefix = if swept == CASE { "" } else { swept.as_str() };
            for (i, one) in values.iter_mut().enumerate() {
                hold(one, prefix, &format!("{at}.{i}"), (key, value), &mut held);
            }
        }
        let excluded = EXCLUSIVE.into_iter().flat_map(|(a, b)| [(a, b), (b, a)]).filter(|(one, _)| *one == key);
        let mut was_there = !held.is_empty();
        for (_, other) in excluded {
            was_there |= sweep.remove(other).is_some();
            if let Some(Value::Array(cases)) = sweep.get_mut(CASE) {
                for case in cases.iter_mut().filter_map(Value::as_table_mut) {
                    was_there |= case.remove(other).is_some() | remove(case, other);
                }
            }
        }
        if let Some(origin) = self.origins.get(key).cloned() {
            held.into_iter().for_each(|at| drop(self.origins.insert(at, origin.clone())));
        }
        was_there
    }

    /// Where the value of a key was written, or of the innermost table around it that was.
    pub(crate) fn value_place(&self, path: &str) -> Option<Place> {
        self.origin(path).map(|origin| origin.value.clone())
    }

    /// Where the key was written, or the innermost table around it that was.
    pub(crate) fn key_place(&self, path: &str) -> Option<Place> {
        self.origin(path).map(|origin| origin.key.clone())
    }

    /// The origin of exactly this key.
    pub(crate) fn origin(&self, path: &str) -> Option<&Origin> {
        self.origins.get(path)
    }
}

/// A dotted path and those of the tables around it, from the inside.
pub(crate) fn outwards(path: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(path), |path| path.rsplit_once('.').map(|(outer, _)| outer))
}

/// The value at a dotted path.
pub(crate) fn get<'t>(table: &'t Table, path: &str) -> Option<&'t Value> {
    let mut keys = path.split('.');
    let first = table.get(keys.next()?)?;
    keys.try_fold(first, |value, key| value.as_table()?.get(key))
}

/// `over`'s values in place of `base`'s, key by key.
pub(crate) fn override_with(base: &mut Table, over: Table) {
    for (one, other) in EXCLUSIVE.into_iter().flat_map(|(a, b)| [(a, b), (b, a)]) {
        if get(&over, one).is_some() && get(&over, other).is_none() {
            remove(base, other);
        }
    }
    merge(base, over);
}

/// Takes the value at a dotted path out, if there is one: whether there was.
pub(crate) fn remove(table: &mut Table, path: &str) -> bool {
    match path.split_once('.') {
        None => table.remove(path).is_some(),
        Some((outer, rest)) => match table.get_mut(outer) {
            Some(Value::Table(inner)) => remove(inner, rest),
            _ => false,
        },
    }
}

/// Puts a value in place of what `tables` have at its key; where they had one goes to `held`.
fn hold(tables: &mut Value, prefix: &str, at: &str, (key, value): (&str, &Value), held: &mut Vec<String>) {
    let Value::Table(table) = tables else { return };
    for (inner, old) in table.iter_mut() {
        let path = if prefix.is_empty() { inner.clone() } else { format!("{prefix}.{inner}") };
        let at = format!("{at}.{inner}");
        if path == key {
            *old = value.clone();
            held.push(at);
        } else if key.strip_prefix(&path).is_some_and(|rest| rest.starts_with('.')) {
            hold(old, &path, &at, (key, value), held);
        }
    }
}

/// Nested tables as dotted keys.
pub(crate) fn flatten(table: &Table, prefix: &str) -> Vec<(String, Value)> {
    let each = table.iter().flat_map(|(key, value)| {
        let path = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
        match value {
            Value::Table(inner) => flatten(inner, &path),
            value => vec![(path, value.clone())],
        }
    });
    each.collect()
}

/// What is wrong with text that is not TOML; `at` is where.
fn syntax_message(error: &toml::de::Error, at: &str) -> String {
    match error.message() {
        message if message.starts_with("string values must be quoted") && at.trim().is_empty() => {
            "the value is missing".to_string()
        }
        message if message.starts_with("string values must be quoted") => {
            format!("{at} is neither a number, true or false, nor text in quotes")
        }
        message if message.contains("i128") => format!("{at} is too large a number"),
        message => message.to_string(),
    }
}

fn collect_origins(
    table: &DeTable<'_>,
    prefix: &str,
    document: &Rc<Document>,
    folder: &Rc<Path>,
    origins: &mut BTreeMap<String, Origin>,
) {
    for (key, value) in table {
        let path = if prefix.is_empty() { key.get_ref().to_string() } else { format!("{prefix}.{}", key.get_ref()) };
        if path.len() > LONGEST_PATH {
            continue;
        }
        let place = |span| Place { document: document.clone(), span };
        let value_place = if value.get_ref().is_table() { place(key.span()) } else { place(value.span()) };
        let origin = Origin { key: place(key.span()), value: value_place, folder: folder.clone() };
        origins.insert(path.clone(), origin);
        collect_inside(value, &path, document, folder, origins);
    }
}

fn collect_inside(
    value: &Spanned<DeValue<'_>>,
    path: &str,
    document: &Rc<Document>,
    folder: &Rc<Path>,
    origins: &mut BTreeMap<String, Origin>,
) {
    match value.get_ref() {
        DeValue::Table(inner) => collect_origins(inner, path, document, folder, origins),
        DeValue::Array(items) => {
            for (i, item) in items.iter().enumerate() {
                let place = Place { document: document.clone(), span: item.span() };
                let path = format!("{path}.{i}");
                let origin = Origin { key: place.clone(), value: place, folder: folder.clone() };
                origins.insert(path.clone(), origin);
                collect_inside(item, &path, document, folder, origins);
            }
        }
        _ => {}
    }
}

fn merge(base: &mut Table, over: Table) {
    let changes_kind = over.get("kind").is_some_and(|kind| base.get("kind").is_some_and(|old| old != kind));
    if changes_kind {
        base.retain(|key, _| BLOCK_KEYS.contains(&key));
    }
    for (key, value) in over {
        match (base.get_mut(&key), value) {
            (Some(Value::Table(base)), Value::Table(over)) => merge(base, over),
            (_, value) => {
                base.insert(key, value);
            }
        }
    }
}
