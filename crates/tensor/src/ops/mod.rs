//! The operations of the training path, each with value and gradient, one file an operation.
//!
//! Each takes activations by value (clone one to use it twice: that copies a handle), computes on all threads, and
//! records its backward pass on the activation's tape. Shapes are written tokens × features; a batch is ragged, so
//! there is no batch dimension and no padding.

mod add;
mod attention;
mod embedding;
mod gelu;
mod head;
mod layer_norm;
mod linear;
mod scale_columns;

use rayon::prelude::*;

pub use add::add;
pub use attention::{AttentionShape, attention, attention_continued};
pub use embedding::embedding;
pub use gelu::gelu;
pub use head::{head_cross_entropy, head_logits};
pub use layer_norm::layer_norm;
pub use linear::linear;
pub use scale_columns::scale_columns;

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
