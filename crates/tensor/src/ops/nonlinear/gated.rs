//! One matrix gated by a nonlinearity of another: SwiGLU, GEGLU and their kin (Shazeer 2020).

use std::mem::MaybeUninit;

use rayon::prelude::*;

use super::functions::{Function, of_kind};
use super::{BLOCK, Nonlinearity};
use crate::buffer::filled;
use crate::simd::vectorised;
use crate::{Activation, ActivationId, Node, dims, values};

/// `f(gate) ∘ value`, element by element, in one pass over memory.
///
/// Gradients: d gate = dy ∘ value ∘ f′(gate), d value = dy ∘ f(gate), also in one pass.
///
/// # Panics
/// When the shapes differ.
pub fn gated(gate: Activation, value: Activation, kind: Nonlinearity) -> Activation {
    let ((gate, gate_tape), (value, value_tape)) = (gate.split_tape(), value.split_tape());
    let mut tape = gate_tape.merge(value_tape);
    let (rows, columns) = dims(&gate);
    assert_eq!((rows, columns), dims(&value), "shapes of a gate and what it gates");
    let y = of_kind!(kind, F => forward::<F>(values(&gate), values(&value)));
    let y = Node::new(y, rows, columns);

    if tape.is_recording() {
        let output = ActivationId::from(&y);
        tape.record(move |gradients| {
            let mut dy = gradients.take(output);
            let d_gate = of_kind!(kind, F => backward::<F>(values(&gate), values(&value), &mut dy));
            gradients.of(&gate).add(d_gate);
            gradients.of(&value).add(dy);
        });
    }
    y.put_tape(tape)
}

fn forward<F: Function>(gate: &[f32], value: &[f32]) -> Vec<f32> {
    let block = |y: &mut [MaybeUninit<f32>], gate: &[f32], value: &[f32]| {
        vectorised(
            #[inline(always)]
            || {
                for (y, (&gate, &value)) in y.iter_mut().zip(gate.iter().zip(value)) {
                    y.write(F::value(gate) * value);
                }
            },
        );
    };
    let inputs = gate.par_chunks(BLOCK).zip(value.par_chunks(BLOCK));
    // SAFETY: the blocks cover all three, which are equally long, and every number of a block is written.
    unsafe { filled(gate.len(), |y| y.par_chunks_mut(BLOCK).zip(inputs).for_each(|(y, (g, v))| block(y, g, v))) }
}

/// The gradient of the gate; dy becomes that of the value.
fn backward<F: Function>(gate: &[f32], value: &[f32], dy: &mut [f32]) -> Vec<f32> {
    let inputs = gate.par_chunks(BLOCK).zip(value.par_chunks(BLOCK));
    // SAFETY: the blocks cover all four, which are equally long, and every number of a block is written.
    unsafe {
        filled(gate.len(), |d_gate| {
            let outputs = d_gate.par_chunks_mut(BLOCK).zip(dy.par_chunks_mut(BLOCK));
            outputs.zip(inputs).for_each(|((d_gate, dy), (gate, value))| {
                vectorised(
                    #[inline(always)]
                    || {
                        let inputs = gate.iter().zip(value);
                        for ((d_gate, dy), (&gate, &value)) in d_gate.iter_mut().zip(dy).zip(inputs) {
                            let (f, derivative) = F::value_and_derivative(gate);
                            d_gate.write(*dy * value * derivative);
                            *dy *= f;
                        }
                    },
                );
            });
        })
    }
}
