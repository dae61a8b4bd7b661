//! Causal attention within each story of a ragged batch (Vaswani et al. 2017), as GPT-Neo computes it: the scores are
//! **not** divided by √head size.
//!
//! Work is cut into one task per story and head, and within it into tiles of queries, so that no more scores than a
//! tile's are held at once. The backward pass computes them anew from the saved log-sums (Dao et al. 2022).

use std::ops::Range;

use dfdx::tensor::{Merge, PutTape, SplitTape};
use rayon::prelude::*;

use super::add_into;
use crate::matmul::{MatMut, MatRef, Threads, matmul};
use crate::simd::{exp, max, sum, sum2, vectorised};
use crate::tape::{gradient_of, take_gradient};
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
    let (outputs, log_sums): (Vec<_>, Vec<_>) = tasks.par_iter().map(|task| task.forward(inputs)).unzip();
    let mut y = vec![0.0; tokens * features];
    assemble(&mut y, &tasks, &outputs, |y, part| y.copy_from_slice(part));
    let y = matrix(y, tokens, features);

    if tape.is_recording() {
        let output = y.clone();
        tape.record(move |gradients| {
            let dy = take_gradient(gradients, &output);
            let inputs = [values(&q), values(&k), values(&v)];
            let parts: Vec<[Vec<f32>; 3]> = tasks
                .par_iter()
                .zip(&log_sums)
                .map(|(task, log_sums)| task.backward(inputs, values(&output), &dy, log_sums))
                .collect();
            let mut parts = parts.into_iter().fold([vec![], vec![], vec![]], |mut all, [dq, dk, dv]| {
                all[0].push(dq);
                all[1].push(dk);
                all[2].push(dv);
                all
            });
            for (input, parts) in [&q, &k, &v].into_iter().zip(&mut parts) {
                assemble(gradient_of(gradients, input), &tasks, parts, add_into);
            }
        });
    }
    y.put_tape(tape)
}

/// Puts the tasks' parts (story's tokens × head size each) into their places of a tokens × features matrix.
fn assemble(whole: &mut [f32], tasks: &[Task], parts: &[Vec<f32>], put: impl Fn(&mut [f32], &[f32]) + Sync) {
    let Some(Task { features, head_size, .. }) = tasks.first() else { return };
    let heads = features / head_size;
    let mut stories = Vec::with_capacity(tasks.len() / heads);
    let mut rest = whole;
    for task in tasks.iter().step_by(heads) {
        let (story, after) = rest.split_at_mut(task.rows.len() * features);
        stories.push(story);
        rest = after;
    }
    stories.into_par_iter().zip(parts.par_chunks(heads)).for_each(|(story, heads)| {
        for (i, row) in story.chunks_exact_mut(*features).enumerate() {
            for (row, head) in row.chunks_exact_mut(*head_size).zip(heads) {
                put(row, &head[i * head_size..][..*head_size]);
            }
        }
    });
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

    /// The story's output of this head, and ln Σ exp(score) of each of its tokens.
    fn forward(&self, [q, k, v]: [&[f32]; 3]) -> (Vec<f32>, Vec<f32>) {
        let tokens = self.rows.len();
        let mut output = vec![0.0; tokens * self.head_size];
        let mut log_sums = vec![0.0; tokens];
        let mut scores = vec![0.0; TILE.min(tokens) * tokens];
        for tile in self.tiles() {
            let (queries, keys) = (tile.queries.len(), tile.keys.len());
            let scores = &mut scores[..queries * keys];
            matmul(
                MatMut::new(scores, queries, keys),
                false,
                self.view(q, &tile.queries),
                self.view(k, &tile.keys).t(),
                Threads::One,
            );
            vectorised(
                #[inline(always)]
                || {
                    for (i, row) in scores.chunks_exact_mut(keys).enumerate() {
                        let seen = self.seen(&tile, i);
                        log_sums[tile.queries.start + i] = softmax(row, seen);
                    }
                },
            );
            matmul(
                MatMut::new(self.part(&mut output, &tile.queries), queries, self.head_size),
                false,
                MatRef::new(scores, queries, keys),
                self.view(v, &tile.keys),
                Threads::One,
            );
        }
        (output, log_sums)
    }

    /// The gradients of the story's q, k and v of this head.
    fn backward(&self, [q, k, v]: [&[f32]; 3], y: &[f32], dy: &[f32], log_sums: &[f32]) -> [Vec<f32>; 3] {
        let tokens = self.rows.len();
        let [mut dq, mut dk, mut dv] = [(); 3].map(|()| vec![0.0; tokens * self.head_size]);
        let mut p = vec![0.0; TILE.min(tokens) * tokens];
        let mut ds = p.clone();
        for tile in self.tiles() {
            let (queries, keys) = (tile.queries.len(), tile.keys.len());
            let (p, ds) = (&mut p[..queries * keys], &mut ds[..queries * keys]);
            let (q_tile, dy_tile) = (self.view(q, &tile.queries), self.view(dy, &tile.queries));
            let (k_tile, v_tile) = (self.view(k, &tile.keys), self.view(v, &tile.keys));
            matmul(MatMut::new(p, queries, keys), false, q_tile, k_tile.t(), Threads::One);
            matmul(MatMut::new(ds, queries, keys), false, dy_tile, v_tile.t(), Threads::One);
            vectorised(
                #[inline(always)]
                || {
                    for (i, (p, ds)) in p.chunks_exact_mut(keys).zip(ds.chunks_exact_mut(keys)).enumerate() {
                        let token = tile.queries.start + i;
                        let start = (self.rows.start + token) * self.features + self.head * self.head_size;
                        let columns = start..start + self.head_size;
                        let dot = sum2(&dy[columns.clone()], &y[columns], |dy, y| dy * y);
                        softmax_gradient(p, ds, self.seen(&tile, i), log_sums[token], dot);
                    }
                },
            );
            let (p, ds) = (MatRef::new(p, queries, keys), MatRef::new(ds, queries, keys));
            let size = self.head_size;
            let dq = MatMut::new(self.part(&mut dq, &tile.queries), queries, size);
            matmul(dq, false, ds, k_tile, Threads::One);
            let dk = MatMut::new(self.part(&mut dk, &tile.keys), keys, size);
            matmul(dk, true, ds.t(), q_tile, Threads::One);
            let dv = MatMut::new(self.part(&mut dv, &tile.keys), keys, size);
            matmul(dv, true, p.t(), dy_tile, Threads::One);
        }
        [dq, dk, dv]
    }

    fn part<'a>(&self, part: &'a mut [f32], rows: &Range<usize>) -> &'a mut [f32] {
        &mut part[rows.start * self.head_size..rows.end * self.head_size]
    }
}

/// Turns the scores in `seen` into their softmax, the others into 0; returns ln Σ exp(score).
#[inline(always)]
fn softmax(row: &mut [f32], seen: Range<usize>) -> f32 {
    row[..seen.start].fill(0.0);
    row[seen.end..].fill(0.0);
    let row = &mut row[seen];
    let largest = max(row);
    for score in row.iter_mut() {
        *score = exp(*score - largest);
    }
    let total = sum(row, |p| p);
    let scale = 1.0 / total;
    for p in row.iter_mut() {
        *p *= scale;
    }
    total.ln() + largest
}

/// Turns scores into the softmax P in `p`, and dP into dS = P ∘ (dP − dot) in `ds`; both 0 outside `seen`.
#[inline(always)]
fn softmax_gradient(p: &mut [f32], ds: &mut [f32], seen: Range<usize>, log_sum: f32, dot: f32) {
    for row in [&mut *p, &mut *ds] {
        row[..seen.start].fill(0.0);
        row[seen.end..].fill(0.0);
    }
    for (p, ds) in p[seen.clone()].iter_mut().zip(&mut ds[seen]) {
        *p = exp(*p - log_sum);
        *ds = *p * (*ds - dot);
    }
}
