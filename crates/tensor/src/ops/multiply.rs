//! Products element by element, with another activation or with a constant.

use rayon::prelude::*;

use crate::buffer::{filled, mapped};
use crate::{Activation, ActivationId, Node, dims, values};

/// Numbers that one thread works on at a time.
const BLOCK: usize = 1 << 14;

/// `a ∘ b`, both tokens × features.
///
/// Gradients: da = dy ∘ b, db = dy ∘ a.
///
/// # Panics
/// When the shapes differ.
pub fn multiply(a: Activation, b: Activation) -> Activation {
    let ((a, a_tape), (b, b_tape)) = (a.split_tape(), b.split_tape());
    let mut tape = a_tape.merge(b_tape);
    let (rows, columns) = dims(&a);
    assert_eq!((rows, columns), dims(&b), "shapes of a product element by element");
    let y = Node::new(products(values(&a), values(&b)), rows, columns);

    if tape.is_recording() {
        let output = ActivationId::from(&y);
        tape.record(move |gradients| {
            let mut dy = gradients.take(output);
            let da = products(&dy, values(&b));
            gradients.of(&a).add(da);
            dy.par_chunks_mut(BLOCK).zip(values(&a).par_chunks(BLOCK)).for_each(|(dy, a)| {
                dy.iter_mut().zip(a).for_each(|(dy, a)| *dy *= a);
            });
            gradients.of(&b).add(dy);
        });
    }
    y.put_tape(tape)
}

/// `factor · x`, the factor a constant.
///
/// Gradient: dx = factor · dy.
pub fn scale(x: Activation, factor: f32) -> Activation {
    let (x, mut tape) = x.split_tape();
    let (rows, columns) = dims(&x);
    // SAFETY: every number of a block is written.
    let y = unsafe {
        mapped(values(&x), BLOCK, |y, x| {
            for (y, x) in y.iter_mut().zip(x) {
                y.write(factor * x);
            }
        })
    };
    let y = Node::new(y, rows, columns);

    if tape.is_recording() {
        let [output, x] = [&y, &x].map(ActivationId::from);
        tape.record(move |gradients| {
            let mut dx = gradients.take(output);
            dx.par_chunks_mut(BLOCK).for_each(|dx| dx.iter_mut().for_each(|dx| *dx *= factor));
            gradients.of(x).add(dx);
        });
    }
    y.put_tape(tape)
}

/// `a ∘ b` of equally long slices.
fn products(a: &[f32], b: &[f32]) -> Vec<f32> {
    let inputs = a.par_chunks(BLOCK).zip(b.par_chunks(BLOCK));
    // SAFETY: the blocks cover all three, which are equally long, and every number of a block is written.
    unsafe {
        filled(a.len(), |y| {
            y.par_chunks_mut(BLOCK).zip(inputs).for_each(|(y, (a, b))| {
                for (y, (a, b)) in y.iter_mut().zip(a.iter().zip(b)) {
                    y.write(a * b);
                }
            });
        })
    }
}
