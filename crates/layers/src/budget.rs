//! A budget in the place of sizes: `budget = 0.3` is the largest layer with at most 0.3 of the dense matrix's parameters.

use serde::Deserialize;
use toml::{Table, Value};

use crate::{Cost, LinearShape, OptionError, deserialize};

/// The key that may stand in the place of the options that say how large a layer is.
pub(crate) const BUDGET: &str = "budget";

/// `budget`, as a table.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Shares {
    /// Of the dense matrix's numbers.
    parameters: Option<f64>,
    /// Of the dense matrix's floating-point operations a token.
    flops: Option<f64>,
}

/// `given` with the sizes of the largest layer that `budget` allows: of `sizes`, those that agree with what is given and for
/// which there is a `cost`.
///
/// # Errors
/// A budget that is none, sizes that are all given, or none that the budget allows: what the smallest takes.
pub(crate) fn within_budget(
    budget: &Value,
    given: Table,
    sizes: Vec<Table>,
    shape: &LinearShape,
    cost: impl Fn(&Table) -> Option<Cost>,
) -> Result<Table, OptionError> {
    let allowed = Allowed::new(budget, shape)?;
    let error = |message: String| Err(OptionError::new(BUDGET, message).about_sizes());
    let agrees = |size: &Table| size.iter().all(|(key, value)| given.get(key).is_none_or(|given| given == value));
    let says_more = |size: &Table| size.keys().any(|key| !given.contains_key(key));
    let bias = if shape.bias { shape.outputs } else { 0 };
    let mut smallest = f64::INFINITY;
    let mut best: Option<(f64, Table)> = None;
    for size in sizes.into_iter().filter(|size| agrees(size) && says_more(size)) {
        let mut whole = given.clone();
        whole.extend(size);
        let Some(cost) = cost(&whole) else { continue };
        let part = allowed.part(&cost, bias);
        smallest = smallest.min(part);
        // Of equally large ones the first.
        if part <= 1.0 + 1e-9 && best.as_ref().is_none_or(|(largest, _)| part > *largest) {
            best = Some((part, whole));
        }
    }
    match best {
        Some((_, whole)) => Ok(whole),
        None if smallest.is_finite() => {
            let least = smallest * allowed.share;
            error(format!(
                "{} is less than the smallest layer {shape} takes: {least:.4} of the dense one",
                allowed.share
            ))
        }
        None => error("there is no size left for it to choose; leave the sizes out, or the budget".to_string()),
    }
}

/// What a budget allows.
struct Allowed {
    share: f64,
    of_flops: bool,
    dense: f64,
}

impl Allowed {
    fn new(budget: &Value, shape: &LinearShape) -> Result<Self, OptionError> {
        let expected = "expected a part of the dense matrix's parameters, above 0 and at most 1, or { flops = 0.3 }";
        let error = || OptionError::new(BUDGET, format!("`budget` is {budget}; {expected}"));
        let (share, of_flops) = match budget {
            Value::Float(share) => (*share, false),
            Value::Integer(share) => (*share as f64, false),
            Value::Table(table) => {
                let shares: Shares = deserialize(table.clone()).map_err(|error| error.inside(BUDGET))?;
                match (shares.parameters, shares.flops) {
                    (Some(share), None) => (share, false),
                    (None, Some(share)) => (share, true),
                    _ => return Err(error()),
                }
            }
            _ => return Err(error()),
        };
        if !(share > 0.0 && share <= 1.0) {
            return Err(error());
        }
        let numbers = (shape.inputs * shape.outputs) as f64;
        Ok(Self { share, of_flops, dense: if of_flops { 2.0 * numbers } else { numbers } })
    }

    /// The part of what is allowed that a trained layer takes, its bias aside.
    fn part(&self, cost: &Cost, bias: usize) -> f64 {
        let takes = if self.of_flops { cost.deploy_flops } else { cost.deploy_parameters.saturating_sub(bias) };
        takes as f64 / (self.share * self.dense)
    }
}
