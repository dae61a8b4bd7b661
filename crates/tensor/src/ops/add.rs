//! The sum of two activations: the residual connection.

use rayon::prelude::*;

use super::{BLOCK_ROWS, add_column_sums};
use crate::buffer::filled;
use crate::{Activation, ActivationId, Node, Parameter, dims, values};

/// `a + b`, both tokens × features.
///
/// Gradient: both inputs get the output's.
///
/// # Panics
/// When the shapes differ.
pub fn add(a: Activation, b: Activation) -> Activation {
    add_with_bias(a, b, None)
}

/// `a + b + c`, c (1 × features) added to every token: the residual connection around a matrix with a bias, in one pass over
/// memory.
///
/// Gradients: a and b get the output's, c its sum over tokens.
///
/// # Panics
/// When the shapes do not fit.
pub fn add_with_bias(a: Activation, b: Activation, bias: Option<&Parameter>) -> Activation {
    let ((a, a_tape), (b, b_tape)) = (a.split_tape(), b.split_tape());
    let mut tape = a_tape.merge(b_tape);
    let (rows, columns) = dims(&a);
    assert_eq!((rows, columns), dims(&b), "shapes of a sum");
    assert!(bias.is_none_or(|bias| bias.dims() == (1, columns)), "one bias a feature");

    let zeros = vec![0.0; columns];
    let c = bias.map_or(zeros.as_slice(), Parameter::values);
    let block = BLOCK_ROWS * columns;
    let inputs = values(&a).par_chunks(block).zip(values(&b).par_chunks(block));
    // SAFETY: the blocks are whole rows and cover all three, which are equally long; each number of a row is written.
    let y = unsafe {
        filled(rows * columns, |y| {
            y.par_chunks_mut(block).zip(inputs).for_each(|(y, (a, b))| {
                let rows = a.chunks_exact(columns).zip(b.chunks_exact(columns));
                for (y, (a, b)) in y.chunks_exact_mut(columns).zip(rows) {
                    for ((y, c), (a, b)) in y.iter_mut().zip(c).zip(a.iter().zip(b)) {
                        y.write(a + (b + c));
                    }
                }
            });
        })
    };
    let y = Node::new(y, rows, columns);

    if tape.is_recording() {
        let [output, a, b] = [&y, &a, &b].map(ActivationId::from);
        let bias_gradient = bias.map(Parameter::gradient_handle);
        tape.record(move |gradients| {
            let dy = gradients.take(output);
            if let Some(gradient) = bias_gradient {
                add_column_sums(&mut gradient.borrow_mut(), &dy);
            }
            gradients.of(a).add_copy(&dy);
            gradients.of(b).add(dy);
        });
    }
    y.put_tape(tape)
}
