//! `attention` against dfdx's `softmax` of all scores of the batch with a mask.

use lrx_tensor::dfdx::prelude::*;
use lrx_tensor::ops::{self, AttentionShape};
use lrx_tensor::{Activation, Parameter, Tape, values};
use proptest::prelude::*;

use crate::common::{
    Exact, Input, TOLERANCE, assert_close, assert_outcome, branch, check, computed, constant, expected, input, offsets,
    some_tokens, transposed,
};

/// Which story each token belongs to.
fn stories(lengths: &[usize]) -> Vec<usize> {
    lengths.iter().enumerate().flat_map(|(story, &length)| std::iter::repeat_n(story, length)).collect()
}

/// Head by head with all tokens × all tokens scores; what a token does not see gets a score of −10⁹.
fn reference([q, k, v]: [Exact; 3], lengths: &[usize], shape: &AttentionShape) -> Exact {
    let &AttentionShape { heads, key_value_heads, scale, window } = shape;
    let (tokens, features) = *q.shape();
    let size = features / heads;
    let story = stories(lengths);
    let sees = |i: usize, j: usize| story[i] == story[j] && j <= i && window.is_none_or(|window| i - j < window);
    let mask = constant(tokens, tokens, |i, j| if sees(i, j) { 0.0 } else { -1e9 });
    // Multiplied from the right it takes a head's columns out of so many heads; its transpose puts them back.
    let columns =
        |head: usize, heads: usize| constant(heads * size, size, |i, j| f64::from(u8::from(i == head * size + j)));
    let head = |head: usize| {
        let own = columns(head, heads);
        // Key and value heads stand for consecutive heads of queries.
        let serving = columns(head * key_value_heads / heads, key_value_heads);
        let q = branch(&q).matmul(own.clone());
        let [k, v] = [&k, &v].map(|x| branch(x).matmul(serving.clone()));
        let p = (q.matmul(transposed(k)) * f64::from(scale) + mask.clone()).softmax::<Axis<1>>();
        p.matmul(v).matmul(transposed(own))
    };
    (1..heads).fold(head(0), |sum, h| sum + head(h))
}

fn inputs(seed: u64, lengths: &[usize], shape: &AttentionShape, head_size: usize) -> [Input; 3] {
    let heads = [shape.heads, shape.key_value_heads, shape.key_value_heads];
    [0, 1, 2].map(|i| input(seed ^ i, lengths.iter().sum(), heads[i as usize] * head_size))
}

fn check_stories(seed: u64, lengths: &[usize], shape: &AttentionShape, head_size: usize) {
    check(
        inputs(seed, lengths, shape, head_size),
        |[q, k, v], tape| ops::attention(q.on(tape), k.on(tape), v.on(tape), &offsets(lengths), shape),
        |qkv| reference(qkv, lengths, shape),
    );
}

/// Heads in groups, and any scale that keeps scores of order 1.
fn shapes(groups: std::ops::Range<usize>) -> impl Strategy<Value = AttentionShape> {
    let scale = prop_oneof![Just(1.0f32), -1.0f32..1.0];
    (groups, prop_oneof![2 => Just(1usize), 1 => 2..5usize], scale, windows()).prop_map(
        |(key_value_heads, group, scale, window)| AttentionShape {
            heads: key_value_heads * group,
            key_value_heads,
            scale,
            window,
        },
    )
}

fn windows() -> impl Strategy<Value = Option<usize>> {
    prop_oneof![Just(None), Just(Some(1)), Just(Some(2)), (3..30usize).prop_map(Some), (60..200usize).prop_map(Some)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn short_stories(
        lengths in some_tokens(prop::collection::vec(prop_oneof![Just(0), Just(1), 2..20usize], 1..7)),
        shape in shapes(1..6),
        head_size in prop_oneof![1..4usize, 15..18usize],
        seed: u64,
    ) {
        check_stories(seed, &lengths, &shape, head_size);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn stories_longer_than_a_tile(
        before in 0..3usize,
        length in 62..200usize,
        after in 0..70usize,
        shape in shapes(1..4),
        head_size in 1..9usize,
        seed: u64,
    ) {
        check_stories(seed, &[before, length, after], &shape, head_size);
    }

    #[test]
    fn token_by_token_as_all_at_once(
        length in prop_oneof![1..20usize, 60..100usize],
        new in 1..9usize,
        shape in shapes(1..4),
        head_size in prop_oneof![1..4usize, 15..18usize],
        seed: u64,
    ) {
        // The last rows of queries alone, against f64.
        let new = new.min(length);
        let qkv = inputs(seed, &[length], &shape, head_size);
        let should = expected(&qkv, |qkv| reference(qkv, &[length], &shape)).value;
        let features = shape.heads * head_size;
        let q = lrx_tensor::matrix(qkv[0].values[(length - new) * features..].to_vec(), new, features);
        let is = ops::attention_continued(&q, &qkv[1].values, &qkv[2].values, &shape);
        assert_eq!(lrx_tensor::dims(&is), (new, features));
        assert_close("output", values(&is), &should[(length - new) * features..], TOLERANCE);
    }
}

#[test]
fn the_edges_of_tiles_and_windows() {
    for window in [None, Some(1), Some(2), Some(63), Some(64), Some(65), Some(128), Some(usize::MAX)] {
        for length in [63, 64, 65, 128, 129] {
            check_stories(length as u64, &[1, length, 0], &AttentionShape { window, ..AttentionShape::new(2) }, 3);
        }
    }
}

#[test]
fn many_heads_of_one_feature() {
    let many = AttentionShape::new(24);
    check_stories(1, &[7, 0, 1, 66], &many, 1);
    check_stories(2, &[7, 0, 1, 66], &AttentionShape { window: Some(5), ..many }, 1);
    check_stories(3, &[7, 0, 1, 66], &AttentionShape { key_value_heads: 1, scale: 0.3, ..many }, 1);
}

#[test]
fn grouped_heads_are_heads_whose_keys_and_values_are_the_same() {
    // Bit for bit; of which the gradients are sums.
    let (lengths, head_size) = ([40, 9], 3);
    let grouped = AttentionShape { key_value_heads: 2, scale: 0.577, ..AttentionShape::new(6) };
    let [q, k, v] = inputs(1, &lengths, &grouped, head_size);
    let repeated = |x: &Input| {
        let groups = x.values.chunks_exact(head_size).flat_map(|head| [head; 3].concat());
        Input { rows: x.rows, columns: 3 * x.columns, values: groups.collect() }
    };
    let outputs = [
        ([q.clone(), k.clone(), v.clone()], grouped),
        ([q, repeated(&k), repeated(&v)], AttentionShape { key_value_heads: 6, ..grouped }),
    ]
    .map(|(qkv, shape)| values(&attend(&qkv.map(|x| x.parameter()), &lengths, &shape)).to_vec());
    assert_eq!(outputs[0], outputs[1]);
}

#[test]
fn each_of_its_roles_adds_to_the_gradient_of_one_input() {
    let lengths = [5, 0, 70];
    let shape = AttentionShape { window: Some(9), ..AttentionShape::new(2) };
    let [x, ..] = inputs(1, &lengths, &shape, 3);
    check(
        [x],
        |[x], tape| {
            let x = x.on(tape);
            ops::attention(x.clone(), x.clone(), x, &offsets(&lengths), &shape)
        },
        |[x]| reference([branch(&x), branch(&x), x], &lengths, &shape),
    );
}

#[test]
fn large_scores() {
    // Scores up to ± 30 · 30 · 4, of which exp alone would overflow. A score's rounding error is 3600 ε = 2e-4 and becomes
    // the probability's relative one; most rows have one key that takes all.
    let lengths = [9, 70];
    let shape = AttentionShape::new(2);
    let [q, k, v] = inputs(1, &lengths, &shape, 4);
    let inputs = [q.map(|x| x * 30.0), k.map(|x| x * 30.0), v];
    let offsets = offsets(&lengths);
    let is = computed(&inputs, |[q, k, v], tape| ops::attention(q.on(tape), k.on(tape), v.on(tape), &offsets, &shape));
    assert_outcome(&is, &expected(&inputs, |qkv| reference(qkv, &lengths, &shape)), 100.0 * TOLERANCE);
}

#[test]
fn no_tokens_at_all() {
    for lengths in [&[][..], &[0], &[0, 0]] {
        let shape = AttentionShape { key_value_heads: 1, ..AttentionShape::new(2) };
        let y = attend(&inputs(1, lengths, &shape, 2).map(|x| x.parameter()), lengths, &shape);
        assert_eq!(lrx_tensor::dims(&y), (0, 4));
    }
}

fn attend([q, k, v]: &[Parameter; 3], lengths: &[usize], shape: &AttentionShape) -> Activation {
    let tape = Tape::recording();
    ops::attention(q.on(&tape), k.on(&tape), v.on(&tape), &offsets(lengths), shape)
}

/// q, k and v of 3 tokens and 6 features.
fn refused(shape: AttentionShape, lengths: &[usize]) {
    attend(&[0, 1, 2].map(|seed| input(seed, 3, 6).parameter()), lengths, &shape);
}

#[test]
#[should_panic(expected = "4 heads divide 6 features")]
fn refuses_heads_that_do_not_divide_the_features() {
    refused(AttentionShape::new(4), &[3]);
}

#[test]
#[should_panic(expected = "2 heads of keys and values for 3 heads")]
fn refuses_heads_of_keys_that_do_not_divide_those_of_queries() {
    refused(AttentionShape { key_value_heads: 2, ..AttentionShape::new(3) }, &[3]);
}

#[test]
#[should_panic(expected = "features of 1 heads of keys and values of 2")]
fn refuses_keys_of_another_width() {
    refused(AttentionShape { key_value_heads: 1, ..AttentionShape::new(3) }, &[3]);
}

#[test]
#[should_panic(expected = "a window of at least one token")]
fn refuses_an_empty_window() {
    refused(AttentionShape { window: Some(0), ..AttentionShape::new(2) }, &[3]);
}

#[test]
#[should_panic(expected = "offsets that end at the number of tokens")]
fn refuses_offsets_of_another_batch() {
    refused(AttentionShape::new(2), &[3, 1]);
}
