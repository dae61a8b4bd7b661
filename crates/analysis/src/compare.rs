//! Whether two configurations can be told apart.

use std::fmt;

use crate::Configuration;
use crate::stats::{self, CONFIDENCE, Interval};

/// How the interval of a difference was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// Student's t with the spread of both sides pooled.
    Pooled,
    /// A side has a single run, or both: the baseline's spread is taken for both sides.
    SpreadOfBaseline,
    /// One side has a single run and neither is the baseline, or the baseline is the one: the other side's spread is
    /// taken for both.
    SpreadOfOther,
    /// No spread is known: there is a difference but no interval.
    NoSpread,
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pooled => f.write_str("t, spread of both sides pooled"),
            Self::SpreadOfBaseline => f.write_str("single run: spread of the baseline"),
            Self::SpreadOfOther => f.write_str("single run: spread of the other side"),
            Self::NoSpread => f.write_str("no spread known"),
        }
    }
}

/// What the interval says about the first configuration; a lower loss is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// It is what the others are compared with.
    Baseline,
    /// The whole interval is below zero.
    Better,
    /// The whole interval is above zero.
    Worse,
    /// The interval holds zero.
    NotDistinguishable,
}

impl Verdict {
    /// What the interval of a difference says.
    pub fn of(interval: Interval) -> Self {
        match interval.excludes_zero() {
            true if interval.estimate < 0.0 => Self::Better,
            true => Self::Worse,
            false => Self::NotDistinguishable,
        }
    }

    /// The words that stand in `summary.csv`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Baseline => "baseline",
            Self::Better => "better",
            Self::Worse => "worse",
            Self::NotDistinguishable => "not distinguishable",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The difference in evaluation loss between two configurations, `a − b`, nats per target token.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Comparison {
    /// The difference of the means over all runs.
    pub difference: f64,
    /// Its 95 % interval, if a spread is known.
    pub interval: Option<Interval>,
    /// How the interval was found.
    pub method: Method,
}

impl Comparison {
    /// Whether `a` is better or worse than `b`; `None` without an interval.
    pub fn verdict(&self) -> Option<Verdict> {
        self.interval.map(Verdict::of)
    }
}

/// Compares `a` with `b`: Student's t for the difference of two means, `± t(ν)·sd·√(1/n_a + 1/n_b)`.
///
/// The spread is that of both sides pooled, with `ν = n_a + n_b − 2`. A side with a single run lends nothing to it, so the
/// same formula then takes the other side's spread for both; where both have one run, that of `baseline`. One model for
/// any number of runs: each further run adds a degree of freedom, and widens the interval only where it shows that the
/// spread is larger. (Pairing by seed would leave half of the degrees of freedom: with two seeds t(1) = 12.7 in place of
/// t(2) = 4.3, for the little that runs of one seed have in common.)
pub fn compare(a: &Configuration, b: &Configuration, baseline: Option<&Configuration>) -> Comparison {
    let (losses_a, losses_b) = (a.losses(), b.losses());
    let several = |side: &&Configuration| side.losses().len() >= 2;
    let (lenders, method): (Vec<&Configuration>, Method) = match (several(&a), several(&b)) {
        (true, true) => (vec![a, b], Method::Pooled),
        (false, false) => (baseline.into_iter().collect(), Method::SpreadOfBaseline),
        (one, _) => {
            let lender = if one { a } else { b };
            let from_baseline = baseline.is_some_and(|baseline| baseline == lender);
            (vec![lender], if from_baseline { Method::SpreadOfBaseline } else { Method::SpreadOfOther })
        }
    };
    let known: Vec<Vec<f64>> = lenders.iter().map(|lender| lender.losses()).collect();
    // Losses that are equal to all their digits were rounded: a spread of 0 is one that is not known.
    let spread = stats::pooled_spread(known.iter().map(Vec::as_slice)).filter(|spread| spread.sd > 0.0);
    let interval =
        spread.and_then(|spread| stats::contrast(&[(1.0, &losses_a), (-1.0, &losses_b)], spread, CONFIDENCE));
    let difference = a.mean_loss() - b.mean_loss();
    Comparison { difference, interval, method: if interval.is_some() { method } else { Method::NoSpread } }
}
