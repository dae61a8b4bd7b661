//! A layer kind of our own that changes during training: dense up to a step, its truncated SVD from then on (as in
//! Cuttlefish, Wang et al. 2023).
//!
//! lrx brings it as `dense-then-svd`; here it stands to show how one is written.

use std::num::NonZeroUsize;

use faer::Mat;
use lrx::layers::{
    About, Chain, Change, Linear, LinearKind, LinearShape, OptionError, ParameterId, Parameters, Pass, Plan, Progress,
};
use lrx::tensor::{Activation, Matrix, dims, matrix, ops, values};

/// The kind, as the registry knows it.
pub struct DenseThenSvd;

/// What stands beside `kind = "own-dense-then-svd"` in a config.
#[derive(serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Options {
    /// The rank after the change.
    rank: NonZeroUsize,
    /// The part of training after which it changes, from 0 to 1.
    at: f64,
}

struct Layer {
    /// W, or A and B.
    matrices: Vec<ParameterId>,
    bias: Option<ParameterId>,
    rank: usize,
    at: f64,
}

impl LinearKind for DenseThenSvd {
    type Options = Options;

    fn about(&self) -> About {
        About {
            name: "own-dense-then-svd",
            version: 1,
            summary: "a matrix that becomes its truncated singular value decomposition",
            description: "y = W x + b until the part `at` of training is done, then y = B A x + b with B = U_r √Σ_r, A = √Σ_r V_rᵀ \
                of W's singular value decomposition. A and B begin with an optimizer's state of zeros.",
            example: "rank = 3\nat = 0.5",
        }
    }

    fn layer(&self, options: &Options, shape: &LinearShape, plan: &mut Plan) -> Result<Box<dyn Linear>, OptionError> {
        let (rank, most) = (options.rank.get(), shape.inputs.min(shape.outputs));
        if rank > most {
            return Err(OptionError::new(
                "rank",
                format!("rank {rank} is more than {most}, the smaller side of {shape}"),
            ));
        }
        if !(0.0..=1.0).contains(&options.at) {
            return Err(OptionError::new("at", format!("`at` is {}; expected a number from 0 to 1", options.at)));
        }
        let weight = plan.matrix("weight", shape.outputs, shape.inputs);
        let bias = plan.bias(shape);
        plan.chain(&[weight]);
        plan.rank(rank);
        let after = rank * (shape.inputs + shape.outputs);
        plan.deploy(after + if shape.bias { shape.outputs } else { 0 }, 2 * after);
        Ok(Box::new(Layer { matrices: vec![weight], bias, rank, at: options.at }))
    }
}

impl Layer {
    fn replace(&mut self, change: &mut Change<'_>, down: impl FnOnce(&Matrix) -> [Matrix; 2]) {
        let weight = change.remove(self.matrices[0]);
        let [down, up] = down(&weight);
        self.matrices = vec![change.matrix("down.weight", down), change.matrix("up.weight", up)];
    }
}

impl Linear for Layer {
    fn forward(&self, pass: &Pass<'_>, x: Activation) -> Activation {
        let (last, others) = self.matrices.split_last().expect("one matrix or two");
        let x = others.iter().fold(x, |x, &matrix| ops::linear(x, &pass[matrix], None));
        ops::linear(x, &pass[*last], self.bias.map(|bias| &pass[bias]))
    }

    fn dense_equivalent(&self, parameters: &Parameters, _: Progress) -> Option<Matrix> {
        self.chain().map(|chain| chain.product(parameters))
    }

    fn chain(&self) -> Option<Chain> {
        Some(Chain { matrices: self.matrices.clone(), bias: self.bias })
    }

    fn on_step(&mut self, progress: Progress, change: &mut Change<'_>) {
        if self.matrices.len() == 1 && progress.part() >= self.at {
            let rank = self.rank;
            let weight = &change.parameters()[self.matrices[0]];
            // Else the run has diverged, and its next loss says so.
            if weight.values().iter().all(|w| w.is_finite()) {
                self.replace(change, |weight| truncated_svd(weight, rank));
            }
        }
    }

    fn structure(&self) -> Option<String> {
        (self.matrices.len() == 2).then(|| "low-rank".to_string())
    }

    fn restore(&mut self, _: &str, change: &mut Change<'_>) -> Result<(), String> {
        let rank = self.rank;
        let zeros = |rows, columns| matrix(vec![0.0; rows * columns], rows, columns);
        self.replace(change, |weight| [zeros(rank, dims(weight).1), zeros(dims(weight).0, rank)]);
        Ok(())
    }
}

/// √Σ_r V_rᵀ and U_r √Σ_r.
fn truncated_svd(weight: &Matrix, rank: usize) -> [Matrix; 2] {
    let ((rows, columns), w) = (dims(weight), values(weight));
    let svd = Mat::from_fn(rows, columns, |i, j| f64::from(w[i * columns + j])).thin_svd();
    let svd = svd.expect("a singular value decomposition of finite numbers");
    let root = |r: usize| svd.S().column_vector()[r].sqrt();
    let down = (0..rank * columns).map(|i| (svd.V()[(i % columns, i / columns)] * root(i / columns)) as f32).collect();
    let up = (0..rows * rank).map(|i| (svd.U()[(i / rank, i % rank)] * root(i % rank)) as f32).collect();
    [matrix(down, rank, columns), matrix(up, rows, rank)]
}
