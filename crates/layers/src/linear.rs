//! The lower of the two levels: what stands in for one matrix.

use std::fmt;
use std::sync::Arc;

use lrx_tensor::{Activation, Matrix, Parameter, ops};
use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::rules::{RuleSet, Rules, Target};
use crate::{
    About, Builder, Change, Cost, Declared, OptionError, ParameterId, Parameters, Pass, Place, Plan, Product, Progress,
    Role, SharedFactor, Size, Start, Values,
};

/// The slot that a linear layer fills.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinearShape {
    /// Features in.
    pub inputs: usize,
    /// Features out.
    pub outputs: usize,
    /// Whether the slot has a bias.
    pub bias: bool,
}

impl fmt::Display for LinearShape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} → {}", self.inputs, self.outputs)
    }
}

/// A kind of layer that stands in for one matrix. Declare it with
/// [`Registry::register`](crate::Registry::register); see `kinds/dense.rs` for the shortest example.
pub trait LinearKind: Send + Sync + 'static {
    /// The options that stand beside `kind` in the config. Unknown keys should be errors
    /// (`#[serde(deny_unknown_fields)]`); documentation comments and defaults appear in `lrx layers NAME`. In a config
    /// each option may also be a list with a value for every layer (of an option that is a list itself, a list of lists);
    /// the kind sees its layer's value only.
    type Options: Serialize + DeserializeOwned + JsonSchema + Send + Sync + 'static;

    /// How the kind presents itself.
    fn about(&self) -> About;

    /// Fills in options that follow from the shape where they are not given: so that a value that is given and the same one
    /// that follows are one config, and known as one run.
    fn settle(&self, _options: &mut Self::Options, _shape: &LinearShape) {}

    /// The sizes that the layer may have in a slot of this shape: tables of the options that say how large it is. A config
    /// that gives a `budget` in their place takes the largest that the budget allows. Unless said: every `rank` up to the
    /// smaller side, which is of use for kinds that have this option.
    fn sizes(&self, shape: &LinearShape) -> Vec<toml::Table> {
        let rank = |rank: usize| toml::Table::from_iter([("rank".to_string(), (rank as i64).into())]);
        (1..=shape.inputs.min(shape.outputs)).map(rank).collect()
    }

    /// The layer with these options in a slot of this shape. What it is made of is declared in `plan`, which gives out the
    /// ids of its parameters; nothing is allocated, and their values come from what was declared or from init rules.
    ///
    /// It is called more than once for one layer, and must declare the same each time.
    ///
    /// # Errors
    /// When the options do not fit the shape: which option is wrong, and what was expected.
    fn layer(
        &self,
        options: &Self::Options,
        shape: &LinearShape,
        plan: &mut Plan,
    ) -> Result<Box<dyn Linear>, OptionError>;
}

/// A layer in the place of a matrix.
pub trait Linear {
    /// tokens × inputs → tokens × outputs. On a silent tape this is evaluation.
    fn forward(&self, pass: &Pass<'_>, x: Activation) -> Activation;

    /// The matrix W, outputs × inputs, for which `forward(x)` is `x · Wᵀ` plus the bias; `None` for a layer that is not
    /// linear in x.
    fn dense_equivalent(&self, _parameters: &Parameters, _progress: Progress) -> Option<Matrix> {
        None
    }

    /// The matrices that the layer is a chain of, if it is nothing else. Blocks then compute it together with what stands
    /// beside it, in fewer passes over memory.
    fn chain(&self) -> Option<Chain> {
        None
    }

    /// Numbers for the layer's matrices with which it stands, at the beginning of training, for the matrix `dense`, outputs ×
    /// inputs, as nearly as it can: with the least Σ (W − dense)² that it can have, or where that has no closed form, one from
    /// which an iteration gets no further. All numbers of `dense` are finite. `None` where no way to find them is known.
    fn approximation(&self, _dense: &Matrix, _parameters: &Parameters) -> Option<Values> {
        None
    }

    /// The layer's two matrices if it is their product, and one of them is shared with other layers, so that all can only be
    /// approximated together; [`approximation`](Self::approximation) is not asked then.
    fn shared_factor(&self) -> Option<SharedFactor> {
        None
    }

    /// Adds to the gradients of the layer's parameters what does not come from the loss, after each backward pass.
    fn add_gradient(&self, _parameters: &Parameters, _progress: Progress) {}

    /// Is called before the first update and after each: the layer may give up parameters and take others.
    ///
    /// What it does must follow from the values of its parameters and from `progress` alone, so that an interrupted run goes
    /// on as it would have.
    fn on_step(&mut self, _progress: Progress, _change: &mut Change<'_>) {}

    /// What has changed since [`LinearKind::layer`], as text that [`restore`](Self::restore) understands; `None` for
    /// nothing. It is kept in checkpoints and weights.
    fn structure(&self) -> Option<String> {
        None
    }

    /// Brings a layer that has just been made to the `structure` of another: the parameters are those of that structure
    /// afterwards, and are read from a file then.
    ///
    /// # Errors
    /// When the text does not say a structure of this kind.
    fn restore(&mut self, structure: &str, _change: &mut Change<'_>) -> Result<(), String> {
        Err(format!("this layer never changes, so it has no structure {structure:?}"))
    }
}

/// Matrices applied one after the other, and a bias behind the last.
#[derive(Clone, Debug)]
pub struct Chain {
    /// At least one, in the order in which they are applied, each outputs × inputs.
    pub matrices: Vec<ParameterId>,
    /// As wide as the last one's outputs.
    pub bias: Option<ParameterId>,
}

impl Chain {
    /// The first matrix.
    pub fn first<'p>(&self, pass: &Pass<'p>) -> &'p Parameter {
        &pass.parameters[self.matrices[0]]
    }

    /// What the others make of the output of the first, without the bias.
    pub fn after_first(&self, pass: &Pass<'_>, y: Activation) -> Activation {
        self.matrices[1..].iter().fold(y, |y, &matrix| ops::linear(y, &pass[matrix], None))
    }

    /// The bias.
    pub fn bias<'p>(&self, pass: &Pass<'p>) -> Option<&'p Parameter> {
        self.bias.map(|bias| &pass.parameters[bias])
    }

    /// The product of the matrices, the last on the left: outputs × inputs.
    pub fn product(&self, parameters: &Parameters) -> Matrix {
        let first = parameters[self.matrices[0]].value().clone();
        self.matrices[1..].iter().fold(first, |product, &next| parameters[next].value().product(&product))
    }
}

pub(crate) type MakeLinear = dyn Fn(&mut Plan) -> Box<dyn Linear> + Send + Sync;

/// A kind with validated options for a slot: everything that can be said of a layer before it exists.
#[derive(Clone)]
pub struct LinearSpec {
    /// The kind's name.
    pub kind: &'static str,
    /// The version of the kind's mathematics.
    pub version: u32,
    /// The slot.
    pub shape: LinearShape,
    /// What it declares.
    pub declared: Arc<[Declared]>,
    /// What the layer costs.
    pub cost: Cost,
    /// The rank, for kinds that have one.
    pub rank: Option<usize>,
    /// The options with every default filled in.
    pub options: toml::Table,
    /// The options that are not at their default.
    pub identity: toml::Table,
    /// The rules that the config gives it.
    pub rules: Rules,
    pub(crate) rule_set: Arc<RuleSet>,
    pub(crate) depth: Depth,
    pub(crate) make: Arc<MakeLinear>,
}

/// Where in the model a layer stands, for rules that depend on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Depth {
    /// The block that the slot is of.
    pub place: Place,
    /// The layer of the model, from 0.
    pub layer: usize,
    /// Layers in all.
    pub layers: usize,
    /// Whether the slot's output is what the block adds to the residual.
    pub ends_branch: bool,
}

impl Depth {
    /// A layer by itself.
    pub(crate) const ALONE: Depth = Depth { place: Place::Mlp, layer: 0, layers: 1, ends_branch: false };
}

impl LinearSpec {
    /// Makes the layer and its parameters; `key` is the slot's name in the config.
    pub fn build(&self, key: &'static str, builder: &mut Builder<'_>) -> PlacedLinear {
        let mut plan = builder.plan().at(self.depth);
        let linear = (self.make)(&mut plan);
        // What another layer has declared before is not among what this one declares now; its rules do not reach it.
        let place = |i: usize| plan.trained.iter().position(|declared| declared.name == self.declared[i].name);
        let places: Vec<Option<usize>> = (0..self.declared.len()).map(place).collect();
        for (i, start) in &self.rules.starts {
            if let Some(place) = places[*i] {
                plan.trained[place].start = start.clone();
            }
        }
        builder.make(&plan);
        let mut placed = PlacedLinear { key, linear, spec: self.clone(), prefix: builder.place().1.to_string() };
        let ids: Vec<Option<ParameterId>> = places.iter().map(|place| place.map(|place| plan.ids()[place])).collect();
        placed.apply_rules(builder.parameters(), &self.rules, &ids);
        placed
    }
}

/// A layer at its place in the model.
pub struct PlacedLinear {
    key: &'static str,
    pub(crate) linear: Box<dyn Linear>,
    spec: LinearSpec,
    prefix: String,
}

impl PlacedLinear {
    /// The layer.
    pub fn linear(&self) -> &dyn Linear {
        &*self.linear
    }

    /// The slot as a config names it.
    pub fn key(&self) -> &'static str {
        self.key
    }

    /// What was said of it before it existed.
    pub fn spec(&self) -> &LinearSpec {
        &self.spec
    }

    /// Where it stands: `transformer.h.0.mlp.c_fc`. Its parameters' names begin so.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Adds to gradients what does not come from the loss: the layer's own and that of its decay rule, where `weight_decay` is
    /// the config's.
    pub fn add_gradient(&self, parameters: &Parameters, progress: Progress, weight_decay: f64) {
        self.linear.add_gradient(parameters, progress);
        if let (Some(gradient), Some(chain)) = (&self.spec.rules.decay_gradient, self.linear.chain()) {
            gradient(parameters, &chain.matrices, weight_decay);
        }
    }

    /// Tells the layer how far training is; see [`Linear::on_step`].
    ///
    /// # Errors
    /// When it has changed and its rules do not fit what it is now.
    pub fn on_step(&mut self, parameters: &mut Parameters, progress: Progress) -> Result<(), OptionError> {
        let mut change = Change::new(parameters, &self.prefix, progress.step);
        self.linear.on_step(progress, &mut change);
        if change.has_changed() { self.follow_rules_anew(parameters) } else { Ok(()) }
    }

    /// Brings the layer to the structure that a file tells of.
    ///
    /// # Errors
    /// When it is no structure of this layer.
    pub fn restore(&mut self, parameters: &mut Parameters, structure: &str) -> Result<(), String> {
        let mut change = Change::new(parameters, &self.prefix, 0);
        self.linear.restore(structure, &mut change).map_err(|error| format!("{}: {error}", self.prefix))?;
        self.follow_rules_anew(parameters).map_err(|error| format!("{}: {error}", self.prefix))
    }

    fn follow_rules_anew(&mut self, parameters: &mut Parameters) -> Result<(), OptionError> {
        let own = format!("{}.", self.prefix);
        let ids: Vec<ParameterId> =
            parameters.ids().filter(|&id| parameters.entry(id).name.starts_with(&own)).collect();
        let declared: Vec<Declared> = ids.iter().map(|&id| as_declared(parameters.entry(id), own.len())).collect();
        let chain = self.linear.chain().map(|chain| chain.matrices);
        let chain = chain.and_then(|chain| chain.iter().map(|id| ids.iter().position(|own| own == id)).collect());
        let product = chain.clone().map(|chain| Product::of_chain(chain, |i| declared[i].size.dims().0));
        let target = Target {
            kind: self.spec.kind,
            shape: self.spec.shape,
            declared: &declared,
            chain,
            product,
            only: None,
            depth: self.spec.depth,
        };
        let rules = self.spec.rules.again(&self.spec.rule_set, &target)?;
        let ids: Vec<Option<ParameterId>> = ids.into_iter().map(Some).collect();
        self.apply_rules(parameters, &rules, &ids);
        self.spec.rules = rules;
        Ok(())
    }

    fn apply_rules(&mut self, parameters: &mut Parameters, rules: &Rules, ids: &[Option<ParameterId>]) {
        let own = |factors: &[(usize, f64)]| -> Vec<(ParameterId, f64)> {
            factors.iter().filter_map(|&(i, factor)| Some((ids[i]?, factor))).collect()
        };
        for (id, factor) in own(&rules.learning_rates) {
            parameters.entry_mut(id).learning_rate = factor;
        }
        for (id, factor) in own(&rules.decays) {
            parameters.entry_mut(id).decay = factor;
        }
    }
}

fn as_declared(entry: &crate::ParameterEntry, prefix: usize) -> Declared {
    let (rows, columns) = entry.parameter.dims();
    Declared {
        name: entry.name[prefix..].to_string(),
        size: if entry.is_vector { Size::Vector(columns) } else { Size::Matrix(rows, columns) },
        role: entry.role,
        blocks: entry.blocks,
        start: Start::Constant(0.0),
        shared: None,
    }
}

impl Role {
    /// Whether it is a matrix that is multiplied with.
    pub fn is_factor(self) -> bool {
        self == Role::Factor
    }
}
