//! A layer kind of our own with numbers that are not trained: `(α/r) B A x + S x`, S sparse with a fixed random support, as
//! in SLTrain (Han et al. 2024).
//!
//! lrx brings it as `sparse-low-rank`; here it stands to show how one is written.

use std::num::NonZeroUsize;

use lrx::layers::{
    About, FixedId, Linear, LinearKind, LinearShape, OptionError, ParameterId, Parameters, Pass, Plan, Progress, Role,
    Size, Start,
};
use lrx::tensor::{Activation, Matrix, dims, matrix, ops, values};
use rand::seq::index::sample;

/// The kind, as the registry knows it.
pub struct SparseLowRank;

/// What stands beside `kind = "own-sparse-low-rank"` in a config.
#[derive(serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Options {
    /// The rank of B·A.
    rank: NonZeroUsize,
    /// δ: the part of the matrix's places where S is not zero.
    density: f64,
    /// α: B·A counts α/rank times.
    #[serde(default = "default_alpha")]
    alpha: f32,
}

fn default_alpha() -> f32 {
    16.0
}

struct Layer {
    down: ParameterId,
    up: ParameterId,
    sparse: ParameterId,
    support: FixedId,
    bias: Option<ParameterId>,
    outputs: usize,
    scale: f32,
}

impl LinearKind for SparseLowRank {
    type Options = Options;

    fn about(&self) -> About {
        About {
            name: "own-sparse-low-rank",
            version: 1,
            summary: "a product of two thin matrices plus a sparse matrix",
            description: "y = (α/rank) B (A x) + S x + b; S has trained numbers at fixed random places. Parameters: \
                rank · (inputs + outputs) + δ · inputs · outputs. A starts evenly in ±1/√inputs, B at 0, S evenly in ±1/√inputs. \
                Source: SLTrain, 2024.",
            example: "rank = 2\ndensity = 0.25",
        }
    }

    fn layer(&self, options: &Options, shape: &LinearShape, plan: &mut Plan) -> Result<Box<dyn Linear>, OptionError> {
        let &LinearShape { inputs, outputs, .. } = shape;
        if !(options.density > 0.0 && options.density <= 1.0) {
            let message = format!("`density` is {}; expected a number above 0, at most 1", options.density);
            return Err(OptionError::new("density", message));
        }
        if !options.alpha.is_finite() {
            return Err(OptionError::new("alpha", format!("`alpha` is {}; expected a number", options.alpha)));
        }
        let (rank, places) = (options.rank.get(), inputs * outputs);
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
        Ok(Box::new(Layer { down, up, sparse, support, bias, outputs, scale }))
    }
}

impl Linear for Layer {
    fn forward(&self, pass: &Pass<'_>, x: Activation) -> Activation {
        let narrow = ops::scale(ops::linear(x.clone(), &pass[self.down], None), self.scale);
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
}
