//! `sparse_linear` against dfdx's `matmul` with the whole matrix.

use lrx_tensor::dfdx::prelude::*;
use lrx_tensor::{Tape, ops, values};
use proptest::prelude::*;

use crate::common::{Exact, branch, check, constant, input, transposed};

/// The matrix: outputs × inputs, its nonzero numbers (1 × as many) where they belong.
fn whole(nonzeros: Exact, support: &[u32], outputs: usize, inputs: usize) -> Exact {
    let places = support.len();
    let rows = constant(outputs, places, |i, j| f64::from(u8::from(support[j] as usize / inputs == i)));
    let columns = constant(places, inputs, |i, j| f64::from(u8::from(support[i] as usize % inputs == j)));
    // rows · diag(nonzeros) · columns
    let ones = constant(outputs, 1, |_, _| 1.0);
    (ones.retaped::<OwnedTape<f64, Cpu>>().matmul(nonzeros) * rows).matmul(columns)
}

/// Of the places of a matrix those that `keep` says.
fn support(outputs: usize, inputs: usize, keep: impl Fn(usize) -> bool) -> Vec<u32> {
    (0..outputs * inputs).filter(|&place| keep(place)).map(|place| place as u32).collect()
}

/// Some of the places: about one of `every`, and at least one.
fn some_places(outputs: usize, inputs: usize, every: usize, seed: u64) -> Vec<u32> {
    let random = input(seed, outputs, inputs).values;
    let chosen = support(outputs, inputs, |place| random[place] * every as f32 > every as f32 - 2.0);
    if chosen.is_empty() { vec![(seed % (outputs * inputs) as u64) as u32] } else { chosen }
}

fn check_places(tokens: usize, inputs: usize, outputs: usize, support: &[u32], seed: u64) {
    check(
        [input(seed, tokens, inputs), input(seed ^ 1, 1, support.len())],
        |[x, s], tape| ops::sparse_linear(x.on(tape), s, support, outputs),
        |[x, s]| x.matmul(transposed(whole(s, support, outputs, inputs))),
    );
}

fn size() -> impl Strategy<Value = usize> {
    prop_oneof![1..6usize, 15..34usize, 60..70usize]
}

proptest! {
    #[test]
    fn any_places(
        tokens in prop_oneof![1..5usize, 60..70usize, 120..200usize],
        inputs in size(),
        outputs in size(),
        every in 1..40usize,
        seed: u64,
    ) {
        check_places(tokens, inputs, outputs, &some_places(outputs, inputs, every, seed), seed);
    }
}

#[test]
fn a_matrix_without_zeros_and_one_of_a_single_number() {
    check_places(70, 9, 11, &support(11, 9, |_| true), 1);
    check_places(70, 9, 11, &[98], 2);
    check_places(70, 9, 11, &[0], 3);
}

#[test]
fn more_places_than_a_thread_takes_at_once() {
    let places = support(50, 60, |place| place % 2 == 0);
    assert!(places.len() > 1024);
    check_places(130, 60, 50, &places, 4);
}

#[test]
fn one_matrix_applied_twice() {
    let places = some_places(20, 20, 4, 9);
    check(
        [input(1, 70, 20), input(2, 1, places.len())],
        |[x, s], tape| ops::sparse_linear(ops::sparse_linear(x.on(tape), s, &places, 20), s, &places, 20),
        |[x, s]| {
            let whole = whole(s, &places, 20, 20);
            x.matmul(transposed(branch(&whole))).matmul(transposed(whole))
        },
    );
}

#[test]
fn a_matrix_of_zeros() {
    let [x, none] = [input(1, 3, 4).parameter(), input(1, 1, 0).parameter()];
    let y = ops::sparse_linear(x.on(&Tape::recording()), &none, &[], 5);
    assert_eq!((lrx_tensor::dims(&y), values(&y)), ((3, 5), &[0.0; 15][..]));
}

fn refused(support: &[u32], nonzeros: usize) {
    let [x, s] = [(3, 4), (1, nonzeros)].map(|(rows, columns)| input(1, rows, columns).parameter());
    ops::sparse_linear(x.on(&Tape::silent()), &s, support, 5);
}

#[test]
#[should_panic(expected = "a number for each of 2 places")]
fn refuses_another_number_of_places() {
    refused(&[0, 1], 3);
}

#[test]
#[should_panic(expected = "places that ascend")]
fn refuses_a_place_twice() {
    refused(&[3, 3], 2);
}

#[test]
#[should_panic(expected = "places in 5 × 4")]
fn refuses_a_place_outside() {
    refused(&[3, 20], 2);
}
