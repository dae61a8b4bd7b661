//! Gradients against finite differences.

use lrx_tensor::{Activation, Parameter, Tape, matrix};

use super::subject::{TOKENS, loss, offsets, run_at};
use crate::{ParameterId, Parameters, Pass, Progress};

const STEP: f32 = 1.0 / 128.0;

/// Gradients of the input and of every parameter equal central differences of the loss.
pub(super) fn check(
    name: &str,
    forward: &dyn Fn(&Pass<'_>, Activation) -> Activation,
    parameters: &mut Parameters,
    x: Vec<f32>,
    progress: Progress,
) {
    let features = x.len() / TOKENS;
    let on_x = Parameter::new(matrix(x.clone(), TOKENS, features));
    parameters.iter_mut().for_each(|entry| entry.parameter.clear_gradient());
    let (tape, offsets) = (Tape::recording(), offsets());
    Tape::backward(loss(forward(&Pass::new(parameters, &offsets, progress), on_x.on(&tape))));

    let value = |parameters: &Parameters, x: Vec<f32>| -> f64 {
        f64::from(loss(run_at(forward, parameters, x, &Tape::silent(), progress)).value())
    };
    let agree = |what: &str, is: f32, up: f64, down: f64| {
        let should = (up - down) / (2.0 * f64::from(STEP));
        let allowed = 5e-3 * (1.0 + should.abs());
        assert!((f64::from(is) - should).abs() < allowed, "{name}: the gradient of {what} is {is}, not {should}");
    };
    for i in 0..x.len() {
        let at = |change: f32| {
            let mut x = x.clone();
            x[i] += change;
            value(parameters, x)
        };
        let is = on_x.gradient()[i];
        agree(&format!("input {i}"), is, at(STEP), at(-STEP));
    }
    let ids: Vec<ParameterId> = parameters.ids().collect();
    for id in ids {
        let parameter = parameters.entry(id).name.clone();
        let is: Vec<f32> = parameters[id].gradient().clone();
        for (i, is) in is.into_iter().enumerate() {
            let mut at = |change: f32| {
                let old = parameters[id].values()[i];
                parameters.entry_mut(id).parameter.values_mut()[i] = old + change;
                let loss = value(parameters, x.clone());
                parameters.entry_mut(id).parameter.values_mut()[i] = old;
                loss
            };
            let (up, down) = (at(STEP), at(-STEP));
            agree(&format!("{parameter}[{i}]"), is, up, down);
        }
    }
}
