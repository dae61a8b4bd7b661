//! Whether two configurations can be told apart.

use std::collections::HashMap;
use std::fmt;

use lrx_records::RunRecord;

use crate::Configuration;
use crate::stats::{self, CONFIDENCE, Interval};

/// How the interval of a difference was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// Paired t over the seeds that both sides have.
    Paired {
        /// How many seeds pair.
        pairs: usize,
    },
    /// Welch's t: both sides have several runs, but fewer than two seeds in common.
    Welch,
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
            Self::Paired { pairs } => write!(f, "paired t over {pairs} seeds"),
            Self::Welch => f.write_str("Welch t"),
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
    /// The mean of `a − b`: over the pairs with [`Method::Paired`], else the difference of the means over all runs.
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

/// Compares `a` with `b`.
///
/// Where at least two seeds occur on both sides, a paired t over these seeds: they share the order of the data, so part
/// of the spread cancels. Else Welch's t, if both have several runs. If one has a single run, the other's spread is taken
/// for both; if both have, that of `baseline`. See [`stats`] for the formulas.
pub fn compare(a: &Configuration, b: &Configuration, baseline: Option<&Configuration>) -> Comparison {
    let (losses_a, losses_b) = (a.losses(), b.losses());
    let differences = paired_differences(a, b);
    let (interval, method) = if differences.len() >= 2 {
        (stats::paired(&differences, CONFIDENCE), Method::Paired { pairs: differences.len() })
    } else if losses_a.len() >= 2 && losses_b.len() >= 2 {
        (stats::welch(&losses_a, &losses_b, CONFIDENCE), Method::Welch)
    } else {
        let lender = [a, b].into_iter().find(|side| side.runs.len() >= 2).or(baseline);
        let interval =
            lender.and_then(|lender| stats::with_spread_of(&lender.losses(), &losses_a, &losses_b, CONFIDENCE));
        let from_baseline = lender.zip(baseline).is_some_and(|(lender, baseline)| lender == baseline);
        (interval, if from_baseline { Method::SpreadOfBaseline } else { Method::SpreadOfOther })
    };
    match interval {
        Some(interval) => Comparison { difference: interval.estimate, interval: Some(interval), method },
        None => Comparison { difference: a.mean_loss() - b.mean_loss(), interval: None, method: Method::NoSpread },
    }
}

/// `a − b` for each seed that occurs on both sides.
fn paired_differences(a: &Configuration, b: &Configuration) -> Vec<f64> {
    let by_seed = |run: &RunRecord| Some((run.seed?, run.final_loss()?));
    let of_b: HashMap<u64, f64> = b.runs.iter().filter_map(by_seed).collect();
    a.runs.iter().filter_map(by_seed).filter_map(|(seed, loss)| Some(loss - of_b.get(&seed)?)).collect()
}
