//! The optimizer does what its source says.

use std::collections::BTreeMap;

use lion::Lion;
use lrx::layers::{Builder, LinearShape, Parameters, Registry};
use lrx::train::{OptimizerKind, ParameterStep};

/// By hand, η = 0.1, λ = 0.5, β₁ = 0.9, β₂ = 0.99, m = 0 at first, and the same weight 2 with gradients 3, then −0.1:
/// w = 0.95 · 2 − 0.1 = 1.8, m = 0.03; then 0.9 · 0.03 − 0.01 = 0.017 > 0: w = 0.95 · 1.8 − 0.1 = 1.61, m = 0.0287.
#[test]
fn two_updates_by_hand() {
    let shape = LinearShape { inputs: 1, outputs: 1, bias: false };
    let spec = Registry::empty().linear("dense", toml::Table::new(), shape).unwrap();
    let (mut parameters, mut shared) = (Parameters::new(), BTreeMap::new());
    spec.build("q", &mut Builder::new(&mut parameters, &mut shared, 0));
    let id = parameters.ids().next().unwrap();
    parameters.entry_mut(id).parameter.values_mut()[0] = 2.0;
    let mut moments = vec![vec![0.0; Lion.moments(&Default::default(), parameters.entry(id))[0].count]];
    for (number, gradient, weight, momentum) in [(1, 3.0, 1.8, 0.03), (2, -0.1, 1.61, 0.0287)] {
        parameters[id].gradient()[0] = gradient;
        let step = ParameterStep { learning_rate: 0.1, weight_decay: 0.5, number, gradient_scale: 1.0 };
        Lion.update(&Default::default(), &mut parameters, id, &mut moments, &step);
        let is = (parameters[id].values()[0], moments[0][0]);
        assert!((is.0 - weight).abs() < 1e-6 && (is.1 - momentum).abs() < 1e-7, "{is:?} after update {number}");
        assert_eq!(*parameters[id].gradient(), [0.0], "the gradient is used up");
    }
}
