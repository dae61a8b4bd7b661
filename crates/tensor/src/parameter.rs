//! A trained matrix with its gradient beside it.

use std::cell::{RefCell, RefMut};
use std::rc::Rc;

use rayon::prelude::*;

use crate::matmul::{MatMut, MatRef, Threads, matmul, product};
use crate::ops::add_on_all_threads;
use crate::tape::Tape;
use crate::{Activation, ActivationId, Matrix, Node, Precision, dims, values, values_mut};

/// A trained matrix (a vector is a matrix of one row) and the gradient that backward passes add to.
///
/// Whoever has used the gradient says so, as [`crate::adamw::update`] does; it counts as zero then, and its buffer makes room
/// for the activations of the next step, unless the next gradient comes while these are there.
pub struct Parameter {
    value: Matrix,
    gradient: Gradient,
}

/// A handle on a parameter's gradient, for the backward pass of an operation.
#[derive(Clone)]
pub(crate) struct Gradient {
    len: usize,
    sum: Rc<RefCell<Sum>>,
}

#[derive(Default)]
struct Sum {
    values: Vec<f32>,
    /// Whether `values` holds what was added since the gradient was last used; else it counts as zero.
    is_set: bool,
    /// Whether the buffer stays when the gradient has been used.
    is_kept: bool,
}

impl Gradient {
    fn new(len: usize) -> Self {
        Self { len, sum: Rc::default() }
    }

    /// The gradient, to be added to.
    pub(crate) fn borrow_mut(&self) -> RefMut<'_, Vec<f32>> {
        self.update(|values, add| {
            if !add {
                // An embedding's is large, and only with a tied head has somebody else set it before.
                values.par_chunks_mut(1 << 14).for_each(|values| values.fill(0.0));
            }
        });
        RefMut::map(self.sum.borrow_mut(), |sum| &mut sum.values)
    }

    /// Keeps the buffer from step to step: what is set in the forward pass, when all activations are there, would leave its
    /// place to nobody.
    pub(crate) fn keep(&self) {
        self.sum.borrow_mut().is_kept = true;
    }

    /// `f(values, add)` adds to the values or, when `add` is false, writes them all: they hold nothing of use then.
    pub(crate) fn update(&self, f: impl FnOnce(&mut [f32], bool)) {
        let Sum { values, is_set, .. } = &mut *self.sum.borrow_mut();
        if values.len() != self.len {
            *values = vec![0.0; self.len];
        }
        f(values, std::mem::replace(is_set, true));
    }

    /// Adds numbers that stand somewhere else.
    pub(crate) fn add(&self, share: &[f32]) {
        self.update(|values, add| if add { add_on_all_threads(values, share) } else { values.copy_from_slice(share) });
    }

    /// Adds `a · b`, a matrix with as many columns as the parameter.
    pub(crate) fn add_product(&self, a: MatRef<'_>, b: MatRef<'_>, precision: Precision) {
        let (rows, columns) = (a.rows(), b.columns());
        {
            let Sum { values, is_set, .. } = &mut *self.sum.borrow_mut();
            if values.len() != self.len {
                *values = product(a, b, precision, Threads::All);
                *is_set = true;
                return;
            }
        }
        self.update(|values, add| matmul(MatMut::new(values, rows, columns), add, a, b, precision, Threads::All));
    }
}

impl Parameter {
    /// A parameter that starts from `value`.
    pub fn new(value: Matrix) -> Self {
        let (rows, columns) = dims(&value);
        Self { value, gradient: Gradient::new(rows * columns) }
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

    /// Sets the gradient to zero.
    pub fn clear_gradient(&mut self) {
        let mut sum = self.gradient.sum.borrow_mut();
        sum.is_set = false;
        if !sum.is_kept {
            sum.values = Vec::new();
        }
    }

    /// The numbers for writing, together with the gradient.
    pub fn values_and_gradient_mut(&mut self) -> (&mut [f32], RefMut<'_, Vec<f32>>) {
        (values_mut(&mut self.value), self.gradient.borrow_mut())
    }

    /// The parameter as an activation: an input of any operation.
    pub fn on(&self, tape: &Tape) -> Activation {
        let (node, mut tape) = (Node::from(self.value.clone()), tape.clone());
        let (id, gradient) = (ActivationId::from(&node), self.gradient.clone());
        tape.record(move |gradients| {
            if let Some(share) = gradients.take_any(id) {
                gradient.add(&share);
            }
        });
        node.put_tape(tape)
    }

    pub(crate) fn gradient_handle(&self) -> Gradient {
        self.gradient.clone()
    }
}
