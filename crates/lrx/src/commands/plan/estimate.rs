//! How long runs will take on this machine: by runs like them that were finished here, else by a matrix product.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::sync::OnceLock;

use lrx_records::{RunRecord, read_runs};
use lrx_tensor::{Precision, arithmetic, limits};

/// What is known of a run before it has begun.
pub(super) struct Planned<'r> {
    pub(super) row: &'r RunRecord,
    /// Evaluations, and the targets of each.
    pub(super) evaluations: f64,
    pub(super) eval_targets: f64,
    /// Layers times features: what passes through memory for each token.
    pub(super) features: f64,
}

/// Estimates times.
pub(super) struct Estimator {
    /// Runs that were finished on this machine, on as many threads.
    known: Vec<Known>,
    /// What they tell of runs that were asked for before: most of a sweep are as fast as others.
    told: RefCell<HashMap<Alike, Option<f64>>>,
    /// Of a large matrix product and of memory; measured when it is first needed: in f32, in bf16.
    machine: [OnceLock<(f64, f64)>; 2],
}

/// What a speed depends on: operations per token, features, and the rest.
type Alike = (u64, u64, [String; 5]);

/// A finished run.
struct Known {
    flops: f64,
    features: f64,
    /// Tokens per second.
    rate: f64,
    /// What else a speed depends on: kinds, batch, context and arithmetic.
    alike: [String; 5],
}

/// An estimated time, and what it rests on.
#[derive(Clone, Copy)]
pub(super) struct Estimate {
    pub(super) seconds: f64,
    pub(super) by_runs: bool,
}

/// A run tells of another whose operations per token are at most so many times its own.
const ALIKE: f64 = 2.0;
/// The middle one of so many that are nearest counts.
const NEAREST: usize = 5;
/// Of the rate of a large matrix product, what those of a step reach.
const SHARE: f64 = 0.85;
/// Bytes that pass through memory in a step for each token, layer and feature beside the matrix products: what the speeds of
/// the quickstart's dense and low-rank models come to, to some tens of percent.
const BYTES: f64 = 300.0;

/// What was finished in the experiments in `out`.
pub(super) fn finished(out: &Path) -> Vec<RunRecord> {
    let tables = fs::read_dir(out).into_iter().flatten().flatten().map(|entry| entry.path().join("runs.csv"));
    let rows = tables.filter_map(|table| read_runs(&table).ok()).flatten();
    rows.filter(|row| row.final_loss().is_some()).collect()
}

impl Estimator {
    /// From the runs of these that were made on this machine with as many threads as are used now.
    pub(super) fn new(finished: &[RunRecord]) -> Self {
        let (threads, machine) = (rayon::current_num_threads() as u64, lrx_files::processors());
        let is_here = |row: &&RunRecord| row.threads == Some(threads) && row.machine == machine;
        let known = finished.iter().filter(|row| is_here(row)).filter_map(Known::of);
        Self { known: known.collect(), told: RefCell::default(), machine: Default::default() }
    }

    /// How long the run will take; `None` where its tokens are not known.
    pub(super) fn of(&self, run: &Planned<'_>) -> Option<Estimate> {
        let flops = run.row.flops_per_token? as f64;
        let learned = self.learned(run, flops);
        let rate = learned.unwrap_or_else(|| {
            let &(product, memory) = self.machine(precision(run.row));
            1.0 / (3.0 * flops / (SHARE * product) + BYTES * run.features / memory)
        });
        // An evaluation is a forward pass, a third of a step.
        let tokens = run.row.tokens? as f64 + run.evaluations * run.eval_targets / 3.0;
        Some(Estimate { seconds: tokens / rate, by_runs: learned.is_some() })
    }

    /// Tokens per second of the runs that are most alike, or none are.
    fn learned(&self, run: &Planned<'_>, flops: f64) -> Option<f64> {
        let key = (flops.to_bits(), run.features.to_bits(), alike(run.row));
        let told = self.told.borrow().get(&key).copied();
        told.unwrap_or_else(|| {
            let rate = self.learned_anew(run, flops, &key.2);
            self.told.borrow_mut().insert(key, rate);
            rate
        })
    }

    fn learned_anew(&self, run: &Planned<'_>, flops: f64, own: &[String; 5]) -> Option<f64> {
        let distance = |known: &Known| {
            let (by_flops, by_features) =
                ((known.flops / flops).ln().abs(), (known.features / run.features).ln().abs());
            let is_comparable = by_flops.max(by_features) <= ALIKE.ln();
            // Other kinds, or other batches, are as far as half the size is.
            let others = known.alike.iter().zip(own).filter(|(a, b)| a != b).count();
            is_comparable.then_some(by_flops + by_features + others as f64 * ALIKE.ln())
        };
        let mut alike: Vec<(f64, f64)> =
            self.known.iter().filter_map(|known| Some((distance(known)?, known.rate * known.flops / flops))).collect();
        alike.sort_by(|a, b| a.0.total_cmp(&b.0));
        let nearest = alike.first()?.0;
        // Where some are of the same kind, those of others say less.
        alike.retain(|(distance, _)| *distance <= nearest + ALIKE.ln() / 2.0);
        alike.truncate(NEAREST);
        let mut rates: Vec<f64> = alike.into_iter().map(|(_, rate)| rate).collect();
        rates.sort_by(f64::total_cmp);
        rates.get(rates.len() / 2).copied()
    }

    fn machine(&self, precision: Precision) -> &(f64, f64) {
        let measured = || (limits::square_product_rate(768, precision), limits::memory_rate());
        self.machine[usize::from(precision == Precision::Bf16)].get_or_init(measured)
    }

    /// The large matrix products that were measured, as a sentence takes them: `a matrix product of 164 GFLOP/s`.
    pub(super) fn products(&self) -> Option<String> {
        let rates = self.machine.each_ref().map(|machine| machine.get().map(|(product, _)| product / 1e9));
        match rates {
            [None, None] => None,
            [Some(rate), None] | [None, Some(rate)] => Some(format!("a matrix product of {rate:.0} GFLOP/s")),
            [Some(f32), Some(bf16)] => Some(format!("matrix products of {f32:.0} GFLOP/s in f32, {bf16:.0} in bf16")),
        }
    }
}

impl Known {
    fn of(row: &RunRecord) -> Option<Self> {
        let (flops, rate) = (row.flops_per_token? as f64, row.tokens_per_second?);
        let features = (row.hidden? * row.layers?) as f64;
        let is_usable = flops > 0.0 && features > 0.0 && rate > 0.0 && rate.is_finite();
        is_usable.then(|| Self { flops, features, rate, alike: alike(row) })
    }
}

fn precision(row: &RunRecord) -> Precision {
    if row.precision == Precision::Bf16.name() { Precision::Bf16 } else { Precision::F32 }
}

fn alike(row: &RunRecord) -> [String; 5] {
    let context = row.context.map(|context| context.to_string()).unwrap_or_default();
    // What is not begun will be computed here.
    let arithmetic =
        if row.arithmetic.is_empty() { arithmetic(precision(row)).to_owned() } else { row.arithmetic.clone() };
    [row.attention.clone(), row.mlp.clone(), row.batch.clone(), context, arithmetic]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(flops: u64, tokens: u64) -> RunRecord {
        RunRecord { flops_per_token: Some(flops), tokens: Some(tokens), ..RunRecord::default() }
    }

    #[test]
    fn what_was_finished_here_tells_how_long_its_like_will_take() {
        let known = |flops, rate| Known { flops, features: 512.0, rate, alike: Default::default() };
        let mut known = vec![known(1e6, 1000.0), known(1e6, 1200.0), known(1e6, 90.0), known(1e9, 7.0)];
        // Of another kind, and so narrow a model that it is not comparable.
        known.push(Known { flops: 1e6, features: 512.0, rate: 1.0, alike: ["dense", "", "", "", ""].map(Into::into) });
        known.push(Known { flops: 1e6, features: 100.0, rate: 1.0, alike: Default::default() });
        let estimator =
            Estimator { known, told: RefCell::default(), machine: [(1e11, 1e10).into(), Default::default()] };
        let of = |row: &RunRecord, evaluations: f64| {
            estimator.of(&Planned { row, evaluations, eval_targets: 300.0, features: 512.0 }).unwrap()
        };
        // The middle one of three; twenty evaluations are 2,000 tokens more.
        let alike = of(&row(1_000_000, 5000), 0.0);
        assert!(alike.by_runs && (alike.seconds - 5.0).abs() < 1e-9, "{}", alike.seconds);
        assert!((of(&row(1_000_000, 5000), 20.0).seconds - 7.0).abs() < 1e-9);
        // Half the operations, half the time.
        assert!((of(&row(500_001, 5000), 0.0).seconds - 2.5).abs() < 1e-3);
        // Nothing alike: 3 · 5e6 operations at 8.5e10 a second, 300 · 512 bytes at 1e10.
        let measured = of(&row(5_000_000, 1000), 0.0);
        let expected = 1000.0 * (15e6 / 8.5e10 + 153_600.0 / 1e10);
        assert!(!measured.by_runs && (measured.seconds - expected).abs() < 1e-9, "{}", measured.seconds);
        let unknown = RunRecord { tokens: None, ..row(1_000_000, 0) };
        assert!(estimator.of(&Planned { row: &unknown, evaluations: 0.0, eval_targets: 0.0, features: 1.0 }).is_none());
    }
}
