//! `add`, `scale_columns` and `gelu` against dfdx's `add`, `mul` and `fast_gelu` (the tanh form).

use lrx_tensor::dfdx::prelude::*;
use lrx_tensor::ops;
use proptest::prelude::*;

use crate::common::{check, constant, input, repeated, transposed};

/// Rows and columns: from a single number to more than one block of rows of a thread.
fn shapes() -> impl Strategy<Value = (usize, usize)> {
    (prop_oneof![1..5usize, 30..35usize, 60..130usize], prop_oneof![1..5usize, 14..19usize, 60..70usize])
}

proptest! {
    #[test]
    fn add((rows, columns) in shapes(), seed: u64) {
        check(
            [input(seed, rows, columns), input(seed ^ 1, rows, columns)],
            |[a, b], tape| ops::add(a.on(tape), b.on(tape)),
            |[a, b]| a + b,
        );
    }

    #[test]
    fn add_of_one_thing_to_itself((rows, columns) in shapes(), seed: u64) {
        check(
            [input(seed, rows, columns)],
            |[x], tape| {
                let x = x.on(tape);
                ops::add(x.clone(), x)
            },
            |[x]| x * 2.0,
        );
    }

    #[test]
    fn add_with_bias((rows, columns) in shapes(), seed: u64) {
        check(
            [input(seed, rows, columns), input(seed ^ 1, rows, columns), input(seed ^ 2, 1, columns)],
            |[a, b, c], tape| ops::add_with_bias(a.on(tape), b.on(tape), Some(c)),
            |[a, b, c]| a + b + repeated(c, rows),
        );
    }

    #[test]
    fn scale_columns((rows, columns) in shapes(), seed: u64) {
        check(
            [input(seed, rows, columns), input(seed ^ 1, 1, columns)],
            |[x, g], tape| ops::scale_columns(x.on(tape), g),
            |[x, g]| x * repeated(g, rows),
        );
    }

    #[test]
    fn scale_columns_twice((rows, columns) in shapes(), seed: u64) {
        check(
            [input(seed, rows, columns), input(seed ^ 1, 1, columns)],
            |[x, g], tape| ops::scale_columns(ops::scale_columns(x.on(tape), g), g),
            |[x, g]| x * repeated(g, rows).square(),
        );
    }

    #[test]
    fn gelu((rows, columns) in shapes(), seed: u64, range in 0.1f32..20.0) {
        // The largest number of value and gradients is at most `range` and 1.2.
        check([input(seed, rows, columns).map(|x| x * range)], |[x], tape| ops::gelu(x.on(tape)), |[x]| x.fast_gelu());
    }
}

proptest! {
    #[test]
    fn gelu_and_the_matrix_behind_it((rows, columns) in shapes(), outputs in 1..40usize, bias: bool, seed: u64) {
        // Divided so that what is summed is of order 1 in both directions, as the tolerance supposes.
        let w = input(seed ^ 1, outputs, columns).map(|w| w / (outputs.max(columns) as f32).sqrt());
        let b = input(seed ^ 2, 1, columns).map(|b| if bias { 2.0 * b } else { 0.0 });
        let x = input(seed, rows, columns).map(|x| 3.0 * x);
        check(
            [x.clone(), b.clone(), w.clone()],
            |[x, b, w], tape| ops::gelu_linear(x.on(tape), Some(b), w),
            |[x, b, w]| (x + repeated(b, rows)).fast_gelu().matmul(transposed(w)),
        );
        if !bias {
            check(
                [x, w],
                |[x, w], tape| ops::gelu_linear(x.on(tape), None, w),
                |[x, w]| x.fast_gelu().matmul(transposed(w)),
            );
        }
    }
}

#[test]
fn add_and_gelu_over_several_blocks() {
    let [x, y] = [1, 2].map(|seed| input(seed, 150, 301));
    check([x, y], |[x, y], tape| ops::gelu(ops::add(x.on(tape), y.on(tape))), |[x, y]| (x + y).fast_gelu());
}

#[test]
fn gelu_far_from_zero() {
    // 0 and the identity, without overflow: the exponential inside is that of 2 · 0.8 · 0.045 · 10¹².
    let values = vec![-1e4, -100.0, -20.0, -9.0, -0.0, 0.0, 9.0, 20.0, 100.0, 1e4];
    let x = crate::common::Input { rows: 2, columns: 5, values };
    check([x], |[x], tape| ops::gelu(x.on(tape)), |[x]| x.fast_gelu());
}

#[test]
fn the_reference_of_gelu_is_the_tanh_form() {
    // The exact form differs by up to 5e-4 and would not pass.
    let x = constant(1, 7, |_, j| j as f64 - 3.0);
    for (y, x) in x.clone().fast_gelu().as_vec().into_iter().zip(x.as_vec()) {
        let inner = (2.0 / std::f64::consts::PI).sqrt() * (x + 0.044_715 * x * x * x);
        assert!((y - 0.5 * x * (1.0 + inner.tanh())).abs() < 1e-15);
    }
}

#[test]
#[should_panic(expected = "shapes of a sum")]
fn add_refuses_other_shapes() {
    let tape = lrx_tensor::Tape::silent();
    ops::add(input(1, 2, 3).parameter().on(&tape), input(1, 3, 2).parameter().on(&tape));
}

#[test]
#[should_panic(expected = "one bias a feature")]
fn add_refuses_a_bias_of_another_width() {
    let tape = lrx_tensor::Tape::silent();
    let [a, b, c] = [(2, 3), (2, 3), (1, 2)].map(|(rows, columns)| input(1, rows, columns).parameter());
    ops::add_with_bias(a.on(&tape), b.on(&tape), Some(&c));
}

#[test]
#[should_panic(expected = "inputs of a 4 × 2 matrix")]
fn gelu_linear_refuses_another_width() {
    let [x, w] = [(5, 3), (4, 2)].map(|(rows, columns)| input(1, rows, columns).parameter());
    ops::gelu_linear(x.on(&lrx_tensor::Tape::silent()), None, &w);
}

#[test]
#[should_panic(expected = "one factor a column")]
fn scale_columns_refuses_another_width() {
    ops::scale_columns(input(1, 2, 3).parameter().on(&lrx_tensor::Tape::silent()), &input(1, 1, 2).parameter());
}
