//! From trees to runs: every section resolved by the crate that owns it.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use lrx_data::{DataConfig, DataSpec};
use lrx_layers::{OptionError, Registry, deserialize};
use lrx_model::{ModelConfig, ModelSpec};
use lrx_train::{TrainConfig, TrainSpec};
use schemars::JsonSchema;
use serde::Deserialize;
use toml::{Table, Value};

use crate::error::{ConfigError, ConfigErrors, ErrorKind, Place};
use crate::files::hint;
use crate::recover::resolve_all;
use crate::sweep::{Point, points};
use crate::tree::{EXTENDS, Tree};

/// One config file: its runs.
pub struct Experiment {
    /// Results go to a folder of this name.
    pub name: String,
    /// The runs, in the order of the sweep, seeds innermost.
    pub runs: Vec<RunSpec>,
}

/// One run, resolved.
pub struct RunSpec {
    /// A readable slug and a hash of all that the numbers depend on; `None` where the data is not there.
    pub run_id: Option<String>,
    /// The hash of all that the numbers depend on but the seed; empty where the data is not there.
    pub configuration: String,
    /// The configuration's label.
    pub label: String,
    /// The seed of weights and order.
    pub seed: u64,
    /// `[data]`.
    pub data: DataState,
    /// `[model]`.
    pub model: ModelSpec,
    /// `[train]`.
    pub train: TrainSpec,
    /// Where each value of the config was written.
    tree: Rc<Tree>,
}

/// `[data]`, or why it cannot be used: planning does without data where the vocabulary is given.
#[derive(Clone)]
pub enum DataState {
    /// The files are there.
    Ready(Rc<DataSpec>),
    /// They are not: which.
    Missing(Rc<ConfigErrors>),
}

/// The keys beside the sections.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Top {
    /// Results go to a folder of this name. Default: the name of the file.
    name: Option<String>,
    /// The name of the configuration in tables and plots. Default: derived from kinds and ranks.
    label: Option<String>,
    /// A run for each. Default [0].
    #[serde(default = "default_seeds")]
    seeds: Vec<u64>,
    #[serde(default)]
    #[schemars(skip)] // The crates that own the sections describe them.
    data: Table,
    #[serde(default)]
    #[schemars(skip)]
    model: Table,
    #[serde(default)]
    #[schemars(skip)]
    train: Table,
    #[serde(default)]
    #[schemars(skip)]
    #[allow(dead_code)] // Taken out of the tree before; named here so that the list of known keys is whole.
    sweep: Table,
}

fn default_seeds() -> Vec<u64> {
    vec![0]
}

/// Reads and resolves `files`, each with `set` on top.
///
/// # Errors
/// All that is wrong with them.
pub fn load_experiments(
    files: &[PathBuf],
    set: &[String],
    registry: &Registry,
) -> Result<Vec<Experiment>, ConfigErrors> {
    let mut errors = ConfigErrors::default();
    let experiments = files.iter().filter_map(|file| errors.keep(load(file, set, registry))).collect();
    errors.unless_any(experiments)
}

fn load(file: &Path, set: &[String], registry: &Registry) -> Result<Experiment, ConfigErrors> {
    let stem = file.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    resolve(Tree::read(file)?, stem, set, registry)
}

/// Resolves a config that is part of the program, with `set` on top.
///
/// # Errors
/// All that is wrong with `set`.
pub fn load_builtin(name: &str, text: &str, set: &[String], registry: &Registry) -> Result<Experiment, ConfigErrors> {
    resolve(Tree::parse(format!("built-in {name}"), text.into(), PathBuf::new())?, name.into(), set, registry)
}

/// A configuration of a sweep: all but the seed.
struct Configuration {
    label: String,
    /// What the sweep set.
    point: String,
    seeds: Vec<u64>,
    data: DataState,
    model: ModelSpec,
    train: TrainSpec,
    tree: Rc<Tree>,
}

fn resolve(mut tree: Tree, mut name: String, set: &[String], registry: &Registry) -> Result<Experiment, ConfigErrors> {
    let mut errors = ConfigErrors::default();
    for argument in set {
        if let Some(over) = errors.keep(Tree::from_set(argument)) {
            tree = tree.overridden(over);
        }
    }
    let mut known_data: Vec<(Table, DataState)> = Vec::new();
    let mut configurations = Vec::new();
    for Point { tree, name: point } in points(tree, &mut errors) {
        let tree = Rc::new(tree);
        let (top, wrong) = resolve_all(tree.table.clone(), deserialize::<Top>);
        wrong.into_iter().for_each(|error| errors.add(at(&tree, error.also_known(&[EXTENDS]), ErrorKind::Value)));
        let Some(top) = top else { continue };
        if let Err(message) = check_name(top.name.as_deref(), &name) {
            errors.add(ConfigError::new(ErrorKind::Value, message, tree.value_place("name")));
        }
        name = top.name.unwrap_or(name);
        if top.label.as_ref().is_some_and(|label| label.trim().is_empty()) {
            let message = "`label` is empty; expected a name for the configuration, or no `label` to derive one";
            errors.add(ConfigError::new(ErrorKind::Value, message, tree.value_place("label")));
        }
        if top.seeds.is_empty() {
            let message = "`seeds` is an empty list: there would be no run";
            errors.add(ConfigError::new(ErrorKind::Value, message, tree.value_place("seeds")));
        }
        let data = match known_data.iter().find(|(table, _)| *table == top.data) {
            Some((_, state)) => Some(state.clone()),
            None => errors.keep(resolve_data(&tree, &top.data)),
        };
        let model = errors.keep(resolve_section(&tree, "model", top.model, |config: ModelConfig| {
            config.resolve(registry, &|key, written| tree.locate(&format!("model.{key}"), written))
        }));
        let train = errors.keep(resolve_section(&tree, "train", top.train, TrainConfig::resolve));
        if let Some(data) = &data {
            known_data.push((top.data, data.clone()));
        }
        if let (Some(data), Some(model), Some(train)) = (data, model, train) {
            let label = top.label.unwrap_or_else(|| model.label());
            configurations.push(Configuration { label, point, seeds: top.seeds, data, model, train, tree });
        }
    }
    errors.sorted().unless_any(())?;

    // Where labels do not tell the points of a sweep apart, what the sweep set does.
    let labels: Vec<String> = configurations.iter().map(|configuration| configuration.label.clone()).collect();
    let ambiguous = |label: &String| labels.iter().filter(|other| *other == label).count() > 1;
    let mut runs: Vec<RunSpec> = Vec::new();
    let mut known: HashMap<String, usize> = HashMap::new();
    for Configuration { label, point, seeds, data, model, train, tree } in configurations {
        let label = if ambiguous(&label) { format!("{label} {point}") } else { label };
        for seed in seeds {
            let (label, data) = (label.clone(), data.clone());
            let mut run = RunSpec {
                run_id: None,
                configuration: String::new(),
                label,
                seed,
                data,
                model: model.clone(),
                train: train.clone(),
                tree: tree.clone(),
            };
            run.identify();
            let twin = run.run_id.clone().and_then(|run_id| known.insert(run_id, runs.len()));
            if let Some(twin) = twin.map(|twin| &runs[twin]) {
                let other = if twin.label == run.label { String::new() } else { format!(" and {}", twin.label) };
                let message = format!("two runs are the same: {}{other} with seed {seed}", run.label);
                return Err(ConfigError::new(
                    ErrorKind::Value,
                    message,
                    tree.key_place("sweep").or(tree.value_place("seeds")),
                )
                .into());
            }
            runs.push(run);
        }
    }
    Ok(Experiment { name, runs })
}

fn resolve_data(tree: &Tree, table: &Table) -> Result<DataState, ConfigErrors> {
    let locate = |key: &str, written: &str| tree.locate(&format!("data.{key}"), written);
    let (spec, wrong) = resolve_all(table.clone(), |table| {
        let config: DataConfig = deserialize(table)?;
        let resolved = config.resolve(&locate);
        resolved.map_err(|error| OptionError::new(error.key().unwrap_or_default(), error.to_string()))
    });
    let mut errors = ConfigErrors::default();
    let mut only_missing = true;
    for mut error in wrong {
        let missing = missing_file(tree, "data", table, &error.key);
        only_missing &= missing.is_some();
        let kind = if missing.is_some() { ErrorKind::MissingFile } else { ErrorKind::Value };
        error.message += &missing.map(|path| hint(&path)).unwrap_or_default();
        errors.add(at(tree, error.inside("data"), kind));
    }
    match (errors.unless_any(()), spec) {
        (Ok(()), Some(spec)) => Ok(DataState::Ready(Rc::new(spec))),
        (Err(errors), _) if only_missing => Ok(DataState::Missing(Rc::new(errors))),
        (Err(errors), _) => Err(errors),
        (Ok(()), None) => unreachable!("what cannot be resolved has something wrong"),
    }
}

fn resolve_section<C: serde::de::DeserializeOwned, S>(
    tree: &Tree,
    section: &str,
    table: Table,
    resolve: impl Fn(C) -> Result<S, OptionError>,
) -> Result<S, ConfigErrors> {
    let (resolved, wrong) = resolve_all(table.clone(), |table| deserialize(table).and_then(&resolve));
    let mut errors = ConfigErrors::default();
    for mut error in wrong {
        let missing = missing_file(tree, section, &table, &error.key);
        let kind = if missing.is_some() { ErrorKind::MissingFile } else { ErrorKind::Value };
        error.message += &missing.map(|path| hint(&path)).unwrap_or_default();
        errors.add(at(tree, error.inside(section), kind));
    }
    errors.unless_any(())?;
    Ok(resolved.expect("nothing was wrong"))
}

/// The path of the file that `key` of a section names, if it names one that is not there.
fn missing_file(tree: &Tree, section: &str, table: &Table, key: &str) -> Option<PathBuf> {
    if !["train", "valid", "tokenizer", "init_from"].contains(&key) {
        return None;
    }
    let written = table.get(key)?.as_str()?;
    Some(tree.locate(&format!("{section}.{key}"), written)).filter(|path| !path.exists())
}

/// Whether the files that runs need are there.
///
/// # Errors
/// Those that are not.
pub fn missing_files(experiments: &[Experiment]) -> Result<(), ConfigErrors> {
    let mut errors = ConfigErrors::default();
    for run in experiments.iter().flat_map(|experiment| &experiment.runs) {
        if let DataState::Missing(missing) = &run.data {
            missing.iter().for_each(|error| errors.add(error.clone()));
        }
    }
    errors.unless_any(())
}

/// An error at the place where its key was written.
fn at(tree: &Tree, error: OptionError, kind: ErrorKind) -> ConfigError {
    let kind = if error.is_about_the_key() { ErrorKind::UnknownKey } else { kind };
    let place = if error.is_about_the_key() { tree.key_place(&error.key) } else { tree.value_place(&error.key) };
    // A missing key has no place of its own; naming the table is better than nothing.
    let message = match place {
        Some(_) => error.message,
        None if error.key.is_empty() => error.message,
        None => format!("`{}`: {}", error.key, error.message),
    };
    ConfigError::new(kind, message, place)
}

/// Whether the experiment's name, written or else that of its file, can be a folder's inside the folder of results.
fn check_name(written: Option<&str>, of_file: &str) -> Result<(), String> {
    let name = written.unwrap_or(of_file);
    let allowed = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.');
    if !name.is_empty() && !name.starts_with('.') && name.chars().all(allowed) {
        return Ok(());
    }
    let (what, remedy) = match written {
        Some(_) => ("`name` is", ""),
        None => ("without `name`, the file gives its own, which is", "; set `name`, or rename the file"),
    };
    Err(format!(
        "{what} {name:?}; expected letters, digits, `-`, `_` and `.`: results go to a folder of this name{remedy}"
    ))
}

impl RunSpec {
    /// Where a key of this run's config was written, for errors that show later.
    pub fn error_at(&self, key: &str, message: String) -> ConfigError {
        ConfigError::new(ErrorKind::Value, message, self.place(key))
    }

    fn place(&self, key: &str) -> Option<Place> {
        self.tree.value_place(key)
    }

    /// The config with every default filled in; files by the path as written and their hash.
    pub fn resolved(&self, experiment: &str) -> Table {
        let mut table = Table::new();
        table.insert("name".into(), experiment.into());
        table.insert("label".into(), self.label.clone().into());
        table.insert("seed".into(), Value::Integer(self.seed as i64));
        if let DataState::Ready(data) = &self.data {
            table.insert("data".into(), to_value(&**data));
        }
        table.insert("model".into(), Value::Table(self.model.resolved()));
        table.insert("train".into(), to_value(&self.train));
        shorten_paths(&mut table);
        table
    }

    /// Gives the run its id and its configuration's hash, where its data is there: from all that the numbers depend on,
    /// the same on every machine, whatever files and experiment are called.
    fn identify(&mut self) {
        let DataState::Ready(data) = &self.data else { return };
        let mut model = self.model.resolved();
        if let Some(Value::Table(file)) = model.get_mut("init_from") {
            file.remove("file");
        }
        let mut identity = Table::from_iter([
            ("data".to_string(), to_value(&data.identity())),
            ("model".to_string(), Value::Table(model)),
            ("train".to_string(), to_value(&self.train)),
        ]);
        let hash = |identity: &Table| blake3::hash(identity.to_string().as_bytes()).to_hex()[..10].to_string();
        self.configuration = hash(&identity);
        identity.insert("seed".to_string(), Value::Integer(self.seed as i64));
        self.run_id = Some(format!("{}-s{}-{}", slug(&self.label), self.seed, hash(&identity)));
    }
}

/// Leaves the name only of a file that was given by its absolute path, which says nothing on another machine.
fn shorten_paths(table: &mut Table) {
    for (key, value) in table.iter_mut() {
        match value {
            Value::Table(inner) => shorten_paths(inner),
            Value::String(path) if key == "file" && Path::new(path.as_str()).is_absolute() => {
                let name = Path::new(path.as_str()).file_name().unwrap_or_default();
                *path = name.to_string_lossy().into_owned();
            }
            _ => {}
        }
    }
}

fn to_value(section: &impl serde::Serialize) -> Value {
    Value::try_from(section).expect("a section that TOML can hold")
}

/// Lower case, words joined by dashes, safe as a folder's name.
fn slug(label: &str) -> String {
    let words: Vec<String> = label
        .split(|c: char| !c.is_ascii_alphanumeric() && c != '.')
        .filter(|word| !word.is_empty())
        .map(str::to_ascii_lowercase)
        .collect();
    let mut slug = words.join("-");
    slug.truncate(60);
    let slug = slug.trim_matches(['-', '.']);
    if slug.is_empty() { "run".to_string() } else { slug.to_string() }
}
