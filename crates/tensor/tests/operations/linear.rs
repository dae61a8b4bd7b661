//! `linear` against dfdx's `matmul`.

use lrx_tensor::dfdx::prelude::*;
use lrx_tensor::{Tape, ops};
use proptest::prelude::*;

use crate::common::{branch, check, input, repeated, transposed};

/// Odd sizes, rank 1, the edges of a register tile, more rows than a block.
fn size() -> impl Strategy<Value = usize> {
    prop_oneof![3 => 1..10usize, 2 => 15..34usize, 1 => 63..130usize]
}

proptest! {
    #[test]
    fn without_bias(tokens in size(), inputs in size(), outputs in size(), seed: u64) {
        check(
            [input(seed, tokens, inputs), input(seed ^ 1, outputs, inputs)],
            |[x, w], tape| ops::linear(x.on(tape), w, None),
            |[x, w]| x.matmul(transposed(w)),
        );
    }

    #[test]
    fn with_bias(tokens in size(), inputs in size(), outputs in size(), seed: u64) {
        check(
            [input(seed, tokens, inputs), input(seed ^ 1, outputs, inputs), input(seed ^ 2, 1, outputs)],
            |[x, w, b], tape| ops::linear(x.on(tape), w, Some(b)),
            |[x, w, b]| x.matmul(transposed(w)) + repeated(b, tokens),
        );
    }

    #[test]
    fn two_factors_of_low_rank(tokens in size(), inputs in size(), rank in 1..4usize, outputs in size(), seed: u64) {
        // Divided so that what passes between the two is of order 1 in both directions, as the tolerance supposes.
        let a = input(seed ^ 1, rank, inputs).map(|a| a / (inputs as f32).sqrt());
        let b = input(seed ^ 2, outputs, rank).map(|b| b / (outputs as f32).sqrt());
        check(
            [input(seed, tokens, inputs), a, b],
            |[x, a, b], tape| ops::linear(ops::linear(x.on(tape), a, None), b, None),
            |[x, a, b]| x.matmul(transposed(a)).matmul(transposed(b)),
        );
    }

    #[test]
    fn several_matrices_of_the_same_input(tokens in size(), inputs in size(), outputs in size(), seed: u64) {
        let narrower = outputs.div_ceil(2);
        // Brings the narrower output to the width of the others.
        let spread = input(seed ^ 4, outputs, narrower).map(|s| s / (outputs as f32).sqrt());
        let [a, b, c] = [outputs, narrower, outputs].map(|rows| input(seed ^ rows as u64, rows, inputs));
        check(
            [input(seed, tokens, inputs), a, b, c],
            |[x, a, b, c], tape| {
                let [a, b, c] = ops::linear_each(x.on(tape), &[a, b, c]).try_into().ok().unwrap();
                ops::add(ops::add(a, ops::linear(b, &spread.parameter(), None)), c)
            },
            |[x, a, b, c]| {
                let b = branch(&x).matmul(transposed(b)).matmul(transposed(spread.constant()));
                branch(&x).matmul(transposed(a)) + b + x.matmul(transposed(c))
            },
        );
    }

    #[test]
    fn one_matrix_applied_twice(tokens in size(), width in size(), seed: u64) {
        let w = input(seed ^ 1, width, width).map(|w| w / (width as f32).sqrt());
        check(
            [input(seed, tokens, width), w, input(seed ^ 2, 1, width)],
            |[x, w, b], tape| ops::linear(ops::linear(x.on(tape), w, Some(b)), w, Some(b)),
            |[x, w, b]| {
                let y = x.matmul(transposed(branch(&w))) + repeated(branch(&b), tokens);
                y.matmul(transposed(w)) + repeated(b, tokens)
            },
        );
    }
}

#[test]
fn one_of_several_outputs_that_nobody_uses() {
    let unused = input(3, 2, 9).parameter();
    check(
        [input(1, 5, 9), input(2, 3, 9)],
        |[x, w], tape| ops::linear_each(x.on(tape), &[w, &unused]).swap_remove(0),
        |[x, w]| x.matmul(transposed(w)),
    );
    assert!(unused.gradient().iter().all(|&g| g == 0.0));
}

#[test]
fn a_size_that_is_spread_over_the_threads() {
    check(
        [input(1, 257, 129), input(2, 191, 129), input(3, 1, 191)],
        |[x, w, b], tape| ops::linear(x.on(tape), w, Some(b)),
        |[x, w, b]| x.matmul(transposed(w)) + repeated(b, 257),
    );
}

#[test]
#[should_panic(expected = "inputs of a 4 × 2 matrix")]
fn refuses_another_width() {
    ops::linear(input(1, 5, 3).parameter().on(&Tape::silent()), &input(1, 4, 2).parameter(), None);
}

#[test]
#[should_panic(expected = "one bias an output")]
fn refuses_a_bias_of_another_width() {
    let [w, b] = [input(1, 4, 3), input(2, 1, 3)].map(|x| x.parameter());
    ops::linear(input(1, 5, 3).parameter().on(&Tape::silent()), &w, Some(&b));
}
