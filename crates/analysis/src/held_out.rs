//! What each held-out story cost: how far a difference of losses rests on the stories that were held out.

use std::path::PathBuf;

use lrx_records::{HeldOutRow, RunRecord, STORIES_FILE, read_rows};

use crate::Configuration;
use crate::stats::{self, Contrast};

/// The sum over stories and the run's own loss are rounded otherwise.
const ROUNDING: f64 = 1e-5;

/// The held-out stories under one configuration: its runs' mean.
#[derive(Debug, Clone, PartialEq)]
pub struct HeldOut {
    /// The targets of each story.
    pub tokens: Vec<u64>,
    /// The sum of their losses, in nats, mean over the runs.
    pub nats: Vec<f64>,
}

impl HeldOut {
    /// Of these runs, each with its folder; `None` unless all have the file, with the same stories, and it makes up the run's loss.
    pub(crate) fn of<'r>(runs: impl IntoIterator<Item = (&'r RunRecord, PathBuf)>) -> Option<Self> {
        let (mut held_out, mut count) = (None::<Self>, 0.0);
        for (run, folder) in runs {
            let rows: Vec<HeldOutRow> = read_rows(&folder.join(STORIES_FILE)).ok()?;
            let tokens: Vec<u64> = rows.iter().map(|row| row.tokens).collect();
            let loss = rows.iter().map(|row| row.nats).sum::<f64>() / tokens.iter().sum::<u64>() as f64;
            let is_own = run.final_loss().is_some_and(|own| (own - loss).abs() <= ROUNDING * own.abs().max(1.0));
            let known = held_out.get_or_insert_with(|| Self { nats: vec![0.0; tokens.len()], tokens: tokens.clone() });
            if known.tokens != tokens || !is_own {
                return None;
            }
            known.nats.iter_mut().zip(&rows).for_each(|(sum, row)| *sum += row.nats);
            count += 1.0;
        }
        let mut held_out = held_out?;
        held_out.nats.iter_mut().for_each(|sum| *sum /= count);
        Some(held_out)
    }

    /// How many stories all these configurations were evaluated on, where that is the same ones and known of each.
    pub(crate) fn common(configurations: &[Configuration]) -> Option<usize> {
        let mut all = configurations.iter().map(|one| one.held_out.as_ref().map(|held_out| &held_out.tokens));
        let first = all.next()??;
        (first.len() > 1 && all.all(|tokens| tokens == Some(first))).then_some(first.len())
    }
}

/// The same contrast as one over seeds *and* stories, both drawn at random and crossed: every run is evaluated on every story.
///
/// With yᵢ the weighted sum of what story i cost the parts and xᵢ its targets, the estimate is Σ yᵢ / Σ xᵢ, and the squared error over
/// stories that of such a [`ratio`](stats::ratio). It is added to the one over seeds. What a story makes of a seed alone is in both, so that
/// the sum is a little too large: by that squared, over seeds times stories.
pub(crate) fn crossed(contrast: Contrast, parts: &[(f64, &Configuration)]) -> Contrast {
    let held_out: Option<Vec<(f64, &HeldOut)>> =
        parts.iter().map(|(weight, one)| Some((*weight, one.held_out.as_ref()?))).collect();
    let Some(held_out) = held_out.filter(|parts| !parts.is_empty()) else { return contrast };
    let cost = |story: usize| held_out.iter().map(|(weight, one)| weight * one.nats[story]).sum::<f64>();
    let items: Vec<(f64, f64)> =
        held_out[0].1.tokens.iter().enumerate().map(|(story, tokens)| (cost(story), *tokens as f64)).collect();
    match stats::ratio(&items) {
        Some((_, squared)) => contrast.and(squared, items.len() as f64 - 1.0),
        None => contrast,
    }
}
