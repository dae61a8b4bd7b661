//! A low-rank product plus a sparse matrix with a fixed support: SLTrain's layer.

use std::num::NonZeroUsize;

use lrx_tensor::{Activation, Matrix, dims, matrix, ops, values};
use rand::seq::index::sample;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::low_rank::checked_rank;
use super::places::low_rank_and_places;
use crate::{
    About, FixedId, Linear, LinearKind, LinearShape, OptionError, ParameterId, Parameters, Pass, Plan, Progress, Role,
    Size, Start, Values,
};

/// `y = (α/r) B (A x) + S x + b`
pub struct SparseLowRank;

/// The options of `sparse-low-rank`.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SparseLowRankOptions {
    /// The rank r of B·A: at most the smaller side of the matrix.
    pub rank: NonZeroUsize,
    /// δ: the part of the matrix's places where S is not zero, above 0 and at most 1.
    #[serde(default = "default_density")]
    pub density: f64,
    /// α: B·A counts α/rank times.
    #[serde(default = "default_alpha")]
    pub alpha: f32,
}

fn default_density() -> f64 {
    0.03
}

fn default_alpha() -> f32 {
    16.0
}

struct SparseLowRankLayer {
    down: ParameterId,
    up: ParameterId,
    sparse: ParameterId,
    support: FixedId,
    bias: Option<ParameterId>,
    outputs: usize,
    scale: f32,
}

impl LinearKind for SparseLowRank {
    type Options = SparseLowRankOptions;

    fn about(&self) -> About {
        About {
            name: "sparse-low-rank",
            version: 1,
            summary: "a product of two thin matrices plus a sparse matrix (SLTrain)",
            description: "y = (α/rank) B (A x) + S x + b, A (`down`): rank × inputs, B (`up`): outputs × rank; S has trained numbers \
                (`sparse.values`) at δ · inputs · outputs fixed places (`sparse.support`), drawn by the run's seed. Parameters: \
                rank · (inputs + outputs) + δ · inputs · outputs.\n\
                A starts evenly in ±1/√inputs, B at 0, S evenly in ±1/√inputs.\n\
                Source: Han et al., \"SLTrain: a Sparse Plus Low-Rank Approach for Parameter and Memory Efficient Pretraining\", \
                NeurIPS 2024.",
            example: "rank = 2\ndensity = 0.25",
        }
    }

    fn layer(
        &self,
        options: &SparseLowRankOptions,
        shape: &LinearShape,
        plan: &mut Plan,
    ) -> Result<Box<dyn Linear>, OptionError> {
        let &LinearShape { inputs, outputs, .. } = shape;
        let rank = checked_rank(options.rank, shape)?;
        if !(options.density > 0.0 && options.density <= 1.0) {
            let message = format!("`density` is {}; expected a number above 0, at most 1", options.density);
            return Err(OptionError::new("density", message));
        }
        if !options.alpha.is_finite() {
            return Err(OptionError::new("alpha", format!("`alpha` is {}; expected a number", options.alpha)));
        }
        let places = inputs * outputs;
        let count = ((options.density * places as f64).round() as usize).max(1);
        let bound = (inputs as f32).sqrt().recip();
        let evenly = Start::Uniform { low: -bound, high: bound };
        let down = plan.matrix("down.weight", rank, inputs);
        plan.starting(down, evenly.clone());
        let up = plan.matrix("up.weight", outputs, rank);
        plan.starting(up, Start::Constant(0.0));
        let sparse = plan.parameter("sparse.values", Size::Vector(count), Role::Factor, evenly);
        let support = plan.integers("sparse.support", count, move |random| {
            let mut chosen: Vec<u32> = sample(random, places, count).into_iter().map(|place| place as u32).collect();
            chosen.sort_unstable();
            chosen
        });
        plan.rank(rank);
        plan.flops(2 * (rank * (inputs + outputs) + count));
        let (scale, bias) = (options.alpha / rank as f32, plan.bias(shape));
        Ok(Box::new(SparseLowRankLayer { down, up, sparse, support, bias, outputs, scale }))
    }
}

impl Linear for SparseLowRankLayer {
    fn forward(&self, pass: &Pass<'_>, x: Activation) -> Activation {
        let narrow = ops::scale(ops::linear(x.clone(), &pass[self.down], None), self.scale); // tokens × rank
        let low_rank = ops::linear(narrow, &pass[self.up], self.bias.map(|bias| &pass[bias]));
        ops::add(low_rank, ops::sparse_linear(x, &pass[self.sparse], pass.integers(self.support), self.outputs))
    }

    fn dense_equivalent(&self, parameters: &Parameters, _: Progress) -> Option<Matrix> {
        let product = parameters[self.up].value().product(parameters[self.down].value());
        let (rows, columns) = dims(&product);
        let mut dense: Vec<f32> = values(&product).iter().map(|x| x * self.scale).collect();
        for (&place, value) in parameters.integers(self.support).iter().zip(parameters[self.sparse].values()) {
            dense[place as usize] += value;
        }
        Some(matrix(dense, rows, columns))
    }

    fn approximation(&self, dense: &Matrix, parameters: &Parameters) -> Option<Values> {
        let support: Vec<usize> = parameters.integers(self.support).iter().map(|&place| place as usize).collect();
        if self.scale == 0.0 {
            // B A counts for nothing: S has what lies at its places.
            let sparse = support.iter().map(|&place| values(dense)[place]).collect();
            return Some(vec![(self.sparse, matrix(sparse, 1, support.len()))]);
        }
        let (down, up, sparse) = low_rank_and_places(dense, parameters[self.down].dims().0, &support);
        let (rows, rank) = dims(&up);
        let up = values(&up).iter().map(|x| x / self.scale).collect();
        Some(vec![(self.down, down), (self.up, matrix(up, rows, rank)), (self.sparse, sparse)])
    }
}
