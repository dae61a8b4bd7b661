//! Values with the place where each was written, through `extends`, overrides and `--set`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use toml::de::{DeTable, DeValue};
use toml::{Spanned, Table, Value};

use crate::error::{ConfigError, ConfigErrors, Document, ErrorKind, Place};
use crate::files::hint;

/// Where a key and its value were written.
#[derive(Clone, Debug)]
struct Origin {
    key: Place,
    value: Place,
    /// What relative paths in the value are relative to.
    folder: PathBuf,
}

/// A table with the origin of every key, by its dotted path.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tree {
    pub(crate) table: Table,
    origins: BTreeMap<String, Origin>,
}

/// Keys that stay when a file overrides `kind`: they belong to the block, the others to the former kind.
const BLOCK_KEYS: [&str; 2] = ["window", "inner"];

/// Keys that exclude each other: overriding one takes the other away.
const EXCLUSIVE: [(&str, &str); 3] = [
    ("data.valid", "data.valid_fraction"),
    ("train.batch_stories", "train.batch_tokens"),
    ("train.epochs", "train.steps"),
];

/// The file that a config extends, if any.
pub(crate) const EXTENDS: &str = "extends";

impl Tree {
    /// Reads a file and the files that it extends.
    pub(crate) fn read(path: &Path) -> Result<Tree, ConfigErrors> {
        let mut chain: Vec<(PathBuf, Tree)> = Vec::new();
        let mut next = Some((path.to_path_buf(), None));
        while let Some((path, named_at)) = next {
            let text = std::fs::read(&path).map_err(|error| {
                let message = format!("cannot read the config {}: {error}{}", path.display(), hint(&path));
                ConfigError::new(ErrorKind::Unreadable, message, named_at.clone())
            })?;
            let text = String::from_utf8(text).map_err(|error| not_utf8(&path, &error))?;
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
        collect_origins(spanned.get_ref(), "", &document, &folder, &mut origins);
        Ok(Tree { table, origins })
    }

    /// This tree with `over`'s values in place of its own, key by key.
    pub(crate) fn overridden(mut self, over: Tree) -> Tree {
        for (one, other) in EXCLUSIVE.into_iter().flat_map(|(a, b)| [(a, b), (b, a)]) {
            if over.get(one).is_some() && over.get(other).is_none() {
                self.remove(other);
            }
        }
        merge(&mut self.table, over.table);
        self.origins.extend(over.origins);
        self
    }

    /// This tree with one value replaced; errors about it point to where `named_at` and `origin_of` were written.
    pub(crate) fn with(self, path: &str, value: Value, named_at: &str, origin_of: &str) -> Tree {
        let mut over = Tree::default();
        let mut table = Table::new();
        let replaced_by_table = value.is_table();
        let (outer, last) = path.rsplit_once('.').map_or((None, path), |(outer, last)| (Some(outer), last));
        table.insert(last.to_string(), value);
        for key in outer.into_iter().flat_map(|outer| outer.rsplit('.')) {
            table = Table::from_iter([(key.to_string(), Value::Table(table))]);
        }
        if let (Some(key), Some(origin)) = (self.key_place(named_at), self.origins.get(origin_of)) {
            let origin = Origin { key, ..origin.clone() };
            // A table around it that was not written anywhere has no other place than this.
            let outer = path.match_indices('.').map(|(dot, _)| &path[..dot]);
            for outer in outer.filter(|outer| !self.origins.contains_key(*outer)) {
                over.origins.insert(outer.to_string(), origin.clone());
            }
            over.origins.insert(path.to_string(), origin);
        }
        // Places inside the value, such as the elements of a list; none inside the value that it replaces.
        let inside = |path: &str, key: &str| key.strip_prefix(path).is_some_and(|rest| rest.starts_with('.'));
        let moved = self.origins.iter().filter(|(key, _)| inside(origin_of, key));
        over.origins.extend(moved.map(|(key, origin)| (format!("{path}{}", &key[origin_of.len()..]), origin.clone())));
        over.table = table;
        let mut tree = self;
        if !replaced_by_table {
            tree.origins.retain(|key, _| !inside(path, key));
        }
        tree.overridden(over)
    }

    /// The value at a dotted path.
    pub(crate) fn get(&self, path: &str) -> Option<&Value> {
        let mut keys = path.split('.');
        let first = self.table.get(keys.next()?)?;
        keys.try_fold(first, |value, key| value.as_table()?.get(key))
    }

    fn remove(&mut self, path: &str) {
        let (outer, last) = path.rsplit_once('.').expect("a key of a section");
        if let Some(Value::Table(table)) = self.table.get_mut(outer) {
            table.remove(last);
        }
    }

    /// Where the value of a key was written, or of the innermost table around it that was.
    pub(crate) fn value_place(&self, path: &str) -> Option<Place> {
        self.origin(path).map(|origin| origin.value.clone())
    }

    /// Where the key was written, or the innermost table around it that was.
    pub(crate) fn key_place(&self, path: &str) -> Option<Place> {
        self.origin(path).map(|origin| origin.key.clone())
    }

    /// Where `written`, the value of the key at `path`, lies: relative to the file that it stands in.
    pub(crate) fn locate(&self, path: &str, written: &str) -> PathBuf {
        self.origin(path).map_or_else(|| written.into(), |origin| origin.folder.join(written))
    }

    fn origin(&self, path: &str) -> Option<&Origin> {
        let mut path = path;
        loop {
            if let Some(origin) = self.origins.get(path) {
                return Some(origin);
            }
            path = path.rsplit_once('.')?.0;
        }
    }
}

/// The error of a config that is not text, at the first byte that is not.
fn not_utf8(path: &Path, error: &std::string::FromUtf8Error) -> ConfigError {
    let at = error.utf8_error().valid_up_to();
    let text = String::from_utf8_lossy(error.as_bytes()).into_owned();
    let document = Rc::new(Document { name: path.display().to_string(), text });
    let end = at + char::REPLACEMENT_CHARACTER.len_utf8();
    let message = format!("the config is not UTF-8 text: the byte {:#04x} here", error.as_bytes()[at]);
    ConfigError::new(ErrorKind::Syntax, message, Some(Place { document, span: at..end }))
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
    folder: &Path,
    origins: &mut BTreeMap<String, Origin>,
) {
    for (key, value) in table {
        let path = if prefix.is_empty() { key.get_ref().to_string() } else { format!("{prefix}.{}", key.get_ref()) };
        let place = |span| Place { document: document.clone(), span };
        let value_place = if value.get_ref().is_table() { place(key.span()) } else { place(value.span()) };
        let origin = Origin { key: place(key.span()), value: value_place, folder: folder.to_path_buf() };
        origins.insert(path.clone(), origin);
        collect_inside(value, &path, document, folder, origins);
    }
}

fn collect_inside(
    value: &Spanned<DeValue<'_>>,
    path: &str,
    document: &Rc<Document>,
    folder: &Path,
    origins: &mut BTreeMap<String, Origin>,
) {
    match value.get_ref() {
        DeValue::Table(inner) => collect_origins(inner, path, document, folder, origins),
        DeValue::Array(items) => {
            for (i, item) in items.iter().enumerate() {
                let place = Place { document: document.clone(), span: item.span() };
                let path = format!("{path}.{i}");
                let origin = Origin { key: place.clone(), value: place, folder: folder.to_path_buf() };
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
