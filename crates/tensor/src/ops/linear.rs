//! A matrix applied to each token.

use dfdx::tensor::{PutTape, SplitTape};
use rayon::prelude::*;

use super::{BLOCK_ROWS, add_into};
use crate::buffer::{filled, write_copy};
use crate::matmul::{MatMut, MatRef, Threads, matmul, product};
use crate::{Activation, Parameter, dims, matrix, values};

/// `y = x · Wᵀ + b` with x: tokens × inputs, W: outputs × inputs (PyTorch's orientation), b: 1 × outputs.
///
/// Gradients: dx = dy · W, dW = dyᵀ · x, db = Σ over tokens of dy.
///
/// # Panics
/// When the shapes do not fit.
pub fn linear(x: Activation, weight: &Parameter, bias: Option<&Parameter>) -> Activation {
    let (x, mut tape) = x.split_tape();
    let (tokens, inputs) = dims(&x);
    let (outputs, weight_inputs) = weight.dims();
    assert_eq!(inputs, weight_inputs, "inputs of a {outputs} × {weight_inputs} matrix");

    let (x_view, weight_view) =
        (MatRef::new(values(&x), tokens, inputs), MatRef::new(weight.values(), outputs, inputs));
    let y = match bias {
        None => product(x_view, weight_view.t(), Threads::All),
        Some(bias) => {
            assert_eq!(bias.dims(), (1, outputs), "one bias an output");
            let mut y = repeated(bias.values(), tokens);
            matmul(MatMut::new(&mut y, tokens, outputs), true, x_view, weight_view.t(), Threads::All);
            y
        }
    };
    let y = matrix(y, tokens, outputs);

    if tape.is_recording() {
        let output = y.clone();
        let (weight, weight_gradient) = (weight.value().clone(), weight.gradient_handle());
        let bias_gradient = bias.map(Parameter::gradient_handle);
        tape.record(move |gradients| {
            let dy_values = gradients.take(&output);
            let dy = MatRef::new(&dy_values, tokens, outputs);
            if let Some(gradient) = bias_gradient {
                add_column_sums(&mut gradient.borrow_mut(), &dy_values);
            }
            weight_gradient.add_product(dy.t(), MatRef::new(values(&x), tokens, inputs));
            gradients.of(&x).add_product(dy, MatRef::new(values(&weight), outputs, inputs));
        });
    }
    y.put_tape(tape)
}

/// `row`, `rows` times.
fn repeated(row: &[f32], rows: usize) -> Vec<f32> {
    // SAFETY: every row is written.
    unsafe {
        filled(rows * row.len(), |y| {
            y.par_chunks_exact_mut(row.len()).with_min_len(BLOCK_ROWS).for_each(|y| {
                write_copy(y, row);
            });
        })
    }
}

/// `sum[j] += Σᵢ rows[i][j]`, blocks of rows on all threads.
pub(super) fn add_column_sums(sum: &mut [f32], rows: &[f32]) {
    let columns = sum.len();
    let partial: Vec<Vec<f32>> = rows
        .par_chunks(BLOCK_ROWS * columns)
        .map(|block| {
            let mut partial = vec![0.0; columns];
            block.chunks_exact(columns).for_each(|row| add_into(&mut partial, row));
            partial
        })
        .collect();
    partial.iter().for_each(|block| add_into(sum, block));
}
