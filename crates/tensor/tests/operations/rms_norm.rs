//! `rms_norm` against its formula in dfdx's operations.

use lrx_tensor::dfdx::prelude::*;
use lrx_tensor::{Tape, ops};
use proptest::prelude::*;

use crate::common::{Exact, Input, branch, check, constant, input, repeated, transposed};

const EPSILON: f32 = 1e-5;

fn reference(x: Exact, weight: Exact, epsilon: f32) -> Exact {
    let (tokens, features) = *x.shape();
    // The mean of each row, in every column: a product with a matrix of 1 / features.
    let mean = constant(features, features, |_, _| 1.0 / features as f64);
    let root = (branch(&x).square().matmul(mean) + f64::from(epsilon)).sqrt();
    x / root * repeated(weight, tokens)
}

/// Tokens whose mean square is not so small that the division magnifies rounding.
fn tokens_of(seed: u64, tokens: usize, features: usize) -> Input {
    let mut x = input(seed, tokens, features);
    x.values.chunks_exact_mut(features).for_each(|row| row.iter_mut().step_by(2).for_each(|x| *x += 2.0));
    x
}

proptest! {
    #[test]
    fn any_shape(
        tokens in prop_oneof![1..5usize, 31..35usize, 60..100usize],
        features in prop_oneof![1..5usize, 14..19usize, 100..130usize],
        seed: u64,
        scale in 0.5f32..30.0,
        epsilon in prop_oneof![Just(1e-6f32), Just(1e-5), Just(1e-2), Just(1.0)],
    ) {
        check(
            [tokens_of(seed, tokens, features).map(|x| x * scale), input(seed ^ 1, 1, features)],
            |[x, w], tape| ops::rms_norm(x.on(tape), w, epsilon),
            |[x, w]| reference(x, w, epsilon),
        );
    }
}

#[test]
fn gradients_are_added_to_those_of_other_uses() {
    check(
        [tokens_of(1, 40, 6), input(2, 1, 6).map(|w| w + 1.5)],
        |[x, w], tape| {
            let x = x.on(tape);
            ops::add(ops::rms_norm(ops::rms_norm(x.clone(), w, EPSILON), w, EPSILON), x)
        },
        |[x, w]| reference(reference(branch(&x), branch(&w), EPSILON), w, EPSILON) + x,
    );
}

#[test]
fn several_matrices_behind_it() {
    // They do not keep its output but have it made again: each for itself, or narrow ones together.
    check(
        [tokens_of(1, 40, 6), input(2, 1, 6), input(4, 8, 6), input(5, 3, 6), input(6, 8, 3)],
        |[x, w, wide, narrow, back], tape| {
            let y = ops::rms_norm(x.on(tape), w, EPSILON);
            let each = ops::linear_each(y.clone(), &[wide, wide]);
            let together = ops::linear_each(y, &[narrow, narrow]);
            let together = together.into_iter().map(|y| ops::linear(y, back, None));
            each.into_iter().chain(together).reduce(ops::add).expect("four")
        },
        |[x, w, wide, narrow, back]| {
            let y = reference(x, w, EPSILON);
            let wide = branch(&y).matmul(transposed(wide));
            (wide + y.matmul(transposed(narrow)).matmul(transposed(back))) * 2.0
        },
    );
}

#[test]
fn tokens_of_zeros() {
    // Only epsilon keeps the gradients finite: they are of order 1/√ε = 316.
    let x = Input { rows: 3, columns: 5, values: [0.0, 1.0, -2.5].into_iter().flat_map(|x| [x; 5]).collect() };
    check([x, input(1, 1, 5)], |[x, w], tape| ops::rms_norm(x.on(tape), w, EPSILON), |[x, w]| reference(x, w, EPSILON));
}

#[test]
#[should_panic(expected = "a weight a feature")]
fn refuses_a_weight_of_another_width() {
    let [x, w] = [(2, 3), (1, 4)].map(|(rows, columns)| input(1, rows, columns).parameter());
    ops::rms_norm(x.on(&Tape::silent()), &w, EPSILON);
}
