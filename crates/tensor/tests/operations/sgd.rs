//! `sgd` against PyTorch's description of `torch.optim.SGD`, in f64.

use lrx_tensor::sgd::{Step, update};
use proptest::prelude::*;

use crate::common::{Input, TOLERANCE, assert_close, input};

/// Numbers of one parameter in f64.
struct Reference {
    weight: Vec<f64>,
    momentum: Option<Vec<f64>>,
}

impl Reference {
    /// The algorithm of PyTorch's documentation, line by line: with μ ≠ 0, b₁ = g₁ and bₜ = μ bₜ₋₁ + gₜ.
    fn update(&mut self, gradient: &[f32], step: &Step) {
        let [rate, mu, decay, scale] =
            [step.learning_rate, step.momentum, step.weight_decay, step.gradient_scale].map(f64::from);
        let mut g: Vec<f64> =
            gradient.iter().zip(&self.weight).map(|(&g, w)| f64::from(g) * scale + decay * w).collect();
        if mu != 0.0 {
            let b = match &self.momentum {
                None => g.clone(),
                Some(b) => b.iter().zip(&g).map(|(b, g)| mu * b + g).collect(),
            };
            g = if step.nesterov { g.iter().zip(&b).map(|(g, b)| g + mu * b).collect() } else { b.clone() };
            self.momentum = Some(b);
        }
        self.weight.iter_mut().zip(g).for_each(|(w, g)| *w -= rate * g);
    }
}

/// Takes `steps` steps with other gradients each and compares weights and momentum after each.
fn check_steps(weight: Input, steps: u64, step: Step) {
    let len = weight.values.len();
    let mut parameter = weight.parameter();
    let mut momentum = vec![0.0; if step.momentum == 0.0 { 0 } else { len }];
    let mut reference = Reference { weight: weight.values.iter().map(|&w| f64::from(w)).collect(), momentum: None };
    for i in 0..steps {
        let gradient = input(i, weight.rows, weight.columns).values;
        parameter.gradient().copy_from_slice(&gradient);
        update(&mut parameter, &mut momentum, &step);
        reference.update(&gradient, &step);
        assert_close("weight", parameter.values(), &reference.weight, TOLERANCE);
        assert_close("momentum", &momentum, reference.momentum.as_deref().unwrap_or(&[]), TOLERANCE);
        assert!(parameter.gradient().iter().all(|&g| g == 0.0), "the gradient is set to zero");
    }
}

proptest! {
    #[test]
    fn steps(
        rows in 1..9usize,
        columns in 1..40usize,
        learning_rate in 1e-4f32..0.5,
        momentum in prop_oneof![Just(0.0f32), Just(0.9), 0.5f32..0.99],
        nesterov: bool,
        weight_decay in prop_oneof![Just(0.0f32), Just(0.01), 0.0f32..0.5],
        gradient_scale in prop_oneof![Just(1.0f32), 1e-3f32..2.0],
        seed: u64,
    ) {
        let step = Step { learning_rate, momentum, nesterov, weight_decay, gradient_scale };
        check_steps(input(seed, rows, columns), 5, step);
    }
}

const USUAL: Step = Step { learning_rate: 0.1, momentum: 0.9, nesterov: false, weight_decay: 0.0, gradient_scale: 1.0 };

#[test]
fn a_parameter_of_several_blocks() {
    check_steps(input(1, 3, 30_001), 3, Step { nesterov: true, weight_decay: 0.1, ..USUAL });
    check_steps(input(1, 3, 30_001), 2, Step { momentum: 0.0, ..USUAL });
}

#[test]
fn a_constant_gradient_adds_up_to_ten_of_it() {
    // μ = 0.9: b → g / (1 − μ), a value that needs no reference.
    let mut parameter = Input { rows: 1, columns: 1, values: vec![0.0] }.parameter();
    let mut momentum = [0.0];
    for _ in 0..300 {
        parameter.gradient().fill(0.25);
        update(&mut parameter, &mut momentum, &USUAL);
    }
    assert_close("momentum", &momentum, &[2.5], TOLERANCE);
}

#[test]
#[should_panic(expected = "momentum of the parameter's length")]
fn refuses_momentum_of_another_length() {
    update(&mut input(1, 2, 3).parameter(), &mut [0.0; 5], &USUAL);
}
