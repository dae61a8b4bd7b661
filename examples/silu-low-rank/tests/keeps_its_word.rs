//! The kind keeps its word.

use lrx::layers::{Registry, checks};

#[test]
fn it_keeps_its_word() {
    let mut registry = Registry::empty();
    registry.register(silu_low_rank::SiluLowRank).unwrap();
    checks::every_kind(&registry);
}

/// By hand: A = (1, 2), B = (3), x = (1, 1): 3 · 3 σ(3) = 9 / (1 + e⁻³) = 8.573166…
#[test]
fn it_computes_its_formula() {
    use std::collections::BTreeMap;

    use lrx::layers::{Builder, LinearShape, Parameters, Pass, Progress};
    use lrx::tensor::{Tape, activation, matrix, values};

    let mut registry = Registry::empty();
    registry.register(silu_low_rank::SiluLowRank).unwrap();
    let shape = LinearShape { inputs: 2, outputs: 1, bias: false };
    let spec = registry.linear("own-silu-low-rank", "rank = 1".parse().unwrap(), shape).unwrap();
    assert_eq!(spec.cost.parameters, 3);
    let (mut parameters, mut shared) = (Parameters::new(), BTreeMap::new());
    let layer = spec.build("q", &mut Builder::new(&mut parameters, &mut shared, 0));
    for (entry, values) in parameters.iter_mut().zip([vec![1.0, 2.0], vec![3.0]]) {
        entry.parameter.values_mut().copy_from_slice(&values);
    }
    let offsets = [0, 1].into();
    let x = activation(matrix(vec![1.0, 1.0], 1, 2), &Tape::silent());
    let y = layer.linear().forward(&Pass::new(&parameters, &offsets, Progress::DONE), x);
    assert!((f64::from(values(&y)[0]) - 9.0 / (1.0 + (-3.0_f64).exp())).abs() < 1e-6);
}
