//! A matrix applied to each token.

use dfdx::tensor::{PutTape, SplitTape};
use rayon::prelude::*;

use super::{BLOCK_ROWS, add_into};
use crate::matmul::{MatMut, MatRef, Threads, matmul};
use crate::tape::{gradient_of, take_gradient};
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

    let mut y = vec![0.0; tokens * outputs];
    if let Some(bias) = bias {
        assert_eq!(bias.dims(), (1, outputs), "one bias an output");
        let bias = bias.values();
        y.par_chunks_exact_mut(outputs).for_each(|row| row.copy_from_slice(bias));
    }
    matmul(
        MatMut::new(&mut y, tokens, outputs),
        bias.is_some(),
        MatRef::new(values(&x), tokens, inputs),
        MatRef::new(weight.values(), outputs, inputs).t(),
        Threads::All,
    );
    let y = matrix(y, tokens, outputs);

    if tape.is_recording() {
        let output = y.clone();
        let (weight, weight_gradient) = (weight.value().clone(), weight.gradient_handle());
        let bias_gradient = bias.map(Parameter::gradient_handle);
        tape.record(move |gradients| {
            let dy_values = take_gradient(gradients, &output);
            let dy = MatRef::new(&dy_values, tokens, outputs);
            if let Some(gradient) = bias_gradient {
                add_column_sums(&mut gradient.borrow_mut(), &dy_values);
            }
            let mut dw = weight_gradient.borrow_mut();
            let x_view = MatRef::new(values(&x), tokens, inputs);
            matmul(MatMut::new(&mut dw, outputs, inputs), true, dy.t(), x_view, Threads::All);
            let dx = MatMut::new(gradient_of(gradients, &x), tokens, inputs);
            matmul(dx, true, dy, MatRef::new(values(&weight), outputs, inputs), Threads::All);
        });
    }
    y.put_tape(tape)
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
