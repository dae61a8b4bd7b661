//! One tape for all branches of a network, silent in evaluation.
//!
//! dfdx's own tapes are moved from tensor to tensor and merged where branches meet, and whether a tensor is on one is
//! part of its type. A [`Tape`] is a handle that is copied instead: every activation of a forward pass holds the same
//! one, and in evaluation it holds nothing. A layer has therefore one `forward`, for training and evaluation alike, and
//! can be a trait object.

use std::cell::RefCell;
use std::rc::Rc;

use dfdx::tensor::{Gradients, Merge, NoneTape, OwnedTape, PutTape, SplitTape, Tensor};
use dfdx::tensor_ops::Backward;

use crate::{Cpu, Scalar};

/// The gradients of activations during a backward pass. Those of parameters stand beside the parameters.
pub type ActivationGradients = Gradients<f32, Cpu>;

/// A handle on the record of a forward pass, or on none.
#[derive(Clone, Default)]
pub struct Tape(Option<Rc<RefCell<OwnedTape<f32, Cpu>>>>);

impl Tape {
    /// A new tape that records: training.
    pub fn recording() -> Self {
        Self(Some(Rc::default()))
    }

    /// A tape that records nothing: evaluation and generation.
    pub fn silent() -> Self {
        Self(None)
    }

    /// Whether operations are being recorded.
    pub fn is_recording(&self) -> bool {
        self.0.is_some()
    }

    /// Records what an operation does to gradients. `backward` is dropped on a silent tape.
    pub fn record(&mut self, backward: impl FnOnce(&mut ActivationGradients) + 'static) {
        dfdx::tensor::Tape::add_backward_op(self, move |gradients| {
            backward(gradients);
            Ok(())
        });
    }

    /// Runs the recorded operations backwards from `loss`, whose own gradient is 1. Afterwards each
    /// [`Parameter`](crate::Parameter) that took part has had its gradient added to.
    ///
    /// # Panics
    /// When `loss` is on a silent tape.
    pub fn backward(loss: Scalar) {
        let (loss, tape) = loss.split_tape();
        let recording = tape.0.expect("a loss on a recording tape");
        let operations = recording.take();
        loss.put_tape(operations).backward();
    }
}

impl dfdx::tensor::Tape<f32, Cpu> for Tape {
    const OWNS_TAPE: bool = true;

    fn add_backward_op<F>(&mut self, operation: F)
    where
        F: 'static + FnOnce(&mut ActivationGradients) -> Result<(), <Cpu as dfdx::tensor::HasErr>::Err>,
    {
        if let Some(recording) = &self.0 {
            recording.borrow_mut().add_backward_op(operation);
        }
    }
}

/// Both are handles on the same tape, or one of them is silent.
impl Merge<Tape> for Tape {
    fn merge(self, other: Tape) -> Self {
        if let (Some(one), Some(other)) = (&self.0, &other.0) {
            assert!(Rc::ptr_eq(one, other), "activations that meet are on the same tape");
        }
        Self(self.0.or(other.0))
    }
}

impl Merge<NoneTape> for Tape {
    fn merge(self, _: NoneTape) -> Self {
        self
    }
}

/// The gradient of an operation's input, to be added to.
pub(crate) fn gradient_of<'g, T>(
    gradients: &'g mut ActivationGradients,
    input: &Tensor<(usize, usize), f32, Cpu, T>,
) -> &'g mut [f32] {
    gradients.get_or_alloc_mut(input).expect("memory for a gradient").as_mut_slice()
}

/// The gradient of an operation's output, taken out because nobody asks for it after the operation's backward pass.
pub(crate) fn take_gradient<T>(
    gradients: &mut ActivationGradients,
    output: &Tensor<(usize, usize), f32, Cpu, T>,
) -> Vec<f32> {
    std::mem::take(&mut **gradients.get_or_alloc_mut(output).expect("memory for a gradient"))
}
