//! Muon (Jordan et al. 2024): momentum whose update is made (nearly) orthogonal, for matrices; on all threads.

use rayon::prelude::*;

use crate::Parameter;
use crate::Precision;
use crate::adamw::sum_of_squares;
use crate::matmul::{MatRef, Threads, product};
use crate::simd::vectorised;

/// Numbers that one thread works on at a time.
const BLOCK: usize = 1 << 15;
/// Of the quintic polynomial a x + b x³ + c x⁵ that is applied to the singular values (Jordan et al. 2024): steep at zero, and
/// after some iterations between 0.7 and 1.2 from there to 1.
const COEFFICIENTS: [f32; 3] = [3.4445, -4.7750, 2.0315];

/// The constants of one step.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    /// The learning rate of this step, for this parameter.
    pub learning_rate: f32,
    /// μ: how much of the momentum is kept.
    pub momentum: f32,
    /// Looks ahead by one step of the momentum (Nesterov 1983).
    pub nesterov: bool,
    /// Decoupled: the parameter shrinks by learning rate × decay, whatever its gradient.
    pub weight_decay: f32,
    /// Newton–Schulz iterations; 5 as published.
    pub iterations: usize,
    /// The least norm that the update is divided by; 1e-7 in PyTorch.
    pub epsilon: f32,
    /// How the update's size follows from the shape.
    pub size: UpdateSize,
    /// The gradient is multiplied by it first: clipping, which changes the update by way of the momentum only.
    pub gradient_scale: f32,
}

/// How large an update is for a matrix of some shape.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum UpdateSize {
    /// √max(1, rows / columns) times the orthogonal matrix (Jordan et al. 2024); `"original"` in PyTorch.
    #[default]
    Original,
    /// 0.2 √max(rows, columns) times it, whose entries are about as large as AdamW's updates, so that learning rates carry over
    /// (Liu et al. 2025); `"match_rms_adamw"` in PyTorch.
    MatchRmsAdamw,
}

impl UpdateSize {
    /// What the orthogonal matrix is multiplied by, beside the learning rate.
    pub fn factor(self, rows: usize, columns: usize) -> f64 {
        match self {
            Self::Original => (rows as f64 / columns as f64).max(1.0).sqrt(),
            Self::MatchRmsAdamw => 0.2 * (rows.max(columns) as f64).sqrt(),
        }
    }
}

/// One step on one matrix, and its gradient set to zero. With g the scaled gradient, as `torch.optim.Muon`:
///
/// b ← μ b + (1 − μ) g, u = b, or with Nesterov's momentum (1 − μ) g + μ b,
/// w ← (1 − η λ) w − η size(rows, columns) · [`orthogonalised`]\(u\)
///
/// b is zero before the first step. PyTorch computes the orthogonal matrix in bfloat16, this in f32.
///
/// # Panics
/// When b has another length than the parameter.
pub fn update(parameter: &mut Parameter, momentum: &mut [f32], step: &Step) {
    update_blocks(parameter, momentum, 1, step);
}

/// As [`update`], of so many matrices of equal size, one under the other in one parameter: each is made orthogonal by itself.
///
/// # Panics
/// When b has another length than the parameter, or its rows are not those of so many matrices.
pub fn update_blocks(parameter: &mut Parameter, momentum: &mut [f32], blocks: usize, step: &Step) {
    let (rows, columns) = parameter.dims();
    assert!(blocks > 0 && rows.is_multiple_of(blocks), "{rows} rows of {blocks} matrices");
    let rows = rows / blocks;
    let (values, mut gradient) = parameter.values_and_gradient_mut();
    assert_eq!(momentum.len(), values.len(), "momentum of the parameter's length");
    let Step { learning_rate, momentum: keep, nesterov, weight_decay, gradient_scale, .. } = *step;

    // The gradient becomes the update.
    gradient.par_chunks_mut(BLOCK).zip(momentum.par_chunks_mut(BLOCK)).for_each(|(g, b)| {
        vectorised(
            #[inline(always)]
            || {
                for (g, b) in g.iter_mut().zip(b) {
                    let scaled = *g * gradient_scale;
                    *b = keep * *b + (1.0 - keep) * scaled;
                    *g = if nesterov { keep * *b + (1.0 - keep) * scaled } else { *b };
                }
            },
        );
    });
    let block = |gradient: &[f32]| orthogonalised(gradient, rows, columns, step.iterations, step.epsilon);
    let update = match blocks {
        1 => block(&gradient),
        _ => gradient.chunks((rows * columns).max(1)).flat_map(block).collect(),
    };
    let rate = (f64::from(learning_rate) * step.size.factor(rows, columns)) as f32;
    let shrink = 1.0 - learning_rate * weight_decay;
    values.par_chunks_mut(BLOCK).zip(update.par_chunks(BLOCK)).for_each(|(w, u)| {
        w.iter_mut().zip(u).for_each(|(w, u)| *w = shrink * *w - rate * u);
    });
    drop(gradient);
    parameter.clear_gradient();
}

/// The matrix with its singular values brought near to 1 (0.7 … 1.2 after 5 iterations, for those that were at least a
/// thousandth or so of its Frobenius norm), U and V in U Σ Vᵀ as they were.
///
/// X ← matrix / max(its Frobenius norm, epsilon), then so many times X ← (a + b A + c A²) X with A = X Xᵀ, or
/// X ← X (a + b A + c A²) with A = Xᵀ X, which are the same, whichever A is the smaller: Newton–Schulz iterations with the
/// published coefficients 3.4445, −4.7750, 2.0315.
///
/// # Panics
/// When `matrix` does not hold `rows * columns` numbers.
pub fn orthogonalised(matrix: &[f32], rows: usize, columns: usize, iterations: usize, epsilon: f32) -> Vec<f32> {
    assert_eq!(matrix.len(), rows * columns, "{rows} × {columns} numbers");
    let [a, b, c] = COEFFICIENTS;
    let scale = 1.0 / (sum_of_squares(matrix).sqrt() as f32).max(epsilon);
    let m = rows.min(columns);
    let mut x = matrix.to_vec();
    x.par_chunks_mut(BLOCK).for_each(|x| x.iter_mut().for_each(|x| *x *= scale));
    for _ in 0..iterations {
        let x_view = MatRef::new(&x, rows, columns);
        let gram = if rows > columns { times(x_view.t(), x_view) } else { times(x_view, x_view.t()) };
        let gram_view = MatRef::new(&gram, m, m);
        let mut factor = times(gram_view, gram_view);
        factor.par_chunks_mut(BLOCK).zip(gram.par_chunks(BLOCK)).for_each(|(factor, gram)| {
            factor.iter_mut().zip(gram).for_each(|(factor, gram)| *factor = b * gram + c * *factor);
        });
        factor.iter_mut().step_by(m + 1).for_each(|diagonal| *diagonal += a);
        let factor = MatRef::new(&factor, m, m);
        x = if rows > columns { times(x_view, factor) } else { times(factor, x_view) };
    }
    x
}

fn times(a: MatRef<'_>, b: MatRef<'_>) -> Vec<f32> {
    product(a, b, Precision::F32, Threads::All)
}
