//! The sections of a config, resolved by the crates that own them: each different one once.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;

use lrx_data::{Corpus, DataConfig, DataSpec, missing};
use lrx_layers::{OptionError, Registry, deserialize};
use lrx_model::{Known as Shared, ModelConfig, ModelSpec, RUN};
use lrx_train::{RegisterOptimizer, TrainConfig, TrainSpec};
use serde::de::DeserializeOwned;
use toml::{Table, Value};

use crate::corpora::{CorpusSource, NoCorpus};
use crate::error::{ConfigError, ConfigErrors, ErrorKind};
use crate::files::{hint, run_with_weights, weights_hint};
use crate::identity::{Identity, of_data};
use crate::point::Point;
use crate::recover::resolve_all;

/// `[data]`, or why it cannot be used: planning does without data where the vocabulary is given.
#[derive(Clone)]
pub enum DataState {
    /// The files are there.
    Ready(Rc<DataSpec>),
    /// They are not: which.
    Missing(Rc<ConfigErrors>),
}

/// A resolved section, and what of it makes the numbers what they are.
pub(crate) struct Section<S> {
    pub(crate) spec: S,
    pub(crate) identity: Identity,
}

/// What a section resolves to, and what is wrong with it, at keys relative to it.
type Resolved<S> = (Option<Rc<Section<S>>>, Rc<[OptionError]>);

/// Sections by what was written in them, and where the files that they name lie.
type Known<S> = HashMap<String, Resolved<S>>;

/// The sections of all points of an experiment.
pub(crate) struct Sections<'r> {
    pub(crate) registry: &'r Registry,
    corpora: &'r dyn CorpusSource,
    /// Where runs lie.
    results: &'r Path,
    data: Known<Rc<DataSpec>>,
    model: Known<Arc<ModelSpec>>,
    /// What different models have in common.
    shared: Shared,
    train: Known<Arc<TrainSpec>>,
}

/// Where the path of weights stands, where `init_from` is a table; else that key itself is the innermost around it.
const WEIGHTS: &str = "model.init_from.path";

/// The keys that name files.
const FILE_KEYS: [&str; 4] = ["train", "valid", "tokenizer", "init_from"];

impl<'r> Sections<'r> {
    pub(crate) fn new(registry: &'r Registry, corpora: &'r dyn CorpusSource, results: &'r Path) -> Self {
        Self {
            registry,
            corpora,
            results,
            data: Known::new(),
            model: Known::new(),
            shared: Shared::default(),
            train: Known::new(),
        }
    }

    /// `[data]` at a point; `None` for its identity where files are missing.
    pub(crate) fn data(&mut self, point: &Point, table: &Table) -> Result<(DataState, Option<Identity>), ConfigErrors> {
        let (section, wrong) = resolve(&mut self.data, point, "data", table, |config: DataConfig| {
            let resolved = config.resolve(&|key, written| point.locate(&format!("data.{key}"), written));
            let spec = resolved.map_err(|e| OptionError::new(e.key().unwrap_or_default(), e.to_string()))?;
            Ok(Section { identity: of_data(&spec), spec: Rc::new(spec) })
        });
        let (errors, only_missing) = placed(point, "data", table, &wrong, self.results);
        match (errors.unless_any(()), section) {
            (Ok(()), Some(section)) => Ok((DataState::Ready(section.spec.clone()), Some(section.identity))),
            (Err(errors), _) if only_missing => Ok((DataState::Missing(Rc::new(errors)), None)),
            (Err(errors), _) => Err(errors),
            (Ok(()), None) => unreachable!("what cannot be resolved has something wrong"),
        }
    }

    /// The stories of `data` at a point, for the key there that cannot do without them.
    pub(crate) fn corpus(&self, point: &Point, data: &DataState, key: &str) -> Result<Arc<Corpus>, ConfigErrors> {
        let data = match data {
            DataState::Ready(data) => data,
            DataState::Missing(missing) => {
                let mut errors = ConfigErrors::default();
                missing.iter().for_each(|error| errors.add(error.clone()));
                errors.unless_any(())?;
                unreachable!("what is missing is an error");
            }
        };
        self.corpora.corpus(data).map_err(|NoCorpus { key: at, message }| {
            let place = point.value_place(&at.map_or_else(|| key.to_string(), |at| format!("data.{at}")));
            ConfigError::new(ErrorKind::Value, message, place).into()
        })
    }

    /// `[model]` at a point.
    pub(crate) fn model(&mut self, point: &Point, table: &Table) -> Result<Rc<Section<Arc<ModelSpec>>>, ConfigErrors> {
        let (registry, shared, results) = (self.registry, &self.shared, self.results);
        let resolved = resolve(&mut self.model, point, "model", table, |config: ModelConfig| {
            let locate = |_: &str, written: &str| match written.strip_prefix(RUN) {
                Some(run) => run_with_weights(run, results),
                None => Ok(point.locate(WEIGHTS, written)),
            };
            let spec = config.resolve_beside(registry, &locate, shared)?;
            Ok(Section { identity: Identity::of_section(&spec.identity()), spec: Arc::new(spec) })
        });
        or_errors(point, "model", table, resolved, self.results)
    }

    /// `[train]` at a point.
    pub(crate) fn train(&mut self, point: &Point, table: &Table) -> Result<Rc<Section<Arc<TrainSpec>>>, ConfigErrors> {
        let registry = self.registry;
        let resolved = resolve(&mut self.train, point, "train", table, |config: TrainConfig| {
            let spec = config.resolve(&registry.optimizers())?;
            Ok(Section { identity: Identity::of_section(&spec.identity()), spec: Arc::new(spec) })
        });
        or_errors(point, "train", table, resolved, self.results)
    }
}

/// Resolves a section, unless the same has been.
fn resolve<C: DeserializeOwned, S>(
    known: &mut Known<S>,
    point: &Point,
    name: &str,
    table: &Table,
    resolve: impl Fn(C) -> Result<Section<S>, OptionError>,
) -> Resolved<S> {
    let mut key = table.to_string();
    for file in FILE_KEYS.into_iter().filter(|file| table.contains_key(*file)) {
        key += &point.locate(&path_of(name, file), "").to_string_lossy();
        key.push('\n');
    }
    let resolve = || {
        let (section, wrong) = resolve_all(table.clone(), |table| deserialize(table).and_then(&resolve));
        (section.map(Rc::new), wrong.into())
    };
    let (section, wrong) = known.entry(key).or_insert_with(resolve);
    (section.clone(), wrong.clone())
}

fn or_errors<S>(
    point: &Point,
    name: &str,
    table: &Table,
    (section, wrong): Resolved<S>,
    results: &Path,
) -> Result<Rc<Section<S>>, ConfigErrors> {
    placed(point, name, table, &wrong, results).0.unless_any(())?;
    Ok(section.expect("nothing was wrong"))
}

/// Errors about a section at their places, and whether all of them are about files that are not there.
fn placed(point: &Point, section: &str, table: &Table, wrong: &[OptionError], results: &Path) -> (ConfigErrors, bool) {
    let mut errors = ConfigErrors::default();
    let mut only_missing = true;
    for error in wrong {
        let missing = missing_file(point, section, table, &error.key);
        only_missing &= missing.is_some();
        let kind = if missing.is_some() { ErrorKind::MissingFile } else { ErrorKind::Value };
        let mut error = error.clone();
        let weights = table.get("init_from").and_then(written_path);
        let weights = weights.filter(|_| (section, &*error.key) == ("model", "init_from"));
        let run = weights.map(|written| weights_hint(&point.locate(WEIGHTS, written), written, results));
        let file = || missing.map(|path| hint(&path)).unwrap_or_default();
        error.message += &run.filter(|hint| !hint.is_empty()).unwrap_or_else(file);
        errors.add(at(point, error.inside(section), kind));
    }
    (errors, only_missing)
}

/// The path of the first file that `key` of a section names and that is not there.
fn missing_file(point: &Point, section: &str, table: &Table, key: &str) -> Option<PathBuf> {
    let value = table.get(key).filter(|_| FILE_KEYS.contains(&key))?;
    let folder = point.locate(&path_of(section, key), "");
    if key == "init_from" {
        return written_path(value).filter(|written| !written.starts_with(RUN)).and_then(|path| missing(&folder, path));
    }
    let several = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
    several.iter().filter_map(Value::as_str).find_map(|written| missing(&folder, written))
}

/// Where the path that a key of a section names was written.
fn path_of(section: &str, key: &str) -> String {
    if key == "init_from" { WEIGHTS.to_owned() } else { format!("{section}.{key}") }
}

/// The path in `init_from`, a text or a table.
fn written_path(value: &Value) -> Option<&str> {
    match value {
        Value::Table(table) => table.get("path")?.as_str(),
        value => value.as_str(),
    }
}

/// An error at the place where its key was written.
pub(crate) fn at(point: &Point, error: OptionError, kind: ErrorKind) -> ConfigError {
    let about_key = error.is_about_the_key();
    let kind = if about_key { ErrorKind::UnknownKey } else { kind };
    let place = if about_key { point.key_place(&error.key) } else { point.value_place(&error.key) };
    // A missing key has no place of its own; naming the table is better than nothing.
    let message = match place {
        Some(_) => error.message,
        None if error.key.is_empty() => error.message,
        None => format!("`{}`: {}", error.key, error.message),
    };
    ConfigError::new(kind, message, place)
}
