//! The sum of two activations: the residual connection.

use dfdx::tensor::{Merge, PutTape, SplitTape};
use rayon::prelude::*;

use crate::buffer::filled;
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

    let (a_blocks, b_blocks) = (values(&a).par_chunks(BLOCK), values(&b).par_chunks(BLOCK));
    // SAFETY: the blocks cover all three, which are equally long, and each number of a block is written.
    let y = unsafe {
        filled(rows * columns, |y| {
            y.par_chunks_mut(BLOCK).zip(a_blocks.zip(b_blocks)).for_each(|(y, (a, b))| {
                for (y, (a, b)) in y.iter_mut().zip(a.iter().zip(b)) {
                    y.write(a + b);
                }
            });
        })
    };
    let y = matrix(y, rows, columns);

    if tape.is_recording() {
        let output = y.clone();
        tape.record(move |gradients| {
            let dy = gradients.take(&output);
            gradients.of(&a).add_copy(&dy);
            gradients.of(&b).add(dy);
        });
    }
    y.put_tape(tape)
}
