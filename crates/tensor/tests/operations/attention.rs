//! `attention` against dfdx's `softmax` of all scores of the batch with a mask.

use lrx_tensor::dfdx::prelude::*;
use lrx_tensor::ops::{self, AttentionShape};
use lrx_tensor::{Parameter, Tape};
use proptest::prelude::*;

use crate::common::{
    Exact, TOLERANCE, assert_outcome, branch, check, computed, constant, expected, input, offsets, some_tokens,
    transposed,
};

/// Which story each token belongs to.
fn stories(lengths: &[usize]) -> Vec<usize> {
    lengths.iter().enumerate().flat_map(|(story, &length)| std::iter::repeat_n(story, length)).collect()
}

/// Head by head with all tokens × all tokens scores; what a token does not see gets a score of −10⁹.
fn reference([q, k, v]: [Exact; 3], lengths: &[usize], heads: usize, window: Option<usize>) -> Exact {
    let (tokens, features) = *q.shape();
    let size = features / heads;
    let story = stories(lengths);
    let sees = |i: usize, j: usize| story[i] == story[j] && j <= i && window.is_none_or(|window| i - j < window);
    let mask = constant(tokens, tokens, |i, j| if sees(i, j) { 0.0 } else { -1e9 });
    let head = |head: usize| {
        // Multiplied from the right it takes the head's columns out; its transpose puts them back.
        let columns = constant(features, size, |i, j| f64::from(u8::from(i == head * size + j)));
        let [q, k, v] = [&q, &k, &v].map(|x| branch(x).matmul(columns.clone()));
        let p = (q.matmul(transposed(k)) + mask.clone()).softmax::<Axis<1>>();
        p.matmul(v).matmul(transposed(columns))
    };
    (1..heads).fold(head(0), |sum, h| sum + head(h))
}

fn inputs(seed: u64, lengths: &[usize], features: usize) -> [crate::common::Input; 3] {
    [0, 1, 2].map(|i| input(seed ^ i, lengths.iter().sum(), features))
}

fn check_stories(seed: u64, lengths: &[usize], heads: usize, head_size: usize, window: Option<usize>) {
    let shape = AttentionShape { offsets: offsets(lengths), heads, window };
    check(
        inputs(seed, lengths, heads * head_size),
        |[q, k, v], tape| ops::attention(q.on(tape), k.on(tape), v.on(tape), &shape),
        |qkv| reference(qkv, lengths, heads, window),
    );
}

fn windows() -> impl Strategy<Value = Option<usize>> {
    prop_oneof![Just(None), Just(Some(1)), Just(Some(2)), (3..30usize).prop_map(Some), (60..200usize).prop_map(Some)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn short_stories(
        lengths in some_tokens(prop::collection::vec(prop_oneof![Just(0), Just(1), 2..20usize], 1..7)),
        heads in 1..6usize,
        head_size in prop_oneof![1..4usize, 15..18usize],
        window in windows(),
        seed: u64,
    ) {
        check_stories(seed, &lengths, heads, head_size, window);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn stories_longer_than_a_tile(
        before in 0..3usize,
        length in 62..200usize,
        after in 0..70usize,
        heads in 1..4usize,
        head_size in 1..9usize,
        window in windows(),
        seed: u64,
    ) {
        check_stories(seed, &[before, length, after], heads, head_size, window);
    }
}

#[test]
fn the_edges_of_tiles_and_windows() {
    for window in [None, Some(1), Some(2), Some(63), Some(64), Some(65), Some(128), Some(usize::MAX)] {
        for length in [63, 64, 65, 128, 129] {
            check_stories(length as u64, &[1, length, 0], 2, 3, window);
        }
    }
}

#[test]
fn many_heads_of_one_feature() {
    check_stories(1, &[7, 0, 1, 66], 24, 1, None);
    check_stories(2, &[7, 0, 1, 66], 24, 1, Some(5));
}

#[test]
fn each_of_its_roles_adds_to_the_gradient_of_one_input() {
    let lengths = [5, 0, 70];
    let shape = AttentionShape { offsets: offsets(&lengths), heads: 2, window: Some(9) };
    let [x, ..] = inputs(1, &lengths, 6);
    check(
        [x],
        |[x], tape| {
            let x = x.on(tape);
            ops::attention(x.clone(), x.clone(), x, &shape)
        },
        |[x]| reference([branch(&x), branch(&x), x], &lengths, 2, Some(9)),
    );
}

#[test]
fn large_scores() {
    // Scores up to ± 30 · 30 · 4, of which exp alone would overflow. A score's rounding error is 3600 ε = 2e-4 and becomes
    // the probability's relative one; most rows have one key that takes all.
    let lengths = [9, 70];
    let shape = AttentionShape { offsets: offsets(&lengths), heads: 2, window: None };
    let [q, k, v] = inputs(1, &lengths, 8);
    let inputs = [q.map(|x| x * 30.0), k.map(|x| x * 30.0), v];
    let is = computed(&inputs, |[q, k, v], tape| ops::attention(q.on(tape), k.on(tape), v.on(tape), &shape));
    assert_outcome(&is, &expected(&inputs, |qkv| reference(qkv, &lengths, 2, None)), 100.0 * TOLERANCE);
}

#[test]
fn no_tokens_at_all() {
    for lengths in [&[][..], &[0], &[0, 0]] {
        let qkv = inputs(1, lengths, 4);
        let shape = AttentionShape { offsets: offsets(lengths), heads: 2, window: None };
        let y = attend(&qkv.map(|x| x.parameter()), &shape);
        assert_eq!(lrx_tensor::dims(&y), (0, 4));
    }
}

fn attend([q, k, v]: &[Parameter; 3], shape: &AttentionShape) -> lrx_tensor::Activation {
    let tape = Tape::recording();
    ops::attention(q.on(&tape), k.on(&tape), v.on(&tape), shape)
}

fn refused(heads: usize, window: Option<usize>, lengths: &[usize]) {
    let qkv = inputs(1, &[3], 6).map(|x| x.parameter());
    attend(&qkv, &AttentionShape { offsets: offsets(lengths), heads, window });
}

#[test]
#[should_panic(expected = "4 heads divide 6 features")]
fn refuses_heads_that_do_not_divide_the_features() {
    refused(4, None, &[3]);
}

#[test]
#[should_panic(expected = "a window of at least one token")]
fn refuses_an_empty_window() {
    refused(2, Some(0), &[3]);
}

#[test]
#[should_panic(expected = "offsets that end at the number of tokens")]
fn refuses_offsets_of_another_batch() {
    refused(2, None, &[3, 1]);
}
