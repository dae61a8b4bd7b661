//! The numbers of a model: those that are trained, and those that are fixed.

use std::ops::Index;
use std::sync::Arc;

use lrx_tensor::{Matrix, Parameter};
use serde::{Deserialize, Serialize};

/// What a trained parameter is for: optimizers and rules tell parameters apart by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// A matrix that is multiplied with, or a factor of one.
    Factor,
    /// What is added to outputs.
    Bias,
    /// What features are multiplied by, one by one.
    Scale,
    /// Weight and bias of a normalisation.
    Norm,
    /// Rows that tokens or positions choose.
    Embedding,
}

/// A parameter of the model, as layers hold it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ParameterId(pub(crate) usize);

/// Numbers that are not trained, as layers hold them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FixedId(pub(crate) usize);

/// A trained parameter with its name, and what the optimizer should know of it.
pub struct ParameterEntry {
    /// The full name, as in the weights file.
    pub name: String,
    /// What it is for.
    pub role: Role,
    /// Whether it is a vector: the weights file has it with one dimension.
    pub is_vector: bool,
    /// How many matrices stand under one another in it.
    pub blocks: usize,
    /// The numbers and their gradient.
    pub parameter: Parameter,
    /// The learning rate is multiplied by it.
    pub learning_rate: f64,
    /// Weight decay is multiplied by it; 0 for vectors.
    pub decay: f64,
    /// The update after which it exists, 0 for the first: an optimizer's moments start there.
    pub born: u64,
}

/// Numbers that are in weights and checkpoints but are not trained.
#[derive(Clone, Debug)]
pub enum Fixed {
    /// Real numbers, rows × columns.
    Matrix(Matrix),
    /// Whole numbers, such as places in a matrix.
    Integers(Arc<[u32]>),
}

/// [`Fixed`] numbers with their full name, as in the weights file.
pub struct FixedEntry {
    /// The full name.
    pub name: String,
    /// The numbers.
    pub content: Fixed,
}

/// All parameters of a model, in the order in which its layers declared them. A place is never given to another: who holds
/// a [`ParameterId`] finds the same parameter as long as it exists.
#[derive(Default)]
pub struct Parameters {
    trained: Vec<Option<ParameterEntry>>,
    fixed: Vec<Option<FixedEntry>>,
}

impl Parameters {
    /// None yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// In the order in which they were made.
    pub fn iter(&self) -> impl Iterator<Item = &ParameterEntry> {
        self.trained.iter().flatten()
    }

    /// In the order in which they were made, for writing.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut ParameterEntry> {
        self.trained.iter_mut().flatten()
    }

    /// Those that exist, in the order in which they were made.
    pub fn ids(&self) -> impl Iterator<Item = ParameterId> + '_ {
        (0..self.trained.len()).filter(|&i| self.trained[i].is_some()).map(ParameterId)
    }

    /// Those that are not trained.
    pub fn fixed(&self) -> impl Iterator<Item = &FixedEntry> {
        self.fixed.iter().flatten()
    }

    /// Those that are not trained, for writing.
    pub fn fixed_mut(&mut self) -> impl Iterator<Item = &mut FixedEntry> {
        self.fixed.iter_mut().flatten()
    }

    /// How many numbers are trained.
    pub fn count(&self) -> usize {
        self.iter().map(|entry| entry.parameter.values().len()).sum()
    }

    /// A parameter's entry.
    ///
    /// # Panics
    /// When the parameter does not exist (any more).
    pub fn entry(&self, id: ParameterId) -> &ParameterEntry {
        self.trained[id.0].as_ref().expect("a parameter that exists")
    }

    /// A parameter's entry, for writing.
    ///
    /// # Panics
    /// When the parameter does not exist (any more).
    pub fn entry_mut(&mut self, id: ParameterId) -> &mut ParameterEntry {
        self.trained[id.0].as_mut().expect("a parameter that exists")
    }

    /// The parameter called `name`.
    pub fn find(&self, name: &str) -> Option<ParameterId> {
        self.trained.iter().position(|entry| entry.as_ref().is_some_and(|e| e.name == name)).map(ParameterId)
    }

    /// Fixed real numbers.
    ///
    /// # Panics
    /// When they are whole numbers, or do not exist (any more).
    pub fn matrix(&self, id: FixedId) -> &Matrix {
        match &self.fixed[id.0].as_ref().expect("fixed numbers that exist").content {
            Fixed::Matrix(matrix) => matrix,
            Fixed::Integers(_) => panic!("whole numbers where real ones are asked for"),
        }
    }

    /// Fixed whole numbers.
    ///
    /// # Panics
    /// When they are real numbers, or do not exist (any more).
    pub fn integers(&self, id: FixedId) -> &Arc<[u32]> {
        match &self.fixed[id.0].as_ref().expect("fixed numbers that exist").content {
            Fixed::Integers(integers) => integers,
            Fixed::Matrix(_) => panic!("real numbers where whole ones are asked for"),
        }
    }

    pub(crate) fn next(&self) -> ParameterId {
        ParameterId(self.trained.len())
    }

    pub(crate) fn next_fixed(&self) -> FixedId {
        FixedId(self.fixed.len())
    }

    pub(crate) fn add(&mut self, entry: ParameterEntry) -> ParameterId {
        assert!(!self.is_taken(&entry.name), "one parameter of the name {}", entry.name);
        self.trained.push(Some(entry));
        ParameterId(self.trained.len() - 1)
    }

    pub(crate) fn add_fixed(&mut self, entry: FixedEntry) -> FixedId {
        assert!(!self.is_taken(&entry.name), "one parameter of the name {}", entry.name);
        self.fixed.push(Some(entry));
        FixedId(self.fixed.len() - 1)
    }

    pub(crate) fn remove(&mut self, id: ParameterId) -> ParameterEntry {
        self.trained[id.0].take().expect("a parameter that exists")
    }

    pub(crate) fn remove_fixed(&mut self, id: FixedId) -> FixedEntry {
        self.fixed[id.0].take().expect("fixed numbers that exist")
    }

    fn is_taken(&self, name: &str) -> bool {
        self.iter().any(|entry| entry.name == name) || self.fixed().any(|entry| entry.name == name)
    }
}

impl Index<ParameterId> for Parameters {
    type Output = Parameter;

    fn index(&self, id: ParameterId) -> &Parameter {
        &self.entry(id).parameter
    }
}
