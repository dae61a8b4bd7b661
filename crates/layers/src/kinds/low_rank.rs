//! A product of two low-rank matrices.

use std::num::NonZeroUsize;

use faer::{Mat, MatRef};
use lrx_tensor::{Activation, Matrix, ops};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::GPT_NEO_STD;
use crate::{About, Builder, Chain, Cost, Linear, LinearKind, LinearShape, OptionError, ParameterId, Parameters, Pass};

/// `y = B (A x) + b`
pub struct LowRank;

/// The options of `low-rank`.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LowRankOptions {
    /// The rank r of B·A, at least 1 and at most the smaller side of the matrix.
    pub rank: NonZeroUsize,
    /// How A and B start.
    #[serde(default)]
    pub init: LowRankInit,
}

/// How the factors start.
#[derive(Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum LowRankInit {
    /// Each factor N(0, 0.02²). B·A then starts at a standard deviation of only 0.0004·√r.
    #[default]
    Normal,
    /// The best approximation of rank r of what the dense matrix would start from (Khodak et al. 2021): with its
    /// singular value decomposition U Σ Vᵀ, B = U_r √Σ_r and A = √Σ_r V_rᵀ.
    Spectral,
}

struct LowRankLayer {
    down: ParameterId,
    up: ParameterId,
    bias: Option<ParameterId>,
}

impl LinearKind for LowRank {
    type Options = LowRankOptions;

    fn about(&self) -> About {
        About {
            name: "low-rank",
            summary: "a product of two thin matrices",
            description: "y = B (A x) + b, A (`down`): rank × inputs, B (`up`): outputs × rank.\n\
                Parameters: rank · (inputs + outputs); fewer than dense while rank < inputs · outputs / (inputs + outputs).\n\
                Source of the spectral init: Khodak, Tenenholtz, Mackey & Fusi, \"Initialization and Regularization of \
                Factorized Neural Layers\", ICLR 2021.",
            example: "rank = 3\ninit = \"spectral\"",
        }
    }

    fn check(&self, options: &LowRankOptions, shape: &LinearShape) -> Result<(), OptionError> {
        let most = shape.inputs.min(shape.outputs);
        if options.rank.get() > most {
            let message = format!("rank {} is more than {most}, the smaller side of a matrix {shape}", options.rank);
            return Err(OptionError::new("rank", message));
        }
        Ok(())
    }

    fn cost(&self, options: &LowRankOptions, shape: &LinearShape) -> Cost {
        Cost::of_matrices(options.rank.get() * (shape.inputs + shape.outputs), shape)
    }

    fn rank(&self, options: &LowRankOptions) -> Option<usize> {
        Some(options.rank.get())
    }

    fn build(&self, options: &LowRankOptions, shape: &LinearShape, builder: &mut Builder<'_>) -> Box<dyn Linear> {
        let &LinearShape { inputs, outputs, .. } = shape;
        let rank = options.rank.get();
        let (down, up) = match options.init {
            LowRankInit::Normal => (
                builder.normal("down.weight", rank * inputs, GPT_NEO_STD),
                builder.normal("up.weight", outputs * rank, GPT_NEO_STD),
            ),
            LowRankInit::Spectral => {
                let dense = builder.normal("weight", outputs * inputs, GPT_NEO_STD);
                spectral_factors(&dense, outputs, inputs, rank)
            }
        };
        Box::new(LowRankLayer {
            down: builder.matrix("down.weight", rank, inputs, down),
            up: builder.matrix("up.weight", outputs, rank, up),
            bias: builder.bias(shape),
        })
    }
}

impl Linear for LowRankLayer {
    fn forward(&self, pass: &Pass<'_>, x: Activation) -> Activation {
        let narrow = ops::linear(x, &pass[self.down], None);
        ops::linear(narrow, &pass[self.up], self.bias.map(|bias| &pass[bias]))
    }

    fn dense_equivalent(&self, parameters: &Parameters) -> Matrix {
        parameters[self.up].value().product(parameters[self.down].value())
    }

    fn chain(&self) -> Option<Chain> {
        Some(Chain { matrices: vec![self.down, self.up], bias: self.bias })
    }
}

/// √Σ_r V_rᵀ (rank × columns) and U_r √Σ_r (rows × rank) of a row-major matrix, computed in f64.
fn spectral_factors(dense: &[f32], rows: usize, columns: usize, rank: usize) -> (Vec<f32>, Vec<f32>) {
    let dense: Mat<f64> = Mat::from_fn(rows, columns, |i, j| f64::from(dense[i * columns + j]));
    let svd = dense.thin_svd().expect("a singular value decomposition of finite numbers");
    let sigma = svd.S().column_vector();
    let scaled = |vectors: MatRef<'_, f64>, i: usize, r: usize| (vectors[(i, r)] * sigma[r].sqrt()) as f32;
    let down = (0..rank).flat_map(|r| (0..columns).map(move |j| (r, j))).map(|(r, j)| scaled(svd.V(), j, r)).collect();
    let up = (0..rows).flat_map(|i| (0..rank).map(move |r| (i, r))).map(|(i, r)| scaled(svd.U(), i, r)).collect();
    (down, up)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What defines a truncated SVD: the error is Σ_{i>r} σ², and BᵀB = AAᵀ = Σ_r. The σ² are taken from the
    /// eigenvalue problem of WᵀW by its invariants: Σσ² = ‖W‖² and Σσ⁴ = ‖WᵀW‖².
    #[test]
    fn spectral_factors_are_the_best_approximation() {
        let (rows, columns) = (7, 5);
        let dense: Vec<f32> = (0..rows * columns).map(|i| (i as f32 * 0.7 + 0.3).sin()).collect();
        let norm = |m: &[f64]| m.iter().map(|x| x * x).sum::<f64>();
        let squared_singular_values = |rank: usize| -> Vec<f64> {
            let (down, up) = spectral_factors(&dense, rows, columns, rank);
            for r in 0..rank {
                for s in 0..rank {
                    let aat: f64 =
                        (0..columns).map(|j| f64::from(down[r * columns + j]) * f64::from(down[s * columns + j])).sum();
                    let btb: f64 = (0..rows).map(|i| f64::from(up[i * rank + r]) * f64::from(up[i * rank + s])).sum();
                    assert!((aat - btb).abs() < 1e-5, "AAᵀ = BᵀB");
                    assert!(r == s || aat.abs() < 1e-5, "diagonal");
                }
            }
            let error: Vec<f64> = (0..rows * columns)
                .map(|ij| {
                    let (i, j) = (ij / columns, ij % columns);
                    let product: f64 =
                        (0..rank).map(|r| f64::from(up[i * rank + r]) * f64::from(down[r * columns + j])).sum();
                    f64::from(dense[ij]) - product
                })
                .collect();
            let sigma: Vec<f64> = (0..rank)
                .map(|r| (0..columns).map(|j| f64::from(down[r * columns + j]).powi(2)).sum::<f64>())
                .collect();
            let kept: f64 = sigma.iter().map(|s| s * s).sum();
            let whole = norm(&dense.iter().map(|&x| f64::from(x)).collect::<Vec<_>>());
            assert!((norm(&error) - (whole - kept)).abs() < 1e-5, "the error is what the dropped values hold");
            assert!(sigma.is_sorted_by(|a, b| a >= b), "the largest are kept");
            sigma.iter().map(|s| s * s).collect()
        };
        let all = squared_singular_values(5);
        let first_two = squared_singular_values(2);
        assert!((all[0] - first_two[0]).abs() < 1e-5 && (all[1] - first_two[1]).abs() < 1e-5);
        let gram: Vec<f64> = (0..columns * columns)
            .map(|ij| {
                let (i, j) = (ij / columns, ij % columns);
                (0..rows).map(|r| f64::from(dense[r * columns + i]) * f64::from(dense[r * columns + j])).sum()
            })
            .collect();
        assert!((all.iter().map(|s| s * s).sum::<f64>() - norm(&gram)).abs() < 1e-4);
    }
}
