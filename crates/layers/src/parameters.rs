//! The parameters of a model, by name, and how layers make and reach them.

use std::ops::Index;

use lrx_tensor::{Matrix, Offsets, Parameter, matrix};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Normal};

/// Where a layer finds a parameter that it made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParameterId(usize);

/// A parameter with its name in the weights file.
pub struct ParameterEntry {
    /// GPT-Neo's name, `transformer.h.0.attn.attention.q_proj.weight` say.
    pub name: String,
    /// Whether it is stored as a vector (one dimension) rather than a matrix.
    pub is_vector: bool,
    /// Values and gradient.
    pub parameter: Parameter,
}

/// All parameters of a model, in the order in which its layers made them.
#[derive(Default)]
pub struct Parameters(Vec<ParameterEntry>);

impl Parameters {
    /// None yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// In the order in which they were made.
    pub fn iter(&self) -> std::slice::Iter<'_, ParameterEntry> {
        self.0.iter()
    }

    /// In the order in which they were made, for writing.
    pub fn iter_mut(&mut self) -> std::slice::IterMut<'_, ParameterEntry> {
        self.0.iter_mut()
    }

    /// How many numbers are trained.
    pub fn count(&self) -> usize {
        self.0.iter().map(|entry| entry.parameter.values().len()).sum()
    }
}

impl Index<ParameterId> for Parameters {
    type Output = Parameter;

    fn index(&self, id: ParameterId) -> &Parameter {
        &self.0[id.0].parameter
    }
}

/// What a layer makes its parameters with: it names them, within the layer's own place in the model.
pub struct Builder<'p> {
    parameters: &'p mut Parameters,
    prefix: String,
    seed: u64,
}

impl<'p> Builder<'p> {
    /// A builder at the root of the model.
    pub fn new(parameters: &'p mut Parameters, seed: u64) -> Self {
        Self { parameters, prefix: String::new(), seed }
    }

    /// A builder for a part of this layer; names made with it start with `name` and a dot.
    pub fn scope(&mut self, name: &str) -> Builder<'_> {
        let prefix = self.full_name(name);
        Builder { parameters: self.parameters, prefix, seed: self.seed }
    }

    /// Makes a trained matrix of `rows × columns` from its row-major values.
    ///
    /// # Panics
    /// When the name is taken, or there are not `rows * columns` values.
    pub fn matrix(&mut self, name: &str, rows: usize, columns: usize, values: Vec<f32>) -> ParameterId {
        self.add(name, false, matrix(values, rows, columns))
    }

    /// Makes a trained vector.
    ///
    /// # Panics
    /// When the name is taken.
    pub fn vector(&mut self, name: &str, values: Vec<f32>) -> ParameterId {
        let len = values.len();
        self.add(name, true, matrix(values, 1, len))
    }

    /// Makes a bias of zeros if the slot has one.
    pub fn bias(&mut self, shape: &crate::LinearShape) -> Option<ParameterId> {
        shape.bias.then(|| self.vector("bias", vec![0.0; shape.outputs]))
    }

    /// `count` numbers from N(0, std²).
    ///
    /// They depend on the seed of the run and on the full name only: the embedding of a run is the same whatever its
    /// layers are, and a layer's numbers are the same whatever the others are, so runs of one seed can be paired.
    pub fn normal(&self, name: &str, count: usize, std: f32) -> Vec<f32> {
        let normal = Normal::new(0.0, std).expect("a finite standard deviation");
        normal.sample_iter(self.random(name)).take(count).collect()
    }

    /// A stream of random numbers that depends on the seed of the run and on the full name only.
    pub fn random(&self, name: &str) -> ChaCha8Rng {
        let mut hash = blake3::Hasher::new();
        hash.update(&self.seed.to_le_bytes()).update(self.full_name(name).as_bytes());
        ChaCha8Rng::from_seed(*hash.finalize().as_bytes())
    }

    fn full_name(&self, name: &str) -> String {
        if self.prefix.is_empty() { name.to_string() } else { format!("{}.{name}", self.prefix) }
    }

    fn add(&mut self, name: &str, is_vector: bool, value: Matrix) -> ParameterId {
        let name = self.full_name(name);
        assert!(self.parameters.iter().all(|entry| entry.name != name), "one parameter of the name {name}");
        self.parameters.0.push(ParameterEntry { name, is_vector, parameter: Parameter::new(value) });
        ParameterId(self.parameters.0.len() - 1)
    }
}

/// What a layer sees during a forward pass beside its input.
pub struct Pass<'a> {
    /// All parameters: `&pass[id]` is one.
    pub parameters: &'a Parameters,
    /// Where the stories of the batch begin.
    pub offsets: &'a Offsets,
}

impl Index<ParameterId> for Pass<'_> {
    type Output = Parameter;

    fn index(&self, id: ParameterId) -> &Parameter {
        &self.parameters[id]
    }
}
