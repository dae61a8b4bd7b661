//! The gradients of activations during a backward pass.
//!
//! dfdx keeps gradients that start from zeros and are added to. Most activations are the input of one operation only, so
//! zeros and additions are two passes over memory for nothing: where all operations of a tape are this crate's, the first
//! gradient that comes is kept as it is.

use std::collections::HashMap;

use dfdx::tensor::{Gradients, Tensor};

use crate::matmul::{MatMut, MatRef, Threads, matmul, product};
use crate::ops::add_on_all_threads;
use crate::{Cpu, dims, values};

pub(crate) type DfdxGradients = Gradients<f32, Cpu>;

type Matrix<T> = Tensor<(usize, usize), f32, Cpu, T>;

/// What an activation's gradient is found by. It does not hold the activation's values: an operation whose backward pass
/// needs none of them lets their memory go.
pub struct ActivationId {
    /// Of the values, in the forward pass.
    address: usize,
    rows: usize,
    columns: usize,
    of_dfdx: Box<DfdxGradient>,
}

type DfdxGradient = dyn Fn(&mut DfdxGradients) -> &mut Vec<f32>;

impl<T> From<&Matrix<T>> for ActivationId {
    fn from(activation: &Matrix<T>) -> Self {
        let (rows, columns) = dims(activation);
        let ghost = activation.ghost();
        let of_dfdx: Box<DfdxGradient> =
            Box::new(move |gradients| &mut **gradients.get_or_alloc_mut(&ghost).expect("memory for a gradient"));
        Self { address: values(activation).as_ptr().addr(), rows, columns, of_dfdx }
    }
}

/// The gradients of activations, while operations run backwards. Those of parameters stand beside the parameters.
pub struct ActivationGradients(Store);

enum Store {
    /// By the address of the activation's values. A gradient is here from the backward pass of the last operation that had
    /// the activation as input to that of the operation that made it; in the forward pass the activation was held between
    /// the two. Of two gradients that are here at once the activations were held at once, at different addresses. The loss,
    /// the only number that has a gradient, is apart.
    Own { gradients: HashMap<usize, Vec<f32>>, loss: Option<usize> },
    /// dfdx's operations look for gradients here, and leave theirs.
    Dfdx(DfdxGradients),
}

impl ActivationGradients {
    /// For a tape without operations of dfdx.
    pub(crate) fn own() -> Self {
        Self(Store::Own { gradients: HashMap::new(), loss: None })
    }

    /// For a tape with operations of dfdx.
    pub(crate) fn of_dfdx() -> Self {
        Self(Store::Dfdx(Gradients::leaky()))
    }

    /// What dfdx's operations work on.
    pub(crate) fn dfdx(&mut self) -> &mut DfdxGradients {
        match &mut self.0 {
            Store::Dfdx(gradients) => gradients,
            Store::Own { .. } => unreachable!("a tape with operations of dfdx has gradients of dfdx"),
        }
    }

    /// The loss has the gradient 1.
    pub(crate) fn begin<T>(&mut self, loss: &Tensor<(), f32, Cpu, T>) {
        match &mut self.0 {
            Store::Own { loss: address, .. } => *address = Some(scalar_address(loss)),
            Store::Dfdx(gradients) => gradients.get_or_alloc_mut(loss).expect("memory for one number").fill(1.0),
        }
    }

    /// The gradient of a number.
    pub(crate) fn of_scalar<T>(&mut self, output: &Tensor<(), f32, Cpu, T>) -> f32 {
        match &mut self.0 {
            Store::Own { loss, .. } => f32::from(u8::from(*loss == Some(scalar_address(output)))),
            Store::Dfdx(gradients) => gradients.get_or_alloc_mut(output).expect("memory for one number")[0],
        }
    }

    /// The gradient of an operation's output, row-major, taken out because nobody asks for it after the operation's backward
    /// pass.
    pub fn take(&mut self, output: impl Into<ActivationId>) -> Vec<f32> {
        let output = output.into();
        match &mut self.0 {
            // Nobody used the output if nothing is there.
            Store::Own { gradients, .. } => {
                gradients.remove(&output.address).unwrap_or_else(|| vec![0.0; output.rows * output.columns])
            }
            Store::Dfdx(gradients) => std::mem::take((output.of_dfdx)(gradients)),
        }
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
        let ActivationId { address, rows, columns, of_dfdx } = input.into();
        let sum = match &mut self.0 {
            Store::Own { gradients, .. } => gradients.entry(address).or_default(),
            Store::Dfdx(gradients) => of_dfdx(gradients),
        };
        InputGradient { sum, rows, columns }
    }
}

fn scalar_address<T>(scalar: &Tensor<(), f32, Cpu, T>) -> usize {
    std::ptr::from_ref(&scalar[[]]).addr()
}

/// The gradient of an input so far. Operations add to it in one of these ways.
pub(crate) struct InputGradient<'g> {
    /// Empty as long as nothing has been added.
    sum: &'g mut Vec<f32>,
    rows: usize,
    columns: usize,
}

impl<'g> InputGradient<'g> {
    /// What has been added so far, if anything has.
    pub(crate) fn so_far(self) -> Option<&'g mut [f32]> {
        (!self.sum.is_empty()).then_some(self.sum.as_mut_slice())
    }

    /// Adds a buffer that is no longer needed.
    pub(crate) fn add(self, share: Vec<f32>) {
        assert_eq!(share.len(), self.rows * self.columns, "a gradient of the input's size");
        if self.sum.is_empty() {
            *self.sum = share;
        } else {
            add_on_all_threads(self.sum, &share);
        }
    }

    /// Adds a copy.
    pub(crate) fn add_copy(self, share: &[f32]) {
        if self.sum.is_empty() {
            self.add(crate::buffer::copied(share));
        } else {
            add_on_all_threads(self.sum, share);
        }
    }

    /// Adds `a · b`.
    pub(crate) fn add_product(self, a: MatRef<'_>, b: MatRef<'_>) {
        if self.sum.is_empty() {
            *self.sum = product(a, b, Threads::All);
            assert_eq!(self.sum.len(), self.rows * self.columns, "a gradient of the input's size");
        } else {
            matmul(MatMut::new(self.sum, self.rows, self.columns), true, a, b, Threads::All);
        }
    }
}
