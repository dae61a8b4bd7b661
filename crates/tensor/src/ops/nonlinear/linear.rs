//! A nonlinearity and the matrix behind it: the MLP's inside, its widest activation, is kept once rather than twice.

use rayon::prelude::*;

use super::Nonlinearity;
use super::functions::{Function, of_kind};
use crate::buffer::{filled, mapped};
use crate::matmul::{MatRef, Threads, product};
use crate::ops::{BLOCK_ROWS, add_into};
use crate::simd::vectorised;
use crate::{Activation, ActivationId, Node, Parameter, dims, matrix, values};

/// `f(x + b) · Wᵀ` with x: tokens × inputs, b: 1 × inputs, W: outputs × inputs.
///
/// Gradients, with u = x + b: dx = (dy · W) ∘ f′(u), db = Σ over tokens of dx, dW = dyᵀ · f(u). The backward pass
/// computes f(u) anew, with its derivative and db in the same pass over memory.
///
/// # Panics
/// When the shapes do not fit.
pub fn nonlinear_linear(x: Activation, bias: Option<&Parameter>, weight: &Parameter, kind: Nonlinearity) -> Activation {
    let (x, mut tape) = x.split_tape();
    let precision = tape.precision();
    let (tokens, inputs) = dims(&x);
    let (outputs, weight_inputs) = weight.dims();
    assert_eq!(inputs, weight_inputs, "inputs of a {outputs} × {weight_inputs} matrix");
    assert!(bias.is_none_or(|bias| bias.dims() == (1, inputs)), "one bias an input");

    let zeros = Parameter::new(matrix(vec![0.0; inputs], 1, inputs));
    let b = bias.unwrap_or(&zeros);
    let y = {
        let f = of_kind!(kind, F => of_sums::<F>(values(&x), b.values()));
        let w = MatRef::new(weight.values(), outputs, inputs);
        product(MatRef::new(&f, tokens, inputs), w.t(), precision, Threads::All)
    };
    let y = Node::new(y, tokens, outputs);

    if tape.is_recording() {
        let output = ActivationId::from(&y);
        let (weight, weight_gradient) = (weight.value().clone(), weight.gradient_handle());
        let (b, bias_gradient) = (b.value().clone(), bias.map(Parameter::gradient_handle));
        tape.record(move |gradients| {
            let dy = gradients.take(output);
            let dy = MatRef::new(&dy, tokens, outputs);
            // The gradient of f(u), then of x.
            let mut dx = product(dy, MatRef::new(values(&weight), outputs, inputs), precision, Threads::All);
            let (f, db) = of_kind!(kind, F => of_sums_and_derivative::<F>(values(&x), values(&b), &mut dx));
            weight_gradient.add_product(dy.t(), MatRef::new(&f, tokens, inputs), precision);
            if let Some(gradient) = bias_gradient {
                let mut sum = gradient.borrow_mut();
                db.iter().for_each(|block| add_into(&mut sum, block));
            }
            gradients.of(&x).add(dx);
        });
    }
    y.put_tape(tape)
}

/// `f(x + b)`, b added to each row.
fn of_sums<F: Function>(x: &[f32], b: &[f32]) -> Vec<f32> {
    let inputs = b.len();
    // SAFETY: the blocks are whole rows, and every number of a row is written.
    unsafe {
        mapped(x, BLOCK_ROWS * inputs, |y, x| {
            vectorised(
                #[inline(always)]
                || {
                    for (y, x) in y.chunks_exact_mut(inputs).zip(x.chunks_exact(inputs)) {
                        for ((y, x), b) in y.iter_mut().zip(x).zip(b) {
                            y.write(F::value(x + b));
                        }
                    }
                },
            );
        })
    }
}

/// `f(x + b)`, and dy, its gradient, multiplied by f′(x + b); of the latter the sums of the columns of each block of rows.
fn of_sums_and_derivative<F: Function>(x: &[f32], b: &[f32], dy: &mut [f32]) -> (Vec<f32>, Vec<Vec<f32>>) {
    let inputs = b.len();
    let block = BLOCK_ROWS * inputs;
    let mut db = Vec::new();
    // SAFETY: the blocks are whole rows and cover all three, which are equally long; every number of a row is written.
    let y = unsafe {
        filled(x.len(), |y| {
            let blocks = y.par_chunks_mut(block).zip(dy.par_chunks_mut(block)).zip(x.par_chunks(block));
            db = blocks
                .map(|((y, dx), x)| {
                    let mut db = vec![0.0; inputs];
                    vectorised(
                        #[inline(always)]
                        || {
                            let rows = y.chunks_exact_mut(inputs).zip(dx.chunks_exact_mut(inputs));
                            for ((y, dx), x) in rows.zip(x.chunks_exact(inputs)) {
                                let sums = x.iter().zip(b).zip(&mut db);
                                for ((y, dx), ((x, b), db)) in y.iter_mut().zip(dx).zip(sums) {
                                    let (value, derivative) = F::value_and_derivative(x + b);
                                    y.write(value);
                                    *dx *= derivative;
                                    *db += *dx;
                                }
                            }
                        },
                    );
                    db
                })
                .collect();
        })
    };
    (y, db)
}
