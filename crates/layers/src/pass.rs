//! What a layer sees during a forward pass beside its input.

use std::cell::RefCell;
use std::ops::Index;
use std::sync::Arc;

use lrx_tensor::{Matrix, Offsets, Parameter};

use crate::{FixedId, ParameterId, Parameters, PlacedLinear};

/// How far training is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Updates done.
    pub step: u64,
    /// Updates in all.
    pub steps: u64,
}

impl Progress {
    /// The state of a model that has been trained to its end, or never will be trained further.
    pub const DONE: Progress = Progress { step: 1, steps: 1 };

    /// The part of training that is done, from 0 to 1.
    pub fn part(self) -> f64 {
        if self.steps == 0 { 1.0 } else { self.step as f64 / self.steps as f64 }
    }
}

/// A forward pass: of training, of an evaluation, or of a generation.
#[derive(Clone, Copy)]
pub struct Pass<'a> {
    /// All parameters: `&pass[id]` is one.
    pub parameters: &'a Parameters,
    /// Where the stories of the batch begin.
    pub offsets: &'a Offsets,
    /// How far training is.
    pub progress: Progress,
    /// In training with dropout, what its masks depend on beside their place in the model; `None` drops nothing.
    pub dropout: Option<u64>,
    /// In a generation, how many tokens of the one story came before.
    pub first_position: usize,
    /// In a generation, what the block keeps of the tokens before.
    pub past: Option<&'a RefCell<Past>>,
    pub(crate) linears: &'a [PlacedLinear],
}

impl<'a> Pass<'a> {
    /// A pass over stories that nothing came before.
    pub fn new(parameters: &'a Parameters, offsets: &'a Offsets, progress: Progress) -> Self {
        Self { parameters, offsets, progress, dropout: None, first_position: 0, past: None, linears: &[] }
    }

    /// Fixed real numbers.
    pub fn matrix(&self, id: FixedId) -> &'a Matrix {
        self.parameters.matrix(id)
    }

    /// Fixed whole numbers.
    pub fn integers(&self, id: FixedId) -> &'a Arc<[u32]> {
        self.parameters.integers(id)
    }
}

impl Index<ParameterId> for Pass<'_> {
    type Output = Parameter;

    fn index(&self, id: ParameterId) -> &Parameter {
        &self.parameters[id]
    }
}

/// What a block keeps of the tokens that it has seen, as long as a text is generated.
#[derive(Clone, Debug, Default)]
pub struct Past {
    /// Keys, or whatever takes their place: one row a token.
    pub keys: Vec<f32>,
    /// Values, or whatever takes their place: one row a token.
    pub values: Vec<f32>,
}
