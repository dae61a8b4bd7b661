//! `adamw` against the algorithm as the paper writes it (Loshchilov & Hutter 2019, algorithm 2), in f64.

use lrx_tensor::Parameter;
use lrx_tensor::adamw::{Step, squared_norm, update};
use proptest::prelude::*;

use crate::common::{Input, TOLERANCE, assert_close, input};

/// Numbers of one parameter in f64.
struct Reference {
    weight: Vec<f64>,
    first: Vec<f64>,
    second: Vec<f64>,
}

impl Reference {
    fn update(&mut self, gradient: &[f32], step: &Step) {
        let [rate, beta1, beta2, epsilon, decay, scale] =
            [step.learning_rate, step.beta1, step.beta2, step.epsilon, step.weight_decay, step.gradient_scale]
                .map(f64::from);
        let t = i32::try_from(step.step).unwrap();
        for (i, &gradient) in gradient.iter().enumerate() {
            let g = f64::from(gradient) * scale;
            self.first[i] = beta1 * self.first[i] + (1.0 - beta1) * g;
            self.second[i] = beta2 * self.second[i] + (1.0 - beta2) * g * g;
            let m = self.first[i] / (1.0 - beta1.powi(t));
            let v = self.second[i] / (1.0 - beta2.powi(t));
            self.weight[i] -= rate * (m / (v.sqrt() + epsilon) + decay * self.weight[i]);
        }
    }
}

/// Takes `steps` steps with other gradients each and compares weights and moments after each.
fn check_steps(weight: Input, steps: u64, first_step: u64, constants: Step) {
    let (rows, columns) = (weight.rows, weight.columns);
    let mut parameter = weight.parameter();
    let (mut first, mut second) = (vec![0.0; rows * columns], vec![0.0; rows * columns]);
    let mut reference = Reference {
        weight: weight.values.iter().map(|&w| f64::from(w)).collect(),
        first: vec![0.0; rows * columns],
        second: vec![0.0; rows * columns],
    };
    for step in first_step..first_step + steps {
        let gradient = input(step, rows, columns).values;
        parameter.gradient().copy_from_slice(&gradient);
        let step = Step { step, ..constants };
        update(&mut parameter, &mut first, &mut second, &step);
        reference.update(&gradient, &step);

        assert_close("weight", parameter.values(), &reference.weight, TOLERANCE);
        // The moments are far below 1, the least scale of a comparison: they are compared in units of the terms that they
        // are sums of. (Not of themselves: a sum of terms that cancel has few digits left.)
        let scale = f64::from(constants.gradient_scale);
        let units = [(1.0 - f64::from(constants.beta1)) * scale, (1.0 - f64::from(constants.beta2)) * scale * scale];
        let moments = [("first", &first, &reference.first), ("second", &second, &reference.second)];
        for ((what, is, should), unit) in moments.into_iter().zip(units) {
            let is: Vec<f32> = is.iter().map(|&x| (f64::from(x) / unit) as f32).collect();
            let should: Vec<f64> = should.iter().map(|x| x / unit).collect();
            assert_close(what, &is, &should, TOLERANCE);
        }
        assert!(parameter.gradient().iter().all(|&g| g == 0.0), "the gradient is set to zero");
    }
}

const USUAL: Step = Step {
    learning_rate: 1e-3,
    beta1: 0.9,
    beta2: 0.999,
    epsilon: 1e-8,
    weight_decay: 0.01,
    step: 1,
    gradient_scale: 1.0,
};

proptest! {
    #[test]
    fn steps(
        rows in 1..9usize,
        columns in 1..40usize,
        // m / √v is up to 100 for such β₂: weights stay of order 1.
        learning_rate in 1e-5f32..0.02,
        beta1 in prop_oneof![Just(0.0f32), Just(0.9), 0.5f32..0.99],
        beta2 in prop_oneof![Just(0.95f32), Just(0.999), 0.5f32..0.9999],
        epsilon in prop_oneof![Just(1e-8f32), Just(1e-3), Just(1.0)],
        weight_decay in prop_oneof![Just(0.0f32), Just(0.01), 0.0f32..1.0],
        gradient_scale in prop_oneof![Just(1.0f32), 1e-3f32..2.0],
        first_step in prop_oneof![Just(1u64), 1..100_000u64],
        seed: u64,
    ) {
        let step = Step { learning_rate, beta1, beta2, epsilon, weight_decay, step: 1, gradient_scale };
        check_steps(input(seed, rows, columns), 4, first_step, step);
    }
}

#[test]
fn a_parameter_of_several_blocks() {
    check_steps(input(1, 3, 30_001), 3, 1, USUAL);
}

#[test]
fn the_first_step_moves_by_the_learning_rate() {
    // m̂ / √v̂ is the gradient's sign: a value that needs no reference.
    let mut parameter = Input { rows: 1, columns: 2, values: vec![1.0, 1.0] }.parameter();
    parameter.gradient().copy_from_slice(&[3.0, -0.01]);
    update(&mut parameter, &mut [0.0; 2], &mut [0.0; 2], &Step { weight_decay: 0.5, ..USUAL });
    assert_close("weight", parameter.values(), &[1.0 - 0.0005 - 0.001, 1.0 - 0.0005 + 0.001], TOLERANCE);
}

#[test]
fn a_gradient_of_zero_leaves_only_the_decay() {
    let mut parameter = Input { rows: 1, columns: 2, values: vec![2.0, -4.0] }.parameter();
    update(&mut parameter, &mut [0.0; 2], &mut [0.0; 2], &Step { weight_decay: 250.0, ..USUAL });
    assert_eq!(parameter.values(), [1.5, -3.0]);
}

#[test]
#[should_panic(expected = "moments of the parameter's length")]
fn refuses_moments_of_another_length() {
    update(&mut input(1, 2, 3).parameter(), &mut [0.0; 6], &mut [0.0; 5], &USUAL);
}

fn with_gradient(gradient: Vec<f32>) -> Parameter {
    let parameter = input(1, 1, gradient.len()).parameter();
    parameter.gradient().copy_from_slice(&gradient);
    parameter
}

proptest! {
    #[test]
    fn squared_norms(len in prop_oneof![1..70usize, 32_760..32_780usize, 60_000..100_000usize], seed: u64) {
        let gradient = input(seed, 1, len).values;
        let should: f64 = gradient.iter().map(|&g| f64::from(g) * f64::from(g)).sum();
        let is = squared_norm(&with_gradient(gradient));
        prop_assert!((is - should).abs() <= TOLERANCE * should, "{is} instead of {should}");
    }
}

#[test]
fn the_squared_norm_of_no_gradient_is_zero() {
    assert_eq!(squared_norm(&input(1, 3, 4).parameter()), 0.0);
}

#[test]
fn a_number_that_is_none_shows_in_the_squared_norm() {
    assert!(squared_norm(&with_gradient(vec![1.0, f32::NAN])).is_nan());
    assert_eq!(squared_norm(&with_gradient(vec![1.0, f32::INFINITY])), f64::INFINITY);
}
