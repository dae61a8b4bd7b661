//! How much of its rank a matrix uses.

use faer::Mat;
use lrx_tensor::Matrix;
use rayon::prelude::*;

use lrx_layers::Progress;

use crate::Model;

/// How much of its rank one matrix uses, from its singular values σ.
#[derive(Clone, Debug, PartialEq)]
pub struct EffectiveRank {
    /// The matrix, as its weights are called: `transformer.h.0.attn.attention.q_proj`.
    pub matrix: String,
    /// The layer, from 0.
    pub layer: usize,
    /// The slot as a config names it: `q`, `c_fc`, …
    pub slot: &'static str,
    /// Features out.
    pub rows: usize,
    /// Features in.
    pub columns: usize,
    /// The number of σ that are more than rounding: above 10⁻⁶ of the largest.
    pub max_rank: usize,
    /// exp(−Σ p ln p) with p = σ / Σσ (Roy & Vetterli 2007).
    pub entropy_rank: f64,
    /// Σσ² / σ₁² (Rudelson & Vershynin 2007).
    pub stable_rank: f64,
}

/// The effective ranks of all matrices of a model; for a layer that is no single matrix, of its dense equivalent. Layers that
/// have none are left out. And the names of the matrices whose numbers are not all finite: they have no rank.
pub fn effective_ranks(model: &Model, progress: Progress) -> (Vec<EffectiveRank>, Vec<String>) {
    let matrices: Vec<_> = model
        .linears()
        .filter_map(|(layer, linear)| {
            let matrix = linear.linear().dense_equivalent(model.parameters(), progress)?;
            Some((layer, linear.prefix().to_string(), linear.key(), in_f64(&matrix)))
        })
        .collect();
    let rank = |(layer, matrix, slot, values): &(usize, String, &'static str, Mat<f64>)| {
        let Some(sigma) = singular_values(values) else { return Err(matrix.clone()) };
        let (entropy_rank, stable_rank) = of_singular_values(&sigma);
        Ok(EffectiveRank {
            matrix: matrix.clone(),
            layer: *layer,
            slot,
            rows: values.nrows(),
            columns: values.ncols(),
            max_rank: sigma.iter().filter(|s| **s > 1e-6 * sigma[0]).count(),
            entropy_rank,
            stable_rank,
        })
    };
    let ranks: Vec<Result<EffectiveRank, String>> = matrices.par_iter().map(rank).collect();
    let (ranks, without): (Vec<_>, Vec<_>) = ranks.into_iter().partition(Result::is_ok);
    (ranks.into_iter().flatten().collect(), without.into_iter().filter_map(Result::err).collect())
}

/// The singular values of a matrix, falling; `None` where not all of its numbers, or of theirs, are finite.
fn singular_values(matrix: &Mat<f64>) -> Option<Vec<f64>> {
    if !matrix.as_ref().is_all_finite() {
        return None;
    }
    matrix.singular_values().ok().filter(|sigma| sigma.iter().all(|s| s.is_finite()))
}

fn in_f64(matrix: &Matrix) -> Mat<f64> {
    let (rows, columns) = lrx_tensor::dims(matrix);
    let values = lrx_tensor::values(matrix);
    Mat::from_fn(rows, columns, |i, j| f64::from(values[i * columns + j]))
}

/// The entropy rank and the stable rank; both 0 for a matrix of zeros.
fn of_singular_values(sigma: &[f64]) -> (f64, f64) {
    let sum: f64 = sigma.iter().sum();
    if sum == 0.0 {
        return (0.0, 0.0);
    }
    let entropy: f64 = sigma.iter().map(|s| s / sum).filter(|p| *p > 0.0).map(|p| -p * p.ln()).sum();
    let largest = sigma.iter().copied().fold(0.0, f64::max);
    (entropy.exp(), sigma.iter().map(|s| (s / largest).powi(2)).sum())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// numpy 2: `W = np.sin(0.7 * np.arange(35) + 0.3).reshape(7, 5) ** 3; s = np.linalg.svd(W, compute_uv=False);
    /// p = s / s.sum(); np.exp(-(p * np.log(p)).sum()), (s ** 2).sum() / s.max() ** 2`
    #[test]
    fn ranks_are_those_of_numpy() {
        let matrix = Mat::from_fn(7, 5, |i, j| (0.7 * (5 * i + j) as f64 + 0.3).sin().powi(3));
        let (entropy, stable) = of_singular_values(&matrix.singular_values().unwrap());
        assert!((entropy - NUMPY.0).abs() < 1e-6 && (stable - NUMPY.1).abs() < 1e-6, "{entropy} {stable}");
    }

    const NUMPY: (f64, f64) = (3.3645461518, 1.6650281230);

    #[test]
    fn numbers_that_are_not_finite_have_no_rank_and_no_panic() {
        for wrong in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            let matrix = Mat::from_fn(5, 3, |i, j| if (i, j) == (3, 1) { wrong } else { (i + j) as f64 });
            assert_eq!(singular_values(&matrix), None, "{wrong}");
        }
        // The largest that an f32 holds, everywhere: finite, and so is its singular value.
        let matrix = Mat::from_fn(5, 3, |_, _| f64::from(f32::MAX));
        let largest = singular_values(&matrix).unwrap()[0];
        assert!((largest / (f64::from(f32::MAX) * 15.0_f64.sqrt()) - 1.0).abs() < 1e-6, "{largest}");
    }

    #[test]
    fn equal_singular_values_use_the_whole_rank_and_one_uses_one() {
        assert!((of_singular_values(&[2.0; 6]).0 - 6.0).abs() < 1e-12);
        assert!((of_singular_values(&[2.0; 6]).1 - 6.0).abs() < 1e-12);
        assert_eq!(of_singular_values(&[3.0, 0.0, 0.0]), (1.0, 1.0));
        assert_eq!(of_singular_values(&[0.0, 0.0]), (0.0, 0.0));
    }
}
