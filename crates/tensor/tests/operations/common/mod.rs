//! Deterministic inputs, an operation's value and gradients in f32 and in f64, and their comparison.
//!
//! The gradients are those of `Σ y ∘ u` with fixed numbers u, so that each element of the output has a gradient of its
//! own.
//!
//! # Tolerances
//! The inputs are the same f32 numbers on both sides, so all of the difference is f32 rounding (ε = 6e-8 an operation).
//! It is measured against the largest number of the matrix, at least 1: with inputs of order 1, a small result is what
//! is left of terms of order 1 that cancel. [`TOLERANCE`] is 50 ε: sums of a few hundred terms and the crate's own
//! `exp` and `tanh` (2e-7 and 3e-7). Of 10,000 random cases a test, the worst took 65 % of it in GELU's gradient (near −5,
//! where the `tanh` is multiplied by some 10; 66 % at 4 million points between −20 and 20), 58 % in a matrix applied twice,
//! little more than 40 % elsewhere. Where a test needs another tolerance, it says why.

use lrx_tensor::dfdx::prelude::*;
use lrx_tensor::{Activation, Matrix, Parameter, Scalar, Tape, dims, matrix, ops, values};
use proptest::strategy::Strategy;

/// Relative to the largest number of a matrix, at least 1.
pub const TOLERANCE: f64 = 3e-6;

/// A matrix in f64 on dfdx's own tape.
pub type Exact = Tensor<(usize, usize), f64, Cpu, OwnedTape<f64, Cpu>>;
/// A matrix in f64 that is no variable.
pub type Constant = Tensor<(usize, usize), f64, Cpu>;

/// One input of an operation. All of its numbers are f32 numbers, so both sides compute with the same.
#[derive(Clone, Debug)]
pub struct Input {
    pub rows: usize,
    pub columns: usize,
    pub values: Vec<f32>,
}

impl Input {
    /// Each number replaced by `f` of it.
    pub fn map(mut self, f: impl Fn(f32) -> f32) -> Self {
        self.values.iter_mut().for_each(|x| *x = f(*x));
        self
    }

    /// As a matrix of the crate.
    pub fn matrix(&self) -> Matrix {
        matrix(self.values.clone(), self.rows, self.columns)
    }

    /// As a parameter of the crate.
    pub fn parameter(&self) -> Parameter {
        Parameter::new(self.matrix())
    }

    /// As a matrix of f64 numbers.
    pub fn constant(&self) -> Constant {
        constant(self.rows, self.columns, |i, j| f64::from(self.values[i * self.columns + j]))
    }
}

/// `rows × columns` numbers between −1 and 1, others for another seed.
pub fn input(seed: u64, rows: usize, columns: usize) -> Input {
    Input { rows, columns, values: Numbers(seed).take(rows * columns).collect() }
}

/// `count` whole numbers below `below`, others for another seed.
pub fn indices(seed: u64, count: usize, below: usize) -> Vec<u32> {
    Numbers(seed).take(count).map(|x| ((x + 1.0) / 2.0 * below as f32) as u32 % below as u32).collect()
}

/// Splitmix64 (Steele, Lea & Flood 2014), its upper 24 bits spread over −1 … 1.
struct Numbers(u64);

impl Iterator for Numbers {
    type Item = f32;

    fn next(&mut self) -> Option<f32> {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let z = z ^ (z >> 31);
        Some((z >> 40) as f32 / (1 << 23) as f32 - 1.0)
    }
}

/// Σ y: a loss whose gradient is 1 everywhere.
pub fn sum(y: Activation) -> Scalar {
    let (rows, columns) = dims(&y);
    ops::weighted_sum(y, &matrix(vec![1.0; rows * columns], rows, columns))
}

/// The matrix of `f(row, column)` in f64.
pub fn constant(rows: usize, columns: usize, f: impl Fn(usize, usize) -> f64) -> Constant {
    let values = (0..rows * columns).map(|i| f(i / columns, i % columns)).collect();
    Cpu::default().tensor_from_vec(values, (rows, columns))
}

/// The transpose.
pub fn transposed<T: dfdx::tensor::Tape<f64, Cpu>>(
    x: Tensor<(usize, usize), f64, Cpu, T>,
) -> Tensor<(usize, usize), f64, Cpu, T> {
    x.permute::<_, Axes2<1, 0>>()
}

/// A matrix of one row, repeated `rows` times.
pub fn repeated(row: Exact, rows: usize) -> Exact {
    constant(rows, 1, |_, _| 1.0).retaped::<OwnedTape<f64, Cpu>>().matmul(row)
}

/// A second handle on the same matrix, its operations recorded from here on.
pub fn branch(x: &Exact) -> Exact {
    x.retaped()
}

/// What an operation computed: its value and the gradient of each input.
#[derive(Debug, PartialEq)]
pub struct Outcome<F> {
    pub value: Vec<F>,
    pub gradients: Vec<Vec<F>>,
}

/// Numbers that the output's elements are weighted with in the loss.
fn upstream(rows: usize, columns: usize) -> Input {
    input(0x75, rows, columns)
}

/// The crate's operation: its value, and the gradients of `Σ y ∘ u`.
pub fn computed<const N: usize>(
    inputs: &[Input; N],
    operation: impl FnOnce(&[Parameter; N], &Tape) -> Activation,
) -> Outcome<f32> {
    let mut value = vec![];
    let Outcome { gradients, .. } = computed_loss(inputs, |parameters, tape| {
        let y = operation(parameters, tape);
        let (rows, columns) = dims(&y);
        value = values(&y).to_vec();
        ops::weighted_sum(y, &upstream(rows, columns).matrix())
    });
    Outcome { value, gradients }
}

/// A loss that the crate computes, and its gradients.
pub fn computed_loss<const N: usize>(
    inputs: &[Input; N],
    operation: impl FnOnce(&[Parameter; N], &Tape) -> Scalar,
) -> Outcome<f32> {
    let parameters = inputs.each_ref().map(Input::parameter);
    let tape = Tape::recording();
    let loss = operation(&parameters, &tape);
    let value = vec![loss.value()];
    Tape::backward(loss);
    Outcome { value, gradients: parameters.iter().map(|parameter| parameter.gradient().clone()).collect() }
}

/// The reference: the value, and the gradients of `Σ y ∘ u` by dfdx.
pub fn expected<const N: usize>(inputs: &[Input; N], operation: impl FnOnce([Exact; N]) -> Exact) -> Outcome<f64> {
    let mut value = vec![];
    let Outcome { gradients, .. } = expected_loss(inputs, |leaves| {
        let y = operation(leaves);
        let (rows, columns) = *y.shape();
        value = y.as_vec();
        (y * upstream(rows, columns).constant()).sum()
    });
    Outcome { value, gradients }
}

/// The reference of a loss.
pub fn expected_loss<const N: usize>(
    inputs: &[Input; N],
    operation: impl FnOnce([Exact; N]) -> Tensor<(), f64, Cpu, OwnedTape<f64, Cpu>>,
) -> Outcome<f64> {
    let leaves = inputs.each_ref().map(Input::constant);
    let loss = operation(leaves.each_ref().map(|leaf| leaf.leaky_trace()));
    let value = loss.as_vec();
    let gradients = loss.backward();
    Outcome { value, gradients: leaves.iter().map(|leaf| gradients.get(leaf).as_vec()).collect() }
}

/// Compares value and gradients of an operation with its reference.
#[track_caller]
pub fn check<const N: usize>(
    inputs: [Input; N],
    operation: impl FnOnce(&[Parameter; N], &Tape) -> Activation,
    reference: impl FnOnce([Exact; N]) -> Exact,
) {
    assert_outcome(&computed(&inputs, operation), &expected(&inputs, reference), TOLERANCE);
}

/// Compares value and gradients, each within `tolerance` of its largest number.
#[track_caller]
pub fn assert_outcome(is: &Outcome<f32>, should: &Outcome<f64>, tolerance: f64) {
    assert_close("value", &is.value, &should.value, tolerance);
    assert_eq!(is.gradients.len(), should.gradients.len());
    for (i, (is, should)) in is.gradients.iter().zip(&should.gradients).enumerate() {
        assert_close(&format!("gradient of input {i}"), is, should, tolerance);
    }
}

/// Compares element by element: the difference at most `tolerance` times the largest number, at least 1.
#[track_caller]
pub fn assert_close(what: &str, is: &[f32], should: &[f64], tolerance: f64) {
    assert_eq!(is.len(), should.len(), "{what}: how many numbers");
    let scale = should.iter().fold(1.0, |scale: f64, x| scale.max(x.abs()));
    for (i, (&is, &should)) in is.iter().zip(should).enumerate() {
        let error = (f64::from(is) - should).abs() / scale;
        // Not `error > tolerance`: NaN fails.
        assert!(
            error <= tolerance,
            "{what}, number {i}: {is} instead of {should}, error {error:.1e} > {tolerance:.1e}"
        );
    }
}

/// Stories of these lengths, but not all of them empty: dfdx knows no matrix without numbers.
pub fn some_tokens(lengths: impl Strategy<Value = Vec<usize>>) -> impl Strategy<Value = Vec<usize>> {
    lengths.prop_map(|mut lengths| {
        if lengths.iter().all(|&length| length == 0) {
            lengths[0] = 1;
        }
        lengths
    })
}

/// The offsets of stories of these lengths.
pub fn offsets(lengths: &[usize]) -> lrx_tensor::Offsets {
    let ends = lengths.iter().scan(0, |end, length| {
        *end += length;
        Some(*end)
    });
    std::iter::once(0).chain(ends).collect()
}
