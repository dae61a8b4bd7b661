//! The products of a block of tokens with all entries of the vocabulary.

use std::ops::Range;

use rayon::prelude::*;

use super::room::{GroupRoom, Room, first, groups_of, parts_of};
use super::softmax::{Softmax, exponentials};
use crate::Precision;
use crate::bf16::Packed;
use crate::matmul::{MatMut, MatRef, Operand, Threads, matmul, matmul_of};
use crate::simd::exp;

/// The tokens of a block, and all entries of the vocabulary.
pub(super) struct Block<'a> {
    /// tokens × features
    pub(super) x: &'a [f32],
    pub(super) targets: &'a [u32],
    /// vocabulary × features
    pub(super) e: &'a [f32],
    pub(super) features: usize,
    pub(super) precision: Precision,
}

/// What some consecutive entries of the vocabulary give.
pub(super) struct Group<'l> {
    /// For each token of the block the largest logit.
    largest: Vec<f32>,
    /// For each token Σ exp(logit − largest).
    total: Vec<f32>,
    /// Tokens, and the logits of their targets, of those whose target is one of the entries.
    targets: Vec<(usize, f32)>,
    /// Σ exp(logit − largest) · E over the entries that are not the target: tokens × features. Empty when no gradient is asked
    /// for, as `parts`.
    dx: Vec<f32>,
    parts: Vec<Part<'l>>,
}

/// What is left of some entries' logits.
struct Part<'l> {
    entries: Range<usize>,
    /// For each token what was subtracted from the logits.
    shift: Vec<f32>,
    /// Entries × tokens, zero for targets.
    exponentials: Operand<'l>,
}

impl Block<'_> {
    fn tokens(&self) -> usize {
        self.targets.len()
    }

    /// Computes the logits of all entries, and what can be said of each group by itself. `room`: for as many tokens.
    pub(super) fn groups<'l>(&self, room: &'l mut Room, gradient: bool) -> Vec<Group<'l>> {
        let (tokens, vocabulary) = (self.tokens(), self.e.len() / self.features);
        let x = Operand::right(MatRef::new(self.x, tokens, self.features).t(), self.precision, Threads::All);
        let groups = groups_of(vocabulary).into_par_iter().zip(&mut room.groups).with_max_len(1);
        groups.map(|(entries, room)| self.group(entries, &x, room, gradient)).collect()
    }

    fn group<'l>(&self, entries: Range<usize>, x: &Operand<'_>, room: &'l mut GroupRoom, gradient: bool) -> Group<'l> {
        let (tokens, features) = (self.tokens(), self.features);
        let mut group = Group {
            largest: vec![f32::NEG_INFINITY; tokens],
            total: vec![0.0; tokens],
            targets: Vec::new(),
            dx: vec![0.0; if gradient { tokens * features } else { 0 }],
            parts: Vec::new(),
        };
        let GroupRoom { kept, passing } = room;
        let mut kept = kept.iter_mut();
        for entries in parts_of(entries, self.precision) {
            let len = entries.len() * tokens;
            let exponentials = if let Some(logits) = kept.next() {
                let logits = first(logits, len);
                self.part(entries.clone(), x, logits, &mut group, gradient);
                Operand::F32(MatRef::new(logits, entries.len(), tokens))
            } else {
                let logits = first(passing, len);
                self.part(entries.clone(), x, logits, &mut group, gradient);
                if !gradient {
                    continue;
                }
                Operand::Bf16(Packed::left(MatRef::new(logits, entries.len(), tokens), Threads::One))
            };
            group.parts.push(Part { entries, shift: group.largest.clone(), exponentials });
        }
        group
    }

    /// Makes room for the logits of some entries (entries × tokens) the exponentials of these, zero for targets, and adds
    /// what they give to the group.
    fn part(&self, entries: Range<usize>, x: &Operand<'_>, logits: &mut [f32], group: &mut Group<'_>, gradient: bool) {
        let (tokens, features) = (self.tokens(), self.features);
        let e = MatRef::new(&self.e[entries.start * features..entries.end * features], entries.len(), features);
        let of_logits = Operand::left(e, self.precision, Threads::One);
        matmul_of(MatMut::new(logits, entries.len(), tokens), false, &of_logits, x, Threads::One);
        let of_targets: Vec<(usize, usize)> = (self.targets.iter().enumerate())
            .filter(|(_, target)| entries.contains(&(**target as usize)))
            .map(|(token, &target)| (token, (target as usize - entries.start) * tokens + token))
            .collect();
        group.targets.extend(of_targets.iter().map(|&(token, at)| (token, logits[at])));
        let shrink = exponentials(logits, &mut group.largest, &mut group.total);
        // Targets have a share of their own, p − 1: without it here, sums need not cancel where p is nearly 1.
        of_targets.iter().for_each(|&(_, at)| logits[at] = 0.0);
        if gradient {
            scale_rows(&mut group.dx, &shrink);
            let p = MatRef::new(logits, entries.len(), tokens);
            matmul(MatMut::new(&mut group.dx, tokens, features), true, p.t(), e, self.precision, Threads::One);
        }
    }

    pub(super) fn softmax(&self, groups: &[Group<'_>]) -> Softmax {
        let tokens = 0..self.tokens();
        let largest = |token: usize| groups.iter().map(|group| group.largest[token]).fold(f32::NEG_INFINITY, f32::max);
        let largest: Vec<f32> = tokens.clone().map(largest).collect();
        let total = |token: usize| -> f32 {
            groups.iter().map(|group| group.total[token] * exp(group.largest[token] - largest[token])).sum()
        };
        let total: Vec<f32> = tokens.map(total).collect();
        let mut target_logit = vec![f32::NAN; total.len()];
        for &(token, logit) in groups.iter().flat_map(|group| &group.targets) {
            target_logit[token] = logit;
        }
        Softmax { largest, total, target_logit }
    }

    /// scale · (softmax − one-hot target) · E: tokens × features.
    pub(super) fn dx(&self, groups: &[Group<'_>], softmax: &Softmax, scale: f32) -> Vec<f32> {
        let features = self.features;
        let factors: Vec<Vec<f32>> = groups.iter().map(|group| softmax.factors(&group.largest, scale)).collect();
        let mut dx = vec![0.0; self.x.len()];
        dx.par_chunks_exact_mut(features).zip(self.targets).enumerate().for_each(|(token, (dx, &target))| {
            for (group, factors) in groups.iter().zip(&factors) {
                let factor = factors[token];
                dx.iter_mut().zip(&group.dx[token * features..]).for_each(|(dx, share)| *dx += factor * share);
            }
            let factor = scale * softmax.of_target(token);
            let e = &self.e[target as usize * features..];
            dx.iter_mut().zip(e).for_each(|(dx, e)| *dx += factor * e);
        });
        dx
    }

    /// de + scale · (softmax − one-hot target)ᵀ · x, or without de: vocabulary × features.
    pub(super) fn add_de(&self, de: &mut [f32], add: bool, groups: &[Group<'_>], softmax: &Softmax, scale: f32) {
        let (tokens, features) = (self.tokens(), self.features);
        let mut parts = Vec::new();
        let mut rest = &mut *de;
        for part in groups.iter().flat_map(|group| &group.parts) {
            let (de, after) = rest.split_at_mut(part.entries.len() * features);
            parts.push((part, de));
            rest = after;
        }
        parts.into_par_iter().with_max_len(1).for_each(|(Part { entries, shift, exponentials }, de)| {
            let mut x = Vec::with_capacity(self.x.len());
            for (row, factor) in self.x.chunks_exact(features).zip(softmax.factors(shift, scale)) {
                x.extend(row.iter().map(|number| number * factor));
            }
            let x = Operand::right(MatRef::new(&x, tokens, features), self.precision, Threads::One);
            matmul_of(MatMut::new(de, entries.len(), features), add, exponentials, &x, Threads::One);
        });
        for (token, (&target, x)) in self.targets.iter().zip(self.x.chunks_exact(features)).enumerate() {
            let factor = scale * softmax.of_target(token);
            let de = &mut de[target as usize * features..];
            de.iter_mut().zip(x).for_each(|(de, x)| *de += factor * x);
        }
    }
}

/// Multiplies each row by its factor.
fn scale_rows(rows: &mut [f32], factors: &[f32]) {
    let columns = rows.len() / factors.len();
    for (row, &factor) in rows.chunks_exact_mut(columns).zip(factors) {
        // Most are: a token's largest logit seldom comes late.
        if factor != 1.0 {
            row.iter_mut().for_each(|number| *number *= factor);
        }
    }
}
