//! Stochastic gradient descent with momentum, in PyTorch's convention, as a pass over memory on all threads.

use rayon::prelude::*;

use crate::Parameter;
use crate::simd::vectorised;

/// Numbers that one thread works on at a time.
const BLOCK: usize = 1 << 15;

/// The constants of one step.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    /// The learning rate of this step, for this parameter.
    pub learning_rate: f32,
    /// μ: how much of the momentum is kept. 0: no momentum.
    pub momentum: f32,
    /// Looks ahead by one step of the momentum (Nesterov 1983, Sutskever et al. 2013).
    pub nesterov: bool,
    /// Coupled: λ times the parameter is added to the gradient, as the gradient of ½ λ ‖w‖².
    pub weight_decay: f32,
    /// The gradient is multiplied by it first: clipping.
    pub gradient_scale: f32,
}

/// One step on one parameter, and its gradient set to zero. With g the scaled gradient, as `torch.optim.SGD`:
///
/// g ← g + λ w, b ← μ b + g, w ← w − η b, or with Nesterov's momentum w ← w − η (g + μ b)
///
/// b is zero before the first step. Without momentum it is not read, and may be empty.
///
/// # Panics
/// When there is momentum, and b has another length than the parameter.
pub fn update(parameter: &mut Parameter, momentum: &mut [f32], step: &Step) {
    let (values, gradient) = parameter.values_and_gradient_mut();
    let Step { learning_rate, momentum: keep, nesterov, weight_decay, gradient_scale } = *step;
    let gradients = gradient.par_chunks(BLOCK);
    if keep == 0.0 {
        values.par_chunks_mut(BLOCK).zip(gradients).for_each(|(w, g)| {
            vectorised(
                #[inline(always)]
                || {
                    for (w, g) in w.iter_mut().zip(g) {
                        *w -= learning_rate * (gradient_scale * g + weight_decay * *w);
                    }
                },
            );
        });
    } else {
        assert_eq!(momentum.len(), values.len(), "momentum of the parameter's length");
        // Of the gradient and of the momentum, in the update.
        let (of_gradient, of_momentum) = if nesterov { (1.0, keep) } else { (0.0, 1.0) };
        values.par_chunks_mut(BLOCK).zip(gradients).zip(momentum.par_chunks_mut(BLOCK)).for_each(|((w, g), b)| {
            vectorised(
                #[inline(always)]
                || {
                    for ((w, g), b) in w.iter_mut().zip(g).zip(b) {
                        let g = gradient_scale * g + weight_decay * *w;
                        *b = keep * *b + g;
                        *w -= learning_rate * (of_gradient * g + of_momentum * *b);
                    }
                },
            );
        });
    }
    drop(gradient);
    parameter.clear_gradient();
}
