//! Attention of tokens that come one after the other: generation.

use rayon::prelude::*;

use crate::simd::{exponentials, max, sum2, vectorised};
use crate::{Matrix, dims, matrix, values};

/// What [`attention`](super::attention) gives for the last tokens of one story, from their queries and the keys and
/// values of all its tokens: q is new tokens × features, keys and values are all tokens × features, row-major.
///
/// # Panics
/// When keys or values are not whole rows or fewer than the queries, or the heads do not divide the features.
pub fn attention_continued(
    q: &Matrix,
    keys: &[f32],
    all_values: &[f32],
    heads: usize,
    window: Option<usize>,
) -> Matrix {
    let (queries, features) = dims(q);
    let tokens = keys.len() / features;
    assert!(keys.len() == tokens * features && all_values.len() == keys.len(), "a key and a value for each token");
    assert!(queries <= tokens, "{queries} queries of {tokens} tokens");
    assert!(heads > 0 && features % heads == 0, "{heads} heads divide {features} features");
    assert!(window != Some(0), "a window of at least one token");
    let head_size = features / heads;

    let mut y = vec![0.0; queries * features];
    y.par_chunks_exact_mut(head_size).enumerate().for_each(|(i, y)| {
        let (query, head) = (i / heads, i % heads);
        let columns = head * head_size..(head + 1) * head_size;
        let position = tokens - queries + query;
        let seen = (position + 1).saturating_sub(window.unwrap_or(usize::MAX))..position + 1;
        let [keys, all_values] =
            [keys, all_values].map(|all| all[seen.start * features..seen.end * features].chunks_exact(features));
        let q = &values(q)[query * features..][columns.clone()];
        vectorised(
            #[inline(always)]
            || {
                let mut scores: Vec<f32> = keys.map(|k| sum2(q, &k[columns.clone()], |q, k| q * k)).collect();
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
