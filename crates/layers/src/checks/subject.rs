//! A layer under test, and what holds for every one.

use std::collections::BTreeMap;

use lrx_tensor::{Activation, Offsets, Scalar, Tape, activation, matrix, ops, values};

use super::gradients;
use crate::{BlockSpec, Builder, Cost, Fixed, LinearSpec, Parameters, Pass, Progress};

/// Of a training of four updates, none is done.
pub(super) const BEFORE: Progress = Progress { step: 0, steps: 4 };

pub(super) type Forward = Box<dyn Fn(&Pass<'_>, Activation) -> Activation>;

/// A layer under test: how it is made and run.
pub(super) struct Subject<'a> {
    pub(super) name: String,
    pub(super) inputs: usize,
    cost: Cost,
    pub(super) build: Box<dyn Fn(&mut Builder<'_>) -> Forward + Send + Sync + 'a>,
}

impl<'a> Subject<'a> {
    pub(super) fn of_linear(name: &str, spec: &'a LinearSpec) -> Self {
        let build = |builder: &mut Builder<'_>| -> Forward {
            let layer = spec.build("slot", builder);
            Box::new(move |pass, x| layer.linear().forward(pass, x))
        };
        Self { name: name.to_string(), inputs: spec.shape.inputs, cost: spec.cost, build: Box::new(build) }
    }

    pub(super) fn of_block(name: &str, spec: &'a BlockSpec) -> Self {
        let build = |builder: &mut Builder<'_>| -> Forward {
            let block = spec.build(builder);
            Box::new(move |pass, x| block.forward(pass, x, None))
        };
        Self { name: name.to_string(), inputs: 8, cost: spec.cost, build: Box::new(build) }
    }
}

/// A layer with its parameters.
pub(super) struct Made<L> {
    pub(super) parameters: Parameters,
    pub(super) layer: L,
}

/// Makes a layer from a seed.
pub(super) fn make<L>(seed: u64, build: impl FnOnce(&mut Builder<'_>) -> L) -> Made<L> {
    let (mut parameters, mut shared) = (Parameters::new(), BTreeMap::new());
    let layer = build(&mut Builder::new(&mut parameters, &mut shared, seed).scope("layer"));
    Made { parameters, layer }
}

/// What holds for every layer.
pub(super) fn layer(subject: &Subject<'_>) {
    let name = &subject.name;
    let build = |seed| make(seed, |builder| (subject.build)(builder));
    let Made { mut parameters, layer: forward } = build(1);
    assert_eq!(subject.cost.parameters, parameters.count(), "{name}: stated parameters are those made");
    assert!(parameters.iter().all(|entry| entry.parameter.values().iter().all(|x| x.is_finite())), "{name}: finite");

    assert_eq!(numbers(&parameters), numbers(&build(1).parameters), "{name}: a seed gives the same layer again");
    let Made { parameters: mut other, layer: other_forward } = build(2);
    assert_ne!(numbers(&parameters), numbers(&other), "{name}: another seed gives another layer");

    disturb(&mut parameters);
    copy_by_name(name, &parameters, &mut other);
    let x = input(subject.inputs);
    let outputs = |forward: &Forward, parameters: &Parameters| {
        values(&run(forward, parameters, x.clone(), &Tape::silent())).to_vec()
    };
    assert_eq!(outputs(&forward, &parameters), outputs(&other_forward, &other), "{name}: copied by name");
    on_threads(subject);
    gradients::check(name, &*forward, &mut parameters, x, BEFORE);
}

/// Values and gradients on one thread and on three.
fn on_threads(subject: &Subject<'_>) {
    let outcome = |threads: usize| -> Vec<u32> {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads");
        pool.install(|| {
            let Made { mut parameters, layer } = make(1, |builder| (subject.build)(builder));
            disturb(&mut parameters);
            let tape = Tape::recording();
            let y = run(&*layer, &parameters, input(subject.inputs), &tape);
            let forward: Vec<f32> = values(&y).to_vec();
            Tape::backward(loss(y));
            let gradients = parameters.iter().flat_map(|entry| entry.parameter.gradient().clone());
            forward.into_iter().chain(gradients).map(f32::to_bits).collect()
        })
    };
    assert_eq!(outcome(1), outcome(3), "{}: the same bits on one thread and on three", subject.name);
}

/// All numbers, trained or fixed.
pub(super) fn numbers(parameters: &Parameters) -> Vec<f64> {
    let trained = parameters.iter().flat_map(|entry| entry.parameter.values().to_vec()).map(f64::from);
    let fixed = parameters.fixed().flat_map(|entry| match &entry.content {
        Fixed::Matrix(matrix) => values(matrix).iter().map(|&x| f64::from(x)).collect::<Vec<_>>(),
        Fixed::Integers(integers) => integers.iter().map(|&i| f64::from(i)).collect(),
    });
    trained.chain(fixed).collect()
}

/// Copies all numbers, as weights files do.
pub(super) fn copy_by_name(name: &str, from: &Parameters, to: &mut Parameters) {
    let names = |parameters: &Parameters| parameters.iter().map(|entry| entry.name.clone()).collect::<Vec<_>>();
    assert_eq!(names(from), names(to), "{name}: parameter names do not depend on the seed");
    for (to, from) in to.iter_mut().zip(from.iter()) {
        to.parameter.values_mut().copy_from_slice(from.parameter.values());
    }
    for (to, from) in to.fixed_mut().zip(from.fixed()) {
        assert_eq!(to.name, from.name, "{name}: names of fixed numbers do not depend on the seed");
        to.content = from.content.clone();
    }
}

/// Biases start at zero and factors small; every parameter should matter.
pub(super) fn disturb(parameters: &mut Parameters) {
    let mut i = 0;
    for entry in parameters.iter_mut() {
        for value in entry.parameter.values_mut() {
            *value += wave(i, 0.4);
            i += 1;
        }
    }
}

fn wave(i: usize, height: f32) -> f32 {
    (i as f32 * 1.37 + 0.5).sin() * height
}

pub(super) const TOKENS: usize = 5;

pub(super) fn offsets() -> Offsets {
    [0, 3, TOKENS].into()
}

pub(super) fn input(features: usize) -> Vec<f32> {
    (0..TOKENS * features).map(|i| wave(3 * i + 1, 0.8)).collect()
}

pub(super) fn run(
    forward: &dyn Fn(&Pass<'_>, Activation) -> Activation,
    parameters: &Parameters,
    x: Vec<f32>,
    tape: &Tape,
) -> Activation {
    run_at(forward, parameters, x, tape, BEFORE)
}

pub(super) fn run_at(
    forward: &dyn Fn(&Pass<'_>, Activation) -> Activation,
    parameters: &Parameters,
    x: Vec<f32>,
    tape: &Tape,
    progress: Progress,
) -> Activation {
    let features = x.len() / TOKENS;
    forward(&Pass::new(parameters, &offsets(), progress), activation(matrix(x, TOKENS, features), tape))
}

/// Σ y ∘ fixed weights: a loss that depends on every output.
pub(super) fn loss(y: Activation) -> Scalar {
    let (rows, columns) = lrx_tensor::dims(&y);
    let weights = matrix((0..rows * columns).map(|i| wave(i * 5 + 2, 1.0)).collect(), rows, columns);
    ops::weighted_sum(y, &weights)
}
