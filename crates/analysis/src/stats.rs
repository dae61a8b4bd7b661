//! Means, spreads and intervals for a handful of runs.
//!
//! All intervals are two-sided, at the given `confidence` (0.95 for 95 %), and rest on Student's t distribution: the
//! losses of one configuration over seeds are taken as normally distributed.

use statrs::distribution::{ChiSquared, ContinuousCDF, FisherSnedecor, StudentsT};

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

/// An estimate held against zero.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Contrast {
    /// Its interval, by itself.
    pub interval: Interval,
    /// How probable an estimate so far from zero would be if the truth were zero: two-sided, by itself.
    pub p: f64,
    /// The estimate's standard error.
    pub error: f64,
    /// Degrees of freedom that it rests on.
    pub freedom: f64,
}

impl Contrast {
    /// From the estimate's standard error, which rests on `freedom` degrees of freedom; `None` where any of them is no number,
    /// as where losses are so large that their squares are none.
    pub fn new(estimate: f64, error: f64, freedom: f64, confidence: f64) -> Option<Self> {
        let t = estimate / error;
        if !(t.is_finite() && error.is_finite() && freedom.is_finite() && freedom > 0.0) {
            return None;
        }
        let student = StudentsT::new(0.0, 1.0, freedom).expect("degrees of freedom are positive");
        let interval = Interval { estimate, half_width: t_quantile(confidence, freedom) * error };
        Some(Self { interval, p: 2.0 * student.cdf(-t.abs()), error, freedom })
    }

    /// The same estimate with a further squared error, on `freedom` degrees of freedom, that has nothing to do with the first:
    /// errors add up in squares, with `(u + v)² / (u²/ν + v²/μ)` degrees of freedom (Satterthwaite 1946). Where the first rests on few,
    /// these may be so many more that the interval would be narrower than without the further error, and would hold the truth too
    /// rarely: then it stays as it was, and so does p.
    pub fn and(self, squared: f64, freedom: f64) -> Self {
        let own = self.error.powi(2);
        let both = own + squared;
        let together = both.powi(2) / (own.powi(2) / self.freedom + squared.powi(2) / freedom);
        let with = Self::new(self.interval.estimate, both.sqrt(), together, CONFIDENCE).unwrap_or(self);
        let wider = if with.interval.half_width < self.interval.half_width { self } else { with };
        Self { p: with.p.max(self.p), ..wider }
    }

    /// How probable an estimate so low would be if the truth were `bound`: one-sided, by itself. Where it is at most 5 %, the
    /// truth is below the bound.
    pub fn p_below(&self, bound: f64) -> f64 {
        self.cdf((self.interval.estimate - bound) / self.error)
    }

    /// How probable an estimate so high would be if the truth were `bound`: one-sided, by itself.
    pub fn p_above(&self, bound: f64) -> f64 {
        self.cdf((bound - self.interval.estimate) / self.error)
    }

    /// Two one-sided tests (Schuirmann 1987): the p of a truth that is further from zero than `margin`, by itself. Where it is
    /// at most 5 % the truth lies within the margin; that is where the 90 % interval does.
    pub fn p_equivalent(&self, margin: f64) -> f64 {
        self.p_below(margin).max(self.p_above(-margin))
    }

    /// The p of a truth that lies within the margin, by itself: where it is at most 5 %, the truth lies outside.
    pub fn p_not_equivalent(&self, margin: f64) -> f64 {
        let beyond = (self.interval.estimate.abs() - margin) / self.error;
        (self.cdf(-beyond) + self.cdf(-beyond - 2.0 * margin / self.error)).min(1.0)
    }

    fn cdf(&self, t: f64) -> f64 {
        // Of a bound beyond all losses, whose square is no number.
        let most = f64::MAX.sqrt();
        let t = t.clamp(-most, most);
        StudentsT::new(0.0, 1.0, self.freedom).expect("degrees of freedom are positive").cdf(t)
    }
}

/// A weighted sum of means, `Σ wᵢ·x̄ᵢ ± t(ν)·sd·√(Σ wᵢ²/nᵢ)`, all with one spread; `None` if a group is empty.
pub fn contrast(parts: &[(f64, &[f64])], spread: Spread, confidence: f64) -> Option<Contrast> {
    let (mut estimate, mut squares) = (0.0, 0.0);
    for (weight, values) in parts {
        estimate += weight * mean(values)?;
        squares += weight.powi(2) / values.len() as f64;
    }
    Contrast::new(estimate, spread.sd * squares.sqrt(), spread.freedom, confidence)
}

/// The same with a spread of its own for each group, `v = Σ wᵢ²·sdᵢ²/nᵢ`, `ν = v² / Σ (wᵢ²·sdᵢ²/nᵢ)²/(nᵢ − 1)` (Welch,
/// Satterthwaite); `None` unless each group has two values, and a spread.
pub fn contrast_of_unequal(parts: &[(f64, &[f64])], confidence: f64) -> Option<Contrast> {
    let (mut estimate, mut variance, mut squares) = (0.0, 0.0, 0.0);
    for (weight, values) in parts {
        estimate += weight * mean(values)?;
        let own = weight.powi(2) * sample_sd(values).filter(|sd| *sd > 0.0)?.powi(2) / values.len() as f64;
        variance += own;
        squares += own.powi(2) / (values.len() - 1) as f64;
    }
    Contrast::new(estimate, variance.sqrt(), variance.powi(2) / squares, confidence)
}

/// A ratio of two sums over items drawn at random, `R = Σ yᵢ / Σ xᵢ`, and its squared standard error,
/// `n/(n − 1) · Σ (yᵢ − R·xᵢ)² / (Σ xᵢ)²` (Cochran 1977, 2.11). `None` for fewer than two items, or where `Σ xᵢ` is 0.
pub fn ratio(items: &[(f64, f64)]) -> Option<(f64, f64)> {
    let (n, sum) = (items.len() as f64, items.iter().map(|(_, x)| x).sum::<f64>());
    if items.len() < 2 || sum == 0.0 {
        return None;
    }
    let ratio = items.iter().map(|(y, _)| y).sum::<f64>() / sum;
    let squares: f64 = items.iter().map(|(y, x)| (y - ratio * x).powi(2)).sum();
    Some((ratio, n / (n - 1.0) * squares / sum.powi(2)))
}

/// Bartlett's test (1937) of equal spreads: the probability of groups whose spreads differ so much if the truth is one
/// spread. Groups of fewer than two values, or without a spread, are passed over; `None` for fewer than two others.
pub fn bartlett<'v>(groups: impl IntoIterator<Item = &'v [f64]>) -> Option<f64> {
    let of = |values: &[f64]| Some(((values.len() - 1) as f64, sample_sd(values).filter(|sd| *sd > 0.0)?.powi(2)));
    let parts: Vec<(f64, f64)> = groups.into_iter().filter(|values| values.len() > 1).filter_map(of).collect();
    if parts.len() < 2 {
        return None;
    }
    let k = parts.len() as f64;
    let freedom: f64 = parts.iter().map(|(freedom, _)| freedom).sum();
    let pooled = parts.iter().map(|(freedom, variance)| freedom * variance).sum::<f64>() / freedom;
    let statistic = freedom * pooled.ln() - parts.iter().map(|(freedom, v)| freedom * v.ln()).sum::<f64>();
    let inverse: f64 = parts.iter().map(|(freedom, _)| 1.0 / freedom).sum();
    let correction = 1.0 + (inverse - 1.0 / freedom) / (3.0 * (k - 1.0));
    let chi_squared = ChiSquared::new(k - 1.0).expect("degrees of freedom are positive");
    let statistic = statistic / correction;
    statistic.is_finite().then(|| chi_squared.sf(statistic.max(0.0)))
}

/// The probability of an F of `above` and `below` degrees of freedom that is larger than `value`; `None` where any is no number.
pub fn f_tail(value: f64, above: f64, below: f64) -> Option<f64> {
    let ratio = FisherSnedecor::new(above, below).ok().filter(|_| value.is_finite())?;
    Some(ratio.sf(value.max(0.0)))
}

/// Holm's adjustment (1979) of the p-values of several tests: where one is at most 5 %, its test may reject, and the
/// probability that any of them does so wrongly is 5 % at most. In their order.
pub fn holm(p: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p.len()).collect();
    order.sort_by(|&a, &b| p[a].total_cmp(&p[b]));
    let (mut adjusted, mut least) = (vec![0.0; p.len()], 0.0_f64);
    for (rank, &index) in order.iter().enumerate() {
        least = least.max((p.len() - rank) as f64 * p[index]).min(1.0);
        adjusted[index] = least;
    }
    adjusted
}

/// A table whose columns are blocks: what the values of a column share, as losses of one seed do, is no spread.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Blocks {
    /// Of `n` rows and `m` columns `sd² = Σ(xᵢⱼ − x̄ᵢ − x̄ⱼ + x̄)² / ν`, `ν = (n − 1)(m − 1)`.
    pub spread: Spread,
    /// How probable columns that differ so much would be if they shared nothing: Fisher's F of `m − 1` and ν.
    pub p: f64,
}

impl Blocks {
    /// Fisher's randomized blocks. `None` for fewer than two rows or columns, rows of unequal length, or where the spread is
    /// 0: losses that are equal to all their digits tell of none.
    pub fn of(rows: &[&[f64]]) -> Option<Self> {
        let (n, m) = (rows.len(), rows.first()?.len());
        if n < 2 || m < 2 || rows.iter().any(|row| row.len() != m) {
            return None;
        }
        let of_rows: Vec<f64> = rows.iter().filter_map(|row| mean(row)).collect();
        let of_columns: Vec<f64> = (0..m).map(|j| rows.iter().map(|row| row[j]).sum::<f64>() / n as f64).collect();
        let all = mean(&of_rows)?;
        let residual = |i: usize, j: usize| rows[i][j] - of_rows[i] - of_columns[j] + all;
        let squares: f64 = (0..n).flat_map(|i| (0..m).map(move |j| (i, j))).map(|(i, j)| residual(i, j).powi(2)).sum();
        let (of_blocks, freedom) = ((m - 1) as f64, ((n - 1) * (m - 1)) as f64);
        // What is left of equal differences is rounding.
        let scale = rows.iter().flat_map(|row| row.iter()).fold(0.0_f64, |most, value| most.max(value.abs()));
        let sd = (squares / freedom).sqrt();
        let between = n as f64 * of_columns.iter().map(|column| (column - all).powi(2)).sum::<f64>() / of_blocks;
        let ratio = FisherSnedecor::new(of_blocks, freedom).expect("degrees of freedom are positive");
        let f = between / sd.powi(2);
        (sd > 1e-12 * scale && f.is_finite()).then(|| Self { spread: Spread { sd, freedom }, p: ratio.sf(f) })
    }
}

/// Half the width of the interval of a difference of two rows' means, `t(ν)·sd·√(2/m)`, where each column of the table is a
/// block ([`Blocks`]). `None` where that is.
pub fn blocks(rows: &[&[f64]], confidence: f64) -> Option<f64> {
    let Spread { sd, freedom } = Blocks::of(rows)?.spread;
    Some(t_quantile(confidence, freedom) * sd * (2.0 / rows[0].len() as f64).sqrt())
}
