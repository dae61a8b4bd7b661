//! A trained matrix with its gradient beside it.

use std::cell::{RefCell, RefMut};
use std::rc::Rc;

use dfdx::tensor::PutTape;

use crate::tape::{Tape, gradient_of};
use crate::{Activation, Matrix, dims, values, values_mut};

/// A trained matrix (a vector is a matrix of one row) and the gradient that backward passes add to.
///
/// The gradient's buffer is kept from step to step. Whoever uses the gradient sets it back to zero, as
/// [`crate::adamw::update`] does.
pub struct Parameter {
    value: Matrix,
    gradient: Gradient,
}

/// A handle on a parameter's gradient, for the backward pass of an operation.
#[derive(Clone)]
pub(crate) struct Gradient {
    len: usize,
    values: Rc<RefCell<Vec<f32>>>,
}

impl Gradient {
    /// The gradient, to be added to; zeros when nothing has been.
    pub(crate) fn borrow_mut(&self) -> RefMut<'_, Vec<f32>> {
        let mut gradient = self.values.borrow_mut();
        if gradient.len() != self.len {
            *gradient = vec![0.0; self.len];
        }
        gradient
    }
}

impl Parameter {
    /// A parameter that starts from `value`.
    pub fn new(value: Matrix) -> Self {
        let (rows, columns) = dims(&value);
        Self { value, gradient: Gradient { len: rows * columns, values: Rc::default() } }
    }

    /// The matrix.
    pub fn value(&self) -> &Matrix {
        &self.value
    }

    /// Rows and columns.
    pub fn dims(&self) -> (usize, usize) {
        dims(&self.value)
    }

    /// The numbers, row-major.
    pub fn values(&self) -> &[f32] {
        values(&self.value)
    }

    /// The numbers, for writing.
    pub fn values_mut(&mut self) -> &mut [f32] {
        values_mut(&mut self.value)
    }

    /// The gradient: what backward passes have added since it was last set to zero.
    pub fn gradient(&self) -> RefMut<'_, Vec<f32>> {
        self.gradient.borrow_mut()
    }

    /// The numbers for writing, together with the gradient.
    pub fn values_and_gradient_mut(&mut self) -> (&mut [f32], RefMut<'_, Vec<f32>>) {
        (values_mut(&mut self.value), self.gradient.borrow_mut())
    }

    /// The parameter as an input of dfdx's own operations: the way to write an operation that [`crate::ops`] lacks.
    pub fn on(&self, tape: &Tape) -> Activation {
        let mut tape = tape.clone();
        let (value, gradient) = (self.value.clone(), self.gradient.clone());
        tape.record(move |gradients| {
            // Set to zero, not taken out: the parameter may be on the tape more than once, under one identity.
            for (sum, new) in gradient.borrow_mut().iter_mut().zip(gradient_of(gradients, &value)) {
                *sum += std::mem::take(new);
            }
        });
        self.value.clone().put_tape(tape)
    }

    pub(crate) fn gradient_handle(&self) -> Gradient {
        self.gradient.clone()
    }
}
