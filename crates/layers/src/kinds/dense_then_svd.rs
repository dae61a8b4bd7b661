//! A dense matrix that becomes low-rank during training.

use std::num::NonZeroUsize;

use lrx_tensor::{Activation, Matrix, dims, matrix, ops, values};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use toml::Table;

use super::divide::sizes;
use super::low_rank::checked_rank;
use crate::svd::Svd;
use crate::{
    About, Chain, Change, Linear, LinearKind, LinearShape, OptionError, ParameterId, Parameters, Pass, Plan, Progress,
    Values,
};

/// `y = W x + b`, then `y = B (A x) + b`
pub struct DenseThenSvd;

/// The options of `dense-then-svd`.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DenseThenSvdOptions {
    /// The rank after the change, at most the smaller side of the matrix; or `energy`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rank: Option<NonZeroUsize>,
    /// The part of W's energy Σ σ² that the rank keeps at least, above 0 and at most 1; or `rank`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub energy: Option<f64>,
    /// The part of training after which the matrix changes, from 0 to 1.
    #[serde(default = "quarter")]
    pub at: f64,
}

fn quarter() -> f64 {
    0.25
}

/// How many singular values are kept.
#[derive(Clone, Copy)]
enum Kept {
    Rank(usize),
    Energy(f64),
}

struct DenseThenSvdLayer {
    /// W, or A and B.
    matrices: Vec<ParameterId>,
    bias: Option<ParameterId>,
    kept: Kept,
    at: f64,
    /// That of B A.
    rank: Option<usize>,
}

impl LinearKind for DenseThenSvd {
    type Options = DenseThenSvdOptions;

    fn about(&self) -> About {
        About {
            name: "dense-then-svd",
            version: 1,
            summary: "a dense matrix that becomes its truncated singular value decomposition",
            description: "y = W x + b until the part `at` of training is done, then y = B A x + b with B = U_r √Σ_r, A = √Σ_r V_rᵀ of \
                W = U Σ Vᵀ: r is `rank`, or the least for which Σ_{i ≤ r} σ_i² ≥ energy · Σ σ_i² (where B A would have more numbers \
                than W, it stays dense). A and B begin with an optimizer's state of zeros. Parameters: inputs · outputs, then \
                r · (inputs + outputs); where `energy` is given, what it deploys is known when it changes, and counted as W's \
                until then.\n\
                Sources: Wang et al., \"Cuttlefish\", MLSys 2023; Zhao et al., \"InRank\", 2023.",
            example: "rank = 3\nat = 0.5",
        }
    }

    fn layer(
        &self,
        options: &DenseThenSvdOptions,
        shape: &LinearShape,
        plan: &mut Plan,
    ) -> Result<Box<dyn Linear>, OptionError> {
        if !(0.0..=1.0).contains(&options.at) {
            let message = format!("`at` is {}; expected a part of training, from 0 to 1", options.at);
            return Err(OptionError::new("at", message));
        }
        let kept = match (options.rank, options.energy) {
            (Some(rank), None) => Kept::Rank(checked_rank(rank, shape)?),
            (None, Some(energy)) if energy > 0.0 && energy <= 1.0 => Kept::Energy(energy),
            (None, Some(energy)) => {
                let message = format!("`energy` is {energy}; expected a number above 0, at most 1");
                return Err(OptionError::new("energy", message));
            }
            (Some(_), Some(_)) => {
                let message = "`energy` stands beside `rank`; expected one of the two".to_string();
                return Err(OptionError::new("energy", message));
            }
            (None, None) => {
                return Err(OptionError::new("rank", "`rank` is missing; expected it, or `energy`".to_string()));
            }
        };
        let weight = plan.matrix("weight", shape.outputs, shape.inputs);
        let bias = plan.bias(shape);
        plan.chain(&[weight]);
        if let Kept::Rank(rank) = kept {
            let after = rank * (shape.inputs + shape.outputs);
            plan.rank(rank);
            plan.deploy(after + if shape.bias { shape.outputs } else { 0 }, 2 * after);
        }
        Ok(Box::new(DenseThenSvdLayer { matrices: vec![weight], bias, kept, at: options.at, rank: None }))
    }

    fn sizes(&self, shape: &LinearShape) -> Vec<Table> {
        (1..=shape.inputs.min(shape.outputs)).map(|rank| sizes([("rank", rank)])).collect()
    }
}

impl DenseThenSvdLayer {
    fn replace(&mut self, change: &mut Change<'_>, factors: [Matrix; 2]) {
        change.remove(self.matrices[0]);
        let [down, up] = factors;
        self.rank = Some(dims(&down).0);
        self.matrices = vec![change.matrix("down.weight", down), change.matrix("up.weight", up)];
    }
}

impl Linear for DenseThenSvdLayer {
    fn forward(&self, pass: &Pass<'_>, x: Activation) -> Activation {
        let (last, others) = self.matrices.split_last().expect("one matrix or two");
        let x = others.iter().fold(x, |x, &matrix| ops::linear(x, &pass[matrix], None));
        ops::linear(x, &pass[*last], self.bias.map(|bias| &pass[bias]))
    }

    fn dense_equivalent(&self, parameters: &Parameters, _: Progress) -> Option<Matrix> {
        self.chain().map(|chain| chain.product(parameters))
    }

    fn approximation(&self, dense: &Matrix, _: &Parameters) -> Option<Values> {
        // It is asked at the beginning of training, when there is one.
        let [weight] = self.matrices[..] else { return None };
        Some(vec![(weight, dense.clone())])
    }

    fn chain(&self) -> Option<Chain> {
        Some(Chain { matrices: self.matrices.clone(), bias: self.bias })
    }

    fn on_step(&mut self, progress: Progress, change: &mut Change<'_>) {
        let is_due = |step: u64| Progress { step, ..progress }.part() >= self.at;
        // Once: a matrix that its energy has kept dense is not looked at again.
        let is_first = progress.step == 0 || !is_due(progress.step - 1);
        if self.matrices.len() == 2 || !is_due(progress.step) || !is_first {
            return;
        }
        let weight = change.parameters()[self.matrices[0]].value().clone();
        if let Some(factors) = truncated(&weight, self.kept) {
            self.replace(change, factors);
        }
    }

    fn structure(&self) -> Option<String> {
        self.rank.map(|rank| format!("{RANK}{rank}"))
    }

    fn restore(&mut self, structure: &str, change: &mut Change<'_>) -> Result<(), String> {
        let (rows, columns) = change.parameters()[self.matrices[0]].dims();
        let rank = structure.strip_prefix(RANK).and_then(|rank| rank.parse().ok());
        let rank = rank.filter(|rank| (1..=rows.min(columns)).contains(rank) && self.rank.is_none());
        let rank =
            rank.ok_or_else(|| format!("{structure:?} is no structure of `dense-then-svd`, such as \"rank 3\""))?;
        let zeros = |rows, columns| matrix(vec![0.0; rows * columns], rows, columns);
        self.replace(change, [zeros(rank, columns), zeros(rows, rank)]);
        Ok(())
    }
}

/// What a layer that has changed says of its structure; its rank stands behind.
const RANK: &str = "rank ";

/// √Σ_r V_rᵀ and U_r √Σ_r; nothing where they would have more numbers than the matrix because its energy asks for it, or where
/// a number is not finite: the run has diverged, and its next loss says so.
fn truncated(weight: &Matrix, kept: Kept) -> Option<[Matrix; 2]> {
    let (rows, columns) = dims(weight);
    let svd = Svd::of(values(weight), rows, columns)?;
    let rank = match kept {
        Kept::Rank(rank) => rank,
        Kept::Energy(energy) => {
            let rank = rank_of_energy(&svd.values(), energy);
            if rank * (rows + columns) >= rows * columns {
                return None;
            }
            rank
        }
    };
    let (down, up) = svd.factors(rank);
    Some([matrix(down, rank, columns), matrix(up, rows, rank)])
}

/// The least number of singular values, which fall, that have this part of Σ σ².
fn rank_of_energy(sigma: &[f64], energy: f64) -> usize {
    let all: f64 = sigma.iter().map(|sigma| sigma * sigma).sum();
    let mut sum = 0.0;
    let enough = sigma.iter().position(|sigma| {
        sum += sigma * sigma;
        sum >= energy * all
    });
    enough.map_or(sigma.len(), |last| last + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rank_that_keeps_an_energy_by_hand() {
        // Squares 16, 4, 4, 1: of 25 in all, 0.64, 0.8, 0.96, 1.
        let sigma = [4.0, 2.0, 2.0, 1.0];
        for (energy, rank) in [(0.1, 1), (0.64, 1), (0.65, 2), (0.8, 2), (0.96, 3), (0.97, 4), (1.0, 4)] {
            assert_eq!(rank_of_energy(&sigma, energy), rank, "{energy}");
        }
    }
}
