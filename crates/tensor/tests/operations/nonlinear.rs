//! `nonlinear`, `gated` and `nonlinear_linear` against dfdx's `fast_gelu` (the tanh form), `accurate_gelu`, `sigmoid`, `relu`.

use lrx_tensor::dfdx::prelude::*;
use lrx_tensor::ops::{self, Nonlinearity};
use proptest::prelude::*;

use crate::common::{Constant, Exact, Input, check, constant, input, repeated, transposed};

/// The function in f64.
fn exact(kind: Nonlinearity, x: Exact) -> Exact {
    match kind {
        Nonlinearity::GeluTanh => x.fast_gelu(),
        Nonlinearity::Gelu => differenced(x, |x| x.accurate_gelu()),
        Nonlinearity::Silu => x.with_empty_tape().sigmoid() * x,
        Nonlinearity::Relu => x.relu(),
        Nonlinearity::Relu2 => x.relu().square(),
    }
}

/// `f(x)` whose derivative is taken as a difference: dfdx's own of `accurate_gelu` has 2/√π in the place of √(2/π).
fn differenced(x: Exact, f: impl Fn(Constant) -> Constant) -> Exact {
    const H: f64 = 1e-5;
    let (rows, columns) = *x.shape();
    let here = x.as_vec();
    let at = |step: f64| f(constant(rows, columns, |i, j| here[i * columns + j] + step));
    let slope = (at(H) - at(-H)) / (2.0 * H);
    (x - at_points(&here, rows, columns)) * slope + at(0.0)
}

fn at_points(points: &[f64], rows: usize, columns: usize) -> Constant {
    constant(rows, columns, |i, j| points[i * columns + j])
}

fn kinds() -> impl Strategy<Value = Nonlinearity> {
    prop::sample::select(Nonlinearity::ALL.to_vec())
}

/// Rows and columns: from a single number to more than one block of rows of a thread.
fn shapes() -> impl Strategy<Value = (usize, usize)> {
    (prop_oneof![1..5usize, 30..35usize, 60..130usize], prop_oneof![1..5usize, 14..19usize, 60..70usize])
}

proptest! {
    #[test]
    fn alone((rows, columns) in shapes(), kind in kinds(), seed: u64, range in 0.1f32..20.0) {
        // Scaled so that what is compared is of order 1: the largest number of a square is the square of the range.
        let range = if kind == Nonlinearity::Relu2 { range.min(1.0) } else { range };
        check(
            [input(seed, rows, columns).map(|x| x * range)],
            |[x], tape| ops::nonlinear(x.on(tape), kind),
            |[x]| exact(kind, x),
        );
    }

    #[test]
    fn gated((rows, columns) in shapes(), kind in kinds(), seed: u64) {
        check(
            [input(seed, rows, columns).map(|x| 3.0 * x), input(seed ^ 1, rows, columns)],
            |[gate, value], tape| ops::gated(gate.on(tape), value.on(tape), kind),
            |[gate, value]| exact(kind, gate) * value,
        );
    }

    #[test]
    fn with_the_matrix_behind_it((rows, columns) in shapes(), kind in kinds(), outputs in 1..40usize, bias: bool, seed: u64) {
        // Divided so that what is summed is of order 1 in both directions, as the tolerance supposes.
        let w = input(seed ^ 1, outputs, columns).map(|w| w / (outputs.max(columns) as f32).sqrt());
        let b = input(seed ^ 2, 1, columns).map(|b| if bias { 2.0 * b } else { 0.0 });
        let x = input(seed, rows, columns).map(|x| 3.0 * x);
        check(
            [x.clone(), b.clone(), w.clone()],
            |[x, b, w], tape| ops::nonlinear_linear(x.on(tape), Some(b), w, kind),
            |[x, b, w]| exact(kind, x + repeated(b, rows)).matmul(transposed(w)),
        );
        if !bias {
            check(
                [x, w],
                |[x, w], tape| ops::nonlinear_linear(x.on(tape), None, w, kind),
                |[x, w]| exact(kind, x).matmul(transposed(w)),
            );
        }
    }
}

#[test]
fn one_activation_gates_itself() {
    check(
        [input(1, 40, 7)],
        |[x], tape| {
            let x = x.on(tape);
            ops::gated(x.clone(), x, Nonlinearity::Silu)
        },
        |[x]| exact(Nonlinearity::Silu, x.with_empty_tape()) * x,
    );
}

#[test]
fn over_several_blocks() {
    for kind in Nonlinearity::ALL {
        let inputs = [1, 2].map(|seed| input(seed, 150, 301));
        check(
            inputs,
            |[x, y], tape| ops::gated(ops::nonlinear(ops::add(x.on(tape), y.on(tape)), kind), y.on(tape), kind),
            |[x, y]| exact(kind, exact(kind, x + y.with_empty_tape())) * y,
        );
    }
}

#[test]
fn far_from_zero() {
    // 0 and the identity, without overflow: the exponential inside GELU's tanh form is that of 2 · 0.8 · 0.045 · 10¹².
    let values = vec![-1e4, -100.0, -20.0, -9.0, -0.0, 0.0, 9.0, 20.0, 100.0, 1e4];
    let x = Input { rows: 2, columns: 5, values };
    for kind in Nonlinearity::ALL {
        check([x.clone()], |[x], tape| ops::nonlinear(x.on(tape), kind), |[x]| exact(kind, x));
    }
}

#[test]
fn a_number_that_is_none_stays_none() {
    let x = Input { rows: 1, columns: 2, values: vec![f32::NAN, 1.0] }.parameter();
    for kind in Nonlinearity::ALL {
        let y = ops::nonlinear(x.on(&lrx_tensor::Tape::silent()), kind);
        let numbers: Vec<bool> = lrx_tensor::values(&y).iter().map(|y| y.is_nan()).collect();
        assert_eq!(numbers, [true, false], "{kind}");
    }
}

#[test]
fn names_lead_back() {
    for kind in Nonlinearity::ALL {
        assert_eq!(Nonlinearity::named(&kind.to_string()), Some(kind));
    }
    assert_eq!(Nonlinearity::named("tanh"), None);
}

#[test]
fn the_references_of_gelu_are_the_two_forms() {
    // The two differ by up to 5e-4; each against its formula, the exact one by the series of the error function,
    // erf z = 2/√π Σ (−1)ⁿ z²ⁿ⁺¹ / (n! (2n + 1)).
    let erf = |z: f64| {
        let terms = (0..60).scan(z, |power, n| {
            let term = *power / (2 * n + 1) as f64;
            *power *= -z * z / (n + 1) as f64;
            Some(term)
        });
        std::f64::consts::FRAC_2_SQRT_PI * terms.sum::<f64>()
    };
    let x = constant(1, 7, |_, j| j as f64 - 3.0);
    let (tanh_form, exact_form) = (x.clone().fast_gelu().as_vec(), x.clone().accurate_gelu().as_vec());
    for ((tanh_form, exact_form), x) in tanh_form.into_iter().zip(exact_form).zip(x.as_vec()) {
        let inner = (2.0 / std::f64::consts::PI).sqrt() * (x + 0.044_715 * x * x * x);
        assert!((tanh_form - 0.5 * x * (1.0 + inner.tanh())).abs() < 1e-15);
        assert!((exact_form - 0.5 * x * (1.0 + erf(x / 2.0_f64.sqrt()))).abs() < 1e-12);
    }
}

#[test]
#[should_panic(expected = "shapes of a gate and what it gates")]
fn gated_refuses_other_shapes() {
    let tape = lrx_tensor::Tape::silent();
    let [a, b] = [(2, 3), (3, 2)].map(|(rows, columns)| input(1, rows, columns).parameter());
    ops::gated(a.on(&tape), b.on(&tape), Nonlinearity::Silu);
}

#[test]
#[should_panic(expected = "inputs of a 4 × 2 matrix")]
fn nonlinear_linear_refuses_another_width() {
    let [x, w] = [(5, 3), (4, 2)].map(|(rows, columns)| input(1, rows, columns).parameter());
    ops::nonlinear_linear(x.on(&lrx_tensor::Tape::silent()), None, &w, Nonlinearity::Gelu);
}
