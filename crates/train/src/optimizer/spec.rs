//! `[train.optimizer]`, validated.

use std::fmt;
use std::sync::Arc;

use lrx_layers::{OptionError, ParameterEntry, Parameters};
use serde::{Serialize, Serializer};
use toml::{Table, Value};

use super::groups::{GROUP_KEYS, Group};
use super::{Optimizers, Registered, Rule};

/// The optimizer that is meant where none is named.
pub(super) const DEFAULT: &str = "adamw";

/// An optimizer with its options and groups. Serialises as `[train.optimizer]` with every default filled in.
#[derive(Clone)]
pub struct OptimizerSpec {
    kind: Arc<Registered>,
    options: Table,
    identity: Table,
    groups: Vec<Group>,
}

/// What holds for one parameter.
pub(super) struct Settings {
    pub rule: Arc<dyn Rule>,
    /// The learning rate is multiplied by it.
    pub learning_rate: f64,
    /// In the place of the weight decay of all.
    pub weight_decay: Option<f64>,
}

impl Optimizers {
    /// The optimizer that `[train.optimizer]` describes.
    ///
    /// # Errors
    /// What is wrong with it; the key is relative to the table.
    pub fn resolve(&self, mut table: Table) -> Result<OptimizerSpec, OptionError> {
        let groups = match table.remove("group") {
            None => Vec::new(),
            Some(Value::Array(groups)) => groups,
            Some(_) => return Err(OptionError::new("group", "expected groups: [[train.optimizer.group]]")),
        };
        let name = match table.remove("kind") {
            None => DEFAULT.to_string(),
            Some(Value::String(name)) => name,
            Some(other) => return Err(OptionError::new("kind", format!("`kind` is {other}; expected text in quotes"))),
        };
        let kind = self.find(&name)?.clone();
        let also = |error: OptionError, keys: &[&str]| self.with_owners(error.also_known(keys), &name);
        let base = (kind.resolve)(table).map_err(|error| also(error, &["kind", "group"]))?;
        let group = |written: Value| -> Result<Group, OptionError> {
            let Value::Table(written) = written else {
                return Err(OptionError::new("", "expected a table: [[train.optimizer.group]]"));
            };
            let group = Group::read(written)?;
            let mut options = base.options.clone();
            options.extend(group.options.clone());
            let mut filled = (kind.resolve)(options).map_err(|error| also(error, &GROUP_KEYS))?.options;
            filled.retain(|key, _| group.options.contains_key(key));
            Ok(Group { options: filled, ..group })
        };
        let groups = groups.into_iter().enumerate();
        let groups = groups.map(|(i, written)| group(written).map_err(|error| error.inside(&format!("group.{i}"))));
        let groups = groups.collect::<Result<_, _>>()?;
        Ok(OptimizerSpec { kind, options: base.options, identity: base.identity, groups })
    }

    /// The same error, with the optimizers that have the key where it is unknown to the one called `name`.
    fn with_owners(&self, mut error: OptionError, name: &str) -> OptionError {
        let Some(key) = error.unknown_name() else { return error };
        let has = |schema: &schemars::Schema| schema.as_value()["properties"].get(key).is_some();
        let owners: Vec<String> =
            self.iter().filter(|(_, schema)| has(schema)).map(|(about, _)| format!("`{}`", about.name)).collect();
        if !owners.is_empty() {
            let owners = owners.join(", ");
            error.message = format!("{}; it is an option of {owners}, but the kind here is `{name}`", error.message);
        }
        error
    }
}

impl OptimizerSpec {
    /// The optimizer's name.
    pub fn kind(&self) -> &'static str {
        self.kind.about.name
    }

    /// The section with every default filled in.
    pub fn table(&self) -> Table {
        self.with_kind(self.options.clone())
    }

    /// What the numbers of a training depend on: kind, version, and what is not at its default. `None` for the default
    /// optimizer as it comes.
    pub fn identity(&self) -> Option<Table> {
        let mut table = self.with_kind(self.identity.clone());
        if self.kind.about.version > 1 {
            table.insert("version".into(), self.kind.about.version.into());
        }
        let is_default = self.kind() == DEFAULT && table.len() == 1;
        (!is_default).then_some(table)
    }

    fn with_kind(&self, mut table: Table) -> Table {
        table.insert("kind".into(), self.kind().into());
        if !self.groups.is_empty() {
            let groups = self.groups.iter().map(|group| Value::Table(group.table()));
            table.insert("group".into(), Value::Array(groups.collect()));
        }
        table
    }

    /// Whether there are groups, which [`check`](Self::check) has to hold against a model.
    pub fn has_groups(&self) -> bool {
        !self.groups.is_empty()
    }

    /// Whether every group has a parameter of the model as it is at first; the key is relative to `[train.optimizer]`.
    ///
    /// # Errors
    /// A group that has none: which names and roles there are; or options of several groups that do not fit together.
    pub fn check(&self, parameters: &Parameters) -> Result<(), OptionError> {
        for (i, group) in self.groups.iter().enumerate() {
            if !parameters.iter().any(|entry| group.holds(entry)) {
                let key = format!("group.{i}.{}", if group.keys.name.is_some() { "name" } else { "role" });
                let message = format!("no parameter of the model has {}; there are {}", group.text(), all(parameters));
                return Err(OptionError::new(key, message));
            }
        }
        parameters.iter().try_for_each(|entry| self.settings(entry).map(drop))
    }

    /// What holds for a parameter: its groups' settings, later groups' above earlier ones'.
    pub(super) fn settings(&self, parameter: &ParameterEntry) -> Result<Settings, OptionError> {
        let (mut options, mut learning_rate, mut weight_decay) = (self.options.clone(), 1.0, None);
        let (mut last, groups) = (None, self.groups.iter().enumerate());
        for (i, group) in groups.filter(|(_, group)| group.holds(parameter)) {
            options.extend(group.options.clone());
            learning_rate = group.keys.lr.unwrap_or(learning_rate);
            weight_decay = group.keys.weight_decay.or(weight_decay);
            last = Some(i);
        }
        let resolved = (self.kind.resolve)(options).map_err(|error| match last {
            Some(i) => error.inside(&format!("group.{i}")),
            None => error,
        })?;
        Ok(Settings { rule: resolved.rule, learning_rate, weight_decay })
    }
}

/// The names of a model's parameters, those of layers that are alike once.
fn all(parameters: &Parameters) -> String {
    let mut names: Vec<String> = Vec::new();
    for entry in parameters.iter() {
        let number = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        let parts: Vec<&str> = entry.name.split('.').map(|part| if number(part) { "*" } else { part }).collect();
        let role = Value::try_from(entry.role).expect("a word");
        let name = format!("{} ({})", parts.join("."), role.as_str().unwrap_or_default());
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names.join(", ")
}

impl fmt::Debug for OptimizerSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.table())
    }
}

impl Serialize for OptimizerSpec {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.table().serialize(serializer)
    }
}
