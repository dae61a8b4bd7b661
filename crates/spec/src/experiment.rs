//! From trees to runs: every section resolved by the crate that owns it.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;

use lrx_layers::{Place, Registry, deserialize};
use lrx_model::ModelSpec;
use lrx_train::TrainSpec;
use schemars::JsonSchema;
use serde::Deserialize;
use toml::{Table, Value};

use crate::error::{ConfigError, ConfigErrors, ErrorKind};
use crate::identity::{Identity, slug};
use crate::label::{Described, keys_to_compare, labels};
use crate::names::{check_label, check_name};
use crate::point::Point;
use crate::recover::resolve_all;
use crate::sections::{DataState, Sections, at};
use crate::sweep::points;
use crate::tree::{EXTENDS, Tree, flatten, get};
use crate::tuned::{NothingTuned, Settled, TunedValues, settled};

/// One config file: its runs.
pub struct Experiment {
    /// Results go to a folder of this name.
    pub name: String,
    /// The runs, in the order of the sweep, seeds innermost; each once.
    pub runs: Vec<RunSpec>,
    /// What its author may want to know: runs that stand in it more than once.
    pub notes: Vec<String>,
}

/// One run, resolved.
#[derive(Clone)]
pub struct RunSpec {
    /// A readable slug and a hash of all that the numbers depend on; `None` where the data is not there.
    pub run_id: Option<String>,
    /// The hash of all that the numbers depend on but the seed; empty where the data is not there.
    pub configuration: String,
    /// The hash of `[data]` and `[train]`; empty where the data is not there.
    pub training: String,
    /// The configuration's label: no two of an experiment have the same.
    pub label: String,
    /// The seed of weights and order.
    pub seed: u64,
    /// `[data]`.
    pub data: DataState,
    /// `[model]`.
    pub model: Arc<ModelSpec>,
    /// `[train]`.
    pub train: Arc<TrainSpec>,
    /// Which key `lrx tune` chose the value of, and among which; empty where all values were written.
    pub tuned: String,
    /// Where each value of the config was written.
    point: Rc<Point>,
}

/// The keys beside the sections.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Top {
    /// Results go to a folder of this name. Default: the name of the file.
    #[allow(dead_code)] // Read before the sweep, which cannot change it.
    name: Option<String>,
    /// The name of the configuration in tables and plots. Default: the seed's notation, or what differs, in words.
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

/// More runs than anybody trains, in all experiments of a command.
const MOST_RUNS: usize = 100_000;

/// Reads and resolves `files`, each with `set` on top; `tuned` has the values that they leave to `lrx tune`.
///
/// # Errors
/// All that is wrong with them.
pub fn load_experiments(
    files: &[PathBuf],
    set: &[String],
    registry: &Registry,
    tuned: &dyn TunedValues,
) -> Result<Vec<Experiment>, ConfigErrors> {
    load_experiments_beside(files, set, registry, tuned, Path::new("results"))
}

/// As [`load_experiments`], where runs that somebody may mean lie in the folder `results`.
///
/// # Errors
/// As of `load_experiments`.
pub fn load_experiments_beside(
    files: &[PathBuf],
    set: &[String],
    registry: &Registry,
    tuned: &dyn TunedValues,
    results: &Path,
) -> Result<Vec<Experiment>, ConfigErrors> {
    let mut errors = ConfigErrors::default();
    let mut left = MOST_RUNS;
    let mut experiments = Vec::new();
    for file in files {
        let experiment: Option<Experiment> = errors.keep(load(file, set, registry, tuned, left, results));
        left -= experiment.as_ref().map_or(0, |experiment| experiment.runs.len());
        experiments.extend(experiment);
    }
    errors.unless_any(())?;
    note_shared(&mut experiments);
    Ok(experiments)
}

fn load(
    file: &Path,
    set: &[String],
    registry: &Registry,
    tuned: &dyn TunedValues,
    most: usize,
    results: &Path,
) -> Result<Experiment, ConfigErrors> {
    resolve(Tree::read(file)?, &stem(file), set, registry, tuned, most, results)
}

/// The name of a config file, which names its experiment where `name` does not.
pub(crate) fn stem(file: &Path) -> String {
    file.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default()
}

/// Resolves a config that is part of the program, with `set` on top.
///
/// # Errors
/// All that is wrong with `set`.
pub fn load_builtin(name: &str, text: &str, set: &[String], registry: &Registry) -> Result<Experiment, ConfigErrors> {
    let tree = Tree::parse(format!("built-in {name}"), text.into(), PathBuf::new())?;
    resolve(tree, name, set, registry, &NothingTuned, MOST_RUNS, Path::new("results"))
}

/// A configuration of a sweep: all but the seed.
pub(crate) struct Configuration {
    /// The label in the config.
    given: Option<String>,
    /// The seed's notation, where it applies.
    notation: Option<String>,
    pub(crate) seeds: Vec<u64>,
    pub(crate) data: DataState,
    pub(crate) model: Arc<ModelSpec>,
    pub(crate) train: Arc<TrainSpec>,
    pub(crate) identity: Identity,
    training: Identity,
    /// As of a [`RunSpec`].
    tuned: String,
    pub(crate) point: Rc<Point>,
}

fn resolve(
    tree: Tree,
    stem: &str,
    set: &[String],
    registry: &Registry,
    tuned: &dyn TunedValues,
    most: usize,
    results: &Path,
) -> Result<Experiment, ConfigErrors> {
    let mut errors = ConfigErrors::default();
    let (tree, held) = with_set(tree, set, &mut errors);
    let name = errors.keep(name_of(&tree, stem));
    let mut sections = Sections::new(registry, results);
    let mut configurations: Vec<Configuration> = Vec::new();
    for point in points(tree, registry, &mut errors) {
        let settled = settled(point, name.as_deref(), tuned, &mut sections, &mut errors);
        let Some(Settled { point, tuned }) = settled else { continue };
        let configuration = resolve_point(point, &mut sections, &mut errors);
        configurations.extend(configuration.map(|configuration| Configuration { tuned, ..configuration }));
    }
    errors.sorted().unless_any(())?;
    let name = name.expect("no error");
    let mut repeats = Repeats::default();
    let configurations = merged(configurations, &mut repeats);
    let count: usize = configurations.iter().map(|configuration| configuration.seeds.len()).sum();
    if count > most {
        let place = configurations[0].point.key_place("seeds").or(configurations[0].point.key_place("sweep"));
        let message = format!("{count} runs in all; expected at most {MOST_RUNS} from one command");
        return Err(ConfigError::new(ErrorKind::Sweep, message, place).into());
    }
    let described = describe(&configurations);
    let labels = labels(&described);
    let runs = configurations.iter().zip(&labels).flat_map(|(configuration, label)| configuration.runs(label));
    let runs = runs.collect();
    let held = held
        .into_iter()
        .map(|argument| format!("{name}: --set {argument} holds for the whole sweep, which has other values there"));
    let notes = held.chain(repeats.notes(&name, &labels)).collect();
    Ok(Experiment { notes, name, runs })
}

/// A config with the values of `--set` on top, and those arguments that hold in the place of what its sweep has there.
pub(crate) fn with_set<'s>(mut tree: Tree, set: &'s [String], errors: &mut ConfigErrors) -> (Tree, Vec<&'s String>) {
    let mut held = Vec::new();
    for argument in set {
        if let Some(over) = errors.keep(Tree::from_set(argument)) {
            let values = flatten(&over.table, "");
            tree = tree.overridden(over);
            // A key has one value where somebody says so last.
            let is_swept = |(key, value): &(String, Value)| tree.hold_in_sweep(key, value);
            held.extend(values.iter().any(is_swept).then_some(argument));
        }
    }
    (tree, held)
}

/// The name of the experiment: the config's own, or that of its file.
pub(crate) fn name_of(tree: &Tree, stem: &str) -> Result<String, ConfigError> {
    let wrong = |message: String, place| Err(ConfigError::new(ErrorKind::Value, message, place));
    match tree.table.get("name") {
        None => match check_name(stem) {
            Ok(()) => Ok(stem.to_string()),
            Err(why) => wrong(
                format!("without `name`, the file gives its own, which is {why}; set `name`, or rename the file"),
                None,
            ),
        },
        Some(Value::String(name)) => match check_name(name) {
            Ok(()) => Ok(name.clone()),
            Err(why) => wrong(format!("`name` is {why}"), tree.value_place("name")),
        },
        // Told where the other keys are read.
        Some(_) => Ok(String::new()),
    }
}

pub(crate) fn resolve_point(
    point: Point,
    sections: &mut Sections<'_>,
    errors: &mut ConfigErrors,
) -> Option<Configuration> {
    let (top, wrong) = resolve_all(point.table(), deserialize::<Top>);
    wrong.into_iter().for_each(|error| errors.add(at(&point, error.also_known(&[EXTENDS]), ErrorKind::Value)));
    let top = top?;
    if let Err(message) = top.label.as_deref().map_or(Ok(()), check_label) {
        errors.add(ConfigError::new(ErrorKind::Value, message, point.value_place("label")));
    }
    if top.seeds.is_empty() {
        let message = "`seeds` is an empty list: there would be no run";
        errors.add(ConfigError::new(ErrorKind::Value, message, point.value_place("seeds")));
    }
    let data = errors.keep(sections.data(&point, &top.data));
    let model = errors.keep(sections.model(&point, &top.model));
    let train = errors.keep(sections.train(&point, &top.train));
    let ((data, data_identity), model, train) = (data?, model?, train?);
    // Without its data, a configuration has no id; it is told from others of its experiment by what is written.
    let data_identity = data_identity.unwrap_or_else(|| Identity::of_section(&top.data));
    let identity = Identity::of_configuration(data_identity, model.identity, train.identity);
    let training = Identity::of_training(data_identity, train.identity);
    let (model, train) = (model.spec.clone(), train.spec.clone());
    let notation = model.notation();
    let (given, seeds) = (top.label, top.seeds);
    let (tuned, point) = (String::new(), Rc::new(point));
    Some(Configuration { given, notation, seeds, data, model, train, identity, training, tuned, point })
}

/// Runs that a config describes more than once.
#[derive(Default)]
pub(crate) struct Repeats {
    /// For each configuration that is there again: the earlier one, and what the sweep set for the later.
    configurations: Vec<(usize, Rc<Point>)>,
    /// Seeds that stand in `seeds` again.
    seeds: BTreeSet<u64>,
}

impl Repeats {
    fn notes(&self, experiment: &str, labels: &[String]) -> Vec<String> {
        let mut notes = Vec::new();
        if let Some((first, point)) = self.configurations.first() {
            let set: Vec<String> =
                point.settings().map(|setting| format!("{} = {}", setting.key, setting.value)).collect();
            let more = match self.configurations.len() - 1 {
                0 => String::new(),
                more => format!(" (and so with {more} more)"),
            };
            notes.push(format!(
                "{experiment}: {} is the same as {}, and is trained once{more}",
                set.join(", "),
                labels[*first],
            ));
        }
        if !self.seeds.is_empty() {
            let seeds: Vec<String> = self.seeds.iter().take(5).map(u64::to_string).collect();
            let (seeds, more) = (seeds.join(", "), if self.seeds.len() > 5 { ", …" } else { "" });
            notes.push(format!("{experiment}: seeds has {seeds}{more} more than once; each is trained once"));
        }
        notes
    }
}

/// Each different configuration once, in the order in which they come first, with the seeds of all that are the same.
pub(crate) fn merged(configurations: Vec<Configuration>, repeats: &mut Repeats) -> Vec<Configuration> {
    let mut known: HashMap<Identity, usize> = HashMap::new();
    let mut merged: Vec<Configuration> = Vec::new();
    for mut configuration in configurations {
        let mut seeds = HashSet::new();
        let again: Vec<u64> = configuration.seeds.extract_if(.., |seed| !seeds.insert(*seed)).collect();
        repeats.seeds.extend(again);
        match known.get(&configuration.identity) {
            None => {
                known.insert(configuration.identity, merged.len());
                merged.push(configuration);
            }
            Some(&first) => {
                let earlier = &mut merged[first];
                let before: HashSet<u64> = earlier.seeds.iter().copied().collect();
                let (twice, new): (Vec<u64>, Vec<u64>) =
                    configuration.seeds.into_iter().partition(|seed| before.contains(seed));
                earlier.seeds.extend(new);
                // A sweep that passes a dense model anyway is its own baseline.
                if !twice.is_empty() && !earlier.point.is_baseline() {
                    repeats.configurations.push((first, configuration.point));
                }
                if earlier.given.is_none() {
                    earlier.given = configuration.given;
                }
                if earlier.tuned.is_empty() {
                    earlier.tuned = configuration.tuned;
                }
            }
        }
    }
    merged
}

/// What labels are made of.
pub(crate) fn describe(configurations: &[Configuration]) -> Vec<Described> {
    let settings = configurations.iter().flat_map(|configuration| configuration.point.settings());
    let keys = keys_to_compare(settings.map(|setting| setting.key.as_str()));
    let each = configurations.iter().map(|configuration| {
        let Configuration { given, notation, model, point, identity, .. } = configuration;
        let written = point.table();
        let values = keys.iter().filter_map(|key| Some((key.clone(), configuration.value(&written, key)?)));
        let from = model.init_from.as_ref().map(|file| (file.name(), file.blake3.clone()));
        Described {
            given: given.clone(),
            notation: notation.clone(),
            blocks: [Place::Attention, Place::Mlp].map(|place| model.words(place)),
            from,
            settings: point.settings().map(|setting| (setting.key.clone(), setting.value.clone())).collect(),
            values: values.collect(),
            is_added: point.is_baseline(),
            unique: identity.text(),
        }
    });
    each.collect()
}

/// Tells each experiment which of its runs an earlier one has as well.
fn note_shared(experiments: &mut [Experiment]) {
    let mut known: HashMap<String, String> = HashMap::new();
    for experiment in experiments {
        let mut shared: Vec<(String, String)> = Vec::new();
        for run in &experiment.runs {
            let Some(run_id) = &run.run_id else { continue };
            match known.get(run_id) {
                Some(other) => shared.push((format!("{} with seed {}", run.label, run.seed), other.clone())),
                None => drop(known.insert(run_id.clone(), experiment.name.clone())),
            }
        }
        if let Some((run, other)) = shared.first() {
            let more = match shared.len() - 1 {
                0 => String::new(),
                more => format!(" (and so are {more} more)"),
            };
            experiment.notes.push(format!("{}: {run} is a run of {other}, too{more}", experiment.name));
        }
    }
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

impl Configuration {
    /// The value of a key: as `written`, else by default, where that is known.
    fn value(&self, written: &Table, key: &str) -> Option<Value> {
        if let Some(value) = get(written, key) {
            return Some(value.clone());
        }
        let (section, inner) = key.split_once('.')?;
        match section {
            "model" => get(self.model.scalars(), inner).cloned(),
            "train" => get(to_value(&*self.train).as_table()?, inner).cloned(),
            "data" => match &self.data {
                DataState::Ready(data) => get(to_value(&**data).as_table()?, inner).cloned(),
                DataState::Missing(_) => None,
            },
            _ => None,
        }
    }

    /// Its runs, under a label.
    pub(crate) fn runs(&self, label: &str) -> Vec<RunSpec> {
        let is_known = matches!(self.data, DataState::Ready(_));
        let slug = slug(&self.model);
        let run = |&seed: &u64| RunSpec {
            run_id: is_known.then(|| format!("{slug}-s{seed}-{}", self.identity.of_run(seed).text())),
            configuration: if is_known { self.identity.text() } else { String::new() },
            training: if is_known { self.training.text() } else { String::new() },
            label: label.to_string(),
            seed,
            data: self.data.clone(),
            model: self.model.clone(),
            train: self.train.clone(),
            tuned: self.tuned.clone(),
            point: self.point.clone(),
        };
        self.seeds.iter().map(run).collect()
    }
}

impl RunSpec {
    /// The hash of `[model]` without its blocks.
    pub fn frame(&self) -> String {
        Identity::of_section(&self.model.frame()).text()
    }

    /// An error about the value of a dotted key of this run's config, for what shows later.
    pub fn error_at(&self, key: &str, message: String) -> ConfigError {
        ConfigError::new(ErrorKind::Value, message, self.point.value_place(key))
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
        table.insert("train".into(), to_value(&*self.train));
        shorten_paths(&mut table);
        table
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
