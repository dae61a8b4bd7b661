//! The lower of the two levels: what stands in for one matrix.

use std::fmt;
use std::sync::Arc;

use lrx_tensor::{Activation, Matrix, Parameter, ops};
use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{Builder, OptionError, ParameterId, Parameters, Pass};

/// How a kind presents itself: `lrx layers` prints it.
#[derive(Clone, Copy, Debug)]
pub struct About {
    /// The kebab-case name that configs use.
    pub name: &'static str,
    /// One line.
    pub summary: &'static str,
    /// The mathematics, shapes, initialisation and source.
    pub description: &'static str,
    /// Options in TOML that are valid at small sizes (8 inputs or outputs): shown as the example, used by the checks.
    pub example: &'static str,
}

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

/// What a layer costs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// Numbers trained, biases included.
    pub parameters: usize,
    /// Floating-point operations a token in the forward pass: 2 for each multiply-add of a matrix product. Biases and
    /// other elementwise work are not counted, nor are the products of attention scores, which depend on the story.
    pub flops: usize,
}

impl Cost {
    /// The cost of a chain of matrices that have `weights` numbers in all, and of the slot's bias.
    pub fn of_matrices(weights: usize, shape: &LinearShape) -> Self {
        Self { parameters: weights + if shape.bias { shape.outputs } else { 0 }, flops: 2 * weights }
    }
}

impl std::ops::Add for Cost {
    type Output = Cost;

    fn add(self, other: Cost) -> Cost {
        Cost { parameters: self.parameters + other.parameters, flops: self.flops + other.flops }
    }
}

impl std::iter::Sum for Cost {
    fn sum<I: Iterator<Item = Cost>>(costs: I) -> Cost {
        costs.fold(Cost::default(), std::ops::Add::add)
    }
}

/// A kind of layer that stands in for one matrix. Declare it with
/// [`Registry::register`](crate::Registry::register); see `kinds/dense.rs` for the shortest example.
pub trait LinearKind: Send + Sync + 'static {
    /// The options that stand beside `kind` in the config. Unknown keys should be errors
    /// (`#[serde(deny_unknown_fields)]`); documentation comments and defaults appear in `lrx layers NAME`. In a config
    /// each option may also be a list with a value for every layer; the kind sees its layer's value only.
    type Options: Serialize + DeserializeOwned + JsonSchema + Send + Sync + 'static;

    /// How the kind presents itself.
    fn about(&self) -> About;

    /// Whether these options can fill a slot of this shape.
    ///
    /// # Errors
    /// When they cannot: which option is wrong, and what was expected.
    fn check(&self, _options: &Self::Options, _shape: &LinearShape) -> Result<(), OptionError> {
        Ok(())
    }

    /// What a layer of this shape costs. The checks compare it with what [`build`](Self::build) makes.
    fn cost(&self, options: &Self::Options, shape: &LinearShape) -> Cost;

    /// The rank, for kinds that have one: it goes into the tables.
    fn rank(&self, _options: &Self::Options) -> Option<usize> {
        None
    }

    /// Makes a layer with its initial parameters.
    fn build(&self, options: &Self::Options, shape: &LinearShape, builder: &mut Builder<'_>) -> Box<dyn Linear>;
}

/// A layer in the place of a matrix.
pub trait Linear {
    /// tokens × inputs → tokens × outputs. On a silent tape this is evaluation.
    fn forward(&self, pass: &Pass<'_>, x: Activation) -> Activation;

    /// The matrix W, outputs × inputs, for which `forward(x)` is `x · Wᵀ` plus the bias.
    fn dense_equivalent(&self, parameters: &Parameters) -> Matrix;

    /// The matrices that the layer is a chain of, if it is nothing else. Blocks then compute it together with what stands
    /// beside it, in fewer passes over memory.
    fn chain(&self) -> Option<Chain> {
        None
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
}

type BuildLinear = dyn Fn(&mut Builder<'_>) -> Box<dyn Linear> + Send + Sync;

/// A kind with validated options for a slot: everything that can be said of a layer before it exists.
#[derive(Clone)]
pub struct LinearSpec {
    /// The kind's name.
    pub kind: &'static str,
    /// The slot.
    pub shape: LinearShape,
    /// What the layer costs.
    pub cost: Cost,
    /// The rank, for kinds that have one.
    pub rank: Option<usize>,
    /// The options with every default filled in.
    pub options: toml::Table,
    pub(crate) build: Arc<BuildLinear>,
}

impl LinearSpec {
    /// Makes the layer.
    pub fn build(&self, builder: &mut Builder<'_>) -> Box<dyn Linear> {
        (self.build)(builder)
    }
}
