//! How the loss of dense models falls with their size: `L = E + A·C^−α`, fitted to all sizes at once.
//!
//! The form is that of Kaplan et al. 2020 and Hoffmann et al. 2022 for one of its terms; E, A ≥ 0 and α > 0, so that a larger
//! model is never worse.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use rand_distr::{ChiSquared, Distribution, StandardNormal};

use crate::stats;

/// Fewer sizes than these say nothing of whether the form fits.
pub const LEAST_SIZES: usize = 4;
/// Below this p the form does not fit.
const SURE: f64 = 0.01;
/// Where α is looked for.
pub const ALPHA: [f64; 2] = [0.01, 5.0];
const REPLICATES: usize = 1000;

/// The losses of one size.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sized {
    /// C: parameters, or FLOPs a token.
    pub size: f64,
    /// The mean loss of its runs, nats per token.
    pub loss: f64,
    /// How many these are.
    pub runs: usize,
}

/// `L(C) = E + A·(C/C₀)^−α`, C₀ the geometric mean of the sizes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PowerLaw {
    /// E: what is left of the loss at any size, nats per token.
    pub floor: f64,
    /// A: what a model of the size C₀ has above that, nats per token.
    pub above: f64,
    /// α.
    pub exponent: f64,
    /// C₀.
    pub unit: f64,
}

impl PowerLaw {
    /// The loss at a size.
    pub fn at(&self, size: f64) -> f64 {
        self.floor + self.above * (size / self.unit).powf(-self.exponent)
    }

    /// The least squares of the runs: each size counts by their number. `None` for fewer than three sizes, or sizes that are no
    /// positive numbers.
    pub fn fit(sizes: &[Sized]) -> Option<Self> {
        let usable = |one: &Sized| one.size > 0.0 && one.size.is_finite() && one.loss.is_finite() && one.runs > 0;
        let mut different: Vec<f64> = sizes.iter().map(|one| one.size).collect();
        different.sort_by(f64::total_cmp);
        different.dedup();
        if different.len() < 3 || !sizes.iter().all(usable) {
            return None;
        }
        let unit = (different.iter().map(|size| size.ln()).sum::<f64>() / different.len() as f64).exp();
        // For a given α the two others are linear: what is searched is α alone, first coarsely, since there may be two valleys.
        let logs: Vec<f64> = sizes.iter().map(|one| (one.size / unit).ln()).collect();
        let law = |log_alpha: f64| Self::with(sizes, &logs, unit, log_alpha.exp());
        let [low, high] = ALPHA.map(f64::ln);
        const COARSE: usize = 30;
        let at = |i: usize| low + (high - low) * i as f64 / COARSE as f64;
        let best = (0..=COARSE).min_by(|&i, &j| law(at(i)).1.total_cmp(&law(at(j)).1))?;
        let (mut left, mut right) = (at(best.saturating_sub(1)), at((best + 1).min(COARSE)));
        // The golden section.
        let part = (5.0_f64.sqrt() - 1.0) / 2.0;
        for _ in 0..40 {
            let (a, b) = (right - part * (right - left), left + part * (right - left));
            if law(a).1 <= law(b).1 { right = b } else { left = a }
        }
        Some(law((left + right) / 2.0).0)
    }

    /// The best E and A for an α, and the squares that are left; `logs` are those of the sizes over C₀.
    fn with(sizes: &[Sized], logs: &[f64], unit: f64, exponent: f64) -> (Self, f64) {
        let powers: Vec<f64> = logs.iter().map(|log| (-exponent * log).exp()).collect();
        let (mut n, mut sx, mut sy, mut sxx, mut sxy) = (0.0, 0.0, 0.0, 0.0, 0.0);
        for (one, x) in sizes.iter().zip(&powers) {
            let runs = one.runs as f64;
            n += runs;
            sx += runs * x;
            sy += runs * one.loss;
            sxx += runs * x * x;
            sxy += runs * x * one.loss;
        }
        let slope = (n * sxy - sx * sy) / (n * sxx - sx * sx);
        let free = (sy - slope * sx) / n;
        let (floor, above) = match (free < 0.0, slope < 0.0) {
            (_, true) => (sy / n, 0.0),
            (true, false) => (0.0, sxy / sxx),
            (false, false) => (free, slope),
        };
        let left = |(one, x): (&Sized, &f64)| one.runs as f64 * (one.loss - floor - above * x).powi(2);
        (Self { floor, above, exponent, unit }, sizes.iter().zip(&powers).map(left).sum())
    }
}

/// A power law with what is known of how well it holds.
#[derive(Debug, Clone, PartialEq)]
pub struct Curve {
    /// The law.
    pub law: PowerLaw,
    /// What it was fitted to, by size.
    pub sizes: Vec<Sized>,
    /// 95 % of E, and of α, over seeds: of laws fitted to losses that scatter as runs do around these means.
    pub floor: [f64; 2],
    /// As `floor`.
    pub exponent: [f64; 2],
    /// How probable means so far from the law would be if it held: F of what it leaves over the spread of runs.
    pub p: f64,
}

impl Curve {
    /// Fits the law to four sizes or more; runs have the standard deviation `spread`.
    pub fn new(mut sizes: Vec<Sized>, spread: stats::Spread) -> Option<Self> {
        sizes.sort_by(|a, b| a.size.total_cmp(&b.size));
        let law = PowerLaw::fit(&sizes).filter(|_| sizes.len() >= LEAST_SIZES)?;
        let left: f64 = sizes.iter().map(|one| one.runs as f64 * (one.loss - law.at(one.size)).powi(2)).sum();
        let freedom = sizes.len() as f64 - 3.0;
        let p = stats::f_tail(left / freedom / spread.sd.powi(2), freedom, spread.freedom)?;
        // The spread itself is known to so many degrees of freedom.
        let (squares, mut random) = (ChiSquared::new(spread.freedom).ok()?, ChaCha8Rng::seed_from_u64(1));
        let (mut floors, mut exponents) = (Vec::new(), Vec::new());
        for _ in 0..REPLICATES {
            let sd = spread.sd * (spread.freedom / squares.sample(&mut random)).sqrt();
            let mut normal = || -> f64 { StandardNormal.sample(&mut random) };
            let again: Vec<Sized> = sizes
                .iter()
                .map(|one| Sized { loss: one.loss + sd / (one.runs as f64).sqrt() * normal(), ..*one })
                .collect();
            if let Some(law) = PowerLaw::fit(&again) {
                floors.push(law.floor);
                exponents.push(law.exponent);
            }
        }
        Some(Self { law, floor: middle(floors)?, exponent: middle(exponents)?, p, sizes })
    }

    /// Whether the means lie as near to it as runs do to their means.
    pub fn fits(&self) -> bool {
        self.p >= SURE
    }

    /// What the curve's loss at a size is made of: how much of each size's mean loss, in their order. To first order the curve's
    /// error is that of this weighted sum.
    pub fn weights(&self, size: f64) -> Option<Vec<f64>> {
        // Small beside what the losses differ by, whatever their unit.
        let losses = || self.sizes.iter().map(|one| one.loss);
        let range = losses().fold(f64::NEG_INFINITY, f64::max) - losses().fold(f64::INFINITY, f64::min);
        let step = if range > 0.0 { 1e-3 * range } else { 1e-4 };
        let moved = |place: usize, step: f64| {
            let mut sizes = self.sizes.clone();
            sizes[place].loss += step;
            Some(PowerLaw::fit(&sizes)?.at(size))
        };
        (0..self.sizes.len()).map(|place| Some((moved(place, step)? - moved(place, -step)?) / (2.0 * step))).collect()
    }
}

/// The middle 95 % of values.
fn middle(mut values: Vec<f64>) -> Option<[f64; 2]> {
    values.sort_by(f64::total_cmp);
    let at = |part: f64| values.get(((values.len().checked_sub(1)?) as f64 * part).round() as usize).copied();
    Some([at(0.025)?, at(0.975)?])
}
