//! Causal attention within each story of a ragged batch (Vaswani et al. 2017), with as many heads of keys and values as of
//! queries or fewer (Ainslie et al. 2023).
//!
//! Work is cut into one task per story and head, and within it into tiles of sixteen queries, so that no more scores
//! than a tile's are held at once. The backward pass computes them anew from the saved log-sums (Dao et al. 2022).

mod continued;
mod lanes;
mod shape;

use std::ops::Range;

use rayon::prelude::*;

use crate::buffer::filled;
use crate::matmul::MatMut;
use crate::ops::{BLOCK_ROWS, add_into};
use crate::simd::{exp, sum2, vectorised};
use crate::{Activation, Node, Offsets, dims, values};
pub use continued::attention_continued;
use lanes::{BLOCK, Head, LANES, Lanes, add_weighted_lanes, products, weighted_sums};
pub use shape::AttentionShape;

/// For each head and token i: `Σⱼ softmaxⱼ(scale · qᵢ · kⱼ) vⱼ` over the tokens j ≤ i of the same story (within the window).
/// q and the output are tokens × (heads · s), k and v tokens × (key-value heads · s), head h in the columns h·s … (h+1)·s.
///
/// Gradients, with P the softmax, O the output and dO its gradient: dV = Pᵀ dO, dS = P ∘ (dO Vᵀ − rowsum(dO ∘ O)),
/// dQ = scale · dS K, dK = scale · dSᵀ Q; those of keys and values are sums over the heads that they serve.
///
/// # Panics
/// When the shapes do not fit, or the offsets do not end at the number of tokens.
pub fn attention(q: Activation, k: Activation, v: Activation, offsets: &Offsets, shape: &AttentionShape) -> Activation {
    let ((q, q_tape), (k, k_tape), (v, v_tape)) = (q.split_tape(), k.split_tape(), v.split_tape());
    let mut tape = q_tape.merge(k_tape).merge(v_tape);
    let (shape, (tokens, features)) = (*shape, dims(&q));
    assert!(dims(&k) == dims(&v) && dims(&k).0 == tokens, "one shape for k and v, and as many tokens as q");
    assert_eq!(offsets.last(), Some(&tokens), "offsets that end at the number of tokens");
    let head_size = shape.head_size(features, dims(&k).1);

    let tasks = Task::all(offsets, &shape, head_size);
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
            // Each head has its own share in the gradients of keys and values.
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
            let [dk, dv] = [dk, dv].map(|shares| sums_of_groups(shares, &shape, head_size));
            for (input, gradient) in [&q, &k, &v].into_iter().zip([dq, dk, dv]) {
                gradients.of(input).add(gradient);
            }
        });
    }
    y.put_tape(tape)
}

/// From a share of each query head in the gradient of its key-value head, heads side by side, those gradients.
fn sums_of_groups(shares: Vec<f32>, shape: &AttentionShape, head_size: usize) -> Vec<f32> {
    let group = shape.heads / shape.key_value_heads;
    if group == 1 {
        return shares;
    }
    let (features, narrow) = (shape.heads * head_size, shape.key_value_heads * head_size);
    let mut sums = vec![0.0; shares.len() / group];
    let rows = sums.par_chunks_mut(BLOCK_ROWS * narrow).zip(shares.par_chunks(BLOCK_ROWS * features));
    rows.for_each(|(sums, shares)| {
        for (sum, shares) in sums.chunks_exact_mut(head_size).zip(shares.chunks_exact(group * head_size)) {
            shares.chunks_exact(head_size).for_each(|share| add_into(sum, share));
        }
    });
    sums
}

/// One head of one story.
struct Task {
    rows: Range<usize>,
    head: usize,
    head_size: usize,
    shape: AttentionShape,
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
    fn all(offsets: &[usize], shape: &AttentionShape, head_size: usize) -> Vec<Task> {
        let stories = offsets.windows(2);
        stories
            .flat_map(|story| {
                let rows = story[0]..story[1];
                (0..shape.heads).map(move |head| Task { rows: rows.clone(), head, head_size, shape: *shape })
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

    /// This head of this story, copied out of a matrix of queries or of outputs.
    fn head_of(&self, whole: &[f32]) -> Head {
        self.copied(whole, self.head, self.shape.heads)
    }

    /// The queries, multiplied by the scale.
    fn queries(&self, q: &[f32]) -> Head {
        let mut queries = self.head_of(q);
        queries.multiply(self.shape.scale);
        queries
    }

    /// What serves this head in a matrix of keys or of values.
    fn served_by(&self, whole: &[f32]) -> Head {
        let AttentionShape { heads, key_value_heads, .. } = self.shape;
        self.copied(whole, self.head / (heads / key_value_heads), key_value_heads)
    }

    /// A head of this story out of a matrix of so many.
    fn copied(&self, whole: &[f32], head: usize, heads: usize) -> Head {
        let features = heads * self.head_size;
        let rows = whole[self.rows.start * features..self.rows.end * features].chunks_exact(features);
        Head::copied(rows, head * self.head_size, self.head_size)
    }

    /// How many tokens a token sees, itself included.
    fn window(&self) -> usize {
        self.shape.window.unwrap_or(usize::MAX)
    }

    fn tiles(&self) -> impl Iterator<Item = Tile> + '_ {
        let tokens = self.rows.len();
        (0..tokens).step_by(LANES).map(move |first| {
            let queries = LANES.min(tokens - first);
            let keys = (first + 1).saturating_sub(self.window())..first + queries;
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
        let seen_by_all = (tile.first + LANES).saturating_sub(self.window());
        for (key, scores) in (first_key..seen_by_all).zip(scores) {
            for score in scores.iter_mut().skip((key + self.window()).saturating_sub(tile.first)) {
                *score = f32::NEG_INFINITY;
            }
        }
    }

    /// Writes the story's output of this head; returns ln Σ exp(score) of each of its tokens.
    fn forward(&self, [q, k, v]: [&[f32]; 3], mut y: MatMut<'_>) -> Vec<f32> {
        let (q, k, v) = (self.queries(q), self.served_by(k).transposed(), self.served_by(v));
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
        let (q, [k, v]) = (self.queries(q), [k, v].map(|x| self.served_by(x)));
        let [y, dy] = [y, dy].map(|x| self.head_of(x));
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
            for (token, sums) in (tile.first..tile.first + tile.queries).zip(sums.chunks_exact_mut(q.width())) {
                sums.iter_mut().for_each(|sum| *sum *= self.shape.scale);
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
