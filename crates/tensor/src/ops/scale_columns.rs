//! A diagonal matrix.

use rayon::prelude::*;

use super::{BLOCK_ROWS, add_into};
use crate::buffer::mapped;
use crate::{Activation, ActivationId, Node, Parameter, dims, values};

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

    let factors = g.values();
    // SAFETY: the blocks are whole rows, and every number of a row is written.
    let y = unsafe {
        mapped(values(&x), BLOCK_ROWS * features, |y, x| {
            for (y, x) in y.chunks_exact_mut(features).zip(x.chunks_exact(features)) {
                for ((y, x), factor) in y.iter_mut().zip(x).zip(factors) {
                    y.write(x * factor);
                }
            }
        })
    };
    let y = Node::new(y, tokens, features);

    if tape.is_recording() {
        let (output, g_value, g_gradient) = (ActivationId::from(&y), g.value().clone(), g.gradient_handle());
        tape.record(move |gradients| {
            // dy becomes dx.
            let mut dx = gradients.take(output);
            let g = values(&g_value);
            let partial: Vec<Vec<f32>> = dx
                .par_chunks_mut(BLOCK_ROWS * features)
                .zip(values(&x).par_chunks(BLOCK_ROWS * features))
                .map(|(dy, x)| {
                    let mut dg = vec![0.0; features];
                    for (dy, x) in dy.chunks_exact_mut(features).zip(x.chunks_exact(features)) {
                        for ((dg, dy), (x, g)) in dg.iter_mut().zip(dy).zip(x.iter().zip(g)) {
                            *dg += *dy * x;
                            *dy *= g;
                        }
                    }
                    dg
                })
                .collect();
            let mut dg = g_gradient.borrow_mut();
            partial.iter().for_each(|block| add_into(&mut dg, block));
            gradients.of(&x).add(dx);
        });
    }
    y.put_tape(tape)
}
