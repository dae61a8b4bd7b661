//! A matrix applied to each token.

use rayon::prelude::*;

use super::{BLOCK_ROWS, add_column_sums};
use crate::buffer::{filled, write_copy};
use crate::kept::Kept;
use crate::matmul::{MatMut, MatRef, Threads, matmul, product};
use crate::{Activation, ActivationId, Node, Parameter, dims, values};

/// `y = x · Wᵀ + b` with x: tokens × inputs, W: outputs × inputs (PyTorch's orientation), b: 1 × outputs.
///
/// Gradients: dx = dy · W, dW = dyᵀ · x, db = Σ over tokens of dy.
///
/// # Panics
/// When the shapes do not fit.
pub fn linear(x: Activation, weight: &Parameter, bias: Option<&Parameter>) -> Activation {
    let (x, mut tape) = x.split_tape();
    let precision = tape.precision();
    let (tokens, inputs) = dims(&x);
    let (outputs, weight_inputs) = weight.dims();
    assert_eq!(inputs, weight_inputs, "inputs of a {outputs} × {weight_inputs} matrix");

    let (x_view, weight_view) =
        (MatRef::new(values(&x), tokens, inputs), MatRef::new(weight.values(), outputs, inputs));
    let y = match bias {
        None => product(x_view, weight_view.t(), precision, Threads::All),
        Some(bias) => {
            assert_eq!(bias.dims(), (1, outputs), "one bias an output");
            let mut y = repeated(bias.values(), tokens);
            matmul(MatMut::new(&mut y, tokens, outputs), true, x_view, weight_view.t(), precision, Threads::All);
            y
        }
    };
    let y = Node::new(y, tokens, outputs);

    if tape.is_recording() {
        let output = ActivationId::from(&y);
        let (weight, weight_gradient) = (weight.value().clone(), weight.gradient_handle());
        let bias_gradient = bias.map(Parameter::gradient_handle);
        let x = Kept::from(x);
        tape.record(move |gradients| {
            let dy_values = gradients.take(output);
            let dy = MatRef::new(&dy_values, tokens, outputs);
            if let Some(gradient) = bias_gradient {
                add_column_sums(&mut gradient.borrow_mut(), &dy_values);
            }
            weight_gradient.add_product(dy.t(), MatRef::new(values(&x.matrix()), tokens, inputs), precision);
            gradients.of(&x).add_product(dy, MatRef::new(values(&weight), outputs, inputs), precision);
        });
    }
    y.put_tape(tape)
}

/// `x · Wᵀ` for several W (each outputs × inputs, without bias) and the same x: q, k and v.
///
/// The gradients are those of [`linear`]. As long as the matrices are narrow together, they are multiplied together, so that
/// x, and its gradient, are read and written once.
///
/// # Panics
/// When a matrix has another width than x.
pub fn linear_each(x: Activation, weights: &[&Parameter]) -> Vec<Activation> {
    let (_, inputs) = dims(&x);
    let outputs: Vec<usize> = weights.iter().map(|weight| weight.dims().0).collect();
    let together: usize = outputs.iter().sum();
    if weights.len() < 2 || together > inputs {
        return weights.iter().map(|weight| linear(x.clone(), weight, None)).collect();
    }
    assert!(weights.iter().all(|weight| weight.dims().1 == inputs), "inputs of {inputs} features");

    let (x, mut tape) = x.split_tape();
    let precision = tape.precision();
    let (tokens, _) = dims(&x);
    let stacked: Vec<f32> = weights.iter().flat_map(|weight| weight.values()).copied().collect();
    let y = product(
        MatRef::new(values(&x), tokens, inputs),
        MatRef::new(&stacked, together, inputs).t(),
        precision,
        Threads::All,
    );
    let ys: Vec<Node> = columns_apart(&y, &outputs).zip(&outputs).map(|(y, &n)| Node::new(y, tokens, n)).collect();

    if tape.is_recording() {
        let ids: Vec<_> = ys.iter().map(ActivationId::from).collect();
        let weight_gradients: Vec<_> = weights.iter().map(|weight| weight.gradient_handle()).collect();
        let x = Kept::from(x);
        tape.record(move |gradients| {
            let dy: Vec<_> = ids.into_iter().map(|id| gradients.take(id)).collect();
            let dy = columns_together(&dy, &outputs);
            let dy = MatRef::new(&dy, tokens, together);
            let dw = product(dy.t(), MatRef::new(values(&x.matrix()), tokens, inputs), precision, Threads::All);
            let mut rows = dw.as_slice();
            for (gradient, n) in weight_gradients.iter().zip(&outputs) {
                let (own, others) = rows.split_at(n * inputs);
                gradient.add(own);
                rows = others;
            }
            gradients.of(&x).add_product(dy, MatRef::new(&stacked, together, inputs), precision);
        });
    }
    ys.into_iter().map(|y| y.put_tape(tape.clone())).collect()
}

/// The matrices of `widths` that stand side by side in a row-major one.
fn columns_apart<'a>(all: &'a [f32], widths: &'a [usize]) -> impl Iterator<Item = Vec<f32>> + 'a {
    let together: usize = widths.iter().sum();
    widths.iter().scan(0, move |first, width| {
        let columns = *first..*first + width;
        *first = columns.end;
        Some(all.chunks_exact(together).flat_map(|row| &row[columns.clone()]).copied().collect())
    })
}

/// The opposite of [`columns_apart`].
fn columns_together(matrices: &[Vec<f32>], widths: &[usize]) -> Vec<f32> {
    let mut rows: Vec<_> = matrices.iter().zip(widths).map(|(matrix, &width)| matrix.chunks_exact(width)).collect();
    let mut all = Vec::with_capacity(matrices.iter().map(Vec::len).sum());
    while let Some(first) = rows[0].next() {
        all.extend_from_slice(first);
        rows[1..].iter_mut().for_each(|rows| all.extend_from_slice(rows.next().expect("as many rows")));
    }
    all
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
