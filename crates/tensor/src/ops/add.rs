//! The sum of two activations: the residual connection.

use dfdx::tensor::{Merge, PutTape, SplitTape};
use rayon::prelude::*;

use super::add_into;
use crate::tape::{gradient_of, take_gradient};
use crate::{Activation, dims, matrix, values};

const BLOCK: usize = 1 << 14;

/// `a + b`, both tokens × features.
///
/// Gradient: both inputs get the output's.
///
/// # Panics
/// When the shapes differ.
pub fn add(a: Activation, b: Activation) -> Activation {
    let ((a, a_tape), (b, b_tape)) = (a.split_tape(), b.split_tape());
    let mut tape = a_tape.merge(b_tape);
    let (rows, columns) = dims(&a);
    assert_eq!((rows, columns), dims(&b), "shapes of a sum");

    let mut y = values(&a).to_vec();
    y.par_chunks_mut(BLOCK).zip(values(&b).par_chunks(BLOCK)).for_each(|(y, b)| add_into(y, b));
    let y = matrix(y, rows, columns);

    if tape.is_recording() {
        let output = y.clone();
        tape.record(move |gradients| {
            let dy = take_gradient(gradients, &output);
            for input in [&a, &b] {
                let dx = gradient_of(gradients, input);
                dx.par_chunks_mut(BLOCK).zip(dy.par_chunks(BLOCK)).for_each(|(dx, dy)| add_into(dx, dy));
            }
        });
    }
    y.put_tape(tape)
}
