//! `embedding` against products of one-hot matrices with the tables.

use lrx_tensor::dfdx::prelude::*;
use lrx_tensor::{Tape, ops};
use proptest::prelude::*;

use crate::common::{Exact, Input, branch, check, constant, indices, input, offsets, some_tokens};

/// The rows `rows` of a table.
fn gathered(table: Exact, rows: &[usize]) -> Exact {
    let (entries, _) = *table.shape();
    let one_hot = constant(rows.len(), entries, |i, j| f64::from(u8::from(rows[i] == j)));
    one_hot.retaped::<OwnedTape<f64, Cpu>>().matmul(table)
}

/// Checks stories of these lengths with tokens below `vocabulary`.
fn check_stories(lengths: &[usize], vocabulary: usize, features: usize, seed: u64) {
    let tokens = indices(seed, lengths.iter().sum(), vocabulary);
    let token_rows: Vec<usize> = tokens.iter().map(|&token| token as usize).collect();
    let position_rows: Vec<usize> = lengths.iter().flat_map(|&length| 0..length).collect();
    let context = lengths.iter().max().unwrap() + seed as usize % 2;
    check(
        [input(seed, vocabulary, features), input(seed ^ 1, context, features)],
        |[e, p], tape| ops::embedding(&tokens, &offsets(lengths), e, Some(p), 0, tape),
        |[e, p]| gathered(e, &token_rows) + gathered(p, &position_rows),
    );
}

proptest! {
    #[test]
    fn any_stories(
        lengths in some_tokens(prop::collection::vec(prop_oneof![0..3usize, 0..20usize], 1..8)),
        vocabulary in 1..40usize,
        features in 1..20usize,
        seed: u64,
    ) {
        check_stories(&lengths, vocabulary, features, seed);
    }
}

#[test]
fn more_tokens_than_the_vocabulary() {
    check_stories(&[0, 130, 1, 0, 0, 70, 0], 11, 33, 1);
}

#[test]
fn two_batches_with_the_same_tables() {
    let [first, second] = [1, 2].map(|seed| indices(seed, 9, 7));
    let rows_of = |tokens: &[u32]| tokens.iter().map(|&token| token as usize).collect::<Vec<_>>();
    check(
        [input(1, 7, 3), input(2, 9, 3)],
        |[e, p], tape| {
            let y = ops::embedding(&first, &offsets(&[4, 5]), e, Some(p), 0, tape);
            ops::add(y, ops::embedding(&second, &offsets(&[9]), e, Some(p), 0, tape))
        },
        |[e, p]| {
            let y = gathered(branch(&e), &rows_of(&first)) + gathered(branch(&p), &[0, 1, 2, 3, 0, 1, 2, 3, 4]);
            y + (gathered(e, &rows_of(&second)) + gathered(p, &[0, 1, 2, 3, 4, 5, 6, 7, 8]))
        },
    );
}

#[test]
fn without_positions() {
    let tokens = indices(1, 70, 11);
    let rows: Vec<usize> = tokens.iter().map(|&token| token as usize).collect();
    check(
        [input(1, 11, 5)],
        |[e], tape| ops::embedding(&tokens, &offsets(&[3, 0, 67]), e, None, 0, tape),
        |[e]| gathered(e, &rows),
    );
}

#[test]
fn one_parameter_in_two_roles() {
    check(
        [input(1, 7, 3)],
        |[e], tape| ops::embedding(&[5, 0, 6, 1], &offsets(&[4]), e, Some(e), 0, tape),
        |[e]| gathered(branch(&e), &[5, 0, 6, 1]) + gathered(e, &[0, 1, 2, 3]),
    );
}

#[test]
fn positions_that_begin_later() {
    check(
        [input(1, 7, 3), input(2, 9, 3)],
        |[e, p], tape| ops::embedding(&[5, 0, 6, 1, 1], &offsets(&[4, 1]), e, Some(p), 5, tape),
        |[e, p]| gathered(e, &[5, 0, 6, 1, 1]) + gathered(p, &[5, 6, 7, 8, 5]),
    );
}

#[test]
fn no_tokens_at_all() {
    let [e, p] = [input(1, 3, 2), input(2, 4, 2)].map(|x| x.parameter());
    let y = ops::embedding(&[], &offsets(&[0, 0]), &e, Some(&p), 0, &Tape::recording());
    assert_eq!(lrx_tensor::dims(&y), (0, 2));
}

fn refused(tokens: &[u32], lengths: &[usize], [e, p]: [Input; 2]) {
    ops::embedding(tokens, &offsets(lengths), &e.parameter(), Some(&p.parameter()), 0, &Tape::silent());
}

#[test]
#[should_panic(expected = "tokens in the tables")]
fn refuses_a_token_outside_the_vocabulary() {
    refused(&[0, 3], &[2], [input(1, 3, 2), input(2, 4, 2)]);
}

#[test]
#[should_panic(expected = "tokens in the tables")]
fn refuses_a_story_longer_than_the_context() {
    refused(&[0; 5], &[5], [input(1, 3, 2), input(2, 4, 2)]);
}

#[test]
#[should_panic(expected = "offsets that end at the number of tokens")]
fn refuses_offsets_of_another_batch() {
    refused(&[0; 4], &[3], [input(1, 3, 2), input(2, 4, 2)]);
}

#[test]
#[should_panic(expected = "tokens in the tables")]
fn refuses_to_begin_so_late_that_the_context_ends() {
    let [e, p] = [input(1, 3, 2), input(2, 4, 2)].map(|x| x.parameter());
    ops::embedding(&[0; 2], &offsets(&[2]), &e, Some(&p), 3, &Tape::silent());
}
