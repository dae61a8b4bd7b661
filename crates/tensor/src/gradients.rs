//! The gradients of activations during a backward pass.
//!
//! Most activations are the input of one operation only, so the first gradient that comes is kept as it is: zeros, and
//! additions to them, would be two passes over memory for nothing.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use crate::matmul::{MatMut, MatRef, Threads, matmul, product};
use crate::ops::add_on_all_threads;
use crate::{ActivationId, Precision};

/// The gradients of activations, while operations run backwards: each is here from the backward pass of the last operation
/// that had the activation as input to that of the operation that made it. Those of parameters stand beside the
/// parameters.
#[derive(Default)]
pub struct ActivationGradients {
    /// By the activation's number.
    gradients: HashMap<u64, Vec<f32>>,
}

impl ActivationGradients {
    /// The gradient of an operation's output, row-major, taken out because nobody asks for it after the operation's backward
    /// pass.
    pub fn take(&mut self, output: impl Into<ActivationId>) -> Vec<f32> {
        let output = output.into();
        let (rows, columns) = output.dims();
        self.take_any(output).unwrap_or_else(|| vec![0.0; rows * columns])
    }

    /// As [`take`](Self::take); nothing if nobody used the output.
    pub(crate) fn take_any(&mut self, output: ActivationId) -> Option<Vec<f32>> {
        self.gradients.remove(&output.number())
    }

    /// Adds an operation's share to the gradient of its input, row-major.
    ///
    /// # Panics
    /// When it is not as long as the input.
    pub fn add(&mut self, input: impl Into<ActivationId>, share: Vec<f32>) {
        self.of(input).add(share);
    }

    /// The gradient of an operation's input: the operation's share is to be added.
    pub(crate) fn of(&mut self, input: impl Into<ActivationId>) -> InputGradient<'_> {
        let input = input.into();
        let (rows, columns) = input.dims();
        InputGradient { sum: self.gradients.entry(input.number()), rows, columns }
    }
}

/// The gradient of an input so far. Operations add to it in one of these ways.
pub(crate) struct InputGradient<'g> {
    /// Vacant as long as nothing has been added.
    sum: Entry<'g, u64, Vec<f32>>,
    rows: usize,
    columns: usize,
}

impl<'g> InputGradient<'g> {
    /// What has been added so far, if anything has.
    pub(crate) fn so_far(self) -> Option<&'g mut [f32]> {
        match self.sum {
            Entry::Occupied(sum) => Some(sum.into_mut()),
            Entry::Vacant(_) => None,
        }
    }

    /// Adds a buffer that is no longer needed.
    pub(crate) fn add(self, share: Vec<f32>) {
        assert_eq!(share.len(), self.rows * self.columns, "a gradient of the input's size");
        match self.sum {
            Entry::Occupied(mut sum) => add_on_all_threads(sum.get_mut(), &share),
            Entry::Vacant(none) => drop(none.insert(share)),
        }
    }

    /// Adds a copy.
    pub(crate) fn add_copy(self, share: &[f32]) {
        match self.sum {
            Entry::Occupied(mut sum) => add_on_all_threads(sum.get_mut(), share),
            Entry::Vacant(_) => self.add(crate::buffer::copied(share)),
        }
    }

    /// Adds `a · b`.
    pub(crate) fn add_product(self, a: MatRef<'_>, b: MatRef<'_>, precision: Precision) {
        match self.sum {
            Entry::Occupied(mut sum) => {
                matmul(MatMut::new(sum.get_mut(), self.rows, self.columns), true, a, b, precision, Threads::All);
            }
            Entry::Vacant(_) => self.add(product(a, b, precision, Threads::All)),
        }
    }
}
