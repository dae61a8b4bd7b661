//! The same numbers in rows of another length.

use crate::{Activation, ActivationId, Node};

/// x with its numbers, in their order, in rows of `columns`: nothing moves.
///
/// Gradient: dx is dy in rows of x's length.
///
/// # Panics
/// When the numbers do not fill rows of that length.
pub fn regroup(x: Activation, columns: usize) -> Activation {
    let (x, mut tape) = x.split_tape();
    let y = Node::from(x.regrouped(columns));
    if tape.is_recording() {
        let (output, input) = (ActivationId::from(&y), ActivationId::from(&x));
        tape.record(move |gradients| {
            let dy = gradients.take(output);
            gradients.of(input).add(dy);
        });
    }
    y.put_tape(tape)
}
