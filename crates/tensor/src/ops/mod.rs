//! The operations of the training path, each with value and gradient, one file an operation.
//!
//! Each takes activations by value (clone one to use it twice: that copies a handle), computes on all threads, and
//! records its backward pass on the activation's tape. Shapes are written tokens × features; a batch is ragged, so
//! there is no batch dimension and no padding. [`with_dfdx`] lets dfdx compute.

mod add;
mod attention;
mod block_linear;
mod couple;
mod dropout;
mod embedding;
mod head;
mod layer_norm;
mod left_linear;
mod linear;
mod multiply;
mod nonlinear;
mod norms;
mod regroup;
mod rms_norm;
mod rotary;
mod scale_columns;
mod sparse_linear;
mod transpose;
mod weighted_sum;
mod with_dfdx;

use rayon::prelude::*;

pub use add::{add, add_with_bias};
pub use attention::{AttentionShape, attention, attention_continued};
pub use block_linear::{Blocks, Order, block_linear};
pub use couple::couple;
pub use dropout::{dropout, dropout_from};
pub use embedding::embedding;
pub use head::{LOGITS_AT_ONCE, head_cross_entropies, head_cross_entropy, head_cross_entropy_of, head_logits};
pub use layer_norm::layer_norm;
pub use left_linear::left_linear;
pub use linear::{linear, linear_each};
pub use multiply::{multiply, scale};
pub use nonlinear::{Nonlinearity, gated, gelu, nonlinear, nonlinear_linear};
pub use regroup::regroup;
pub use rms_norm::rms_norm;
pub use rotary::rotary;
pub use scale_columns::scale_columns;
pub use sparse_linear::sparse_linear;
pub use weighted_sum::weighted_sum;
pub use with_dfdx::{DfdxMatrix, DfdxTape, with_dfdx};

/// Rows of a matrix that one thread works on at a time. Fixed, so that sums over blocks do not depend on the threads.
const BLOCK_ROWS: usize = 32;

/// Σ of `terms` added to `sum`, element by element, in order.
fn add_into(sum: &mut [f32], term: &[f32]) {
    for (sum, term) in sum.iter_mut().zip(term) {
        *sum += term;
    }
}

/// As [`add_into`], on all threads.
pub(crate) fn add_on_all_threads(sum: &mut [f32], term: &[f32]) {
    const BLOCK: usize = 1 << 14;
    sum.par_chunks_mut(BLOCK).zip(term.par_chunks(BLOCK)).for_each(|(sum, term)| add_into(sum, term));
}

/// `sum[j] += Σᵢ rows[i][j]`, blocks of rows on all threads.
fn add_column_sums(sum: &mut [f32], rows: &[f32]) {
    let columns = sum.len();
    let partial: Vec<Vec<f32>> = rows
        .par_chunks(BLOCK_ROWS * columns)
        .map(|block| {
            let mut partial = vec![0.0; columns];
            block.chunks_exact(columns).for_each(|row| add_into(&mut partial, row));
            partial
        })
        .collect();
    partial.iter().for_each(|block| add_into(sum, block));
}
