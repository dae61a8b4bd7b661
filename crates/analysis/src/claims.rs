//! What was claimed before the runs, and what came of it.

use std::fmt;

use lrx_records::{ClaimRecord, RunRecord};

use crate::format::percent_change;
use crate::settings::trained_otherwise;
use crate::stats::{CONFIDENCE, Contrast, holm};
use crate::tuning::{Withheld, withheld};
use crate::{Configuration, ErrorModel, Experiment};

/// What the runs say of a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// That it is true.
    Holds,
    /// That it is false.
    DoesNot,
    /// Neither.
    CannotBeTold,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Holds => "holds",
            Self::DoesNot => "does not",
            Self::CannotBeTold => "cannot be told",
        })
    }
}

/// A claim of an experiment beside what its runs say.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer<'a> {
    /// The claim.
    pub claim: &'a ClaimRecord,
    /// Whether it is true.
    pub outcome: Outcome,
    /// The difference in loss, `a − b`, where both have runs and a spread is known.
    pub contrast: Option<Contrast>,
    /// The p of the test that decided or came nearest to it, adjusted for all claims of the experiment (Holm).
    pub p: Option<f64>,
    /// Why it cannot be told, where that is not chance alone; in what the two were trained otherwise.
    pub why: String,
}

impl Answer<'_> {
    /// What is claimed, as a sentence.
    pub fn sentence(&self) -> String {
        let ClaimRecord { a, b, direction, margin, budget, .. } = self.claim;
        let margin = margin.0;
        let by = if margin > 0.0 { format!(" by more than {margin}") } else { String::new() };
        let says = match direction.as_str() {
            "lower" => format!("{a} has a lower loss than {b}{by}"),
            "higher" => format!("{a} has a higher loss than {b}{by}"),
            "equivalent" => format!("{a} has the loss of {b} to within {margin}"),
            "no-worse" if margin > 0.0 => format!("{a} has no higher loss than {b} by {margin} or more"),
            "no-worse" => format!("{a} has no higher loss than {b}"),
            other => format!("{a} {other} {b}"),
        };
        match figure(budget) {
            Some((what, _)) => format!("{says}, with no more {what}"),
            None => says,
        }
    }
}

/// What is counted, and that of a run.
type Figure = (&'static str, fn(&RunRecord) -> Option<u64>);

/// What a budget is of.
fn figure(budget: &str) -> Option<Figure> {
    Some(match budget {
        "parameters" => ("parameters", |run| run.params),
        "body" => ("parameters outside the embeddings", |run| run.params_body),
        "flops" => ("operations a token", |run| run.flops_per_token),
        _ => return None,
    })
}

/// The answers to all claims of an experiment; of a part of one, to those about something in it.
pub(crate) fn answers<'a>(experiment: &'a Experiment, errors: &ErrorModel) -> Vec<Answer<'a>> {
    let find = |hash: &str, label: &str| {
        experiment.configurations.iter().find(|one| match hash {
            "" => one.name == label || one.label() == label,
            hash => one.first().configuration == hash,
        })
    };
    let mut answers = Vec::new();
    let mut tests = Vec::new();
    for claim in &experiment.claims {
        let sides = [find(&claim.a_configuration, &claim.a), find(&claim.b_configuration, &claim.b)];
        if experiment.part.is_some() && sides == [None, None] {
            continue;
        }
        let (contrast, why) = match sides {
            [Some(a), Some(b)] => (errors.contrast(&[(1.0, a), (-1.0, b)]).0, reservation(claim, a, b)),
            [a, _] => {
                let missing = if a.is_none() { &claim.a } else { &claim.b };
                (None, Err(format!("{missing} has no finished run here")))
            }
        };
        let (why, is_told) = match (why, contrast) {
            (Err(why), _) => (why, false),
            (Ok(_), None) => ("no spread of the seeds is known".to_owned(), false),
            (Ok(note), Some(_)) => (note, true),
        };
        if let Some((contrast, p)) = contrast.filter(|_| is_told).and_then(|one| Some((one, tested(claim, &one)?))) {
            tests.push((answers.len(), p, contrast));
        }
        answers.push(Answer { claim, outcome: Outcome::CannotBeTold, contrast, p: None, why });
    }
    let adjusted = holm(&tests.iter().map(|(_, [holds, not], _)| holds.min(*not)).collect::<Vec<_>>());
    for ((index, [holds, not], _), p) in tests.into_iter().zip(adjusted) {
        answers[index].p = Some(p);
        answers[index].outcome = match p <= 1.0 - CONFIDENCE {
            true if holds <= not => Outcome::Holds,
            true => Outcome::DoesNot,
            false => Outcome::CannotBeTold,
        };
    }
    answers
}

/// Why nothing can be said of a claim, whatever the losses are; else what should be known beside the answer.
fn reservation(claim: &ClaimRecord, a: &Configuration, b: &Configuration) -> Result<String, String> {
    match withheld([a, b]) {
        Some(Withheld::OneSideTuned) => return Err("one side was tuned, the other was not".to_owned()),
        Some(Withheld::Edge) => return Err("a tuned value lies at an end of what was tried".to_owned()),
        _ => {}
    }
    if let Some((what, of)) = figure(&claim.budget) {
        match (of(a.first()), of(b.first())) {
            (Some(own), Some(other)) if own > other => {
                let more = percent_change(other, own).unwrap_or_default();
                return Err(format!("{} has more {what} ({more})", claim.a));
            }
            (Some(_), Some(_)) => {}
            _ => return Err(format!("runs.csv does not tell the {what}")),
        }
    }
    let otherwise = trained_otherwise(a.first(), b.first());
    Ok(if otherwise.is_empty() { String::new() } else { format!("trained otherwise in {}", otherwise.join(", ")) })
}

/// The p of a truth that is not as claimed, and of one that is; `None` of a direction that no lrx writes.
///
/// `lower` and `higher` are tested to both sides, so that a claim never holds on less than a verdict of the tables takes;
/// `equivalent` and `no-worse` one-sided at 5 %, as is usual for them.
fn tested(claim: &ClaimRecord, contrast: &Contrast) -> Option<[f64; 2]> {
    let margin = claim.margin.0;
    Some(match claim.direction.as_str() {
        "lower" => [2.0 * contrast.p_below(-margin), 2.0 * contrast.p_above(-margin)],
        "higher" => [2.0 * contrast.p_above(margin), 2.0 * contrast.p_below(margin)],
        "equivalent" => [contrast.p_equivalent(margin), contrast.p_not_equivalent(margin)],
        "no-worse" => [contrast.p_below(margin), contrast.p_above(margin)],
        _ => return None,
    })
}
