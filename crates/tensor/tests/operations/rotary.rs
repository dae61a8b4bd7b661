//! `rotary` against the rotation as Hugging Face writes it, x cos + rotate_half(x) sin, in f64.

use lrx_tensor::dfdx::prelude::*;
use lrx_tensor::{Tape, ops, values};
use proptest::prelude::*;

use crate::common::{Exact, branch, check, constant, input, offsets, some_tokens};

/// For each token the position in its story.
fn positions(lengths: &[usize], first: usize) -> Vec<usize> {
    lengths.iter().flat_map(|&length| first..first + length).collect()
}

/// `positions`: of each row.
fn reference(x: Exact, positions: &[usize], heads: usize, theta: f64) -> Exact {
    let (tokens, features) = *x.shape();
    let (size, half) = (features / heads, features / heads / 2);
    let angle = |i: usize, j: usize| {
        let frequency = 1.0 / theta.powf(2.0 * (j % half) as f64 / size as f64);
        positions[i] as f64 * frequency
    };
    let (cos, sin) =
        (constant(tokens, features, |i, j| angle(i, j).cos()), constant(tokens, features, |i, j| angle(i, j).sin()));
    // Multiplied from the right it takes (first half, second half) of each head to (−second, first).
    let rotate_half = constant(features, features, |i, j| {
        let same_head = i / size == j / size;
        let (i, j) = (i % size, j % size);
        match (same_head && i % half == j % half, i < half, j < half) {
            (true, true, false) => 1.0,
            (true, false, true) => -1.0,
            _ => 0.0,
        }
    });
    branch(&x) * cos + x.matmul(rotate_half) * sin
}

proptest! {
    #[test]
    fn any_stories(
        lengths in some_tokens(prop::collection::vec(prop_oneof![0..3usize, 0..50usize], 1..6)),
        heads in 1..5usize,
        pairs in prop_oneof![1..4usize, 7..10usize],
        theta in prop_oneof![Just(10_000.0f64), Just(500_000.0), 2.0..100.0f64],
        first in prop_oneof![Just(0usize), 1..5000usize],
        seed: u64,
    ) {
        let features = heads * 2 * pairs;
        check(
            [input(seed, lengths.iter().sum(), features)],
            |[x], tape| ops::rotary(x.on(tape), &offsets(&lengths), heads, theta, first),
            |[x]| reference(x, &positions(&lengths, first), heads, theta),
        );
    }
}

#[test]
fn scores_depend_on_the_distance_alone() {
    // What rotary positions are for: qᵢ · kⱼ is the same wherever the two stand, if as far apart.
    let [q, k] = [1, 2].map(|seed| input(seed, 1, 8).parameter());
    let score = |q_position: usize, k_position: usize| -> f32 {
        let [q, k] = [(&q, q_position), (&k, k_position)]
            .map(|(x, position)| ops::rotary(x.on(&Tape::silent()), &offsets(&[1]), 1, 10_000.0, position));
        values(&q).iter().zip(values(&k)).map(|(q, k)| q * k).sum()
    };
    for position in [0, 1, 17, 300] {
        assert!((score(position + 5, position) - score(5, 0)).abs() < 1e-5);
    }
    assert!((score(5, 0) - score(6, 0)).abs() > 1e-3, "and is another if not");
}

#[test]
fn no_tokens_at_all() {
    let y = ops::rotary(input(1, 0, 4).parameter().on(&Tape::recording()), &offsets(&[0, 0]), 2, 10_000.0, 0);
    assert_eq!(lrx_tensor::dims(&y), (0, 4));
}

fn refused(features: usize, heads: usize, lengths: &[usize]) {
    ops::rotary(input(1, 3, features).parameter().on(&Tape::silent()), &offsets(lengths), heads, 10_000.0, 0);
}

#[test]
#[should_panic(expected = "a head of 3 features in pairs")]
fn refuses_heads_of_an_odd_size() {
    refused(6, 2, &[3]);
}

#[test]
#[should_panic(expected = "4 heads divide 6 features")]
fn refuses_heads_that_do_not_divide_the_features() {
    refused(6, 4, &[3]);
}

#[test]
#[should_panic(expected = "offsets that end at the number of tokens")]
fn refuses_offsets_of_another_batch() {
    refused(8, 2, &[2]);
}
