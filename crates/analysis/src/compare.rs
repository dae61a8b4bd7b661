//! Whether two configurations can be told apart.

use std::fmt;

use crate::stats::{self, CONFIDENCE, Contrast, Interval};
use crate::{Configuration, ErrorModel};

/// How the interval of a difference was found: see [`ErrorModel`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// Student's t with the spread of all configurations pooled.
    Pooled,
    /// Student's t with seeds as blocks: what runs of one seed share is no spread.
    Blocks,
    /// Welch's t: spreads are unequal, and each side has its own.
    Welch,
    /// No spread is known: there is a difference but no interval.
    NoSpread,
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pooled => "t, spread of all configurations pooled",
            Self::Blocks => "t, seeds as blocks",
            Self::Welch => "t, a spread for each side (Welch)",
            Self::NoSpread => "no spread known",
        })
    }
}

/// What a test says about the first configuration; a lower loss is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// It is what the others are compared with.
    Baseline,
    /// Its loss is lower than chance explains.
    Better,
    /// It is higher than chance explains.
    Worse,
    /// Chance may explain the difference.
    NotDistinguishable,
    /// Chance may explain it, and it lies within the margin that was given.
    Equivalent,
    /// Chance may explain it, and it is not above the margin that was given.
    NoWorse,
}

/// The p-values of a difference, each adjusted for all that it is looked at beside.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Judged {
    /// Of no difference.
    pub p: f64,
    /// Where a margin was given: of a difference that lies outside of it, and of one above it.
    pub within: Option<(f64, f64)>,
}

impl Judged {
    /// Adjusts all contrasts of a table, where such are known, in their order: each family of tests by itself (Holm).
    pub(crate) fn all(contrasts: &[Contrast], margin: Option<f64>) -> Vec<Self> {
        let holm = |p: &dyn Fn(&Contrast) -> f64| stats::holm(&contrasts.iter().map(p).collect::<Vec<_>>());
        let p = holm(&|contrast| contrast.p);
        let within = margin.map(|margin| {
            let equivalent = holm(&|contrast| contrast.p_equivalent(margin));
            equivalent.into_iter().zip(holm(&|contrast| contrast.p_below(margin))).collect::<Vec<_>>()
        });
        let one = |(i, p): (usize, f64)| Self { p, within: within.as_ref().map(|within| within[i]) };
        p.into_iter().enumerate().map(one).collect()
    }

    /// What they say of a difference.
    pub fn verdict(&self, difference: f64) -> Verdict {
        let is_shown = |p: f64| p <= 1.0 - CONFIDENCE;
        match (Verdict::of(difference, self.p), self.within) {
            (Verdict::NotDistinguishable, Some((equivalent, _))) if is_shown(equivalent) => Verdict::Equivalent,
            (Verdict::NotDistinguishable, Some((_, no_worse))) if is_shown(no_worse) => Verdict::NoWorse,
            (verdict, _) => verdict,
        }
    }
}

impl Verdict {
    /// What a difference says whose p, adjusted for all that it is looked at beside, is `p`.
    pub fn of(difference: f64, p: f64) -> Self {
        match p <= 1.0 - CONFIDENCE {
            true if difference < 0.0 => Self::Better,
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
            Self::Equivalent => "equivalent",
            Self::NoWorse => "no worse",
        }
    }

    /// The words of a table: with the margin, where it is about one.
    pub(crate) fn words(self, margin: Option<f64>) -> String {
        match (self, margin) {
            (Self::Equivalent, Some(margin)) => format!("equivalent within {margin}"),
            (Self::NoWorse, Some(margin)) => format!("no worse than {margin}"),
            _ => self.as_str().to_owned(),
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
    /// Its 95 % interval and its p, each by itself, if a spread is known.
    pub contrast: Option<Contrast>,
    /// How they were found.
    pub method: Method,
}

impl Comparison {
    /// Its 95 % interval, by itself.
    pub fn interval(&self) -> Option<Interval> {
        self.contrast.map(|contrast| contrast.interval)
    }

    /// Whether `a` is better or worse than `b`, if nothing else is asked; `None` without an interval.
    pub fn verdict(&self) -> Option<Verdict> {
        self.contrast.map(|contrast| Verdict::of(self.difference, contrast.p))
    }
}

/// Compares `a` with `b`.
pub fn compare(a: &Configuration, b: &Configuration, errors: &ErrorModel) -> Comparison {
    let (contrast, method) = errors.contrast(&[(1.0, a), (-1.0, b)]);
    Comparison { difference: a.mean_loss() - b.mean_loss(), contrast, method }
}
