//! How many seeds it takes to see a difference.

use statrs::distribution::{Continuous, ContinuousCDF, Gamma, Normal};

use crate::stats::{CONFIDENCE, t_quantile};

/// The probability that a difference is found which is `ratio` times the standard deviation of a run: of two configurations
/// with `seeds` runs each, by Student's t on `2 (seeds − 1)` degrees of freedom, two-sided at 5 %.
///
/// With δ = ratio·√(seeds/2) and S²·ν ~ χ²(ν), it is E[Φ(δ − tS) + Φ(−δ − tS)]: the noncentral t's tails.
///
/// # Panics
/// Unless there are two seeds.
pub fn power(seeds: usize, ratio: f64) -> f64 {
    assert!(seeds >= 2, "{seeds} seeds have no spread");
    let freedom = 2.0 * (seeds - 1) as f64;
    let (t, shift) = (t_quantile(CONFIDENCE, freedom), ratio.abs() * (seeds as f64 / 2.0).sqrt());
    let normal = Normal::standard();
    let found = |s: f64| normal.cdf(shift - t * s) + normal.cdf(-shift - t * s);
    // S² is Gamma(ν/2, ν/2); the integral over S by Simpson's rule, as far as eight standard deviations.
    let gamma = Gamma::new(freedom / 2.0, freedom / 2.0).expect("degrees of freedom are positive");
    let density = |s: f64| if s == 0.0 { 0.0 } else { 2.0 * s * gamma.pdf(s * s) };
    let (intervals, end) = (2000, 1.0 + 8.0 / (2.0 * freedom).sqrt());
    let step = end / f64::from(intervals);
    let value = |i: i32| found(f64::from(i) * step) * density(f64::from(i) * step);
    let inner: f64 = (1..intervals).map(|i| if i % 2 == 1 { 4.0 } else { 2.0 } * value(i)).sum();
    (value(0) + inner + value(intervals)) * step / 3.0
}

/// The fewest seeds of each of two configurations with which a difference is found with a probability of `wanted`; `None`
/// where more than `most` would be needed.
pub fn seeds_for(difference: f64, sd: f64, wanted: f64, most: usize) -> Option<usize> {
    let is_enough = |seeds: &usize| power(*seeds, difference / sd) >= wanted;
    // More seeds have more power.
    let enough = most.checked_ilog2()?;
    let high =
        (1..=enough).map(|exponent| 1 << exponent).chain([most]).find(|seeds| *seeds >= 2 && is_enough(seeds))?;
    (2..=high).collect::<Vec<_>>().partition_point(|seeds| !is_enough(seeds)).checked_add(2)
}

/// The smallest difference that is found with a probability of `wanted`, by `seeds` runs of each of two configurations whose
/// runs have the standard deviation `sd`.
///
/// # Panics
/// Unless there are two seeds.
pub fn detectable(seeds: usize, sd: f64, wanted: f64) -> f64 {
    let (mut low, mut high) = (0.0, 1.0);
    while power(seeds, high) < wanted {
        high *= 2.0;
    }
    for _ in 0..40 {
        let middle = (low + high) / 2.0;
        if power(seeds, middle) < wanted { low = middle } else { high = middle }
    }
    high * sd
}

#[cfg(test)]
mod tests {
    use super::*;

    const POWERS: [(usize, f64, f64); 7] = [
        (2, 1.0, 0.09520175549788396),
        (3, 2.0, 0.46264081189130635),
        (5, 1.5, 0.549385597762396),
        (7, 1.7241379310344829, 0.841153858013175),
        (23, 0.8620689655172414, 0.8157014650226388),
        (100, 0.3, 0.5600592535808472),
        (2, 8.0, 0.9580506900012918),
    ];

    const DETECTABLE: [(usize, f64); 3] = [(3, 3.070892269599019), (2, 5.653489341914222), (10, 1.324947368330822)];

    #[test]
    fn power_is_that_of_the_noncentral_t() {
        // statsmodels 0.15.0: TTestIndPower().power(effect_size=ratio, nobs1=seeds, alpha=0.05)
        for (seeds, ratio, expected) in POWERS {
            assert!((power(seeds, ratio) - expected).abs() < 1e-6, "{seeds} {ratio}: {}", power(seeds, ratio));
        }
    }

    #[test]
    fn what_is_detectable_has_the_power() {
        // statsmodels: TTestIndPower().solve_power(nobs1=3, alpha=0.05, power=0.8), (2), (10)
        for (seeds, ratio) in DETECTABLE {
            assert!((detectable(seeds, 2.0, 0.8) - 2.0 * ratio).abs() < 1e-5, "{seeds}");
        }
    }

    #[test]
    fn seeds_are_the_fewest_that_suffice() {
        // At the spread of a run of the seed's baseline on real stories; by the same power.
        for (difference, seeds) in [(0.01, 23), (0.02, 7), (0.03, 4)] {
            assert_eq!(seeds_for(difference, 0.0116, 0.8, 1000), Some(seeds));
        }
        assert_eq!(seeds_for(1.0, 0.0116, 0.8, 1000), Some(2));
        assert_eq!(seeds_for(0.0001, 0.0116, 0.8, 1000), None);
    }
}
