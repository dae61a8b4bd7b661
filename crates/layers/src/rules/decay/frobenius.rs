//! The product decays, not its factors.

use std::sync::Arc;

use lrx_tensor::{MatMut, MatRef, Matrix, Precision, Threads, dims, matmul, matrix, values};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{check_factor, one};
use crate::rules::{Decay, DecayRule, Target, add_to_gradient};
use crate::{About, OptionError, ParameterId, Parameters};

/// The gradient of half the product's squared norm.
pub struct Frobenius;

/// The options of `frobenius`.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FrobeniusOptions {
    /// What the weight decay is multiplied by.
    #[serde(default = "one")]
    pub factor: f64,
}

impl DecayRule for Frobenius {
    type Options = FrobeniusOptions;

    fn about(&self) -> About {
        About {
            name: "frobenius",
            version: 1,
            summary: "the product decays, not its factors",
            description: "With λ = `factor` · the weight decay of [train], the gradient of ½ λ ‖A_k … A_1‖² is added to that of the \
                loss before clipping, and the factors have no decay of their own: for B A it is λ B A Aᵀ on B and λ Bᵀ B A on \
                A.\nSource: Khodak, Tenenholtz, Mackey & Fusi, \"Initialization and Regularization of Factorized Neural \
                Layers\", ICLR 2021.",
            example: "",
        }
    }

    fn decay(&self, options: &FrobeniusOptions, target: &Target<'_>) -> Result<Decay, OptionError> {
        let factor = options.factor;
        check_factor(factor)?;
        target.chain("`frobenius` lets a product of matrices decay")?;
        let gradient = move |parameters: &Parameters, chain: &[ParameterId], weight_decay: f64| {
            let factors: Vec<&Matrix> = chain.iter().map(|&id| parameters[id].value()).collect();
            for (i, &id) in chain.iter().enumerate() {
                let share = gradient(&factors, i, (factor * weight_decay) as f32);
                add_to_gradient(&parameters[id], &share);
            }
        };
        let factors = target.factors().map(|(i, ..)| (i, 0.0)).collect();
        Ok(Decay { factors, gradient: Some(Arc::new(gradient)) })
    }
}

/// λ LᵀL A_i R Rᵀ with L what is applied after the i-th factor and R what is applied before: the gradient of ½ λ ‖L A_i R‖².
fn gradient(factors: &[&Matrix], i: usize, lambda: f32) -> Vec<f32> {
    let chain = |factors: &[&Matrix]| factors.iter().map(|a| (*a).clone()).reduce(|before, a| a.product(&before));
    let mut share = factors[i].clone();
    if let Some(after) = chain(&factors[i + 1..]) {
        share = gram(view(&after).t(), dims(&after).1).product(&share);
    }
    if let Some(before) = chain(&factors[..i]) {
        share = share.product(&gram(view(&before), dims(&before).0));
    }
    values(&share).iter().map(|x| lambda * x).collect()
}

fn view(matrix: &Matrix) -> MatRef<'_> {
    let (rows, columns) = dims(matrix);
    MatRef::new(values(matrix), rows, columns)
}

/// a · aᵀ of a matrix with `rows` rows.
fn gram(a: MatRef<'_>, rows: usize) -> Matrix {
    let mut c = vec![0.0; rows * rows];
    matmul(MatMut::new(&mut c, rows, rows), false, a, a.t(), Precision::F32, Threads::All);
    matrix(c, rows, rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Central differences of ½ λ ‖A_3 A_2 A_1‖², in f64.
    #[test]
    fn gradients_are_those_of_the_squared_norm() {
        let sizes = [(3, 5), (2, 3), (4, 2)];
        let numbers: Vec<Vec<f64>> = sizes
            .iter()
            .enumerate()
            .map(|(k, (r, c))| (0..r * c).map(|i| ((i + 3 * k) as f64 * 0.9 + 0.4).sin()).collect())
            .collect();
        let norm = |numbers: &[Vec<f64>]| -> f64 {
            let mut product: Vec<f64> = (0..25).map(|i| f64::from(u8::from(i % 6 == 0))).collect(); // The identity.
            for (a, (rows, inner)) in numbers.iter().zip(sizes) {
                let next = |i: usize, j: usize| (0..inner).map(|k| a[i * inner + k] * product[k * 5 + j]).sum::<f64>();
                product = (0..rows).flat_map(|i| (0..5).map(move |j| (i, j))).map(|(i, j)| next(i, j)).collect();
            }
            0.5 * 0.3 * product.iter().map(|x| x * x).sum::<f64>()
        };
        let matrices: Vec<Matrix> = numbers
            .iter()
            .zip(sizes)
            .map(|(a, (rows, columns))| matrix(a.iter().map(|&x| x as f32).collect(), rows, columns))
            .collect();
        for k in 0..3 {
            let is = gradient(&matrices.iter().collect::<Vec<_>>(), k, 0.3);
            for i in 0..is.len() {
                let at = |change: f64| {
                    let mut changed = numbers.clone();
                    changed[k][i] += change;
                    norm(&changed)
                };
                let should = (at(1e-6) - at(-1e-6)) / 2e-6;
                assert!(
                    (f64::from(is[i]) - should).abs() < 1e-5,
                    "factor {k}, number {i}: {} instead of {should}",
                    is[i]
                );
            }
        }
    }
}
