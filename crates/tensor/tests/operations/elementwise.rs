//! `add`, `multiply`, `scale` and `scale_columns` against dfdx's `add` and `mul`.

use lrx_tensor::ops;
use proptest::prelude::*;

use crate::common::{branch, check, input, repeated};

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
    fn multiply((rows, columns) in shapes(), seed: u64) {
        check(
            [input(seed, rows, columns), input(seed ^ 1, rows, columns)],
            |[a, b], tape| ops::multiply(a.on(tape), b.on(tape)),
            |[a, b]| a * b,
        );
    }

    #[test]
    fn multiply_one_thing_by_itself((rows, columns) in shapes(), seed: u64) {
        check(
            [input(seed, rows, columns)],
            |[x], tape| {
                let x = x.on(tape);
                ops::multiply(x.clone(), x)
            },
            |[x]| x.square(),
        );
    }

    #[test]
    fn scale((rows, columns) in shapes(), factor in -3.0f32..3.0, seed: u64) {
        check(
            [input(seed, rows, columns)],
            |[x], tape| ops::scale(x.on(tape), factor),
            |[x]| x * f64::from(factor),
        );
    }
}

#[test]
fn over_several_blocks() {
    let inputs = [1, 2].map(|seed| input(seed, 150, 301));
    check(
        inputs,
        |[x, y], tape| {
            let x = x.on(tape);
            ops::multiply(ops::scale(ops::add(x.clone(), y.on(tape)), -0.3), x)
        },
        |[x, y]| (branch(&x) + y) * -0.3 * x,
    );
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
#[should_panic(expected = "shapes of a product element by element")]
fn multiply_refuses_other_shapes() {
    let tape = lrx_tensor::Tape::silent();
    ops::multiply(input(1, 2, 3).parameter().on(&tape), input(1, 3, 2).parameter().on(&tape));
}

#[test]
#[should_panic(expected = "one factor a column")]
fn scale_columns_refuses_another_width() {
    ops::scale_columns(input(1, 2, 3).parameter().on(&lrx_tensor::Tape::silent()), &input(1, 1, 2).parameter());
}
