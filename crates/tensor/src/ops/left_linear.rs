//! A matrix applied to each token's features as if they were a matrix themselves: the other half of a Kronecker product.

use rayon::prelude::*;

use super::{add_column_sums, add_into};
use crate::buffer::filled;
use crate::kept::Kept;
use crate::matmul::{MatMut, MatRef, Threads, matmul};
use crate::{Activation, ActivationId, Node, Parameter, Precision, dims, values};

/// Tokens that one thread works on at a time. Fixed, so that sums over tokens do not depend on the threads.
const TOKENS: usize = 64;

/// `Y = P · X` for each token, whose features are the matrix X: m × `width`, row by row; P: n × m; x: tokens × (m · width),
/// y: tokens × (n · width). With b: 1 × (n · width) added.
///
/// Gradients: dX = Pᵀ · dY, dP = Σ over tokens of dY · Xᵀ, db = Σ over tokens of dy.
///
/// # Panics
/// When the shapes do not fit.
pub fn left_linear(x: Activation, weight: &Parameter, bias: Option<&Parameter>, width: usize) -> Activation {
    let (x, mut tape) = x.split_tape();
    let precision = tape.precision();
    let ((tokens, features), (n, m)) = (dims(&x), weight.dims());
    assert_eq!(features, m * width, "{m} rows of {width} features");
    let bias_values = bias.map(Parameter::values);
    assert!(bias_values.is_none_or(|bias| bias.len() == n * width), "one bias an output");
    let y = applied(values(&x), tokens, MatRef::new(weight.values(), n, m), bias_values, width, precision);
    let y = Node::new(y, tokens, n * width);

    if tape.is_recording() {
        let output = ActivationId::from(&y);
        let (weight, gradient) = (weight.value().clone(), weight.gradient_handle());
        let bias_gradient = bias.map(Parameter::gradient_handle);
        let x = Kept::from(x);
        tape.record(move |gradients| {
            let dy = gradients.take(output);
            if let Some(gradient) = bias_gradient {
                add_column_sums(&mut gradient.borrow_mut(), &dy);
            }
            let x_matrix = x.matrix();
            let partial: Vec<Vec<f32>> = rows(&dy, n * width)
                .zip(rows(values(&x_matrix), m * width))
                .map(|(dy, x)| {
                    let mut sum = vec![0.0; n * m];
                    for (dy, x) in dy.chunks_exact(n * width).zip(x.chunks_exact(m * width)) {
                        let (dy, x) = (MatRef::new(dy, n, width), MatRef::new(x, m, width));
                        matmul(MatMut::new(&mut sum, n, m), true, dy, x.t(), precision, Threads::One);
                    }
                    sum
                })
                .collect();
            let mut sum = gradient.borrow_mut();
            partial.iter().for_each(|block| add_into(&mut sum, block));
            let weight = MatRef::new(values(&weight), n, m);
            gradients.of(&x).add(applied(&dy, tokens, weight.t(), None, width, precision));
        });
    }
    y.put_tape(tape)
}

/// Blocks of rows of so many numbers.
fn rows(x: &[f32], columns: usize) -> rayon::slice::Chunks<'_, f32> {
    x.par_chunks((TOKENS * columns).max(1))
}

fn applied(
    x: &[f32],
    tokens: usize,
    matrix: MatRef<'_>,
    bias: Option<&[f32]>,
    width: usize,
    precision: Precision,
) -> Vec<f32> {
    let (n, m) = (matrix.rows(), matrix.columns());
    if n * width == 0 {
        return Vec::new();
    }
    // SAFETY: the blocks are whole rows, and every number of a row is written.
    unsafe {
        filled(tokens * n * width, |y| {
            y.par_chunks_mut(TOKENS * n * width).zip(rows(x, m * width)).for_each(|(y, x)| {
                for (y, x) in y.chunks_exact_mut(n * width).zip(x.chunks_exact(m * width)) {
                    if let Some(bias) = bias {
                        crate::buffer::write_copy(y, bias);
                    }
                    let y = MatMut::unwritten(y, n, width);
                    matmul(y, bias.is_some(), matrix, MatRef::new(x, m, width), precision, Threads::One);
                }
            });
        })
    }
}
