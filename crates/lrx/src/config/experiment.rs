//! From trees to runs: every section resolved by the crate that owns it.

use std::path::{Path, PathBuf};
use std::rc::Rc;

use lrx_data::{DataConfig, DataSpec};
use lrx_layers::{OptionError, Registry, deserialize};
use lrx_model::{ModelConfig, ModelSpec};
use lrx_train::{TrainConfig, TrainSpec};
use serde::Deserialize;
use toml::{Table, Value};

use super::error::{ConfigError, ConfigErrors, Place};
use super::sweep::{Point, points};
use super::tree::Tree;

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
    /// They are not.
    Missing(Rc<ConfigError>),
}

/// The keys beside the sections.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Top {
    name: Option<String>,
    label: Option<String>,
    #[serde(default = "default_seeds")]
    seeds: Vec<u64>,
    #[serde(default)]
    data: Table,
    #[serde(default)]
    model: Table,
    #[serde(default)]
    train: Table,
    #[serde(default)]
    #[allow(dead_code)] // Taken out of the tree before; named here so that the list of known keys is whole.
    sweep: Table,
}

fn default_seeds() -> Vec<u64> {
    vec![0]
}

/// Reads and resolves `files`, each with `set` on top.
///
/// # Errors
/// All that is wrong with the first file that has something wrong.
pub fn load_experiments(
    files: &[PathBuf],
    set: &[String],
    registry: &Registry,
) -> Result<Vec<Experiment>, ConfigErrors> {
    files.iter().map(|file| load(file, set, registry)).collect()
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

fn resolve(mut tree: Tree, mut name: String, set: &[String], registry: &Registry) -> Result<Experiment, ConfigErrors> {
    for argument in set {
        tree = tree.overridden(Tree::from_set(argument)?);
    }
    let mut known_data: Vec<(Table, DataState)> = Vec::new();
    let mut configurations = Vec::new();
    for Point { tree, name: point } in points(tree)? {
        let tree = Rc::new(tree);
        let top: Top = deserialize(tree.table.clone()).map_err(|error| at(&tree, error))?;
        if let Some(given) = &top.name {
            check_name(given).map_err(|message| ConfigError::new(message, tree.value_place("name")))?;
            name = given.clone();
        }
        if top.label.as_ref().is_some_and(|label| label.trim().is_empty()) {
            let message = "`label` is empty; expected a name for the configuration, or no `label` to derive one";
            return Err(ConfigError::new(message, tree.value_place("label")).into());
        }
        if top.seeds.is_empty() {
            let message = "`seeds` is an empty list: there would be no run";
            return Err(ConfigError::new(message, tree.value_place("seeds")).into());
        }
        let mut errors = Vec::new();
        let data = known_data.iter().find(|(table, _)| *table == top.data).map(|(_, state)| Ok(state.clone()));
        let data = data.unwrap_or_else(|| resolve_data(&tree, top.data.clone()));
        let model = resolve_section(&tree, "model", top.model, |config: ModelConfig| {
            config.resolve(registry, &|key, written| tree.locate(&format!("model.{key}"), written))
        });
        let train = resolve_section(&tree, "train", top.train, TrainConfig::resolve);
        let mut keep = |error| errors.push(error);
        match (data.map_err(&mut keep), model.map_err(&mut keep), train.map_err(&mut keep)) {
            (Ok(data), Ok(model), Ok(train)) => {
                known_data.push((top.data, data.clone()));
                let label = top.label.unwrap_or_else(|| model.label());
                configurations.push((label, point, top.seeds, data, model, train, tree));
            }
            _ => return Err(ConfigErrors(errors)),
        }
    }

    // Where labels do not tell the points of a sweep apart, what the sweep set does.
    let labels: Vec<String> = configurations.iter().map(|configuration| configuration.0.clone()).collect();
    let ambiguous = |label: &String| labels.iter().filter(|other| *other == label).count() > 1;
    let mut runs: Vec<RunSpec> = Vec::new();
    for (label, point, seeds, data, model, train, tree) in configurations {
        let label = if ambiguous(&label) { format!("{label} {point}") } else { label };
        for seed in seeds {
            let (label, data) = (label.clone(), data.clone());
            let mut run = RunSpec {
                run_id: None,
                label,
                seed,
                data,
                model: model.clone(),
                train: train.clone(),
                tree: tree.clone(),
            };
            run.run_id = run.identify();
            if let Some(twin) = runs.iter().find(|other| other.run_id.is_some() && other.run_id == run.run_id) {
                let message = format!("two runs are the same: {} with seed {seed} ({})", run.label, twin.label);
                return Err(ConfigError::new(message, tree.key_place("sweep").or(tree.value_place("seeds"))).into());
            }
            runs.push(run);
        }
    }
    Ok(Experiment { name, runs })
}

fn resolve_data(tree: &Tree, table: Table) -> Result<DataState, ConfigError> {
    let config: DataConfig = deserialize(table).map_err(|error| at(tree, error.inside("data")))?;
    let locate = |key: &str, written: &str| tree.locate(&format!("data.{key}"), written);
    let files =
        [("train", Some(&config.train).filter(|train| *train != "synthetic")), ("valid", config.valid.as_ref())];
    let tokenizer = match &config.tokenizer {
        lrx_data::TokenizerConfig::File(path) => Some(path),
        lrx_data::TokenizerConfig::TrainBpe(_) => None,
    };
    let files = files.into_iter().chain([("tokenizer", tokenizer)]);
    let missing: Vec<&str> = files
        .filter(|(key, written)| written.is_some_and(|written| !locate(key, written).exists()))
        .map(|(key, _)| key)
        .collect();
    match config.clone().resolve(&locate) {
        Ok(spec) => Ok(DataState::Ready(Rc::new(spec))),
        Err(data_error) => {
            let key = data_error.key().map_or("data".to_string(), |key| format!("data.{key}"));
            let error = ConfigError::new(data_error.to_string(), tree.value_place(&key));
            match data_error.key() {
                Some(key) if missing.contains(&key) => Ok(DataState::Missing(Rc::new(error))),
                _ => Err(error),
            }
        }
    }
}

fn resolve_section<C: serde::de::DeserializeOwned, S>(
    tree: &Tree,
    section: &str,
    table: Table,
    resolve: impl FnOnce(C) -> Result<S, OptionError>,
) -> Result<S, ConfigError> {
    deserialize(table).and_then(resolve).map_err(|error| at(tree, error.inside(section)))
}

/// An error at the place where its key was written.
fn at(tree: &Tree, error: OptionError) -> ConfigError {
    let place = if error.is_about_the_key() { tree.key_place(&error.key) } else { tree.value_place(&error.key) };
    // A missing key has no place of its own; naming the table is better than nothing.
    let message = match place {
        Some(_) => error.message,
        None if error.key.is_empty() => error.message,
        None => format!("`{}`: {}", error.key, error.message),
    };
    ConfigError::new(message, place)
}

fn check_name(name: &str) -> Result<(), String> {
    let allowed = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.');
    if name.is_empty() || name.starts_with('.') || !name.chars().all(allowed) {
        return Err(format!(
            "`name` is {name:?}; expected letters, digits, `-`, `_` and `.`: results go to a folder of this name"
        ));
    }
    Ok(())
}

impl RunSpec {
    /// Where a key of this run's config was written, for errors that show later.
    pub(crate) fn error_at(&self, key: &str, message: String) -> ConfigError {
        ConfigError::new(message, self.place(key))
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

    /// All that the numbers depend on, hashed: the same on every machine, whatever files and experiment are called.
    fn identify(&self) -> Option<String> {
        let DataState::Ready(data) = &self.data else { return None };
        let mut model = self.model.resolved();
        if let Some(Value::Table(file)) = model.get_mut("init_from") {
            file.remove("file");
        }
        let identity = Table::from_iter([
            ("seed".to_string(), Value::Integer(self.seed as i64)),
            ("data".to_string(), to_value(&data.identity())),
            ("model".to_string(), Value::Table(model)),
            ("train".to_string(), to_value(&self.train)),
        ]);
        let hash = blake3::hash(identity.to_string().as_bytes()).to_hex();
        Some(format!("{}-s{}-{}", slug(&self.label), self.seed, &hash[..10]))
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
