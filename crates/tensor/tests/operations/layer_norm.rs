//! `layer_norm` against dfdx's `normalize`, scaled and shifted.

use lrx_tensor::dfdx::prelude::*;
use lrx_tensor::{Activation, Parameter, Tape, ops};
use proptest::prelude::*;

use crate::common::{
    Exact, Input, TOLERANCE, assert_outcome, branch, check, computed, expected, input, repeated, transposed,
};

const EPSILON: f32 = 1e-5;

fn operation([x, weight, bias]: &[Parameter; 3], tape: &Tape) -> Activation {
    ops::layer_norm(x.on(tape), weight, Some(bias), EPSILON)
}

fn reference([x, weight, bias]: [Exact; 3]) -> Exact {
    let (tokens, _) = *x.shape();
    x.normalize::<Axis<1>>(f64::from(EPSILON)) * repeated(weight, tokens) + repeated(bias, tokens)
}

/// Tokens whose features vary by more than 1, so that the division by their deviation does not magnify rounding.
fn tokens_of(seed: u64, tokens: usize, features: usize) -> Input {
    let mut x = input(seed, tokens, features);
    x.values.chunks_exact_mut(features).for_each(|row| row.iter_mut().step_by(2).for_each(|x| *x += 3.0));
    x
}

proptest! {
    #[test]
    fn any_shape(
        tokens in prop_oneof![1..5usize, 31..35usize, 60..100usize],
        features in prop_oneof![1..5usize, 14..19usize, 100..130usize],
        seed: u64,
        scale in 0.5f32..30.0,
    ) {
        let x = tokens_of(seed, tokens, features).map(|x| x * scale);
        check([x, input(seed ^ 1, 1, features), input(seed ^ 2, 1, features)], operation, reference);
    }
}

#[test]
fn without_a_bias() {
    for features in [1, 6, 130] {
        check(
            [tokens_of(1, 70, features), input(2, 1, features)],
            |[x, weight], tape| ops::layer_norm(x.on(tape), weight, None, EPSILON),
            |[x, weight]| x.normalize::<Axis<1>>(f64::from(EPSILON)) * repeated(weight, 70),
        );
    }
}

#[test]
fn gradients_are_added_to_those_of_other_uses() {
    // The tokens are used beside the operation, weight and bias by two.
    check(
        [tokens_of(1, 40, 6), input(2, 1, 6).map(|w| w + 1.5), input(3, 1, 6)],
        |[x, w, b], tape| {
            let x = x.on(tape);
            let y = ops::layer_norm(ops::layer_norm(x.clone(), w, Some(b), EPSILON), w, Some(b), EPSILON);
            ops::add(y, x)
        },
        |[x, w, b]| {
            let y = reference([branch(&x), branch(&w), branch(&b)]);
            reference([y, w, b]) + x
        },
    );
}

#[test]
fn several_matrices_behind_it() {
    // They do not keep its output but have it made again: each for itself, or narrow ones together.
    check(
        [tokens_of(1, 40, 6), input(2, 1, 6), input(3, 1, 6), input(4, 8, 6), input(5, 3, 6), input(6, 8, 3)],
        |[x, w, b, wide, narrow, back], tape| {
            let y = ops::layer_norm(x.on(tape), w, Some(b), EPSILON);
            let each = ops::linear_each(y.clone(), &[wide, wide]);
            let together = ops::linear_each(y, &[narrow, narrow]);
            let together = together.into_iter().map(|y| ops::linear(y, back, None));
            each.into_iter().chain(together).reduce(ops::add).expect("four")
        },
        |[x, w, b, wide, narrow, back]| {
            let y = reference([x, w, b]);
            let wide = branch(&y).matmul(transposed(wide));
            (wide + y.matmul(transposed(narrow)).matmul(transposed(back))) * 2.0
        },
    );
}

#[test]
fn one_parameter_in_two_roles() {
    check(
        [tokens_of(1, 40, 6), input(2, 1, 6)],
        |[x, w], tape| ops::layer_norm(x.on(tape), w, Some(w), EPSILON),
        |[x, w]| reference([x, branch(&w), w]),
    );
}

#[test]
fn tokens_without_variance() {
    // Only epsilon keeps the gradients finite: they are of order 1/√ε = 316.
    let x = Input { rows: 3, columns: 5, values: [0.0, 1.0, -2.5].into_iter().flat_map(|x| [x; 5]).collect() };
    check([x, input(1, 1, 5), input(2, 1, 5)], operation, reference);
}

#[test]
fn a_mean_far_from_zero() {
    // The numbers' own spacing at 1000 is 6e-5, so the mean is exact to about that. Taking the variance as
    // mean(x²) − mean(x)² would be wrong by 0.1.
    let inputs = [tokens_of(1, 4, 33).map(|x| x + 1000.0), input(2, 1, 33), input(3, 1, 33)];
    assert_outcome(&computed(&inputs, operation), &expected(&inputs, reference), 20.0 * TOLERANCE);
}

#[test]
fn each_epsilon() {
    for epsilon in [1e-6, 1e-2, 1.0] {
        let inputs = [tokens_of(1, 3, 6), input(2, 1, 6), input(3, 1, 6)];
        check(
            inputs,
            |[x, w, b], tape| ops::layer_norm(x.on(tape), w, Some(b), epsilon),
            |[x, w, b]| x.normalize::<Axis<1>>(f64::from(epsilon)) * repeated(w, 3) + repeated(b, 3),
        );
    }
}

#[test]
#[should_panic(expected = "a weight a feature")]
fn refuses_a_weight_of_another_width() {
    operation(&[input(1, 2, 3), input(2, 1, 4), input(3, 1, 3)].map(|x| x.parameter()), &Tape::silent());
}

#[test]
#[should_panic(expected = "one bias a feature")]
fn refuses_a_bias_of_another_width() {
    operation(&[input(1, 2, 3), input(2, 1, 3), input(3, 1, 4)].map(|x| x.parameter()), &Tape::silent());
}
