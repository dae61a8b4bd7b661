//! Every operation of the crate, value and gradients, against a source that is not the crate itself: dfdx's own
//! operations in f64, or f64 code written from the formula where dfdx has no such operation.

mod adamw;
mod attention;
mod bf16;
mod blocks;
mod common;
mod dropout;
mod elementwise;
mod embedding;
mod head;
mod layer_norm;
mod linear;
mod matmul;
mod muon;
mod nonlinear;
mod pytorch;
mod rms_norm;
mod rotary;
mod sgd;
mod sparse_linear;
mod tape;
mod threads;
mod threads_any_shape;
