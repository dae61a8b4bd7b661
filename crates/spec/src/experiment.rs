//! From trees to runs: every section resolved by the crate that owns it.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;

use lrx_layers::{Place, Registry, deserialize};
use lrx_model::ModelSpec;
use lrx_train::{EpochFlops, TrainSpec};
use schemars::JsonSchema;
use serde::Deserialize;
use toml::{Table, Value};

use crate::claim::{CLAIM, Claim, claims};
use crate::compare::{COMPARE, Solved, compared, thousands};
use crate::corpora::{CorpusSource, NoCorpora};
use crate::error::{ConfigError, ConfigErrors, ErrorKind};
use crate::identity::{Identity, slug};
use crate::label::{Described, keys_to_compare, labels};
use crate::log::LogConfig;
use crate::names::{check_label, check_name};
use crate::point::Point;
use crate::recover::resolve_all;
use crate::repeats::{Repeats, merged};
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
    /// What its author expects of it.
    pub claims: Vec<Claim>,
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
    /// What is written of it for other programs.
    pub log: LogConfig,
    /// Which key `lrx tune` chose the value of, and among which; empty where all values were written.
    pub tuned: String,
    /// What of it was solved for, so that a figure comes to a target; nothing where all sizes and the length were written.
    pub solved: Vec<Solved>,
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
    /// What is written of a run beside its curve. It changes nothing of the run.
    #[serde(default)]
    log: LogConfig,
    #[serde(default)]
    #[schemars(skip)]
    #[allow(dead_code)] // Taken out of the tree before; named here so that the list of known keys is whole.
    sweep: Table,
    #[serde(default)]
    #[schemars(skip)]
    #[allow(dead_code)] // Likewise.
    compare: Table,
    #[serde(default)]
    #[schemars(skip)]
    #[allow(dead_code)] // Likewise.
    claim: Vec<Table>,
}

fn default_seeds() -> Vec<u64> {
    vec![0]
}

/// More runs than anybody trains, in all experiments of a command.
const MOST_RUNS: usize = 100_000;

/// What configs refer to that does not stand in them.
#[derive(Clone, Copy)]
pub struct Beside<'a> {
    /// The values that they leave to `lrx tune`.
    pub tuned: &'a dyn TunedValues,
    /// Their stories, where sizes or lengths are solved for.
    pub corpora: &'a dyn CorpusSource,
    /// Where runs that somebody may mean lie.
    pub results: &'a Path,
}

/// Reads and resolves `files`, each with `set` on top; `tuned` has the values that they leave to `lrx tune`. Nothing in them may
/// follow from the stories.
///
/// # Errors
/// All that is wrong with them.
pub fn load_experiments(
    files: &[PathBuf],
    set: &[String],
    registry: &Registry,
    tuned: &dyn TunedValues,
) -> Result<Vec<Experiment>, ConfigErrors> {
    let beside = Beside { tuned, corpora: &NoCorpora, results: Path::new("results") };
    load_experiments_beside(files, set, registry, &beside)
}

/// As [`load_experiments`], with all that files may refer to.
///
/// # Errors
/// As of `load_experiments`.
pub fn load_experiments_beside(
    files: &[PathBuf],
    set: &[String],
    registry: &Registry,
    beside: &Beside<'_>,
) -> Result<Vec<Experiment>, ConfigErrors> {
    let mut errors = ConfigErrors::default();
    let mut left = MOST_RUNS;
    let mut experiments = Vec::new();
    for file in files {
        let experiment: Option<Experiment> = errors.keep(load(file, set, registry, beside, left));
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
    beside: &Beside<'_>,
    most: usize,
) -> Result<Experiment, ConfigErrors> {
    resolve(Tree::read(file)?, &stem(file), set, registry, beside, most)
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
    let beside = Beside { tuned: &NothingTuned, corpora: &NoCorpora, results: Path::new("results") };
    resolve(tree, name, set, registry, &beside, MOST_RUNS)
}

/// A configuration of a sweep: all but the seed.
pub(crate) struct Configuration {
    /// The label in the config.
    pub(crate) given: Option<String>,
    /// The seed's notation, where it applies.
    pub(crate) notation: Option<String>,
    pub(crate) seeds: Vec<u64>,
    pub(crate) data: DataState,
    pub(crate) model: Arc<ModelSpec>,
    pub(crate) train: Arc<TrainSpec>,
    log: LogConfig,
    pub(crate) identity: Identity,
    training: Identity,
    /// As of a [`RunSpec`].
    pub(crate) tuned: String,
    solved: Vec<Solved>,
    pub(crate) point: Rc<Point>,
}

fn resolve(
    tree: Tree,
    stem: &str,
    set: &[String],
    registry: &Registry,
    beside: &Beside<'_>,
    most: usize,
) -> Result<Experiment, ConfigErrors> {
    let mut errors = ConfigErrors::default();
    let (mut tree, held) = with_set(tree, set, &mut errors);
    let name = errors.keep(name_of(&tree, stem));
    let mut sections = Sections::new(registry, beside.corpora, beside.results);
    let mut configurations: Vec<Configuration> = Vec::new();
    let section = tree.table.remove(COMPARE);
    let claimed = tree.table.remove(CLAIM);
    let points = points(tree, registry, &mut errors);
    for (point, sizes) in compared(points, section, &mut sections, &mut errors) {
        let settled = settled(point, name.as_deref(), beside.tuned, &mut sections, &mut errors);
        let Some(Settled { point, tuned }) = settled else { continue };
        let Some(configuration) = resolve_point(point, &mut sections, &mut errors) else { continue };
        let solved = sizes.into_iter().chain(configuration.solved).collect();
        configurations.push(Configuration { tuned, solved, ..configuration });
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
    let claims = claims(claimed, &configurations, &labels)?;
    let runs = configurations.iter().zip(&labels).flat_map(|(configuration, label)| configuration.runs(label));
    let runs = runs.collect();
    let held = held
        .into_iter()
        .map(|argument| format!("{name}: --set {argument} holds for the whole sweep, which has other values there"));
    let far = configurations.iter().zip(&labels).flat_map(|(configuration, label)| far(configuration, label));
    let far = far.map(|note| format!("{name}: {note}"));
    let notes = held.chain(repeats.notes(&name, &labels)).chain(far).collect();
    Ok(Experiment { notes, name, runs, claims })
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
    let (train, length) = match train.spec.flops {
        None => (train, None),
        Some(flops) => {
            let corpus = errors.keep(sections.corpus(&point, &data, FLOPS))?.in_context(model.spec.context);
            let DataState::Ready(stories) = &data else { unreachable!("there is a corpus") };
            let (vocabulary, size) = (corpus.vocabulary.size(), train.spec.batch_size());
            let epoch = EpochFlops::of(&model.spec, vocabulary, &corpus.train, size, stories.shuffle());
            let length = errors.keep(steps_of(flops, &epoch, &point))?;
            let mut table = top.train.clone();
            table.remove("flops");
            table.insert("steps".into(), Value::Integer(length.0));
            (errors.keep(sections.train(&point, &table))?, Some(length.1))
        }
    };
    // Without its data, a configuration has no id; it is told from others of its experiment by what is written.
    let data_identity = data_identity.unwrap_or_else(|| Identity::of_section(&top.data));
    let identity = Identity::of_configuration(data_identity, model.identity, train.identity);
    let training = Identity::of_training(data_identity, train.identity);
    let (model, train) = (model.spec.clone(), train.spec.clone());
    let notation = model.notation();
    let (given, seeds, log) = (top.label, top.seeds, top.log);
    let (tuned, solved, point) = (String::new(), Vec::from_iter(length), Rc::new(point));
    Some(Configuration { given, notation, seeds, data, model, train, log, identity, training, tuned, solved, point })
}

/// The key that stands in the place of the steps.
const FLOPS: &str = "train.flops";

/// The steps that so many floating-point operations are, and what they come to.
fn steps_of(flops: f64, epoch: &EpochFlops, point: &Point) -> Result<(i64, Solved), ConfigError> {
    let wrong = |message: String| Err(ConfigError::new(ErrorKind::Value, message, point.value_place(FLOPS)));
    match epoch.steps_within(flops) {
        0 => wrong(format!(
            "`flops` is {flops:e}, less than the first step takes: {:.3e} for this model, batch and data",
            epoch.of_steps(1)
        )),
        steps @ ..MOST_STEPS => {
            let how = format!("steps {steps}");
            Ok((steps as i64, Solved { how, of: "training FLOPs", figure: epoch.of_steps(steps), target: flops }))
        }
        steps => wrong(format!("`flops` is {flops:e}, which is {steps} steps; expected less than {MOST_STEPS}")),
    }
}

/// As of `steps`.
const MOST_STEPS: usize = 1_000_000_000;

/// What labels are made of.
pub(crate) fn describe(configurations: &[Configuration]) -> Vec<Described> {
    let settings = configurations.iter().flat_map(|configuration| configuration.point.settings());
    let keys = keys_to_compare(settings.map(|setting| setting.key.as_str()));
    let each = configurations.iter().map(|configuration| {
        let Configuration { given, notation, model, point, identity, .. } = configuration;
        let written = point.table();
        let values = keys.iter().filter_map(|key| Some((key.clone(), configuration.value(&written, key)?)));
        let from = model.init_from.as_ref().map(|from| (from.name(), from.identity().to_string()));
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

/// Further from the target, in percent, a figure is told.
const FAR: f64 = 5.0;

/// What does not come near to what it is compared with, as its sizes go in large steps or end.
fn far(configuration: &Configuration, label: &str) -> Vec<String> {
    let told = configuration.solved.iter().filter(|solved| solved.distance() < -FAR);
    let note = |solved: &Solved| {
        let Solved { how, of, figure, target } = solved;
        let (figure, target) = (thousands(*figure), thousands(*target));
        format!("{label} comes to {figure} of {target} {of} only ({:.0} %): {how}", solved.distance())
    };
    told.map(note).collect()
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
            log: self.log,
            tuned: self.tuned.clone(),
            solved: self.solved.clone(),
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
