//! The best approximation of what the dense matrix would start from.

use std::sync::{Arc, Mutex};

use faer::{Mat, MatRef};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{check_scale, gpt_neo_std};
use crate::rules::{InitRule, Target};
use crate::{About, Builder, OptionError, Start};

/// A truncated singular value decomposition of the dense start.
pub struct Spectral;

/// The options of `spectral`.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SpectralOptions {
    /// The standard deviation of the dense matrix's start.
    #[serde(default = "gpt_neo_std")]
    pub std: f32,
}

impl InitRule for Spectral {
    type Options = SpectralOptions;

    fn about(&self) -> About {
        About {
            name: "spectral",
            version: 1,
            summary: "the best approximation of what the dense matrix would start from",
            description: "With the singular value decomposition U Σ Vᵀ of the dense matrix's own start, N(0, std²), a product B A \
                of rank r starts at B = U_r √Σ_r, A = √Σ_r V_rᵀ: B A is the best approximation of rank r, and BᵀB = AAᵀ. A \
                single matrix starts as the dense one.\n\
                Source: Khodak, Tenenholtz, Mackey & Fusi, \"Initialization and Regularization of Factorized Neural Layers\", \
                ICLR 2021.",
            example: "",
        }
    }

    fn starts(&self, options: &SpectralOptions, target: &Target<'_>) -> Result<Vec<(usize, Start)>, OptionError> {
        check_scale("std", options.std)?;
        let std = options.std;
        let why = "`spectral` splits a matrix in two by its singular values";
        let chain = target.chain(why)?;
        let (rows, columns) = (target.shape.outputs, target.shape.inputs);
        match *chain {
            [only] => Ok(vec![(only, Start::Normal { std })]),
            [down, up] => {
                let rank = target.declared[down].size.dims().0;
                let known: Arc<Known> = Arc::default();
                let factors = move |builder: &Builder<'_>| known.factors(builder, std, rows, columns, rank);
                let factors = Arc::new(factors);
                let (of_down, of_up) = (factors.clone(), factors);
                let down = (down, Start::From(Arc::new(move |builder: &Builder<'_>| of_down(builder).0)));
                Ok(vec![down, (up, Start::From(Arc::new(move |builder: &Builder<'_>| of_up(builder).1)))])
            }
            _ => {
                let message = format!("{why}; `{}` is a product of {}", target.kind, chain.len());
                Err(OptionError::new("", message))
            }
        }
    }
}

/// A and B.
type Factors = (Vec<f32>, Vec<f32>);

/// Both factors come of one decomposition: that of the last place and seed is kept.
#[derive(Default)]
struct Known(Mutex<Option<((u64, String), Factors)>>);

impl Known {
    fn factors(&self, builder: &Builder<'_>, std: f32, rows: usize, columns: usize, rank: usize) -> Factors {
        let (seed, prefix) = builder.place();
        let place = (seed, prefix.to_string());
        let mut known = self.0.lock().expect("nobody panics while it is held");
        match known.take() {
            Some((of, factors)) if of == place => factors,
            _ => {
                let factors = spectral_factors(&builder.normal("weight", rows * columns, std), rows, columns, rank);
                *known = Some((place, factors.clone()));
                factors
            }
        }
    }
}

/// √Σ_r V_rᵀ (rank × columns) and U_r √Σ_r (rows × rank) of a row-major matrix, computed in f64.
pub(crate) fn spectral_factors(dense: &[f32], rows: usize, columns: usize, rank: usize) -> (Vec<f32>, Vec<f32>) {
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
