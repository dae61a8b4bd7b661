//! The first operation of the model: token and position embeddings.

use rayon::prelude::*;

use super::{BLOCK_ROWS, add_into};
use crate::buffer::{filled, write_copy};
use crate::{Activation, ActivationId, Node, Offsets, Parameter, Tape};

/// Row i is `tokens_table[tokens[i]] + positions_table[position of i in its story]`.
///
/// tokens_table: vocabulary × features, positions_table: context × features. The output is tokens × features, on `tape`.
///
/// Gradients: each output row's is added to its token's row and its position's row.
///
/// # Panics
/// When a token is outside the vocabulary, a story is longer than the context, or `offsets` does not end at the number
/// of tokens.
pub fn embedding(
    tokens: &[u32],
    offsets: &Offsets,
    tokens_table: &Parameter,
    positions_table: &Parameter,
    tape: &Tape,
) -> Activation {
    let (vocabulary, features) = tokens_table.dims();
    let (context, position_features) = positions_table.dims();
    assert_eq!(features, position_features, "one width for tokens and positions");
    assert_eq!(offsets.last(), Some(&tokens.len()), "offsets that end at the number of tokens");
    let rows: Vec<(usize, usize)> = offsets
        .windows(2)
        .flat_map(|story| (story[0]..story[1]).enumerate())
        .map(|(position, i)| (tokens[i] as usize, position))
        .collect();
    assert!(rows.iter().all(|&(token, position)| token < vocabulary && position < context), "tokens in the tables");

    let (token_rows, position_rows) = (tokens_table.values(), positions_table.values());
    // SAFETY: every row is written.
    let y = unsafe {
        filled(tokens.len() * features, |y| {
            y.par_chunks_exact_mut(features).with_min_len(BLOCK_ROWS).zip(&rows).for_each(|(y, &(token, position))| {
                let y = write_copy(y, row(token_rows, token, features));
                add_into(y, row(position_rows, position, features));
            });
        })
    };
    let y = Node::new(y, tokens.len(), features);

    let mut tape = tape.clone();
    if tape.is_recording() {
        let output = ActivationId::from(&y);
        let (token_gradient, position_gradient) = (tokens_table.gradient_handle(), positions_table.gradient_handle());
        tape.record(move |gradients| {
            let dy = gradients.take(output);
            let (mut d_token, mut d_position) = (token_gradient.borrow_mut(), position_gradient.borrow_mut());
            for (dy, (token, position)) in dy.chunks_exact(features).zip(rows) {
                add_into(&mut d_token[token * features..][..features], dy);
                add_into(&mut d_position[position * features..][..features], dy);
            }
        });
    }
    y.put_tape(tape)
}

fn row(table: &[f32], index: usize, features: usize) -> &[f32] {
    &table[index * features..][..features]
}
