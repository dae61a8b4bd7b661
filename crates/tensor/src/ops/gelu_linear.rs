//! GELU and the matrix behind it: the MLP's inside, its widest activation, is kept once rather than twice.

use rayon::prelude::*;

use super::gelu::{value, value_and_derivative};
use super::{BLOCK_ROWS, add_into};
use crate::buffer::{filled, mapped};
use crate::matmul::{MatRef, Threads, product};
use crate::simd::vectorised;
use crate::{Activation, ActivationId, Node, Parameter, dims, matrix, values};

/// `gelu(x + b) · Wᵀ` with x: tokens × inputs, b: 1 × inputs, W: outputs × inputs.
///
/// Gradients, with u = x + b: dx = (dy · W) ∘ gelu′(u), db = Σ over tokens of dx, dW = dyᵀ · gelu(u). The backward pass
/// computes gelu(u) anew, with its derivative and db in the same pass over memory.
///
/// # Panics
/// When the shapes do not fit.
pub fn gelu_linear(x: Activation, bias: Option<&Parameter>, weight: &Parameter) -> Activation {
    let (x, mut tape) = x.split_tape();
    let (tokens, inputs) = dims(&x);
    let (outputs, weight_inputs) = weight.dims();
    assert_eq!(inputs, weight_inputs, "inputs of a {outputs} × {weight_inputs} matrix");
    assert!(bias.is_none_or(|bias| bias.dims() == (1, inputs)), "one bias an input");

    let zeros = Parameter::new(matrix(vec![0.0; inputs], 1, inputs));
    let b = bias.unwrap_or(&zeros);
    let y = {
        let b = b.values();
        // SAFETY: the blocks are whole rows, and every number of a row is written.
        let g = unsafe {
            mapped(values(&x), BLOCK_ROWS * inputs, |g, x| {
                vectorised(
                    #[inline(always)]
                    || {
                        for (g, x) in g.chunks_exact_mut(inputs).zip(x.chunks_exact(inputs)) {
                            for ((g, x), b) in g.iter_mut().zip(x).zip(b) {
                                g.write(value(x + b));
                            }
                        }
                    },
                );
            })
        };
        let w = MatRef::new(weight.values(), outputs, inputs);
        product(MatRef::new(&g, tokens, inputs), w.t(), Threads::All)
    };
    let y = Node::new(y, tokens, outputs);

    if tape.is_recording() {
        let output = ActivationId::from(&y);
        let (weight, weight_gradient) = (weight.value().clone(), weight.gradient_handle());
        let (b, bias_gradient) = (b.value().clone(), bias.map(Parameter::gradient_handle));
        tape.record(move |gradients| {
            let dy = gradients.take(output);
            let dy = MatRef::new(&dy, tokens, outputs);
            // The gradient of gelu(u), then of x.
            let mut dx = product(dy, MatRef::new(values(&weight), outputs, inputs), Threads::All);
            let (b, mut db) = (values(&b), Vec::new());
            let block = BLOCK_ROWS * inputs;
            // SAFETY: the blocks are whole rows and cover all three, which are equally long; every number of a row is written.
            let g = unsafe {
                filled(tokens * inputs, |g| {
                    let blocks =
                        g.par_chunks_mut(block).zip(dx.par_chunks_mut(block)).zip(values(&x).par_chunks(block));
                    db = blocks
                        .map(|((g, dx), x)| {
                            let mut db = vec![0.0; inputs];
                            vectorised(
                                #[inline(always)]
                                || {
                                    let rows = g.chunks_exact_mut(inputs).zip(dx.chunks_exact_mut(inputs));
                                    for ((g, dx), x) in rows.zip(x.chunks_exact(inputs)) {
                                        let sums = x.iter().zip(b).zip(&mut db);
                                        for ((g, dx), ((x, b), db)) in g.iter_mut().zip(dx).zip(sums) {
                                            let (value, derivative) = value_and_derivative(x + b);
                                            g.write(value);
                                            *dx *= derivative;
                                            *db += *dx;
                                        }
                                    }
                                },
                            );
                            db
                        })
                        .collect::<Vec<_>>();
                })
            };
            weight_gradient.add_product(dy.t(), MatRef::new(&g, tokens, inputs));
            if let Some(gradient) = bias_gradient {
                let mut sum = gradient.borrow_mut();
                db.iter().for_each(|block| add_into(&mut sum, block));
            }
            gradients.of(&x).add(dx);
        });
    }
    y.put_tape(tape)
}
