//! Rules: how parameters start, how fast they learn and how they decay, whatever the kind they belong to.
//!
//! A rule looks at what a layer declares (sizes, roles, whether it is a chain of matrices) and is registered by name like a
//! kind. A config sets it for a block, a slot, or single parameters of a layer:
//!
//! ```toml
//! [model.mlp]
//! init = "spectral"                          # a name
//! lr = { rule = "flat", factor = 0.5 }       # or a table with its options
//! decay = { down = 1.0, up = "none" }        # or a table of the layer's parameters
//! ```

pub mod decay;
pub mod init;
pub mod learning_rate;
mod resolve;

use std::collections::BTreeMap;
use std::sync::Arc;

use lrx_tensor::Parameter;
use schemars::{JsonSchema, Schema};
use serde::Serialize;
use serde::de::DeserializeOwned;
use toml::Table;

pub use resolve::{Rules, WrittenRules};

use crate::schema::options_schema;
use crate::{
    About, Declared, Depth, DuplicateKind, LinearShape, OptionError, ParameterId, Parameters, Product, Size, Start,
    deserialize, known_names, to_table,
};

/// What a rule is applied to: one layer in one slot.
pub struct Target<'a> {
    /// The layer's kind, for messages.
    pub kind: &'a str,
    /// The slot.
    pub shape: LinearShape,
    /// What the layer declares.
    pub declared: &'a [Declared],
    /// The matrices that the layer is the product of, in the order in which they are applied, if it is nothing else: their
    /// places in `declared`.
    pub chain: Option<Vec<usize>>,
    /// What the numbers of the whole matrix are made of, where the layer says so; of a chain it always does.
    pub product: Option<Product>,
    /// The one parameter that the rule is meant for, if it is.
    pub only: Option<usize>,
    /// Where in the model the layer stands.
    pub depth: Depth,
}

impl Target<'_> {
    /// The matrices that are multiplied with and that the rule is meant for: place in `declared`, rows, columns; where several
    /// stand under one another, those of one of them.
    pub fn factors(&self) -> impl Iterator<Item = (usize, usize, usize)> + '_ {
        let meant = self.declared.iter().enumerate().filter(|(i, _)| self.only.is_none_or(|only| only == *i));
        meant.filter_map(|(i, declared)| match (declared.size, &declared.start) {
            (_, Start::Follows(_)) => None,
            (Size::Matrix(rows, columns), _) if declared.role.is_factor() => Some((i, rows / declared.blocks, columns)),
            _ => None,
        })
    }

    /// What is known of the layer as a whole, for a rule that is not meant for one parameter alone.
    fn of_whole<'t, T>(&self, known: Option<&'t T>, why: &str) -> Result<&'t T, OptionError> {
        match (known, self.only) {
            (Some(known), None) => Ok(known),
            (Some(_), Some(only)) => {
                let key = self.declared[only].key();
                Err(OptionError::new("", format!("{why}; it cannot be given for `{key}` alone")))
            }
            (None, _) => Err(OptionError::new("", format!("{why}; `{}` is no product of matrices", self.kind))),
        }
    }

    /// What the numbers of the whole matrix are made of.
    ///
    /// # Errors
    /// When the layer does not say: `why` the rule needs to know.
    pub fn product(&self, why: &str) -> Result<&Product, OptionError> {
        self.of_whole(self.product.as_ref(), why)
    }

    /// The matrices that the layer is the product of.
    ///
    /// # Errors
    /// When it is no product of matrices: `why` the rule needs one.
    pub fn chain(&self, why: &str) -> Result<&[usize], OptionError> {
        self.of_whole(self.chain.as_ref(), why).map(Vec::as_slice)
    }
}

/// How parameters start: a rule that is registered with [`Registry::register_init`](crate::Registry::register_init).
pub trait InitRule: Send + Sync + 'static {
    /// As for [`LinearKind::Options`](crate::LinearKind::Options); all have defaults.
    type Options: Serialize + DeserializeOwned + JsonSchema + Send + Sync + 'static;

    /// How the rule presents itself.
    fn about(&self) -> About;

    /// How the declared parameters at some places start; the others start as their kind says.
    ///
    /// # Errors
    /// Why the layer cannot follow the rule.
    fn starts(&self, options: &Self::Options, target: &Target<'_>) -> Result<Vec<(usize, Start)>, OptionError>;
}

/// How fast parameters learn: a rule that is registered with
/// [`Registry::register_learning_rate`](crate::Registry::register_learning_rate).
pub trait LearningRateRule: Send + Sync + 'static {
    /// As for [`LinearKind::Options`](crate::LinearKind::Options); all have defaults.
    type Options: Serialize + DeserializeOwned + JsonSchema + Send + Sync + 'static;

    /// How the rule presents itself.
    fn about(&self) -> About;

    /// What the learning rate of declared parameters at some places is multiplied by.
    ///
    /// # Errors
    /// Why the layer cannot follow the rule.
    fn factors(&self, options: &Self::Options, target: &Target<'_>) -> Result<Vec<(usize, f64)>, OptionError>;
}

/// How parameters decay: a rule that is registered with
/// [`Registry::register_decay`](crate::Registry::register_decay).
pub trait DecayRule: Send + Sync + 'static {
    /// As for [`LinearKind::Options`](crate::LinearKind::Options); all have defaults.
    type Options: Serialize + DeserializeOwned + JsonSchema + Send + Sync + 'static;

    /// How the rule presents itself.
    fn about(&self) -> About;

    /// What weight decay does to the layer.
    ///
    /// # Errors
    /// Why the layer cannot follow the rule.
    fn decay(&self, options: &Self::Options, target: &Target<'_>) -> Result<Decay, OptionError>;
}

/// What weight decay does to a layer.
#[derive(Clone, Default)]
pub struct Decay {
    /// What the optimizer's weight decay is multiplied by, for declared parameters at some places.
    pub factors: Vec<(usize, f64)>,
    /// What is added to gradients instead.
    pub gradient: Option<Arc<DecayGradient>>,
}

/// Adds to the gradients of a chain of matrices, given the config's weight decay.
pub type DecayGradient = dyn Fn(&Parameters, &[ParameterId], f64) + Send + Sync;

/// Which of the three a rule is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum RuleOf {
    /// `init`
    Init,
    /// `lr`
    LearningRate,
    /// `decay`
    Decay,
}

impl RuleOf {
    /// The three.
    pub const ALL: [RuleOf; 3] = [RuleOf::Init, RuleOf::LearningRate, RuleOf::Decay];

    /// The key in a config.
    pub fn key(self) -> &'static str {
        match self {
            RuleOf::Init => "init",
            RuleOf::LearningRate => "lr",
            RuleOf::Decay => "decay",
        }
    }
}

/// A rule without its options' type.
#[derive(Clone)]
pub(crate) struct ErasedRule<O> {
    about: About,
    schema: Arc<Schema>,
    fill: Arc<dyn Fn(Table) -> Result<Table, OptionError> + Send + Sync>,
    resolve: Arc<Resolve<O>>,
}

type Resolve<O> = dyn Fn(Table, &Target<'_>) -> Result<O, OptionError> + Send + Sync;

impl<O> ErasedRule<O> {
    fn new<P: Serialize + DeserializeOwned + JsonSchema + 'static>(
        about: About,
        apply: impl Fn(&P, &Target<'_>) -> Result<O, OptionError> + Send + Sync + 'static,
    ) -> Self {
        Self {
            about,
            schema: Arc::new(options_schema::<P>()),
            fill: Arc::new(|table| Ok(to_table(&deserialize::<P>(table)?))),
            resolve: Arc::new(move |table, target| apply(&deserialize::<P>(table)?, target)),
        }
    }
}

/// The registered rules.
#[derive(Clone, Default)]
pub struct RuleSet {
    pub(crate) init: BTreeMap<&'static str, ErasedRule<Vec<(usize, Start)>>>,
    pub(crate) learning_rate: BTreeMap<&'static str, ErasedRule<Vec<(usize, f64)>>>,
    pub(crate) decay: BTreeMap<&'static str, ErasedRule<Decay>>,
}

impl RuleSet {
    pub(crate) fn builtin() -> Self {
        let mut rules = Self::default();
        let known = "unique names";
        rules.add_init(init::Normal).expect(known);
        rules.add_init(init::VarianceMatched).expect(known);
        rules.add_init(init::Spectral).expect(known);
        rules.add_init(init::Orthogonal).expect(known);
        rules.add_init(init::ZeroLast).expect(known);
        rules.add_init(init::StructureAware).expect(known);
        rules.add_learning_rate(learning_rate::Flat).expect(known);
        rules.add_learning_rate(learning_rate::StructureAware).expect(known);
        rules.add_decay(decay::PerFactor).expect(known);
        rules.add_decay(decay::Frobenius).expect(known);
        rules.add_decay(decay::NoDecay).expect(known);
        rules
    }

    pub(crate) fn add_init<R: InitRule>(&mut self, rule: R) -> Result<(), DuplicateKind> {
        let erased = ErasedRule::new(rule.about(), move |options: &R::Options, target| rule.starts(options, target));
        add(&mut self.init, erased)
    }

    pub(crate) fn add_learning_rate<R: LearningRateRule>(&mut self, rule: R) -> Result<(), DuplicateKind> {
        let erased = ErasedRule::new(rule.about(), move |options: &R::Options, target| rule.factors(options, target));
        add(&mut self.learning_rate, erased)
    }

    pub(crate) fn add_decay<R: DecayRule>(&mut self, rule: R) -> Result<(), DuplicateKind> {
        let erased = ErasedRule::new(rule.about(), move |options: &R::Options, target| rule.decay(options, target));
        add(&mut self.decay, erased)
    }

    /// All rules, and the JSON schema of their options.
    pub fn iter(&self) -> impl Iterator<Item = (RuleOf, About, &Schema)> {
        fn of<'r, O>(
            of: RuleOf,
            rules: &'r BTreeMap<&'static str, ErasedRule<O>>,
        ) -> impl Iterator<Item = (RuleOf, About, &'r Schema)> {
            rules.values().map(move |rule| (of, rule.about, &*rule.schema))
        }
        let init = of(RuleOf::Init, &self.init);
        init.chain(of(RuleOf::LearningRate, &self.learning_rate)).chain(of(RuleOf::Decay, &self.decay))
    }
}

fn add<O>(rules: &mut BTreeMap<&'static str, ErasedRule<O>>, rule: ErasedRule<O>) -> Result<(), DuplicateKind> {
    let name = rule.about.name;
    if rules.contains_key(name) {
        return Err(DuplicateKind(name));
    }
    rules.insert(name, rule);
    Ok(())
}

fn find<'r, O>(rules: &'r BTreeMap<&'static str, ErasedRule<O>>, name: &str) -> Result<&'r ErasedRule<O>, OptionError> {
    rules.get(name).ok_or_else(|| {
        let known: Vec<&str> = rules.keys().copied().collect();
        OptionError::new("", format!("unknown rule \"{name}\"{}", known_names(name, &known)))
    })
}

/// Adds `share` to the gradient of a parameter.
pub(crate) fn add_to_gradient(parameter: &Parameter, share: &[f32]) {
    for (sum, share) in parameter.gradient().iter_mut().zip(share) {
        *sum += share;
    }
}
