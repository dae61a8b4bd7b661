//! Products of bfloat16 operands against f64 products of rounded ones.
//!
//! A product of two bfloat16 numbers is exact in f32, so an operation all of whose operands are bfloat16 numbers already must
//! give what it gives in f32, but for the order of sums: it is held against the f64 references of the other files, within
//! their tolerance. That operands which are none are rounded is shown by `matmul` alone, number by number; that an operation
//! asks for it, by its results being others than in f32.

use lrx_tensor::dfdx::prelude::*;
use lrx_tensor::ops::{self, Blocks, Nonlinearity, Order};
use lrx_tensor::{Activation, MatMut, MatRef, Parameter, Precision, Scalar, Tape, Threads, dims, matmul, values};
use proptest::prelude::*;

use crate::blocks::{spread, whole};
use crate::common::{
    Exact, Input, Outcome, TOLERANCE, assert_close, assert_outcome, expected_loss, indices, input, repeated, transposed,
};
use crate::head;
use crate::threads::assert_same_on_any_threads;

/// The bfloat16 next to x, by f64: a fraction of 8 bits, the even one of two that are as near.
fn rounded(x: f32) -> f32 {
    if x == 0.0 {
        return x;
    }
    let unit = f64::powi(2.0, f64::from(x).abs().log2().floor() as i32 - 7);
    ((f64::from(x) / unit).round_ties_even() * unit) as f32
}

fn side() -> impl Strategy<Value = usize> {
    prop_oneof![3 => 1..9usize, 2 => 9..71usize, 1 => 71..200usize]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn products_of_rounded_operands(
        (m, n) in (side(), side()),
        k in prop_oneof![2 => 1..40usize, 1 => 500..530usize, 1 => 1020..1030usize],
        of_transposes: (bool, bool),
        (extra, add, seed) in any::<(bool, bool, u64)>(),
    ) {
        let extra = usize::from(extra);
        let (a, b, before) = (input(seed, m, k), input(seed ^ 1, k, n), input(seed ^ 2, m, n + extra));
        let turned = |x: &Input| -> Vec<f32> {
            (0..x.values.len()).map(|i| x.values[i % x.rows * x.columns + i / x.rows]).collect()
        };
        let (a_turned, b_turned) = (turned(&a), turned(&b));
        let mut c = before.clone();
        matmul(
            MatMut::block(&mut c.values, m, n, n + extra),
            add,
            if of_transposes.0 { MatRef::new(&a_turned, k, m).t() } else { MatRef::new(&a.values, m, k) },
            if of_transposes.1 { MatRef::new(&b_turned, n, k).t() } else { MatRef::new(&b.values, k, n) },
            Precision::Bf16,
            Threads::All,
        );
        for i in 0..m {
            for j in 0..n {
                let products = (0..k).map(|l| {
                    f64::from(rounded(a.values[i * k + l])) * f64::from(rounded(b.values[l * n + j]))
                });
                let (sum, sizes) = products.fold((0.0, 0.0), |(sum, sizes), p| (sum + p, sizes + p.abs()));
                let place = i * (n + extra) + j;
                let was = if add { f64::from(before.values[place]) } else { 0.0 };
                // Each of the sums rounds relatively by 2⁻²⁴ at most; that many would have to be at their worst.
                let allowed = (k as f64).sqrt().max(2.0) * 4.0 * 2f64.powi(-24) * (sizes + was.abs());
                let error = (f64::from(c.values[place]) - (sum + was)).abs();
                prop_assert!(error <= allowed, "[{i}, {j}]: {error:e} > {allowed:e}");
            }
            prop_assert_eq!(&c.values[i * (n + extra) + n..][..extra], &before.values[i * (n + extra) + n..][..extra]);
        }
    }

    #[test]
    fn linear((tokens, inputs, outputs) in (side(), side(), side()), seed: u64) {
        check(
            [input(seed, tokens, inputs), input(seed ^ 1, outputs, inputs), input(seed ^ 2, 1, outputs)],
            |[x, w, b], tape| ops::linear(x.on(tape), w, Some(b)),
            |[x, w, b]| x.matmul(transposed(w)) + repeated(b, tokens),
        );
    }

    #[test]
    fn linear_each((tokens, inputs, outputs) in (side(), 2..90usize, 1..30usize), seed: u64) {
        check(
            [input(seed, tokens, inputs), input(seed ^ 1, outputs, inputs), input(seed ^ 2, outputs, inputs)],
            |[x, a, b], tape| ops::linear_each(x.on(tape), &[a, b]).into_iter().reduce(ops::add).expect("two"),
            |[x, a, b]| x.with_empty_tape().matmul(transposed(a)) + x.matmul(transposed(b)),
        );
    }

    #[test]
    fn relu_and_a_matrix((tokens, inputs, outputs) in (side(), side(), side()), seed: u64) {
        check(
            [input(seed, tokens, inputs), input(seed ^ 1, outputs, inputs)],
            |[x, w], tape| ops::nonlinear_linear(x.on(tape), None, w, Nonlinearity::Relu),
            |[x, w]| x.relu().matmul(transposed(w)),
        );
    }

    #[test]
    fn blocks((tokens, n, k) in (1..130usize, 1..20usize, 1..20usize), count in 1..7usize, apart: (bool, bool), seed: u64) {
        let order = |apart| if apart { Order::Apart } else { Order::Together };
        let blocks = Blocks { count, reads: order(apart.0), writes: order(apart.1) };
        check(
            [input(seed, tokens, count * k), input(seed ^ 1, count * n, k), input(seed ^ 2, 1, count * n)],
            |[x, w, b], tape| ops::block_linear(x.on(tape), w, Some(b), blocks),
            |[x, w, b]| x.matmul(transposed(whole(w, blocks, n, k))) + repeated(b, tokens),
        );
    }

    #[test]
    fn left_linear(tokens in 1..70usize, (m, n, width) in (1..9usize, 1..9usize, 1..9usize), seed: u64) {
        check(
            [input(seed, tokens, m * width), input(seed ^ 1, n, m)],
            |[x, p], tape| ops::left_linear(x.on(tape), p, None, width),
            |[x, p]| {
                let pick = |o: usize, i: usize| (o % width == i % width).then_some((o / width, i / width));
                x.matmul(transposed(spread(p, n * width, m * width, pick)))
            },
        );
    }

    /// Logits are exact to rounding, and so is the loss. Probabilities are rounded before they are multiplied into gradients:
    /// relatively by 2⁻⁹, and as they add up to at most 1, by 2⁻⁹ of the largest number that they weight; 2⁻⁸ for both sides.
    #[test]
    fn the_head((tokens, features, vocabulary) in (side(), 1..40usize, 2..300usize), seed: u64) {
        let targets = indices(seed, tokens, vocabulary);
        let inputs = [input(seed, tokens, features), input(seed ^ 1, vocabulary, features)].map(|x| x.map(rounded));
        let is = losses(Precision::Bf16, &inputs, |[x, e], tape| ops::head_cross_entropy(x.on(tape), e, &targets));
        let should = expected_loss(&inputs, |[x, e]| head::reference(x, e, &targets));
        assert_close("loss", &is.value, &should.value, TOLERANCE);
        for (i, (is, should)) in is.gradients.iter().zip(&should.gradients).enumerate() {
            let of_tokens = |x: f64| x * tokens as f64;
            let is: Vec<f32> = is.iter().map(|&x| of_tokens(f64::from(x)) as f32).collect();
            let should: Vec<f64> = should.iter().map(|&x| of_tokens(x)).collect();
            assert_close(&format!("gradient of input {i}"), &is, &should, 2f64.powi(-8));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn the_same_bits_on_any_threads((a, b) in (side(), side()), long in 200..3000usize, order in 0..3usize, seed: u64) {
        let [m, k, n] = [[a, b, long], [a, long, b], [long, a, b]][order];
        let (a, b) = (input(seed, m, k).values, input(seed ^ 1, n, k).values);
        assert_same_on_any_threads(|| {
            let mut c = vec![0.0; m * n];
            let (a, b) = (MatRef::new(&a, m, k), MatRef::new(&b, n, k).t());
            matmul(MatMut::new(&mut c, m, n), false, a, b, Precision::Bf16, Threads::All);
            Outcome { value: c, gradients: vec![] }
        });
    }
}

/// Parts both by rows and by columns, added to a block of a wider matrix.
#[test]
fn large_products_have_the_same_bits_on_any_threads() {
    for [m, n, k] in [[600, 520, 550], [270, 1030, 384], [1030, 270, 70]] {
        let (a, b, before) = (input(1, m, k).values, input(2, k, n).values, input(3, m, n + 3).values);
        assert_same_on_any_threads(|| {
            let mut c = before.clone();
            let (a, b) = (MatRef::new(&a, m, k), MatRef::new(&b, k, n));
            matmul(MatMut::block(&mut c, m, n, n + 3), true, a, b, Precision::Bf16, Threads::All);
            Outcome { value: c, gradients: vec![] }
        });
    }
}

#[test]
fn the_head_has_the_same_bits_on_any_threads() {
    // More tokens than one block of logits has, and a last part of the vocabulary that is short.
    let (tokens, features, vocabulary) = (150, 24, 9001);
    let targets = indices(3, tokens, vocabulary);
    let inputs = [input(1, tokens, features), input(2, vocabulary, features)];
    assert_same_on_any_threads(|| {
        losses(Precision::Bf16, &inputs, |[x, e], tape| ops::head_cross_entropy(x.on(tape), e, &targets))
    });
}

/// Compares value and gradients with the reference for operands that are bfloat16 numbers; and that others give others than
/// in f32.
#[track_caller]
fn check<const N: usize>(
    inputs: [Input; N],
    operation: impl Fn(&[Parameter; N], &Tape) -> Activation,
    reference: impl FnOnce([Exact; N]) -> Exact,
) {
    let as_they_are = [Precision::Bf16, Precision::F32].map(|precision| outcome(precision, &inputs, &operation).0);
    let inputs = inputs.map(|input| input.map(rounded));
    let (is, upstream) = outcome(Precision::Bf16, &inputs, &operation);
    let mut value = vec![];
    let should = expected_loss(&inputs, |leaves| {
        let y = reference(leaves);
        value = y.as_vec();
        (y * upstream.constant()).sum()
    });
    assert_outcome(&is, &Outcome { value, ..should }, TOLERANCE);
    // A single number may be rounded to nothing's difference.
    if inputs[0].values.len() > 16 && inputs[1].values.len() > 16 {
        let [bf16, f32] = as_they_are;
        assert!(bf16.value != f32.value, "the forward pass rounds");
        (0..2).for_each(|i| assert!(bf16.gradients[i] != f32.gradients[i], "the gradient of input {i} rounds"));
    }
}

/// Value and gradients of `Σ y ∘ u`, and u, whose numbers are bfloat16 ones.
fn outcome<const N: usize>(
    precision: Precision,
    inputs: &[Input; N],
    operation: impl Fn(&[Parameter; N], &Tape) -> Activation,
) -> (Outcome<f32>, Input) {
    let (mut value, mut upstream) = (vec![], input(0, 0, 0));
    let Outcome { gradients, .. } = losses(precision, inputs, |parameters, tape| {
        let y = operation(parameters, tape);
        let (rows, columns) = dims(&y);
        value = values(&y).to_vec();
        upstream = input(0x75, rows, columns).map(rounded);
        ops::weighted_sum(y, &upstream.matrix())
    });
    (Outcome { value, gradients }, upstream)
}

fn losses<const N: usize>(
    precision: Precision,
    inputs: &[Input; N],
    operation: impl FnOnce(&[Parameter; N], &Tape) -> Scalar,
) -> Outcome<f32> {
    let parameters = inputs.each_ref().map(Input::parameter);
    let loss = operation(&parameters, &Tape::recording().with_precision(precision));
    let value = vec![loss.value()];
    Tape::backward(loss);
    Outcome { value, gradients: parameters.iter().map(|parameter| parameter.gradient().clone()).collect() }
}
