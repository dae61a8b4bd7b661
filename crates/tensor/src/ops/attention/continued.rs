//! Attention of tokens that come one after the other: generation.

use rayon::prelude::*;

use super::AttentionShape;
use crate::simd::{exponentials, max, sum2, vectorised};
use crate::{Matrix, dims, matrix, values};

/// What [`attention`](super::attention) gives for the last tokens of one story, from their queries and the keys and values of
/// all its tokens: q is new tokens × (heads · s), keys and values are all tokens × (key-value heads · s), row-major.
///
/// # Panics
/// When keys or values are not whole rows or fewer than the queries, or the shapes do not fit.
pub fn attention_continued(q: &Matrix, keys: &[f32], all_values: &[f32], shape: &AttentionShape) -> Matrix {
    let (queries, features) = dims(q);
    let &AttentionShape { heads, key_value_heads, scale, window } = shape;
    let width = features / heads.max(1) * key_value_heads;
    let head_size = shape.head_size(features, width);
    let tokens = keys.len() / width;
    assert!(keys.len() == tokens * width && all_values.len() == keys.len(), "a key and a value for each token");
    assert!(queries <= tokens, "{queries} queries of {tokens} tokens");

    let mut y = vec![0.0; queries * features];
    y.par_chunks_exact_mut(head_size).enumerate().for_each(|(i, y)| {
        let (query, head) = (i / heads, i % heads);
        let serving = head / (heads / key_value_heads);
        let columns = serving * head_size..(serving + 1) * head_size;
        let position = tokens - queries + query;
        let seen = (position + 1).saturating_sub(window.unwrap_or(usize::MAX))..position + 1;
        let [keys, all_values] =
            [keys, all_values].map(|all| all[seen.start * width..seen.end * width].chunks_exact(width));
        let q = &values(q)[query * features + head * head_size..][..head_size];
        vectorised(
            #[inline(always)]
            || {
                let mut scores: Vec<f32> = keys.map(|k| scale * sum2(q, &k[columns.clone()], |q, k| q * k)).collect();
                let largest = max(&scores);
                let total = exponentials(&mut scores, largest);
                for (score, v) in scores.iter().zip(all_values) {
                    let weight = score / total;
                    for (y, v) in y.iter_mut().zip(&v[columns.clone()]) {
                        *y += weight * v;
                    }
                }
            },
        );
    });
    matrix(y, queries, features)
}
