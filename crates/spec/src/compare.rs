//! `[compare]`: sizes that are solved for, so that all configurations of a file have as much of something.
//!
//! ```toml
//! [compare]
//! at = "body"      # or "parameters", "flops"
//! to = "dense"     # a configuration of the file, or target = 1e6
//! ```
//!
//! A point of the sweep becomes one with the sizes in it, as if they had been written: identity, label and `resolved.toml`
//! are those of the sizes.

use std::collections::HashMap;

use lrx_layers::{Registry, deserialize, nearest};
use schemars::JsonSchema;
use serde::Deserialize;
use toml::{Table, Value};

use crate::error::{ConfigError, ConfigErrors, ErrorKind};
use crate::experiment::{describe, resolve_point};
use crate::label::labels;
use crate::point::Point;
use crate::recover::resolve_all;
use crate::sections::{Sections, at};
use crate::solve::{Figure, Found, Problem, Solve, Unsolved};
use crate::tuned::tuned_keys;

/// The section's key.
pub(crate) const COMPARE: &str = "compare";

/// What was solved for, and how near it comes.
#[derive(Clone, Debug, PartialEq)]
pub struct Solved {
    /// `hidden 44`, `budget 0.25`, `steps 1200`; `reference` for the configuration that the others are compared with.
    pub how: String,
    /// What it comes to: `body parameters`.
    pub of: &'static str,
    /// So much.
    pub figure: f64,
    /// Of so much.
    pub target: f64,
}

impl Solved {
    /// How far the figure lies from the target, in percent: at most 0.
    pub fn distance(&self) -> f64 {
        100.0 * (self.figure / self.target - 1.0)
    }
}

/// `[compare]` as written.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CompareConfig {
    /// What all configurations are to have as much of.
    at: At,
    /// So much.
    target: Option<f64>,
    /// Or as much as a configuration of this file has: its label, "dense", or the number of its case, from 0.
    #[schemars(schema_with = "reference")]
    to: Option<Value>,
    /// What is solved for: by default the sizes of kinds that have none, and in a dense model `hidden`.
    solve: Option<Solve>,
}

fn reference(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    let text =
        "Or as much as a configuration of this file has: its label, \"dense\", or the number of its case, from 0.";
    schemars::json_schema!({"description": text, "anyOf": [{"type": "string"}, {"type": "integer", "minimum": 0}]})
}

/// What configurations can have as much of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum At {
    /// All numbers that are trained: `params` of runs.csv.
    Parameters,
    /// Those outside the embeddings: `params_body`.
    Body,
    /// Floating-point operations of a token's forward pass: `flops_per_token`.
    Flops,
}

/// The points with their sizes, and what was solved for in each. What is wrong goes to `errors`; points that nothing can be said
/// of before that is right are left out.
pub(crate) fn compared(
    points: Vec<Point>,
    section: Option<Value>,
    sections: &mut Sections<'_>,
    errors: &mut ConfigErrors,
) -> Vec<(Point, Option<Solved>)> {
    let (Some(section), Some(first)) = (section, points.first()) else {
        return points.into_iter().map(|point| (point, None)).collect();
    };
    let Some(comparison) = errors.keep(Comparison::read(section, first)) else { return Vec::new() };
    let (target, is_reference) = match comparison.to {
        To::Target(target) => (target, vec![false; points.len()]),
        To::Reference(ref to) => {
            let Some(found) = errors.keep(find(to, &points, sections)) else { return Vec::new() };
            match comparison.figure_of(&points, &found, sections, errors) {
                Some(figure) => (figure as f64, found),
                // What is wrong with them is told as of any other.
                None => {
                    let references = points.into_iter().zip(found).filter(|(_, found)| *found);
                    return references.map(|(point, _)| (point, None)).collect();
                }
            }
        }
    };
    let mut known: HashMap<String, Result<Found, Unsolved>> = HashMap::new();
    let mut sized = Vec::with_capacity(points.len());
    for (point, is_reference) in points.into_iter().zip(is_reference) {
        if is_reference {
            let solved = comparison.solved("reference".into(), target as usize, target);
            sized.push((point, Some(solved)));
            continue;
        }
        if let Some(error) = comparison.set_by_sweep(&point, sections.registry) {
            errors.add(error);
            continue;
        }
        let Some(problem) = comparison.problem(&point, sections, errors) else { continue };
        let key = format!("{}\n{}", problem.1, point_model(&point));
        let found = known.entry(key).or_insert_with(|| problem.0.solve(comparison.solve, target)).clone();
        match found {
            Ok(Found { set, how, figure }) => {
                let point = set.into_iter().fold(point, |point, (key, value)| match value {
                    Value::Integer(_) => point.with_solved(&key, value, comparison.written_at),
                    value => point.with([(key, value)]),
                });
                sized.push((point, Some(comparison.solved(how, figure, target))));
            }
            // Told as of any other point.
            Err(Unsolved::Wrong(set)) => sized.push((point.with(set), None)),
            Err(unsolved) => errors.add(comparison.error(&point, unsolved, target)),
        }
    }
    sized
}

/// `[compare]`, read.
struct Comparison {
    figure: Figure,
    to: To,
    solve: Option<Solve>,
    /// The key that says what to come to.
    written_at: &'static str,
}

enum To {
    Target(f64),
    Reference(Value),
}

const AT: &str = "compare.at";
const TARGET: &str = "compare.target";
const TO: &str = "compare.to";
const SOLVE: &str = "compare.solve";

impl Comparison {
    fn read(section: Value, point: &Point) -> Result<Self, ConfigErrors> {
        let wrong = |key: &str, message: String| {
            Err(ConfigError::new(ErrorKind::Value, message, point.value_place(key)).into())
        };
        let Value::Table(table) = section else {
            let message =
                format!("`compare` is {section}; expected a table such as {{ at = \"body\", to = \"dense\" }}");
            return wrong(COMPARE, message);
        };
        if table.get("at").and_then(Value::as_str) == Some("seconds") {
            let message = "`at` is \"seconds\", which sizes cannot be solved for: they would depend on the machine, and the same \
                           config would be other runs on another one; expected \"parameters\", \"body\" or \"flops\"";
            return wrong(AT, message.into());
        }
        let (config, found) = resolve_all(table, deserialize::<CompareConfig>);
        let mut errors = ConfigErrors::default();
        found.into_iter().for_each(|error| errors.add(at(point, error.inside(COMPARE), ErrorKind::Value)));
        errors.unless_any(())?;
        let CompareConfig { at, target, to, solve } = config.expect("nothing was wrong");
        let figure = match at {
            At::Parameters => Figure::Parameters,
            At::Body => Figure::Body,
            At::Flops => Figure::Flops,
        };
        let (to, written_at) = match (target, to) {
            (Some(_), Some(_)) => return wrong(TO, "`to` and `target` exclude each other: give one".into()),
            (None, None) => {
                let message =
                    "what all are to come to is missing; expected `target`, a number, or `to`, a configuration";
                return wrong(COMPARE, message.into());
            }
            (Some(target), None) if target >= 1.0 && target.is_finite() => (To::Target(target), TARGET),
            (Some(target), None) => {
                return wrong(TARGET, format!("`target` is {target}; expected a number of at least 1"));
            }
            (None, Some(to)) => (To::Reference(to), TO),
        };
        Ok(Self { figure, to, solve, written_at })
    }

    /// What is to be solved at a point, and the number of tokens in its vocabulary.
    fn problem<'r>(
        &self,
        point: &Point,
        sections: &mut Sections<'r>,
        errors: &mut ConfigErrors,
    ) -> Option<(Problem<'r>, usize)> {
        let table = point.table();
        let section = |name: &str| table.get(name).and_then(Value::as_table).cloned().unwrap_or_default();
        let model = section("model");
        let vocabulary = match model.get("vocabulary").and_then(Value::as_integer) {
            _ if self.figure == Figure::Body => 0,
            Some(given) => usize::try_from(given).unwrap_or(0),
            None => {
                let (data, _) = errors.keep(sections.data(point, &section("data")))?;
                errors.keep(sections.corpus(point, &data, AT))?.vocabulary.size()
            }
        };
        Some((Problem::new(sections.registry, model, vocabulary, self.figure), vocabulary))
    }

    /// The figure of the references; `None` where something is wrong with them, or where they have several.
    fn figure_of(
        &self,
        points: &[Point],
        is_reference: &[bool],
        sections: &mut Sections<'_>,
        errors: &mut ConfigErrors,
    ) -> Option<usize> {
        let mut figures: Vec<usize> = Vec::new();
        for (point, _) in points.iter().zip(is_reference).filter(|(_, is_reference)| **is_reference) {
            let (problem, _) = self.problem(point, sections, errors)?;
            figures.push(problem.written().ok()?);
        }
        figures.sort_unstable();
        let (least, most) = (*figures.first()?, *figures.last()?);
        if least != most {
            let message = format!(
                "`to` is {} configurations, with {} to {} {}; expected one, or several with as much",
                figures.len(),
                thousands(least as f64),
                thousands(most as f64),
                self.figure.name(),
            );
            errors.add(ConfigError::new(ErrorKind::Value, message, points[0].value_place(TO)));
            return None;
        }
        Some(most)
    }

    fn solved(&self, how: String, figure: usize, target: f64) -> Solved {
        Solved { how, of: self.figure.name(), figure: figure as f64, target }
    }

    /// A size that the sweep gives a point is not open.
    fn set_by_sweep(&self, point: &Point, registry: &Registry) -> Option<ConfigError> {
        let solve = match self.solve {
            Some(solve) => solve,
            None if is_dense(point, registry) => Solve::Hidden,
            None => return None,
        };
        let key = match solve {
            Solve::Budget => return None,
            Solve::Hidden => "model.hidden",
            Solve::Inner => "model.mlp.inner",
        };
        let is_set = point.settings().any(|setting| setting.key == key);
        is_set.then(|| {
            let name = key.rsplit('.').next().unwrap_or(key);
            let message =
                format!("`{name}` is set by the sweep, and `compare` would solve for it; expected one of the two");
            ConfigError::new(ErrorKind::Value, message, point.value_place(key))
        })
    }

    fn error(&self, point: &Point, unsolved: Unsolved, target: f64) -> ConfigError {
        let name = called(point);
        let (message, place) = match unsolved {
            Unsolved::Wrong(_) => unreachable!("told elsewhere"),
            Unsolved::NothingOpen(Some(kind)) => {
                let message = format!(
                    "{name} has no size left to solve for: leave out what says how large its kinds are, or solve = \"hidden\" \
                     or \"inner\""
                );
                (message, point.value_place(&format!("model.{kind}")))
            }
            Unsolved::NothingOpen(None) => {
                let message = format!(
                    "`solve` is \"budget\", but {name} is dense, and has no kind to be sized; expected \"hidden\" or \"inner\" \
                     for it, or no `solve`"
                );
                (message, point.value_place(SOLVE))
            }
            Unsolved::NoneFits(kind) => {
                let message = format!("no size of the kind fits its slots, in {name}");
                (message, point.value_place(&format!("model.{kind}")))
            }
            Unsolved::Unfit(key, why) => {
                (format!("no `{key}` can be solved for in {name}: {why}"), point.value_place(SOLVE))
            }
            Unsolved::TooMuch(how, least) => {
                let message = format!(
                    "no size of {name} comes to {} {} or less: the nearest is {how}, with {}",
                    thousands(target),
                    self.figure.name(),
                    thousands(least as f64),
                );
                (message, point.value_place(self.written_at))
            }
        };
        ConfigError::new(ErrorKind::Value, message, place)
    }
}

/// Which points are the configuration that `to` names.
fn find(to: &Value, points: &[Point], sections: &mut Sections<'_>) -> Result<Vec<bool>, ConfigError> {
    let wrong = |message: String| Err(ConfigError::new(ErrorKind::Value, message, points[0].value_place(TO)));
    let which = |is_it: &dyn Fn(usize) -> bool| -> Option<Vec<bool>> {
        let found: Vec<bool> = (0..points.len()).map(is_it).collect();
        found.contains(&true).then_some(found)
    };
    match to {
        Value::Integer(number) => {
            let cases = points.iter().filter_map(Point::case).max().map_or(0, |last| last + 1);
            let found = which(&|i| points[i].case().and_then(|case| i64::try_from(case).ok()) == Some(*number));
            found.map_or_else(
                || match cases {
                    0 => wrong(format!("`to` is {number}, but there is no [[sweep.case]]; expected a label")),
                    1 => wrong(format!("`to` is {number}; expected 0, the only case")),
                    cases => wrong(format!("`to` is {number}; expected a case from 0 to {}", cases - 1)),
                },
                Ok,
            )
        }
        Value::String(name) => {
            let given: Vec<Option<String>> = points.iter().map(given_label).collect();
            let name = name.trim();
            if let Some(found) = which(&|i| given[i].as_deref() == Some(name)) {
                return Ok(found);
            }
            let [derived, notations] = derived_labels(points, sections);
            for labels in [&derived, &notations] {
                if let Some(found) = which(&|i| labels[i].as_deref() == Some(name)) {
                    return Ok(found);
                }
            }
            if let Some(found) = which(&|i| name == "dense" && is_dense(&points[i], sections.registry)) {
                return Ok(found);
            }
            let mut known: Vec<&str> = given.iter().chain(&derived).flatten().map(String::as_str).collect();
            known.sort_unstable();
            known.dedup();
            let hint = nearest(name, known.iter().copied()).map(|name| format!("; did you mean \"{name}\"?"));
            let known = match &known[..] {
                [] => String::new(),
                known => format!(" (known: {})", known.join("; ")),
            };
            wrong(format!(
                "`to` is \"{name}\", which no configuration here is called{}{known}",
                hint.unwrap_or_default()
            ))
        }
        other => wrong(format!("`to` is {other}; expected a label in quotes, or the number of a case, from 0")),
    }
}

/// The labels that those points have which are whole as they are written; and the seed's notation of each, where it applies.
fn derived_labels(points: &[Point], sections: &mut Sections<'_>) -> [Vec<Option<String>>; 2] {
    let mut told_elsewhere = ConfigErrors::default();
    let (mut places, mut configurations) = (Vec::new(), Vec::new());
    for (i, point) in points.iter().enumerate() {
        let point = point.without(tuned_keys(&point.table()));
        if let Some(configuration) = resolve_point(point, sections, &mut told_elsewhere) {
            places.push(i);
            configurations.push(configuration);
        }
    }
    let mut derived = [vec![None; points.len()], vec![None; points.len()]];
    for ((i, label), configuration) in places.into_iter().zip(labels(&describe(&configurations))).zip(configurations) {
        derived[0][i] = Some(label);
        derived[1][i] = configuration.notation;
    }
    derived
}

fn given_label(point: &Point) -> Option<String> {
    point.table().get("label").and_then(Value::as_str).map(|label| label.trim().to_string())
}

/// What a point is called before its size is known: its label, what the sweep sets, or the number of its case.
fn called(point: &Point) -> String {
    if let Some(label) = given_label(point) {
        return label;
    }
    let set: Vec<String> = point.settings().map(|setting| format!("{} = {}", setting.key, setting.value)).collect();
    match point.case() {
        _ if !set.is_empty() => set.join(", "),
        Some(case) => format!("case {case}"),
        None => "the model".into(),
    }
}

/// `[model]` as written at a point.
fn point_model(point: &Point) -> Table {
    point.table().get("model").and_then(Value::as_table).cloned().unwrap_or_default()
}

/// Whether nothing but dense layers stands in the blocks.
fn is_dense(point: &Point, registry: &Registry) -> bool {
    Problem::new(registry, point_model(point), 0, Figure::Body).is_dense()
}

/// `1,234`; what is not whole as it is.
pub(crate) fn thousands(number: f64) -> String {
    if number.fract() != 0.0 || number >= 1e15 {
        return number.to_string();
    }
    let digits = (number as u64).to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
