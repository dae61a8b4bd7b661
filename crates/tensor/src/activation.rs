//! Matrices and numbers on a tape.

use std::ops::{Add, Deref};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::kept::Again;
use crate::{Matrix, Tape, dims, matrix};

/// What the gradient of an activation is found by. It does not hold the activation's values: an operation whose backward
/// pass needs none of them lets their memory go.
#[derive(Clone, Copy, Debug)]
pub struct ActivationId {
    /// Given out once in the life of the process.
    number: u64,
    rows: usize,
    columns: usize,
}

impl ActivationId {
    fn new(rows: usize, columns: usize) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self { number: NEXT.fetch_add(1, Ordering::Relaxed), rows, columns }
    }

    pub(crate) fn number(self) -> u64 {
        self.number
    }

    pub(crate) fn dims(self) -> (usize, usize) {
        (self.rows, self.columns)
    }
}

/// A matrix that an operation works on or has made: an [`Activation`] without its tape. Operations take theirs apart
/// ([`Activation::split_tape`]) and keep for the backward pass what it needs: a node with its values, or its
/// [`ActivationId`] alone.
#[derive(Clone, Debug)]
pub struct Node {
    matrix: Matrix,
    id: ActivationId,
    /// Where it need not be kept.
    again: Option<Arc<Again>>,
}

impl Node {
    /// What an operation has made, from its values in row-major order, without a copy.
    ///
    /// # Panics
    /// When `values` does not hold `rows * columns` numbers.
    pub fn new(values: Vec<f32>, rows: usize, columns: usize) -> Self {
        matrix(values, rows, columns).into()
    }

    /// The same, of which later operations may keep how it is made again.
    pub(crate) fn that_is_made_again(self, again: Arc<Again>) -> Self {
        Self { again: Some(again), ..self }
    }

    /// The matrix, and how it is made again.
    pub(crate) fn split(self) -> (Matrix, Option<Arc<Again>>) {
        (self.matrix, self.again)
    }

    /// The operation's output, whose backward pass has been recorded on `tape`.
    pub fn put_tape(self, tape: Tape) -> Activation {
        Activation { node: self, tape }
    }
}

/// A node of its own: of two that are made from one matrix each has a gradient.
impl From<Matrix> for Node {
    fn from(matrix: Matrix) -> Self {
        let (rows, columns) = dims(&matrix);
        Self { matrix, id: ActivationId::new(rows, columns), again: None }
    }
}

impl Deref for Node {
    type Target = Matrix;

    fn deref(&self) -> &Matrix {
        &self.matrix
    }
}

/// A matrix on a [`Tape`]: tokens × features. A clone is another handle on the same: what its gradient is added to.
#[derive(Clone)]
pub struct Activation {
    node: Node,
    tape: Tape,
}

impl Activation {
    /// The tape that it is on.
    pub fn tape(&self) -> &Tape {
        &self.tape
    }

    /// The matrix with its identity, and the tape.
    pub fn split_tape(self) -> (Node, Tape) {
        (self.node, self.tape)
    }
}

impl Deref for Activation {
    type Target = Node;

    fn deref(&self) -> &Node {
        &self.node
    }
}

/// A constant put on a tape: `matrix` as an input of differentiable operations.
pub fn activation(matrix: Matrix, tape: &Tape) -> Activation {
    let (node, mut tape) = (Node::from(matrix), tape.clone());
    let id = ActivationId::from(&node);
    tape.record(move |gradients| drop(gradients.take_any(id))); // As of any operation's output: nobody else takes it.
    node.put_tape(tape)
}

/// One number on a [`Tape`]: a loss.
pub struct Scalar {
    value: f32,
    id: ActivationId,
    tape: Tape,
}

impl Scalar {
    /// What an operation has made; its backward pass is to be recorded under the scalar's [`ActivationId`].
    pub fn new(value: f32, tape: &Tape) -> Self {
        Self { value, id: ActivationId::new(1, 1), tape: tape.clone() }
    }

    /// The number.
    pub fn value(&self) -> f32 {
        self.value
    }

    /// The tape that it is on.
    pub fn tape(&self) -> &Tape {
        &self.tape
    }
}

/// Their sum; both get its gradient.
impl Add for Scalar {
    type Output = Scalar;

    fn add(self, other: Scalar) -> Scalar {
        let (terms, mut tape) = ([self.id, other.id], self.tape.merge(other.tape));
        let sum = Scalar::new(self.value + other.value, &tape);
        let id = sum.id;
        tape.record(move |gradients| {
            let gradient = gradients.take(id);
            terms.into_iter().for_each(|term| gradients.of(term).add_copy(&gradient));
        });
        sum
    }
}

impl From<&Node> for ActivationId {
    fn from(node: &Node) -> Self {
        node.id
    }
}

impl From<&Activation> for ActivationId {
    fn from(activation: &Activation) -> Self {
        activation.node.id
    }
}

impl From<&Scalar> for ActivationId {
    fn from(scalar: &Scalar) -> Self {
        scalar.id
    }
}
