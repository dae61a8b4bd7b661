//! Kinds of layers that change while they are trained.

use faer::MatRef;
use lrx_layers::{
    About, Chain, Change, Linear, LinearKind, LinearShape, OptionError, ParameterId, Parameters, Pass, Plan, Progress,
};
use lrx_tensor::{Activation, Matrix, dims, matrix, ops, values};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A matrix until some update, from then on its truncated singular value decomposition.
pub struct DenseThenSvd;

#[derive(Clone, Copy, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DenseThenSvdOptions {
    /// Singular values that are kept.
    pub rank: usize,
    /// The update after which the matrix becomes a product.
    pub at: u64,
}

struct Changing {
    options: DenseThenSvdOptions,
    /// One, or two.
    matrices: Vec<ParameterId>,
    bias: Option<ParameterId>,
}

impl LinearKind for DenseThenSvd {
    type Options = DenseThenSvdOptions;

    fn about(&self) -> About {
        About {
            name: "own-dense-then-svd",
            version: 1,
            summary: "a matrix, then its truncated singular value decomposition",
            description: "",
            example: "rank = 2\nat = 2",
        }
    }

    fn layer(
        &self,
        options: &DenseThenSvdOptions,
        shape: &LinearShape,
        plan: &mut Plan,
    ) -> Result<Box<dyn Linear>, OptionError> {
        let weight = plan.matrix("weight", shape.outputs, shape.inputs);
        Ok(Box::new(Changing { options: *options, matrices: vec![weight], bias: plan.bias(shape) }))
    }
}

/// down: rank × inputs, up: outputs × rank.
pub fn truncated(weight: &Matrix, rank: usize) -> (Matrix, Matrix) {
    let (rows, columns) = dims(weight);
    let svd = MatRef::from_row_major_slice(values(weight), rows, columns).thin_svd().expect("finite weights");
    let (u, s, v) = (svd.U(), svd.S().column_vector(), svd.V());
    let down = (0..rank).flat_map(|r| (0..columns).map(move |c| s[r].sqrt() * v[(c, r)])).collect();
    let up = (0..rows).flat_map(|o| (0..rank).map(move |r| u[(o, r)] * s[r].sqrt())).collect();
    (matrix(down, rank, columns), matrix(up, rows, rank))
}

impl Changing {
    fn split(&mut self, change: &mut Change<'_>, (down, up): (Matrix, Matrix)) {
        self.matrices = vec![change.matrix("down.weight", down), change.matrix("up.weight", up)];
    }
}

impl Linear for Changing {
    fn forward(&self, pass: &Pass<'_>, x: Activation) -> Activation {
        let (&last, others) = self.matrices.split_last().expect("one or two");
        let x = others.iter().fold(x, |x, &id| ops::linear(x, &pass[id], None));
        ops::linear(x, &pass[last], self.bias.map(|bias| &pass[bias]))
    }

    fn chain(&self) -> Option<Chain> {
        Some(Chain { matrices: self.matrices.clone(), bias: self.bias })
    }

    fn dense_equivalent(&self, parameters: &Parameters, _: Progress) -> Option<Matrix> {
        self.chain().map(|chain| chain.product(parameters))
    }

    fn on_step(&mut self, progress: Progress, change: &mut Change<'_>) {
        if progress.step >= self.options.at && self.matrices.len() == 1 {
            let weight = change.remove(self.matrices[0]);
            self.split(change, truncated(&weight, self.options.rank));
        }
    }

    fn structure(&self) -> Option<String> {
        (self.matrices.len() == 2).then(|| "svd".to_string())
    }

    fn restore(&mut self, _: &str, change: &mut Change<'_>) -> Result<(), String> {
        let weight = change.remove(self.matrices[0]);
        let ((rows, columns), rank) = (dims(&weight), self.options.rank);
        let zeros = |rows, columns| matrix(vec![0.0; rows * columns], rows, columns);
        self.split(change, (zeros(rank, columns), zeros(rows, rank)));
        Ok(())
    }
}

/// α(t) W x + (1 − α(t)) B A x, where α falls from 1 to 0 over the training.
pub struct Blend;

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BlendOptions {
    /// Of B A.
    pub rank: usize,
}

struct Blended {
    weight: ParameterId,
    down: ParameterId,
    up: ParameterId,
    bias: Option<ParameterId>,
}

impl LinearKind for Blend {
    type Options = BlendOptions;

    fn about(&self) -> About {
        About {
            name: "blend",
            version: 1,
            summary: "a matrix that a product takes over from",
            description: "",
            example: "rank = 2",
        }
    }

    fn layer(
        &self,
        options: &BlendOptions,
        shape: &LinearShape,
        plan: &mut Plan,
    ) -> Result<Box<dyn Linear>, OptionError> {
        let weight = plan.matrix("weight", shape.outputs, shape.inputs);
        let down = plan.matrix("down.weight", options.rank, shape.inputs);
        let up = plan.matrix("up.weight", shape.outputs, options.rank);
        Ok(Box::new(Blended { weight, down, up, bias: plan.bias(shape) }))
    }
}

impl Linear for Blended {
    fn forward(&self, pass: &Pass<'_>, x: Activation) -> Activation {
        let alpha = 1.0 - pass.progress.part() as f32;
        let dense = ops::linear(x.clone(), &pass[self.weight], self.bias.map(|bias| &pass[bias]));
        let product = ops::linear(ops::linear(x, &pass[self.down], None), &pass[self.up], None);
        let scaled = |x: Activation, factor: f32| {
            let features = dims(&x).1;
            let factors = lrx_tensor::Parameter::new(matrix(vec![factor; features], 1, features));
            ops::scale_columns(x, &factors)
        };
        ops::add(scaled(dense, alpha), scaled(product, 1.0 - alpha))
    }
}
