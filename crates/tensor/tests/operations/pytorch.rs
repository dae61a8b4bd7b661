//! Operations against PyTorch's values and gradients, computed in float64.
//!
//! The literals are in a file of their own, whose comments name the formulas of the inputs.

#[rustfmt::skip]
#[expect(clippy::approx_constant, reason = "a gradient happens to be near π / 6")]
mod literals;

use lrx_tensor::ops::Nonlinearity;
use lrx_tensor::{Activation, Parameter, Tape, adamw, matrix, muon, ops, sgd};

use crate::common::{Input, Outcome, TOLERANCE, assert_close, assert_outcome, computed_loss, offsets, sum};
use literals::*;

fn wave(rows: usize, columns: usize, f: impl Fn(f64) -> f64) -> Input {
    Input { rows, columns, values: (0..rows * columns).map(|i| f(i as f64) as f32).collect() }
}

fn sine(rows: usize, columns: usize) -> Input {
    wave(rows, columns, |i| (0.7 * i + 0.3).sin())
}

/// Checks value and gradients with the upstream gradient cos(1.1 i + 0.2).
fn check<const N: usize>(
    inputs: [Input; N],
    operation: impl FnOnce(&[Parameter; N], &Tape) -> Activation,
    (value, gradients): (&[f32], [&[f32]; N]),
) {
    let mut is_value = vec![];
    let is = computed_loss(&inputs, |parameters, tape| {
        let y = operation(parameters, tape);
        let (rows, columns) = lrx_tensor::dims(&y);
        is_value = lrx_tensor::values(&y).to_vec();
        let upstream = wave(rows, columns, |i| (1.1 * i + 0.2).cos());
        ops::weighted_sum(y, &upstream.matrix())
    });
    assert_outcome(&Outcome { value: is_value, ..is }, &exact(value, gradients), TOLERANCE);
}

fn exact<const N: usize>(value: &[f32], gradients: [&[f32]; N]) -> Outcome<f64> {
    let exact = |x: &[f32]| x.iter().map(|&x| f64::from(x)).collect();
    Outcome { value: exact(value), gradients: gradients.map(exact).to_vec() }
}

#[test]
fn nonlinearities() {
    for (kind, value, derivative) in [
        (Nonlinearity::GeluTanh, GELU_Y, GELU_DERIVATIVE),
        (Nonlinearity::Gelu, EXACT_GELU_Y, EXACT_GELU_DERIVATIVE),
        (Nonlinearity::Silu, SILU_Y, SILU_DERIVATIVE),
        (Nonlinearity::Relu, RELU_Y, RELU_DERIVATIVE),
        (Nonlinearity::Relu2, RELU2_Y, RELU2_DERIVATIVE),
    ] {
        let x = Input { rows: 3, columns: 4, values: GELU_X.to_vec() };
        let mut is_value = vec![];
        let is = computed_loss(&[x], |[x], tape| {
            let y = ops::nonlinear(x.on(tape), kind);
            is_value = lrx_tensor::values(&y).to_vec();
            sum(y)
        });
        assert_outcome(&Outcome { value: is_value, ..is }, &exact(&value, [&derivative]), TOLERANCE);
    }
}

#[test]
fn rms_norm() {
    check(
        [sine(3, 5), wave(1, 5, |i| 1.0 + 0.1 * i.cos())],
        |[x, weight], tape| ops::rms_norm(x.on(tape), weight, 1e-5),
        (&RMS_NORM_Y, [&RMS_NORM_DX, &RMS_NORM_DWEIGHT]),
    );
}

#[test]
fn rotary() {
    check([sine(5, 8)], |[x], tape| ops::rotary(x.on(tape), &offsets(&[3, 2]), 2, 100.0, 2), (&ROTARY_Y, [&ROTARY_DX]));
}

#[test]
fn grouped_attention() {
    let k = wave(5, 4, |i| (0.5 * i + 0.1).cos());
    let v = wave(5, 4, |i| (0.9 * i - 0.4).sin());
    let shape = ops::AttentionShape { key_value_heads: 2, scale: 0.5_f32.sqrt(), ..ops::AttentionShape::new(4) };
    check(
        [sine(5, 8), k, v],
        |[q, k, v], tape| ops::attention(q.on(tape), k.on(tape), v.on(tape), &offsets(&[3, 2]), &shape),
        (&GROUPED_ATTENTION_Y, [&GROUPED_ATTENTION_DQ, &GROUPED_ATTENTION_DK, &GROUPED_ATTENTION_DV]),
    );
}

#[test]
fn layer_norm() {
    let weight = wave(1, 5, |i| 1.0 + 0.1 * i.cos());
    let bias = wave(1, 5, |i| 0.05 * (i + 1.0).sin());
    check(
        [sine(3, 5), weight, bias],
        |[x, weight, bias], tape| ops::layer_norm(x.on(tape), weight, Some(bias), 1e-5),
        (&LAYER_NORM_Y, [&LAYER_NORM_DX, &LAYER_NORM_DWEIGHT, &LAYER_NORM_DBIAS]),
    );
}

fn check_attention(window: Option<usize>, expected: (&[f32], [&[f32]; 3])) {
    let k = wave(5, 4, |i| (0.5 * i + 0.1).cos());
    let v = wave(5, 4, |i| (0.9 * i - 0.4).sin());
    let (offsets, shape) = (offsets(&[3, 2]), ops::AttentionShape { window, ..ops::AttentionShape::new(2) });
    check(
        [sine(5, 4), k, v],
        |[q, k, v], tape| ops::attention(q.on(tape), k.on(tape), v.on(tape), &offsets, &shape),
        expected,
    );
}

#[test]
fn attention() {
    let gradients: [&[f32]; 3] = [&ATTENTION_GLOBAL_DQ, &ATTENTION_GLOBAL_DK, &ATTENTION_GLOBAL_DV];
    check_attention(None, (&ATTENTION_GLOBAL_Y, gradients));
    let gradients: [&[f32]; 3] = [&ATTENTION_WINDOW_2_DQ, &ATTENTION_WINDOW_2_DK, &ATTENTION_WINDOW_2_DV];
    check_attention(Some(2), (&ATTENTION_WINDOW_2_Y, gradients));
}

#[test]
fn head_cross_entropy() {
    let w = wave(5, 4, |i| (0.9 * i - 0.4).cos());
    let is = computed_loss(&[sine(3, 4), w], |[x, w], tape| ops::head_cross_entropy(x.on(tape), w, &[1, 4, 0]));
    assert_outcome(&is, &exact(&[CROSS_ENTROPY_LOSS], [&CROSS_ENTROPY_DX, &CROSS_ENTROPY_DW]), TOLERANCE);
}

#[test]
fn adamw_with_clipping() {
    let start = sine(1, 6).values;
    let mut parameters = [&start[..4], &start[4..]].map(|x| Parameter::new(matrix(x.to_vec(), 1, x.len())));
    let mut moments = [4, 2].map(|len| [vec![0.0; len], vec![0.0; len]]);
    for (t, size) in [1.0, 0.2, 2.0].into_iter().enumerate() {
        let gradient = wave(1, 6, |i| size * (1.1 * i + 0.5 * t as f64).cos()).values;
        parameters[0].gradient().copy_from_slice(&gradient[..4]);
        parameters[1].gradient().copy_from_slice(&gradient[4..]);
        let norm = parameters.iter().map(adamw::squared_norm).sum::<f64>().sqrt();
        assert_close("norm", &[norm as f32], &[f64::from(ADAMW_NORM[t])], TOLERANCE);
        let step = adamw::Step {
            learning_rate: 0.1 * (3 - t) as f32 / 3.0,
            beta1: 0.9,
            beta2: 0.999,
            epsilon: 1e-8,
            weight_decay: 0.01,
            step: t as u64 + 1,
            // As PyTorch clips.
            gradient_scale: (1.0 / (norm + 1e-6)).min(1.0) as f32,
        };
        for (parameter, [first, second]) in parameters.iter_mut().zip(&mut moments) {
            adamw::update(parameter, first, second, &step);
        }
        let is: Vec<f32> = parameters.iter().flat_map(|parameter| parameter.values().to_vec()).collect();
        let Outcome { value: should, .. } = exact(&ADAMW_PARAMETERS[6 * t..][..6], []);
        assert_close("parameters", &is, &should, TOLERANCE);
    }
}

/// Three steps from sin(0.7 i + 0.3) with the gradients and the falling learning rates of the literals.
fn check_steps(rows: usize, columns: usize, update: impl Fn(&mut Parameter, &mut [f32], f32), expected: &[f32]) {
    let len = rows * columns;
    let (mut parameter, mut momentum) = (sine(rows, columns).parameter(), vec![0.0; len]);
    for (t, size) in [1.0, 0.2, 2.0].into_iter().enumerate() {
        let gradient = wave(rows, columns, |i| size * (1.1 * i + 0.5 * t as f64).cos());
        parameter.gradient().copy_from_slice(&gradient.values);
        update(&mut parameter, &mut momentum, (3 - t) as f32 / 3.0);
        let Outcome { value: should, .. } = exact(&expected[len * t..][..len], []);
        assert_close("parameters", parameter.values(), &should, TOLERANCE);
    }
}

#[test]
fn sgd_with_momentum() {
    for (nesterov, expected) in [(false, SGD_PARAMETERS), (true, SGD_NESTEROV_PARAMETERS)] {
        let step = sgd::Step { learning_rate: 0.1, momentum: 0.9, nesterov, weight_decay: 0.05, gradient_scale: 1.0 };
        let update = |parameter: &mut Parameter, momentum: &mut [f32], rate| {
            sgd::update(parameter, momentum, &sgd::Step { learning_rate: 0.1 * rate, ..step });
        };
        check_steps(1, 6, update, &expected);
    }
}

#[test]
fn muon_of_both_shapes() {
    for (rows, columns, size, expected) in [
        (4, 2, muon::UpdateSize::Original, MUON_TALL_PARAMETERS),
        (2, 4, muon::UpdateSize::MatchRmsAdamw, MUON_WIDE_PARAMETERS),
    ] {
        let update = |parameter: &mut Parameter, momentum: &mut [f32], rate| {
            let step = muon::Step {
                learning_rate: 0.02 * rate,
                momentum: 0.95,
                nesterov: true,
                weight_decay: 0.1,
                iterations: 5,
                epsilon: 1e-7,
                size,
                gradient_scale: 1.0,
            };
            muon::update(parameter, momentum, &step);
        };
        check_steps(rows, columns, update, &expected);
    }
}
