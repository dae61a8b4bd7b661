//! `[[claim]]`: what its author expects of an experiment, said before it is run.
//!
//! ```toml
//! [[claim]]
//! name = "rank 16 is enough"
//! a = "low-rank 16"          # a label, "dense", or the number of a case
//! b = "dense"
//! direction = "equivalent"   # of the loss of a: "lower", "higher", "no-worse"
//! margin = 0.02              # nats per target token
//! ```
//!
//! A claim is no part of any run's id. It is hashed with the configurations that it is about, so that another meaning is
//! another claim, whatever it is called.

use lrx_layers::{Place, deserialize, nearest};
use schemars::JsonSchema;
use serde::Deserialize;
use toml::{Table, Value};

use crate::error::{ConfigError, ConfigErrors, ErrorKind};
use crate::experiment::Configuration;
use crate::identity::Identity;
use crate::point::Point;
use crate::recover::resolve_all;
use crate::sections::{DataState, at};

/// The section's key.
pub(crate) const CLAIM: &str = "claim";

/// A claim, and which configurations it is about.
#[derive(Clone, Debug, PartialEq)]
pub struct Claim {
    /// The hash of all that it says; empty where the data is not there.
    pub hash: String,
    /// Its name.
    pub name: String,
    /// The label of the configuration that it is about, and the hash of it; that is empty where the data is not there.
    pub a: (String, String),
    /// Those of the one that it is held against.
    pub b: (String, String),
    /// Of the loss of `a`: `lower`, `higher`, `equivalent`, `no-worse`.
    pub direction: &'static str,
    /// By how much, nats per target token.
    pub margin: Option<f64>,
    /// Of what `a` may take no more than `b`: `parameters`, `body`, `flops`; empty where nothing is said.
    pub budget: &'static str,
}

/// `[[claim]]` as written.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ClaimConfig {
    /// What the report calls it.
    name: String,
    /// The configuration that it is about: its label, "dense", or the number of its case, from 0.
    #[schemars(schema_with = "reference")]
    a: Value,
    /// The one that it is held against, likewise.
    #[schemars(schema_with = "reference")]
    b: Value,
    /// What the loss of `a` is beside that of `b`.
    direction: Direction,
    /// By how much, in nats per target token: lower or higher by more than that, equivalent or no worse to within that.
    /// Needed for "equivalent", 0 where it is left out.
    margin: Option<f64>,
    /// Of what `a` may take no more than `b` for the claim to hold.
    budget: Option<Budget>,
}

fn reference(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    let text = "A configuration of this file: its label, \"dense\", or the number of its case, from 0.";
    schemars::json_schema!({"description": text, "anyOf": [{"type": "string"}, {"type": "integer", "minimum": 0}]})
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum Direction {
    /// The loss of `a` is lower.
    Lower,
    /// It is higher.
    Higher,
    /// It is the same to within the margin.
    Equivalent,
    /// It is not higher by the margin or more.
    NoWorse,
}

#[derive(Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum Budget {
    /// All numbers that are trained: `params` of runs.csv.
    Parameters,
    /// Those outside the embeddings: `params_body`.
    Body,
    /// Floating-point operations of a token's forward pass: `flops_per_token`.
    Flops,
}

/// The claims of a file about its configurations, which are called `labels`.
///
/// # Errors
/// All that is wrong with them.
pub(crate) fn claims(
    section: Option<Value>,
    configurations: &[Configuration],
    labels: &[String],
) -> Result<Vec<Claim>, ConfigErrors> {
    let (Some(section), Some(first)) = (section, configurations.first()) else { return Ok(Vec::new()) };
    let mut errors = ConfigErrors::default();
    let wrong = |key: &str, message: String| ConfigError::new(ErrorKind::Value, message, first.point.value_place(key));
    let Value::Array(tables) = section else {
        return Err(wrong(CLAIM, "`claim` is no list of tables; expected [[claim]] with two brackets".into()).into());
    };
    let mut claims: Vec<Claim> = Vec::new();
    for (i, table) in tables.into_iter().enumerate() {
        let key = format!("{CLAIM}.{i}");
        let Value::Table(table) = table else {
            errors.add(wrong(&key, format!("`claim` is {table}; expected a table: [[claim]]")));
            continue;
        };
        let Some(claim) = errors.keep(claim(table, &key, &first.point, configurations, labels)) else { continue };
        if claims.iter().any(|other| other.name == claim.name) {
            let message = format!("two claims are called \"{}\"; expected another name for each", claim.name);
            errors.add(wrong(&format!("{key}.name"), message));
        }
        claims.push(claim);
    }
    errors.unless_any(claims)
}

fn claim(
    table: Table,
    key: &str,
    point: &Point,
    configurations: &[Configuration],
    labels: &[String],
) -> Result<Claim, ConfigErrors> {
    let (config, found) = resolve_all(table, deserialize::<ClaimConfig>);
    let mut errors = ConfigErrors::default();
    found.into_iter().for_each(|error| errors.add(at(point, error.inside(key), ErrorKind::Value)));
    errors.unless_any(())?;
    let ClaimConfig { name, a, b, direction, margin, budget } = config.expect("nothing was wrong");
    let mut errors = ConfigErrors::default();
    let wrong = |inner: &str, message: String| {
        ConfigError::new(ErrorKind::Value, message, point.value_place(&format!("{key}.{inner}")))
    };
    if name.trim().is_empty() {
        errors.add(wrong("name", "`name` is empty; expected what the report shall call the claim".into()));
    }
    if let Some(margin) = margin.filter(|margin| !(margin.is_finite() && *margin >= 0.0)) {
        errors.add(wrong("margin", format!("`margin` is {margin}; expected nats per target token, such as 0.02")));
    }
    if direction == Direction::Equivalent && margin.is_none_or(|margin| margin <= 0.0) {
        let message = "no two losses are the same to the last digit: `direction = \"equivalent\"` needs a `margin` above 0, \
                       in nats per target token, such as 0.02";
        errors.add(wrong("direction", message.into()));
    }
    let find = |side: &str, written: &Value| {
        find(written, configurations, labels).map_err(|why| wrong(side, format!("`{side}` is {written}{why}")))
    };
    let sides = (errors.keep(find("a", &a)), errors.keep(find("b", &b)));
    if matches!(sides, (Some(a), Some(b)) if a == b) {
        errors.add(wrong("b", format!("`a` and `b` are the same configuration, {b}; expected two")));
    }
    errors.unless_any(())?;
    let side = |index: Option<usize>| {
        let index = index.expect("nothing was wrong");
        let is_known = matches!(configurations[index].data, DataState::Ready(_));
        (labels[index].clone(), if is_known { configurations[index].identity.text() } else { String::new() })
    };
    let direction = match direction {
        Direction::Lower => "lower",
        Direction::Higher => "higher",
        Direction::Equivalent => "equivalent",
        Direction::NoWorse => "no-worse",
    };
    let budget = match budget {
        None => "",
        Some(Budget::Parameters) => "parameters",
        Some(Budget::Body) => "body",
        Some(Budget::Flops) => "flops",
    };
    let claim = Claim {
        hash: String::new(),
        name: name.trim().to_string(),
        a: side(sides.0),
        b: side(sides.1),
        direction,
        margin,
        budget,
    };
    Ok(Claim { hash: hash(&claim), ..claim })
}

/// The hash of what a claim says: of the configurations, not of what they are called.
fn hash(claim: &Claim) -> String {
    if claim.a.1.is_empty() || claim.b.1.is_empty() {
        return String::new();
    }
    let mut table = Table::new();
    let texts = [
        ("name", claim.name.as_str()),
        ("a", &claim.a.1),
        ("b", &claim.b.1),
        ("direction", claim.direction),
        ("budget", claim.budget),
    ];
    texts.into_iter().for_each(|(key, text)| drop(table.insert(key.into(), text.into())));
    table.insert("margin".into(), Value::Float(claim.margin.unwrap_or(0.0)));
    Identity::of_section(&table).text()
}

/// Which configuration is meant; else the rest of a sentence that says why none is.
fn find(written: &Value, configurations: &[Configuration], labels: &[String]) -> Result<usize, String> {
    let only = |found: Vec<usize>| -> Option<Result<usize, String>> {
        match &found[..] {
            [] => None,
            [one] => Some(Ok(*one)),
            several => {
                let several: Vec<&str> = several.iter().map(|i| labels[*i].as_str()).collect();
                Some(Err(format!(", which {} configurations are; expected one: {}", several.len(), several.join("; "))))
            }
        }
    };
    let which = |is_it: &dyn Fn(usize) -> bool| only((0..configurations.len()).filter(|i| is_it(*i)).collect());
    match written {
        Value::Integer(number) => {
            let case = |i: usize| configurations[i].point.case().and_then(|case| i64::try_from(case).ok());
            which(&|i| case(i) == Some(*number))
                .unwrap_or_else(|| Err("; there is no such [[sweep.case]], they count from 0".into()))
        }
        Value::String(name) => {
            let name = name.trim();
            let notation = |i: usize| configurations[i].notation.as_deref() == Some(name);
            let kinds = |i: usize| [Place::Attention, Place::Mlp].map(|place| configurations[i].model.kind_cell(place));
            let is_dense = |i: usize| kinds(i).iter().all(|kind| kind == "dense");
            let found = which(&|i| labels[i] == name)
                .or_else(|| which(&notation))
                .or_else(|| which(&|i| name == "dense" && is_dense(i)));
            found.unwrap_or_else(|| {
                let known = labels.iter().map(String::as_str);
                let hint = nearest(name, known.clone()).map(|name| format!("; did you mean \"{name}\"?"));
                let known: Vec<&str> = known.take(MOST_KNOWN).collect();
                let known = known.join("; ");
                Err(format!(", which no configuration here is called{} (known: {known})", hint.unwrap_or_default()))
            })
        }
        _ => Err("; expected a label in quotes, or the number of a case, from 0".into()),
    }
}

/// More labels are not read in a message.
const MOST_KNOWN: usize = 24;
