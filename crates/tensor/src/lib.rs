//! The tensors of lrx, a tape that every branch of a network shares, and fused operations that use all cores.
//!
//! This is the only crate that knows `gemm` and `unsafe`. What it gives the others:
//!
//! - [`Matrix`]; [`Parameter`], a trained matrix with its gradient; [`Activation`], a matrix on a [`Tape`];
//! - [`ops`], the operations of the training path, each with value and gradient, and [`ops::with_dfdx`], by which a new
//!   layer can be written with dfdx's operations first and be made fast later;
//! - [`adamw`], [`sgd`] and [`muon`], the optimizers' passes over one parameter;
//! - [`allocator`], which keeps memory from step to step, and [`limits`], what the machine can do at best.
//!
//! A batch is *ragged*: its stories' tokens stand end to end, one row each, and [`Offsets`] tells where a story begins.
//!
//! # The same bits
//!
//! Every operation gives bit-identical results whatever the number of threads, and whatever the processor's caches: sums are
//! taken over pieces whose size follows from the shapes, in their order.
//!
//! Another processor gives the same bits if it computes with the same [`arithmetic`], with the same program and the same
//! mathematics library of the system (logarithms, powers, sines). It may give others if it does not: AVX-512, AVX2 and
//! processors without either add up narrow products in other orders. What dfdx computes ([`ops::with_dfdx`]) follows rules
//! of its own; the threads change none of its bits, but the caches may.

mod activation;
pub mod adamw;
pub mod allocator;
mod arithmetic;
pub mod bf16;
mod buffer;
mod gradients;
mod kept;
pub mod limits;
mod matmul;
mod matrix;
pub mod muon;
pub mod ops;
mod parameter;
mod precision;
pub mod sgd;
mod simd;
mod tape;

use std::rc::Rc;

pub use activation::{Activation, ActivationId, Node, Scalar, activation};
pub use arithmetic::arithmetic;
pub use dfdx;
pub use gradients::ActivationGradients;
pub use matmul::{MatMut, MatRef, Threads, matmul};
pub use matrix::{Matrix, dims, matrix, values, values_mut};
pub use parameter::Parameter;
pub use precision::Precision;
pub use tape::{Tape, Timings};

/// Where the stories of a batch begin: story `s` occupies the rows `offsets[s]..offsets[s + 1]`.
pub type Offsets = Rc<[usize]>;
