//! A diagonal matrix.

use dfdx::tensor::{PutTape, SplitTape};
use rayon::prelude::*;

use super::{BLOCK_ROWS, add_into};
use crate::tape::{gradient_of, take_gradient};
use crate::{Activation, Parameter, dims, matrix, values};

/// `x · diag(g)`: column j of `x` (tokens × features) times `g[j]` (1 × features).
///
/// Gradients: dx = dy · diag(g), dg = Σ over tokens of dy ∘ x.
///
/// # Panics
/// When `g` has another width than `x`.
pub fn scale_columns(x: Activation, g: &Parameter) -> Activation {
    let (x, mut tape) = x.split_tape();
    let (tokens, features) = dims(&x);
    assert_eq!(g.dims(), (1, features), "one factor a column");

    let mut y = values(&x).to_vec();
    for row in y.chunks_exact_mut(features) {
        scale(row, g.values());
    }
    let y = matrix(y, tokens, features);

    if tape.is_recording() {
        let (output, g_value, g_gradient) = (y.clone(), g.value().clone(), g.gradient_handle());
        tape.record(move |gradients| {
            let dy = take_gradient(gradients, &output);
            let (x_values, g) = (values(&x), values(&g_value));
            let partial: Vec<Vec<f32>> = dy
                .par_chunks(BLOCK_ROWS * features)
                .zip(x_values.par_chunks(BLOCK_ROWS * features))
                .map(|(dy, x)| {
                    let mut dg = vec![0.0; features];
                    for (dy, x) in dy.chunks_exact(features).zip(x.chunks_exact(features)) {
                        for ((dg, dy), x) in dg.iter_mut().zip(dy).zip(x) {
                            *dg += dy * x;
                        }
                    }
                    dg
                })
                .collect();
            let mut dg = g_gradient.borrow_mut();
            partial.iter().for_each(|block| add_into(&mut dg, block));
            let dx = gradient_of(gradients, &x);
            for (dx, dy) in dx.chunks_exact_mut(features).zip(dy.chunks_exact(features)) {
                for ((dx, dy), g) in dx.iter_mut().zip(dy).zip(g) {
                    *dx += dy * g;
                }
            }
        });
    }
    y.put_tape(tape)
}

fn scale(row: &mut [f32], factors: &[f32]) {
    for (x, factor) in row.iter_mut().zip(factors) {
        *x *= factor;
    }
}
