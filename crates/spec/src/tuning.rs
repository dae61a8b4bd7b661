//! What `lrx tune` is to do: a file's configurations without the key that it finds a value for, and their runs with a value.

use std::cell::RefCell;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use lrx_layers::Registry;
use toml::{Table, Value};

use crate::claim::CLAIM;
use crate::compare::{COMPARE, compared};
use crate::corpora::CorpusSource;
use crate::error::{ConfigError, ConfigErrors, ErrorKind};
use crate::experiment::{Configuration, RunSpec, describe, name_of, resolve_point, stem, with_set};
use crate::label::labels;
use crate::point::Point;
use crate::repeats::{Repeats, merged};
use crate::sections::{DataState, Sections};
use crate::sweep::points;
use crate::tree::{Tree, get};
use crate::tuned::{number, tuned_keys, unknown, without};

/// The configurations of a file, to be tuned.
pub struct Tuning<'r> {
    /// The experiment's name.
    pub name: String,
    /// Those that differ in more than the key, each once.
    pub configurations: Vec<Untuned>,
    key: String,
    sections: RefCell<Sections<'r>>,
}

/// A configuration without the key.
pub struct Untuned {
    /// As in the comparison.
    pub label: String,
    /// The hash of all that its numbers depend on but the seed and the key: what `"tuned"` is looked up by.
    pub configuration: String,
    /// The seeds of the comparison.
    pub seeds: Vec<u64>,
    /// What it is a variant of, where it has one of several values of another key.
    pub variant: Option<Variant>,
    /// The key's value in the config, else its default, if it has one that is a number.
    pub start: Option<f64>,
    point: Rc<Point>,
}

/// A configuration with a value of a key that is chosen too: the value for whose own best value of the tuned key the loss is
/// lowest.
#[derive(Clone, Debug, PartialEq)]
pub struct Variant {
    /// As in the comparison.
    pub label: String,
    /// As of [`Untuned::configuration`], without either key.
    pub configuration: String,
    /// The value.
    pub value: f64,
}

/// A key that is chosen beside the tuned one, and its values.
#[derive(Clone, Debug, PartialEq)]
pub struct Alternatives {
    /// Dotted.
    pub key: String,
    /// Those to choose among.
    pub values: Vec<f64>,
}

/// Reads `files`, each with `set` on top, for `key` to be tuned; `corpora` gives their stories where sizes are solved for, and
/// runs that somebody may mean lie in the folder `results`.
///
/// # Errors
/// All that is wrong with them; a key that cannot be tuned; data that is not there.
pub fn load_tuning<'r>(
    files: &[PathBuf],
    set: &[String],
    key: &str,
    others: Option<&Alternatives>,
    registry: &'r Registry,
    corpora: &'r dyn CorpusSource,
    results: &'r Path,
) -> Result<Vec<Tuning<'r>>, ConfigErrors> {
    check_key("--key", key)?;
    if let Some(others) = others {
        check_key("--with", &others.key)?;
    }
    let mut errors = ConfigErrors::default();
    let load = |file: &PathBuf| {
        let sections = Sections::new(registry, corpora, results);
        load(Tree::read(file)?, &stem(file), set, key, others, sections)
    };
    let tunings: Vec<Tuning<'r>> = files.iter().filter_map(|file| errors.keep(load(file))).collect();
    errors.unless_any(tunings)
}

/// Whether a key says how is trained, or what.
fn check_key(option: &str, key: &str) -> Result<(), ConfigError> {
    let why = match key.split_once('.') {
        Some(("train", "steps" | "epochs" | "flops")) => "says how long is trained: longer is better, and costs more",
        Some(("train", "eval_every" | "log_every" | "sample_every" | "sample_tokens")) => "changes no weight",
        Some(("train" | "model", rest)) if rest.split('.').all(|part| !part.is_empty()) => return Ok(()),
        _ => "is no key of [train] or [model], such as train.learning_rate",
    };
    Err(ConfigError::new(ErrorKind::Set, format!("{option} {key}: `{key}` {why}"), None))
}

fn load<'r>(
    tree: Tree,
    stem: &str,
    set: &[String],
    key: &str,
    others: Option<&Alternatives>,
    mut sections: Sections<'r>,
) -> Result<Tuning<'r>, ConfigErrors> {
    let mut errors = ConfigErrors::default();
    let (mut tree, _) = with_set(tree, set, &mut errors);
    let name = errors.keep(name_of(&tree, stem));
    let mut configurations = Vec::new();
    let mut starts: HashMap<String, f64> = HashMap::new();
    let section = tree.table.remove(COMPARE);
    // Of the comparison, which this is not.
    tree.table.remove(CLAIM);
    let points = points(tree, sections.registry, &mut errors);
    for (point, _) in compared(points, section, &mut sections, &mut errors) {
        let written = get(&point.table(), key).and_then(as_number);
        let asked = [("--key", Some(key)), ("--with", others.map(|others| others.key.as_str()))];
        let asked = asked.into_iter().filter_map(|(option, key)| Some((option, key?)));
        let whole = point;
        let point = asked.clone().fold(whole.clone(), |point, (_, key)| without(&point, key));
        for (option, key) in asked {
            for error in unknown(key, &point, &mut sections) {
                let message = format!("{option} {key}: {}", error.message());
                errors.add(ConfigError::new(ErrorKind::Set, message, None));
            }
        }
        if let Some(other) = tuned_keys(&point.table()).first() {
            let unknown = unknown(other, &point, &mut sections);
            if !unknown.is_empty() {
                unknown.into_iter().for_each(|error| errors.add(error));
                continue;
            }
            let message =
                format!("`{other}` is \"tuned\", while `{key}` is being tuned; give it a number, or --key {other}");
            errors.add(ConfigError::new(ErrorKind::Value, message, point.value_place(other)));
            continue;
        }
        let mut own = ConfigErrors::default();
        let resolved = resolve_point(point, &mut sections, &mut own);
        if let Some(why) = own.iter().next() {
            // What is whole with the key and none without it, as a size that a kind needs.
            let mut with_it = ConfigErrors::default();
            if resolve_point(whole, &mut sections, &mut with_it).is_some() && with_it.iter().next().is_none() {
                let asked =
                    others.map_or(format!("--key {key}"), |others| format!("--key {key} --with {}", others.key));
                let message =
                    format!("{asked}: there is no configuration without it ({}); sweep over it", why.message());
                errors.add(ConfigError::new(ErrorKind::Set, message, None));
                continue;
            }
        }
        errors.add_all(own);
        let Some(configuration) = resolved else { continue };
        if let DataState::Missing(missing) = &configuration.data {
            missing.iter().for_each(|error| errors.add(error.clone()));
        }
        if let Some(written) = written {
            starts.entry(configuration.identity.text()).or_insert(written);
        }
        configurations.push(configuration);
    }
    errors.sorted().unless_any(())?;
    let configurations = merged(configurations, &mut Repeats::default());
    let described = describe(&configurations);
    let untuned = |(configuration, label): (&Configuration, String)| {
        let id = configuration.identity.text();
        Untuned {
            label,
            start: starts.get(&id).copied().or_else(|| default(configuration, key)),
            configuration: id,
            seeds: configuration.seeds.clone(),
            variant: None,
            point: configuration.point.clone(),
        }
    };
    let whole: Vec<Untuned> = configurations.iter().zip(labels(&described)).map(untuned).collect();
    let mut errors = ConfigErrors::default();
    let configurations = match others {
        None => whole,
        Some(others) => whole.iter().flat_map(|one| variants(one, others, &mut sections, &mut errors)).collect(),
    };
    errors.sorted().unless_any(())?;
    Ok(Tuning { name: name.expect("no error"), configurations, key: key.to_string(), sections: sections.into() })
}

/// A configuration with each value of the key beside.
fn variants(
    of: &Untuned,
    others: &Alternatives,
    sections: &mut Sections<'_>,
    errors: &mut ConfigErrors,
) -> Vec<Untuned> {
    let name = last_word(&others.key);
    let variant = |&value: &f64| {
        let point = of.point.with([(others.key.clone(), number(value))]);
        let mut own = ConfigErrors::default();
        let resolved = resolve_point(point, sections, &mut own);
        let told = own.iter().next().map(|error| error.message().to_string());
        let Some(configuration) = resolved.filter(|_| told.is_none()) else {
            let message = format!("--with {} = {value}, in {}: {}", others.key, of.label, told.unwrap_or_default());
            errors.add(ConfigError::new(ErrorKind::Set, message, None));
            return None;
        };
        Some(Untuned {
            label: format!("{}, {name} {value}", of.label),
            configuration: configuration.identity.text(),
            seeds: of.seeds.clone(),
            start: of.start,
            variant: Some(Variant { label: of.label.clone(), configuration: of.configuration.clone(), value }),
            point: configuration.point.clone(),
        })
    };
    others.values.iter().filter_map(variant).collect()
}

/// `learning rate` for `train.learning_rate`.
fn last_word(key: &str) -> String {
    key.rsplit('.').next().unwrap_or(key).replace('_', " ")
}

/// The value that a key has where nobody writes it.
fn default(configuration: &Configuration, key: &str) -> Option<f64> {
    let mut resolved = Table::new();
    resolved.insert("model".into(), Value::Table(configuration.model.resolved()));
    resolved.insert("train".into(), Value::try_from(&*configuration.train).expect("a section that TOML can hold"));
    get(&resolved, key).and_then(as_number)
}

fn as_number(value: &Value) -> Option<f64> {
    value.as_float().or_else(|| value.as_integer().map(|whole| whole as f64))
}

impl Tuning<'_> {
    /// The run of a configuration with a value of the key and a seed, on the stories for tuning, evaluated every so many
    /// steps.
    ///
    /// # Errors
    /// When the key cannot have this value.
    pub fn run(&self, of: &Untuned, value: f64, eval_every: Option<usize>, seed: u64) -> Result<RunSpec, String> {
        let mut values = vec![
            ("data.split".to_string(), "tune".into()),
            ("seeds".to_string(), Value::Array(vec![Value::Integer(seed as i64)])),
            (self.key.clone(), number(value)),
        ];
        values.extend(eval_every.map(|steps| ("train.eval_every".to_string(), Value::Integer(steps as i64))));
        let mut errors = ConfigErrors::default();
        let point = of.point.with(values);
        let configuration = resolve_point(point, &mut self.sections.borrow_mut(), &mut errors);
        let told = |errors: &ConfigErrors| errors.iter().next().map(|error| error.message().to_string());
        match configuration {
            Some(configuration) if told(&errors).is_none() => {
                let label = format!("{}, {} {value}", of.label, last_word(&self.key));
                Ok(configuration.runs(&label).remove(0))
            }
            _ => Err(format!("{} = {value}: {}", self.key, told(&errors).unwrap_or_default())),
        }
    }
}
