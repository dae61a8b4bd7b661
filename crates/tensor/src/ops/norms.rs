//! What layer_norm and rms_norm have in common.

use rayon::prelude::*;

use super::{BLOCK_ROWS, add_into};
use crate::simd::vectorised;
use crate::{ActivationGradients, Node, dims, values};

/// Adds a norm's share to the gradient of its input x. `row(x, dy, sums)` turns a token's dy into dx, and adds to the sums
/// over tokens, `sum_len` numbers. Returns those of each block of rows, in order.
pub(super) fn backward_rows(
    gradients: &mut ActivationGradients,
    x: &Node,
    dy: Vec<f32>,
    sum_len: usize,
    row: impl Fn(&[f32], &mut [f32], &mut [f32]) + Sync,
) -> Vec<Vec<f32>> {
    let mut dx = dy;
    let (tokens, features) = dims(x);
    let block = BLOCK_ROWS * features;
    // dx is added to what the input's gradient may already hold while it is in the cache.
    let sum = gradients.of(x).so_far();
    let is_new = sum.is_none();
    let mut sums: Vec<_> = sum.into_iter().flat_map(|sum| sum.chunks_mut(block)).map(Some).collect();
    sums.resize_with(tokens.div_ceil(BLOCK_ROWS), || None);
    let partial = dx
        .par_chunks_mut(block)
        .zip(values(x).par_chunks(block))
        .zip(sums)
        .map(|((dy, x), sum)| {
            let mut of_block = vec![0.0; sum_len];
            vectorised(
                #[inline(always)]
                || {
                    for (dy, x) in dy.chunks_exact_mut(features).zip(x.chunks_exact(features)) {
                        row(x, dy, &mut of_block);
                    }
                    if let Some(sum) = sum {
                        add_into(sum, dy);
                    }
                },
            );
            of_block
        })
        .collect();
    if is_new {
        gradients.of(x).add(dx);
    }
    partial
}
