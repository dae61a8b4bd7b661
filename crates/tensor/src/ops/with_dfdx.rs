//! The way to dfdx's operations: for a new layer that needs what this crate lacks, to begin with.

use std::cell::RefCell;
use std::rc::Rc;

use dfdx::shapes::HasShape;
use dfdx::tensor::{Cpu, Gradients, HasErr, Merge, NoneTape, PutTape, SplitTape, Tensor, TensorFromVec};
use dfdx::tensor_ops::SumTo;

use crate::{Activation, ActivationId, Matrix, Node, Parameter, Tape, dims, values};

/// A matrix of dfdx in [`with_dfdx`]: rows × columns, f32.
pub type DfdxMatrix = Tensor<(usize, usize), f32, Cpu, DfdxTape>;

/// The tape of dfdx's operations inside one [`with_dfdx`]. Unlike dfdx's own it is a handle: clone a tensor to use it
/// twice. It keeps nothing in evaluation.
#[derive(Clone, Default)]
pub struct DfdxTape(Option<Rc<RefCell<Vec<Operation>>>>);

type Operation = Box<dyn FnOnce(&mut Gradients<f32, Cpu>) -> Result<(), Error>>;
type Error = <Cpu as HasErr>::Err;

/// What `forward` computes with dfdx's operations from some activations and parameters, with their gradients.
///
/// ```
/// use lrx_tensor::dfdx::prelude::*;
/// use lrx_tensor::ops::with_dfdx;
/// use lrx_tensor::{Activation, Parameter};
///
/// /// `tanh(x · A) ∘ x` with x: tokens × features, A: features × features.
/// fn gated(x: Activation, a: &Parameter) -> Activation {
///     with_dfdx([x], [a], |[x], [a]| x.clone().matmul(a).tanh() * x)
/// }
/// # use lrx_tensor::{Tape, activation, matrix, ops::weighted_sum, values};
/// # let (tape, a) = (Tape::recording(), Parameter::new(matrix(vec![0.5], 1, 1)));
/// # let y = gated(activation(matrix(vec![2.0], 1, 1), &tape), &a);
/// # assert!((values(&y)[0] - 2.0 * 1.0_f32.tanh()).abs() < 1e-6);
/// # Tape::backward(weighted_sum(y, &matrix(vec![1.0], 1, 1)));
/// # assert!((a.gradient()[0] - 4.0 * (1.0 - 1.0_f32.tanh().powi(2))).abs() < 1e-6);
/// ```
///
/// `forward` sees them as tensors of dfdx, on a tape of their own; a clone of one is a second use of the same. Values are
/// copied into dfdx and out of it, and most of dfdx's operations use one thread: it is right, and slow.
///
/// # Panics
/// When two activations are on different tapes, or `forward` panics: dfdx's operations do when shapes do not fit.
pub fn with_dfdx<const N: usize, const P: usize>(
    inputs: [Activation; N],
    parameters: [&Parameter; P],
    forward: impl FnOnce([DfdxMatrix; N], [DfdxMatrix; P]) -> DfdxMatrix,
) -> Activation {
    const { assert!(N > 0, "an activation, whose tape the output is on: a parameter can be one (Parameter::on)") };
    let mut tape = Tape::silent();
    let inputs = inputs.map(|input| {
        let (node, its_tape) = input.split_tape();
        tape = std::mem::take(&mut tape).merge(its_tape);
        node
    });
    let inside = DfdxTape(tape.is_recording().then(Rc::default));
    let input_leaves = inputs.each_ref().map(|input| in_dfdx(input));
    let parameter_leaves = parameters.map(|parameter| in_dfdx(parameter.value()));
    let on_tape = |leaf: &Tensor<(usize, usize), f32, Cpu>| leaf.clone().put_tape(inside.clone());
    let y = forward(input_leaves.each_ref().map(on_tape), parameter_leaves.each_ref().map(on_tape));
    let (rows, columns) = *y.shape();
    let output = Node::new(y.as_vec(), rows, columns);

    if tape.is_recording() {
        let (id, inputs) = (ActivationId::from(&output), inputs.each_ref().map(ActivationId::from));
        let parameter_gradients = parameters.map(Parameter::gradient_handle);
        tape.record(move |gradients| {
            let dy = Cpu::default().tensor_from_vec(gradients.take(id), (rows, columns));
            let mut inner = backward((y * dy).sum());
            let mut gradient =
                |leaf| std::mem::take(&mut **inner.get_or_alloc_mut(leaf).expect("memory for a gradient"));
            for (input, leaf) in inputs.into_iter().zip(&input_leaves) {
                gradients.of(input).add(gradient(leaf));
            }
            for (parameter, leaf) in parameter_gradients.iter().zip(&parameter_leaves) {
                parameter.add(&gradient(leaf));
            }
        });
    }
    output.put_tape(tape)
}

fn in_dfdx(matrix: &Matrix) -> Tensor<(usize, usize), f32, Cpu> {
    Cpu::default().tensor_from_vec(values(matrix).to_vec(), dims(matrix))
}

/// Runs dfdx's operations backwards. The loss's gradient is 1; a product with the gradient of the output stands before it
/// because the output may be a view (a transpose, a repetition), of which dfdx alone knows how its gradient lies in memory.
fn backward(loss: Tensor<(), f32, Cpu, DfdxTape>) -> Gradients<f32, Cpu> {
    let (loss, DfdxTape(operations)) = loss.split_tape();
    let mut gradients = Gradients::leaky();
    gradients.get_or_alloc_mut(&loss).expect("memory for one number").fill(1.0);
    for operation in operations.expect("recorded").take().into_iter().rev() {
        operation(&mut gradients).expect("memory for a gradient");
    }
    gradients
}

impl dfdx::tensor::Tape<f32, Cpu> for DfdxTape {
    const OWNS_TAPE: bool = true;

    fn add_backward_op<F>(&mut self, operation: F)
    where
        F: 'static + FnOnce(&mut Gradients<f32, Cpu>) -> Result<(), Error>,
    {
        if let Some(operations) = &self.0 {
            operations.borrow_mut().push(Box::new(operation));
        }
    }
}

/// Both are handles on the same tape, or one of them is new: of a tensor that `forward` made itself.
impl Merge<DfdxTape> for DfdxTape {
    fn merge(self, other: DfdxTape) -> Self {
        Self(self.0.or(other.0))
    }
}

impl Merge<NoneTape> for DfdxTape {
    fn merge(self, _: NoneTape) -> Self {
        self
    }
}
