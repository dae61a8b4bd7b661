//! Means, spreads and intervals for a handful of runs.
//!
//! All intervals are two-sided, at the given `confidence` (0.95 for 95 %), and rest on Student's t distribution: the
//! losses of one configuration over seeds are taken as normally distributed.

use statrs::distribution::{ContinuousCDF, StudentsT};

/// The confidence of every interval in tables, plots and CSVs.
pub const CONFIDENCE: f64 = 0.95;

/// An estimated difference with its interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval {
    /// The estimate: the middle of the interval.
    pub estimate: f64,
    /// Half the interval's width.
    pub half_width: f64,
}

impl Interval {
    /// The lower end, `estimate − half_width`.
    pub fn low(&self) -> f64 {
        self.estimate - self.half_width
    }

    /// The upper end, `estimate + half_width`.
    pub fn high(&self) -> f64 {
        self.estimate + self.half_width
    }

    /// Whether zero lies outside.
    pub fn excludes_zero(&self) -> bool {
        self.low() > 0.0 || self.high() < 0.0
    }
}

/// Arithmetic mean, `Σx / n`; `None` without values.
pub fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// Sample standard deviation, `√(Σ(x − x̄)² / (n − 1))`; `None` for fewer than two values.
///
/// ```
/// let sd = lrx_analysis::stats::sample_sd(&[1.0, 2.0, 3.0]).unwrap();
/// assert!((sd - 1.0).abs() < 1e-15);
/// ```
pub fn sample_sd(values: &[f64]) -> Option<f64> {
    let mean = mean(values).filter(|_| values.len() >= 2)?;
    let squares: f64 = values.iter().map(|x| (x - mean).powi(2)).sum();
    Some((squares / (values.len() - 1) as f64).sqrt())
}

/// The t that a Student variable with `freedom` degrees of freedom stays within, in size, with probability `confidence`.
///
/// # Panics
/// Unless `freedom > 0` and `0 < confidence < 1`.
pub fn t_quantile(confidence: f64, freedom: f64) -> f64 {
    assert!(confidence > 0.0 && confidence < 1.0, "confidence {confidence} is not between 0 and 1");
    let student = StudentsT::new(0.0, 1.0, freedom).expect("degrees of freedom are positive");
    student.inverse_cdf(0.5 + confidence / 2.0)
}

/// Interval of the mean of paired differences `dᵢ = aᵢ − bᵢ`: `d̄ ± t(n − 1)·sd(d)/√n`; `None` for fewer than two pairs.
pub fn paired(differences: &[f64], confidence: f64) -> Option<Interval> {
    let n = differences.len() as f64;
    let estimate = mean(differences)?;
    let sd = sample_sd(differences)?;
    Some(Interval { estimate, half_width: t_quantile(confidence, n - 1.0) * sd / n.sqrt() })
}

/// Welch's interval of `ā − b̄`, the spreads not taken as equal: with `v = sd²/n` on each side,
/// `± t(ν)·√(v_a + v_b)`, `ν = (v_a + v_b)² / (v_a²/(n_a − 1) + v_b²/(n_b − 1))`; `None` unless both sides have two values.
pub fn welch(a: &[f64], b: &[f64], confidence: f64) -> Option<Interval> {
    let part = |values: &[f64]| Some((mean(values)?, sample_sd(values)?.powi(2) / values.len() as f64));
    let (mean_a, v_a) = part(a)?;
    let (mean_b, v_b) = part(b)?;
    let estimate = mean_a - mean_b;
    let variance = v_a + v_b;
    if variance == 0.0 {
        return Some(Interval { estimate, half_width: 0.0 });
    }
    let freedom = variance.powi(2) / (v_a.powi(2) / (a.len() - 1) as f64 + v_b.powi(2) / (b.len() - 1) as f64);
    Some(Interval { estimate, half_width: t_quantile(confidence, freedom) * variance.sqrt() })
}

/// Interval of `ā − b̄` where the spread comes from `reference`, taken as that of both sides:
/// `± t(n_r − 1)·sd_r·√(1/n_a + 1/n_b)`; `None` if a side is empty or the reference has fewer than two values.
///
/// With one run in `a` and `b` itself as the reference this is the prediction interval of a new run,
/// `± t·sd_b·√(1 + 1/n_b)`.
pub fn with_spread_of(reference: &[f64], a: &[f64], b: &[f64], confidence: f64) -> Option<Interval> {
    let estimate = mean(a)? - mean(b)?;
    let sd = sample_sd(reference)?;
    let runs = 1.0 / a.len() as f64 + 1.0 / b.len() as f64;
    let t = t_quantile(confidence, (reference.len() - 1) as f64);
    Some(Interval { estimate, half_width: t * sd * runs.sqrt() })
}

/// A spread that several groups of values share.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spread {
    /// Standard deviation.
    pub sd: f64,
    /// Degrees of freedom that it rests on.
    pub freedom: f64,
}

/// The pooled standard deviation of groups with means of their own, `√(Σ(nᵢ − 1)·sdᵢ² / Σ(nᵢ − 1))`; `None` unless a
/// group has two values.
pub fn pooled_spread<'v>(groups: impl IntoIterator<Item = &'v [f64]>) -> Option<Spread> {
    let (mut squares, mut freedom) = (0.0, 0.0);
    for values in groups {
        if let Some(sd) = sample_sd(values) {
            squares += (values.len() - 1) as f64 * sd.powi(2);
            freedom += (values.len() - 1) as f64;
        }
    }
    (freedom > 0.0).then(|| Spread { sd: (squares / freedom).sqrt(), freedom })
}

/// Interval of a weighted sum of means, `Σ wᵢ·x̄ᵢ ± t(ν)·sd·√(Σ wᵢ²/nᵢ)`, all with one spread; `None` if a group is empty.
pub fn contrast(parts: &[(f64, &[f64])], spread: Spread, confidence: f64) -> Option<Interval> {
    let (mut estimate, mut squares) = (0.0, 0.0);
    for (weight, values) in parts {
        estimate += weight * mean(values)?;
        squares += weight.powi(2) / values.len() as f64;
    }
    Some(Interval { estimate, half_width: t_quantile(confidence, spread.freedom) * spread.sd * squares.sqrt() })
}

/// Half the width of the interval of a difference of two rows' means, `t(ν)·sd·√(2/m)`, where each column of the table is a
/// block: what its values share, as losses of one seed do, is no spread. Of `n` rows and `m` columns the spread is
/// `sd² = Σ(xᵢⱼ − x̄ᵢ − x̄ⱼ + x̄)² / ν`, `ν = (n − 1)(m − 1)` (Fisher's randomized blocks). `None` for fewer than two rows or
/// columns, rows of unequal length, or where the spread is 0: losses that are equal to all their digits tell of none.
pub fn blocks(rows: &[&[f64]], confidence: f64) -> Option<f64> {
    let (n, m) = (rows.len(), rows.first()?.len());
    if n < 2 || m < 2 || rows.iter().any(|row| row.len() != m) {
        return None;
    }
    let of_rows: Vec<f64> = rows.iter().filter_map(|row| mean(row)).collect();
    let of_columns: Vec<f64> = (0..m).map(|j| rows.iter().map(|row| row[j]).sum::<f64>() / n as f64).collect();
    let all = mean(&of_rows)?;
    let residual = |i: usize, j: usize| rows[i][j] - of_rows[i] - of_columns[j] + all;
    let squares: f64 = (0..n).flat_map(|i| (0..m).map(move |j| (i, j))).map(|(i, j)| residual(i, j).powi(2)).sum();
    let freedom = ((n - 1) * (m - 1)) as f64;
    // What is left of equal differences is rounding.
    let scale = rows.iter().flat_map(|row| row.iter()).fold(0.0_f64, |most, value| most.max(value.abs()));
    let sd = (squares / freedom).sqrt();
    (sd > 1e-12 * scale).then(|| t_quantile(confidence, freedom) * sd * (2.0 / m as f64).sqrt())
}
