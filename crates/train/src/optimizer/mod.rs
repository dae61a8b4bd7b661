//! Optimizers by name: what an optimizer is, the registered ones, and those that are built in, one file each.
//!
//! An optimizer says which numbers it keeps for a parameter and how it updates one. Everything else is done for it: groups of
//! the config, multipliers of layers' rules, clipping, parameters that come and go during training, checkpoints.

mod adamw;
mod groups;
mod muon;
mod schema;
mod sgd;
mod spec;
mod state;

use std::collections::BTreeMap;
use std::sync::Arc;

use lrx_layers::{
    About, DuplicateKind, OptionError, ParameterEntry, ParameterId, Parameters, Registry, deserialize, known_names,
    options_schema, to_table, without_defaults,
};
use schemars::{JsonSchema, Schema};
use serde::Serialize;
use serde::de::DeserializeOwned;
use toml::Table;

pub use adamw::AdamW;
pub use muon::Muon;
pub use sgd::Sgd;
pub use spec::OptimizerSpec;
pub use state::Optimizer;
pub(crate) use state::StoredMoment;

/// A kind of optimizer. Declare it with [`RegisterOptimizer::register_optimizer`]; `optimizer/sgd.rs` is the shortest example.
pub trait OptimizerKind: Send + Sync + 'static {
    /// The options that stand beside `kind` in `[train.optimizer]`; all have defaults. Unknown keys should be errors
    /// (`#[serde(deny_unknown_fields)]`); documentation comments and defaults appear in `lrx optimizers NAME`.
    type Options: Serialize + DeserializeOwned + JsonSchema + Send + Sync + 'static;

    /// How the optimizer presents itself.
    fn about(&self) -> About;

    /// Whether options are in range.
    ///
    /// # Errors
    /// Which is not, and what was expected.
    fn check(&self, _options: &Self::Options) -> Result<(), OptionError> {
        Ok(())
    }

    /// What is kept for a parameter from update to update: zeros when the parameter comes. It must follow from the options and
    /// from what the parameter is, not from its values.
    fn moments(&self, options: &Self::Options, parameter: &ParameterEntry) -> Vec<Moment>;

    /// Updates the parameter `id` from its gradient, and sets that to zero. The others may be looked at, too; those before
    /// it in the order of the model are updated already.
    fn update(
        &self,
        options: &Self::Options,
        parameters: &mut Parameters,
        id: ParameterId,
        moments: &mut [Vec<f32>],
        step: &ParameterStep,
    );
}

/// Numbers that an optimizer keeps for a parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// Their name in checkpoints, such as `first`.
    pub name: &'static str,
    /// How many.
    pub count: usize,
}

impl Moment {
    /// One for each number of the parameter.
    pub fn of(name: &'static str, parameter: &ParameterEntry) -> Self {
        Self { name, count: parameter.parameter.values().len() }
    }
}

/// The settings of an update of one parameter.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ParameterStep {
    /// Its learning rate: of the schedule, times the multipliers of its layer's rules and of its groups.
    pub learning_rate: f64,
    /// Its weight decay, likewise.
    pub weight_decay: f64,
    /// Updates since the parameter is there, this one included: 1 for the first.
    pub number: u64,
    /// Its gradient is to be multiplied by it: clipping.
    pub gradient_scale: f64,
}

/// The registered optimizers, by name; those that are built in at first.
#[derive(Clone)]
pub struct Optimizers {
    kinds: BTreeMap<&'static str, Arc<Registered>>,
}

/// [`OptimizerKind`] without its options' type.
struct Registered {
    about: About,
    schema: Schema,
    resolve: Box<dyn Fn(Table) -> Result<Resolved, OptionError> + Send + Sync>,
}

/// Options of an optimizer.
struct Resolved {
    /// With every default filled in.
    options: Table,
    /// Those that are not at their default.
    identity: Table,
    rule: Arc<dyn Rule>,
}

/// An optimizer with its options.
trait Rule: Send + Sync {
    fn moments(&self, parameter: &ParameterEntry) -> Vec<Moment>;
    fn update(&self, all: &mut Parameters, id: ParameterId, moments: &mut [Vec<f32>], step: &ParameterStep);
}

struct Bound<K: OptimizerKind> {
    kind: Arc<K>,
    options: K::Options,
}

impl<K: OptimizerKind> Rule for Bound<K> {
    fn moments(&self, parameter: &ParameterEntry) -> Vec<Moment> {
        self.kind.moments(&self.options, parameter)
    }

    fn update(&self, all: &mut Parameters, id: ParameterId, moments: &mut [Vec<f32>], step: &ParameterStep) {
        self.kind.update(&self.options, all, id, moments, step);
    }
}

impl Default for Optimizers {
    fn default() -> Self {
        let mut optimizers = Self { kinds: BTreeMap::new() };
        optimizers.register(AdamW).expect("unique names");
        optimizers.register(Muon).expect("unique names");
        optimizers.register(Sgd).expect("unique names");
        optimizers
    }
}

impl Optimizers {
    /// Adds an optimizer.
    ///
    /// # Errors
    /// When one of that name is registered.
    pub fn register<K: OptimizerKind>(&mut self, kind: K) -> Result<(), DuplicateKind> {
        let about = kind.about();
        if self.kinds.contains_key(about.name) {
            return Err(DuplicateKind(about.name));
        }
        let kind = Arc::new(kind);
        let resolve = move |table: Table| {
            let read = |table: Table| deserialize::<K::Options>(table);
            let options = read(table).map_err(|error| error.wanted_by(about.name))?;
            kind.check(&options)?;
            let filled = to_table(&options);
            let identity = without_defaults(&filled, |table| Some(to_table(&read(table).ok()?)));
            Ok(Resolved { options: filled, identity, rule: Arc::new(Bound { kind: kind.clone(), options }) })
        };
        let registered = Registered { about, schema: options_schema::<K::Options>(), resolve: Box::new(resolve) };
        self.kinds.insert(about.name, Arc::new(registered));
        Ok(())
    }

    /// All optimizers, and the JSON schema of their options.
    pub fn iter(&self) -> impl Iterator<Item = (About, &Schema)> {
        self.kinds.values().map(|kind| (kind.about, &kind.schema))
    }

    fn find(&self, name: &str) -> Result<&Arc<Registered>, OptionError> {
        self.kinds.get(name).ok_or_else(|| {
            let known: Vec<&str> = self.kinds.keys().copied().collect();
            OptionError::new("kind", format!("unknown optimizer \"{name}\"{}", known_names(name, &known)))
        })
    }
}

/// Optimizers beside the layer kinds of a [`Registry`].
pub trait RegisterOptimizer {
    /// Adds an optimizer.
    ///
    /// # Errors
    /// When one of that name is registered.
    fn register_optimizer(&mut self, kind: impl OptimizerKind) -> Result<(), DuplicateKind>;

    /// The registered optimizers.
    fn optimizers(&self) -> Optimizers;
}

impl RegisterOptimizer for Registry {
    fn register_optimizer(&mut self, kind: impl OptimizerKind) -> Result<(), DuplicateKind> {
        self.extension_mut::<Optimizers>().register(kind)
    }

    fn optimizers(&self) -> Optimizers {
        self.extension().cloned().unwrap_or_default()
    }
}

/// A number of options that is to lie in [0, 1).
fn check_share(key: &str, value: f64) -> Result<(), OptionError> {
    // It is used as an f32, and a number just below 1 is 1 there.
    if (0.0..1.0).contains(&value) && (value as f32) < 1.0 {
        return Ok(());
    }
    Err(OptionError::new(key, format!("`{key}` is {value}; expected at least 0 and less than 1")))
}

/// A number of options that is to be at least 0.
fn check_not_negative(key: &str, value: f64) -> Result<(), OptionError> {
    if value >= 0.0 && value.is_finite() {
        return Ok(());
    }
    Err(OptionError::new(key, format!("`{key}` is {value}; expected a number of at least 0")))
}
