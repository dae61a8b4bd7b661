//! Causal attention within each story of a ragged batch (Vaswani et al. 2017), as GPT-Neo computes it: the scores are
//! **not** divided by √head size.
//!
//! Work is cut into one task per story and head, and within it into tiles of sixteen queries, so that no more scores
//! than a tile's are held at once. The backward pass computes them anew from the saved log-sums (Dao et al. 2022).

mod continued;
mod lanes;

use std::ops::Range;

use rayon::prelude::*;

use crate::buffer::filled;
use crate::matmul::MatMut;
use crate::simd::{exp, sum2, vectorised};
use crate::{Activation, Node, Offsets, dims, values};
pub use continued::attention_continued;
use lanes::{BLOCK, Head, LANES, Lanes, add_weighted_lanes, products, weighted_sums};

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
    let y = Node::new(y, tokens, features);

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

/// Sixteen queries, and the keys that any of them sees in blocks of eight, counted within the story.
struct Tile {
    /// The first query.
    first: usize,
    /// How many of the queries there are: fewer at the end of the story.
    queries: usize,
    /// Blocks of keys.
    blocks: Range<usize>,
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

    /// This head of this story, copied out of a tokens × features matrix.
    fn head_of(&self, whole: &[f32]) -> Head {
        let rows = whole[self.rows.start * self.features..self.rows.end * self.features].chunks_exact(self.features);
        Head::copied(rows, self.head * self.head_size, self.head_size)
    }

    fn tiles(&self) -> impl Iterator<Item = Tile> + '_ {
        let tokens = self.rows.len();
        (0..tokens).step_by(LANES).map(move |first| {
            let queries = LANES.min(tokens - first);
            let keys = (first + 1).saturating_sub(self.window)..first + queries;
            Tile { first, queries, blocks: keys.start / BLOCK..keys.end.div_ceil(BLOCK) }
        })
    }

    /// Sets the scores of keys that a query does not see to −∞: those after it, and those before its window.
    fn mask(&self, tile: &Tile, scores: &mut [Lanes]) {
        let first_key = tile.blocks.start * BLOCK;
        for (key, scores) in scores.iter_mut().enumerate().skip(tile.first - first_key) {
            for score in scores.iter_mut().take((first_key + key).saturating_sub(tile.first)) {
                *score = f32::NEG_INFINITY;
            }
        }
        // The last query of the tile does not see the keys before this one.
        let seen_by_all = (tile.first + LANES).saturating_sub(self.window);
        for (key, scores) in (first_key..seen_by_all).zip(scores) {
            for score in scores.iter_mut().skip((key + self.window).saturating_sub(tile.first)) {
                *score = f32::NEG_INFINITY;
            }
        }
    }

    /// Writes the story's output of this head; returns ln Σ exp(score) of each of its tokens.
    fn forward(&self, [q, k, v]: [&[f32]; 3], mut y: MatMut<'_>) -> Vec<f32> {
        let [q, k, v] = [q, k, v].map(|x| self.head_of(x));
        let k = k.transposed();
        let mut log_sums = vec![0.0; q.tokens()];
        let mut lanes = vec![[0.0; LANES]; self.head_size];
        let mut sums = vec![0.0; LANES * q.width()];
        let mut scores = vec![[[0.0; LANES]; BLOCK]; q.tokens().div_ceil(BLOCK)];
        for tile in self.tiles() {
            let scores = &mut scores[..tile.blocks.len()];
            q.lanes(tile.first, &mut lanes);
            products(&k, tile.blocks.start, &lanes, scores);
            let scores = scores.as_flattened_mut();
            self.mask(&tile, scores);
            let (largest, totals) = vectorised(
                #[inline(always)]
                || {
                    let mut largest = [f32::NEG_INFINITY; LANES];
                    for score in scores.iter() {
                        for (largest, score) in largest.iter_mut().zip(score) {
                            *largest = if score > largest { *score } else { *largest };
                        }
                    }
                    let mut totals = [0.0; LANES];
                    for score in scores.iter_mut() {
                        for ((score, largest), total) in score.iter_mut().zip(&largest).zip(&mut totals) {
                            *score = exp(*score - largest);
                            *total += *score;
                        }
                    }
                    (largest, totals)
                },
            );
            let first_key = tile.blocks.start * BLOCK;
            weighted_sums(scores, &v, first_key, tile.first - first_key, &mut sums);
            for (lane, sums) in sums.chunks_exact_mut(v.width()).enumerate().take(tile.queries) {
                let scale = 1.0 / totals[lane];
                sums.iter_mut().for_each(|sum| *sum *= scale);
                log_sums[tile.first + lane] = totals[lane].ln() + largest[lane];
                y.write_row(tile.first + lane, &sums[..self.head_size]);
            }
        }
        log_sums
    }

    /// Writes the gradients of the story's q, k and v of this head.
    fn backward(&self, [q, k, v]: [&[f32]; 3], y: &[f32], dy: &[f32], log_sums: &[f32], gradients: [MatMut<'_>; 3]) {
        let [q, k, v, y, dy] = [q, k, v, y, dy].map(|x| self.head_of(x));
        let (k_transposed, v_transposed) = (k.transposed(), v.transposed());
        let [mut dk, mut dv] = [Head::zeros_like(&k), Head::zeros_like(&v)];
        let [mut dq_part, mut dk_part, mut dv_part] = gradients;
        let mut lanes = vec![[0.0; LANES]; self.head_size];
        let mut sums = vec![0.0; LANES * q.width()];
        let mut p = vec![[[0.0; LANES]; BLOCK]; q.tokens().div_ceil(BLOCK)];
        let mut ds = p.clone();
        for tile in self.tiles() {
            let (p, ds) = (&mut p[..tile.blocks.len()], &mut ds[..tile.blocks.len()]);
            // Behind the end of the story p is exp(−∞).
            let (mut log_sum, mut dot) = ([f32::INFINITY; LANES], [0.0; LANES]);
            for lane in 0..tile.queries {
                let token = tile.first + lane;
                log_sum[lane] = log_sums[token];
                dot[lane] = vectorised(
                    #[inline(always)]
                    || sum2(dy.row(token), y.row(token), |dy, y| dy * y),
                );
            }
            q.lanes(tile.first, &mut lanes);
            products(&k_transposed, tile.blocks.start, &lanes, p);
            dy.lanes(tile.first, &mut lanes);
            products(&v_transposed, tile.blocks.start, &lanes, ds);
            self.mask(&tile, p.as_flattened_mut());
            vectorised(
                #[inline(always)]
                || {
                    for (p, ds) in p.as_flattened_mut().iter_mut().zip(ds.as_flattened_mut()) {
                        for (((p, ds), log_sum), dot) in p.iter_mut().zip(ds).zip(&log_sum).zip(&dot) {
                            *p = exp(*p - log_sum);
                            *ds = *p * (*ds - dot);
                        }
                    }
                },
            );
            let first_key = tile.blocks.start * BLOCK;
            weighted_sums(ds.as_flattened(), &k, first_key, tile.first - first_key, &mut sums);
            add_weighted_lanes(ds, &q, tile.first, &mut dk, first_key);
            add_weighted_lanes(p, &dy, tile.first, &mut dv, first_key);
            for (token, sums) in (tile.first..tile.first + tile.queries).zip(sums.chunks_exact(q.width())) {
                dq_part.write_row(token, &sums[..self.head_size]);
            }
        }
        for (part, gradient) in [(&mut dk_part, dk), (&mut dv_part, dv)] {
            for token in 0..gradient.tokens() {
                part.write_row(token, gradient.row(token));
            }
        }
    }
}
