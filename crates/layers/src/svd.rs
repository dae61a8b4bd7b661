//! Singular value decompositions, truncated into two factors.

use faer::linalg::solvers;
use faer::{Mat, MatRef};

/// W = U Σ Vᵀ, computed in f64.
pub(crate) struct Svd(solvers::Svd<f64>);

impl Svd {
    /// That of a row-major matrix; nothing where a number of it is not finite.
    pub(crate) fn of(w: &[f32], rows: usize, columns: usize) -> Option<Self> {
        if !w.iter().all(|w| w.is_finite()) {
            return None;
        }
        Mat::from_fn(rows, columns, |i, j| f64::from(w[i * columns + j])).thin_svd().ok().map(Self)
    }

    /// The singular values, falling.
    pub(crate) fn values(&self) -> Vec<f64> {
        self.0.S().column_vector().iter().copied().collect()
    }

    /// √Σ_r V_rᵀ (rank × columns) and U_r √Σ_r (rows × rank), row-major; zeros behind the smaller side of the matrix.
    pub(crate) fn factors(&self, rank: usize) -> (Vec<f32>, Vec<f32>) {
        let sigma = self.values();
        let scaled = |vectors: MatRef<'_, f64>, i: usize, r: usize| {
            sigma.get(r).map_or(0.0, |sigma| (vectors[(i, r)] * sigma.sqrt()) as f32)
        };
        let (u, v) = (self.0.U(), self.0.V());
        let down = (0..rank).flat_map(|r| (0..v.nrows()).map(move |j| (r, j))).map(|(r, j)| scaled(v, j, r)).collect();
        let up = (0..u.nrows()).flat_map(|i| (0..rank).map(move |r| (i, r))).map(|(i, r)| scaled(u, i, r)).collect();
        (down, up)
    }
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
            let (down, up) = Svd::of(&dense, rows, columns).expect("finite numbers").factors(rank);
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
