//! The first operation of the model: token embeddings, and position embeddings where the model learns positions.

use rayon::prelude::*;

use super::{BLOCK_ROWS, add_into};
use crate::buffer::{filled, write_copy};
use crate::parameter::Gradient;
use crate::{Activation, ActivationId, Node, Offsets, Parameter, Tape};

/// Row i is `tokens_table[tokens[i]]`, and with positions `+ positions_table[first_position + position of i in its story]`.
///
/// tokens_table: vocabulary × features, positions_table: context × features. The output is tokens × features, on `tape`. In
/// generation `first_position` is how many tokens of the story came before.
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
    positions_table: Option<&Parameter>,
    first_position: usize,
    tape: &Tape,
) -> Activation {
    let (vocabulary, features) = tokens_table.dims();
    let (context, position_features) = positions_table.map_or((usize::MAX, features), Parameter::dims);
    assert_eq!(features, position_features, "one width for tokens and positions");
    assert_eq!(offsets.last(), Some(&tokens.len()), "offsets that end at the number of tokens");
    let rows: Vec<(usize, usize)> = offsets
        .windows(2)
        .flat_map(|story| (story[0]..story[1]).zip(first_position..))
        .map(|(i, position)| (tokens[i] as usize, position))
        .collect();
    assert!(rows.iter().all(|&(token, position)| token < vocabulary && position < context), "tokens in the tables");

    let (token_rows, position_rows) = (tokens_table.values(), positions_table.map(Parameter::values));
    // SAFETY: every row is written.
    let y = unsafe {
        filled(tokens.len() * features, |y| {
            y.par_chunks_exact_mut(features).with_min_len(BLOCK_ROWS).zip(&rows).for_each(|(y, &(token, position))| {
                let y = write_copy(y, row(token_rows, token, features));
                if let Some(position_rows) = position_rows {
                    add_into(y, row(position_rows, position, features));
                }
            });
        })
    };
    let y = Node::new(y, tokens.len(), features);

    let mut tape = tape.clone();
    if tape.is_recording() {
        let output = ActivationId::from(&y);
        let token_gradient = tokens_table.gradient_handle();
        let position_gradient = positions_table.map(Parameter::gradient_handle);
        tape.record(move |gradients| {
            let dy = gradients.take(output);
            let add = |gradient: &Gradient, indices: &[usize]| {
                let mut sum = gradient.borrow_mut();
                for (dy, index) in dy.chunks_exact(features).zip(indices) {
                    add_into(&mut sum[index * features..][..features], dy);
                }
            };
            // One after the other: the table may be the same.
            let (tokens, positions): (Vec<usize>, Vec<usize>) = rows.into_iter().unzip();
            add(&token_gradient, &tokens);
            if let Some(gradient) = position_gradient {
                add(&gradient, &positions);
            }
        });
    }
    y.put_tape(tape)
}

fn row(table: &[f32], index: usize, features: usize) -> &[f32] {
    &table[index * features..][..features]
}
