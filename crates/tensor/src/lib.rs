//! The tensors of lrx: dfdx's tensor type, a tape that every branch of a network shares, and fused operations
//! that use all cores.
//!
//! This is the only crate that knows dfdx's insides, `gemm` and `unsafe`. What it gives the others:
//!
//! - [`Parameter`], a trained matrix with its gradient, and [`Activation`], a matrix on a [`Tape`]; dfdx's own operations
//!   work on both, so a new layer can be written with them first and be made fast later;
//! - [`ops`], the operations of the training path, each with value and gradient;
//! - [`adamw`], the optimizer's pass over one parameter;
//! - [`allocator`], which keeps memory from step to step, and [`limits`], what the machine can do at best.
//!
//! A batch is *ragged*: its stories' tokens stand end to end, one row each, and [`Offsets`] tells where a story begins.
//!
//! Every operation gives bit-identical results whatever the number of threads: sums are taken over pieces whose size does
//! not depend on the threads, in their order.

mod access;
pub mod adamw;
pub mod allocator;
mod buffer;
mod gradients;
pub mod limits;
mod mapped_file;
mod matmul;
pub mod ops;
mod parameter;
mod simd;
mod tape;

use std::rc::Rc;
use std::sync::LazyLock;

pub use access::{values, values_mut};
pub use dfdx;
pub use gradients::{ActivationGradients, ActivationId};
pub use mapped_file::map_file;
pub use matmul::{MatMut, MatRef, Threads, matmul};
pub use parameter::Parameter;
pub use tape::{Tape, Timings};

/// The device of every tensor.
pub type Cpu = dfdx::tensor::Cpu;
/// Rows × columns, row-major, f32, on no tape. A vector is a matrix of one row.
pub type Matrix = dfdx::tensor::Tensor<(usize, usize), f32, Cpu>;
/// A matrix on a [`Tape`]: tokens × features.
pub type Activation = dfdx::tensor::Tensor<(usize, usize), f32, Cpu, Tape>;
/// One number on a [`Tape`]: a loss.
pub type Scalar = dfdx::tensor::Tensor<(), f32, Cpu, Tape>;

/// Where the stories of a batch begin: story `s` occupies the rows `offsets[s]..offsets[s + 1]`.
pub type Offsets = Rc<[usize]>;

static DEVICE: LazyLock<Cpu> = LazyLock::new(Cpu::default);

/// A matrix of `rows × columns` from its values in row-major order, without a copy.
///
/// # Panics
/// When `values` does not hold `rows * columns` numbers.
pub fn matrix(values: Vec<f32>, rows: usize, columns: usize) -> Matrix {
    use dfdx::tensor::TensorFromVec;
    DEVICE.tensor_from_vec(values, (rows, columns))
}

/// A constant put on a tape: `matrix` as an input of differentiable operations.
pub fn activation(matrix: Matrix, tape: &Tape) -> Activation {
    use dfdx::tensor::PutTape;
    let mut tape = tape.clone();
    if tape.is_recording() {
        let id = ActivationId::from(&matrix);
        tape.record(move |gradients| drop(gradients.take(id))); // As of any operation's output: nobody else takes it.
    }
    matrix.put_tape(tape)
}

/// Rows and columns.
pub fn dims<T>(tensor: &dfdx::tensor::Tensor<(usize, usize), f32, Cpu, T>) -> (usize, usize) {
    use dfdx::shapes::HasShape;
    *tensor.shape()
}

fn scalar(value: f32) -> dfdx::tensor::Tensor<(), f32, Cpu> {
    use dfdx::tensor::TensorFromVec;
    DEVICE.tensor_from_vec(vec![value], ())
}
