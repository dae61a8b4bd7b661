//! Causal attention within each story of a ragged batch (Vaswani et al. 2017), as GPT-Neo computes it: the scores are
//! **not** divided by √head size.
//!
//! Work is cut into one task per story and head, and within it into tiles of queries, so that no more scores than a
//! tile's are held at once. The backward pass computes them anew from the saved log-sums (Dao et al. 2022).

use std::ops::Range;

use dfdx::tensor::{Merge, PutTape, SplitTape};
use rayon::prelude::*;

use crate::buffer::filled;
use crate::matmul::{MatMut, MatRef, Threads, matmul};
use crate::simd::{LANES, exp, exponentials, max, sum2, vectorised};
use crate::{Activation, Offsets, dims, matrix, values};

/// Queries in a tile.
const TILE: usize = 64;

/// What attention needs to know beside its inputs.
#[derive(Clone)]
pub struct AttentionShape {
    /// Where the stories begin; a token attends within its story only.
    pub offsets: Offsets,
    /// The features are cut into so many heads.
    pub heads: usize,
    /// `Some(w)`: a token sees itself and the w − 1 tokens before it (GPT-Neo's local attention). `None`: all before it.
    pub window: Option<usize>,
}

/// For each head and token i: `Σⱼ softmaxⱼ(qᵢ · kⱼ) vⱼ` over the tokens j ≤ i of the same story (within the window).
/// All of q, k, v and the output are tokens × features, head h in the columns h·s … (h+1)·s, s = features / heads.
///
/// Gradients, with P the softmax, O the output and dO its gradient: dV = Pᵀ dO, dS = P ∘ (dO Vᵀ − rowsum(dO ∘ O)),
/// dQ = dS K, dK = dSᵀ Q.
///
/// # Panics
/// When the shapes differ, the heads do not divide the features, or the offsets do not end at the number of tokens.
pub fn attention(q: Activation, k: Activation, v: Activation, shape: &AttentionShape) -> Activation {
    let ((q, q_tape), (k, k_tape), (v, v_tape)) = (q.split_tape(), k.split_tape(), v.split_tape());
    let mut tape = q_tape.merge(k_tape).merge(v_tape);
    let (tokens, features) = dims(&q);
    assert!(dims(&k) == (tokens, features) && dims(&v) == (tokens, features), "one shape for q, k and v");
    assert_eq!(shape.offsets.last(), Some(&tokens), "offsets that end at the number of tokens");
    assert!(shape.heads > 0 && features % shape.heads == 0, "{} heads divide {features} features", shape.heads);
    assert!(shape.window != Some(0), "a window of at least one token");

    let tasks = Task::all(shape, features);
    let inputs = [values(&q), values(&k), values(&v)];
    let mut log_sums = Vec::new();
    // SAFETY: the tasks' parts cover the matrix, and `forward` writes each token's row of its part.
    let y = unsafe {
        filled(tokens * features, |y| {
            let parts = Task::parts(&tasks, MatMut::unwritten(y, tokens, features));
            log_sums = tasks.par_iter().zip(parts).map(|(task, y)| task.forward(inputs, y)).collect();
        })
    };
    let y = matrix(y, tokens, features);

    if tape.is_recording() {
        let output = y.clone();
        tape.record(move |gradients| {
            let dy = gradients.take(&output);
            let inputs = [values(&q), values(&k), values(&v)];
            let [mut dk, mut dv] = [Vec::new(), Vec::new()];
            // SAFETY: the tasks' parts cover the three matrices, and `backward` writes each token's row of its parts.
            let dq = unsafe {
                filled(tokens * features, |dq| {
                    dk = filled(tokens * features, |dk| {
                        dv = filled(tokens * features, |dv| {
                            let [dq, dk, dv] =
                                [dq, dk, dv].map(|d| Task::parts(&tasks, MatMut::unwritten(d, tokens, features)));
                            let parts = dq.into_par_iter().zip(dk).zip(dv);
                            tasks.par_iter().zip(&log_sums).zip(parts).for_each(
                                |((task, log_sums), ((dq, dk), dv))| {
                                    task.backward(inputs, values(&output), &dy, log_sums, [dq, dk, dv]);
                                },
                            );
                        });
                    });
                })
            };
            for (input, gradient) in [&q, &k, &v].into_iter().zip([dq, dk, dv]) {
                gradients.of(input).add(gradient);
            }
        });
    }
    y.put_tape(tape)
}

/// One head of one story.
struct Task {
    rows: Range<usize>,
    head: usize,
    head_size: usize,
    features: usize,
    window: usize,
}

/// The queries of a tile and the keys that any of them sees, counted within the story.
struct Tile {
    queries: Range<usize>,
    keys: Range<usize>,
}

impl Task {
    /// Stories one after the other, the heads of each side by side.
    fn all(shape: &AttentionShape, features: usize) -> Vec<Task> {
        let head_size = features / shape.heads;
        let window = shape.window.unwrap_or(usize::MAX);
        shape
            .offsets
            .windows(2)
            .flat_map(|story| {
                let rows = story[0]..story[1];
                (0..shape.heads).map(move |head| Task { rows: rows.clone(), head, head_size, features, window })
            })
            .collect()
    }

    fn tiles(&self) -> impl Iterator<Item = Tile> + '_ {
        let tokens = self.rows.len();
        (0..tokens).step_by(TILE).map(move |start| {
            let end = (start + TILE).min(tokens);
            Tile { queries: start..end, keys: (start + 1).saturating_sub(self.window)..end }
        })
    }

    /// The keys of `tile` that query `i` of the tile sees, counted from the tile's first key.
    fn seen(&self, tile: &Tile, i: usize) -> Range<usize> {
        let query = tile.queries.start + i;
        (query + 1).saturating_sub(self.window) - tile.keys.start..query + 1 - tile.keys.start
    }

    /// This head's columns of the story's rows `rows`.
    fn view<'a>(&self, whole: &'a [f32], rows: &Range<usize>) -> MatRef<'a> {
        let start = (self.rows.start + rows.start) * self.features + self.head * self.head_size;
        MatRef::block(&whole[start..], rows.len(), self.head_size, self.features)
    }

    /// Each task's part of a tokens × features matrix.
    fn parts<'a>(tasks: &[Task], whole: MatMut<'a>) -> Vec<MatMut<'a>> {
        let mut parts = Vec::with_capacity(tasks.len());
        let (mut story, mut after) = whole.split_rows(0);
        for task in tasks {
            if task.head == 0 {
                (story, after) = after.split_rows(task.rows.len());
            }
            let (part, other_heads) = story.split_columns(task.head_size);
            parts.push(part);
            story = other_heads;
        }
        parts
    }

    /// Writes the story's output of this head; returns ln Σ exp(score) of each of its tokens.
    fn forward(&self, [q, k, v]: [&[f32]; 3], mut y: MatMut<'_>) -> Vec<f32> {
        let tokens = self.rows.len();
        let mut log_sums = vec![0.0; tokens];
        let mut scores = vec![0.0; TILE.min(tokens) * padded(tokens)];
        for tile in self.tiles() {
            let (queries, keys) = (tile.queries.len(), tile.keys.len());
            let stride = padded(keys);
            let scores = &mut scores[..queries * stride];
            let (q_tile, k_tile, v_tile) =
                (self.view(q, &tile.queries), self.view(k, &tile.keys), self.view(v, &tile.keys));
            matmul(MatMut::block(scores, queries, keys, stride), false, q_tile, k_tile.t(), Threads::One);
            let mut totals = [0.0; TILE];
            vectorised(
                #[inline(always)]
                || {
                    for (i, row) in scores.chunks_exact_mut(stride).enumerate() {
                        let row = mask(row, self.seen(&tile, i));
                        let largest = max(row);
                        totals[i] = exponentials(row, largest);
                        log_sums[tile.queries.start + i] = totals[i].ln() + largest;
                    }
                },
            );
            let mut y = y.some_rows_mut(tile.queries.clone());
            matmul(y.reborrow(), false, MatRef::block(scores, queries, keys, stride), v_tile, Threads::One);
            for (i, total) in totals[..queries].iter().enumerate() {
                let scale = 1.0 / total;
                // SAFETY: the product has written the row.
                unsafe { y.row(i) }.iter_mut().for_each(|y| *y *= scale);
            }
        }
        log_sums
    }

    /// Writes the gradients of the story's q, k and v of this head.
    fn backward(&self, [q, k, v]: [&[f32]; 3], y: &[f32], dy: &[f32], log_sums: &[f32], gradients: [MatMut<'_>; 3]) {
        let tokens = self.rows.len();
        let [mut dq, mut dk, mut dv] = gradients;
        let mut p = vec![0.0; TILE.min(tokens) * padded(tokens)];
        let mut ds = p.clone();
        for tile in self.tiles() {
            let (queries, keys) = (tile.queries.len(), tile.keys.len());
            let stride = padded(keys);
            let (p, ds) = (&mut p[..queries * stride], &mut ds[..queries * stride]);
            let (q_tile, dy_tile) = (self.view(q, &tile.queries), self.view(dy, &tile.queries));
            let (k_tile, v_tile) = (self.view(k, &tile.keys), self.view(v, &tile.keys));
            matmul(MatMut::block(p, queries, keys, stride), false, q_tile, k_tile.t(), Threads::One);
            matmul(MatMut::block(ds, queries, keys, stride), false, dy_tile, v_tile.t(), Threads::One);
            vectorised(
                #[inline(always)]
                || {
                    for (i, (p, ds)) in p.chunks_exact_mut(stride).zip(ds.chunks_exact_mut(stride)).enumerate() {
                        let token = tile.queries.start + i;
                        let start = (self.rows.start + token) * self.features + self.head * self.head_size;
                        let columns = start..start + self.head_size;
                        let dot = sum2(&dy[columns.clone()], &y[columns], |dy, y| dy * y);
                        let p = mask(p, self.seen(&tile, i));
                        let (ds, unseen) = ds.split_at_mut(p.len());
                        unseen.fill(0.0);
                        softmax_gradient(p, ds, log_sums[token], dot);
                    }
                },
            );
            let (p, ds) = (MatRef::block(p, queries, keys, stride), MatRef::block(ds, queries, keys, stride));
            matmul(dq.some_rows_mut(tile.queries.clone()), false, ds, k_tile, Threads::One);
            for (gradient, scores, queries) in [(&mut dk, ds, q_tile), (&mut dv, p, dy_tile)] {
                // The tile is the first that sees its own tokens as keys.
                gradient.some_rows_mut(tile.queries.clone()).set_to_zero();
                matmul(gradient.some_rows_mut(tile.keys.clone()), true, scores.t(), queries, Threads::One);
            }
        }
    }
}

/// Rows of scores are this long: a whole number of vectors.
fn padded(keys: usize) -> usize {
    keys.next_multiple_of(LANES)
}

/// Sets the scores outside `seen` to −∞ up to a whole number of vectors, which are returned, and those behind to 0: what
/// their exponentials would be.
#[inline(always)]
fn mask(row: &mut [f32], seen: Range<usize>) -> &mut [f32] {
    let (row, unseen) = row.split_at_mut(padded(seen.end));
    unseen.fill(0.0);
    row[..seen.start].fill(f32::NEG_INFINITY);
    row[seen.end..].fill(f32::NEG_INFINITY);
    row
}

/// Turns scores into the softmax P in `p`, and dP into dS = P ∘ (dP − dot) in `ds`; both 0 where the score is −∞.
#[inline(always)]
fn softmax_gradient(p: &mut [f32], ds: &mut [f32], log_sum: f32, dot: f32) {
    for (p, ds) in p.as_chunks_mut::<LANES>().0.iter_mut().zip(ds.as_chunks_mut::<LANES>().0) {
        for (p, ds) in p.iter_mut().zip(ds) {
            *p = exp(*p - log_sum);
            *ds = *p * (*ds - dot);
        }
    }
}
