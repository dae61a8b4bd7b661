//! Every built-in kind against PyTorch: outputs, gradients, counts, and how it starts. And what holds exactly of some of them.

#[path = "kinds/literals.rs"]
#[rustfmt::skip]
mod literals;

use std::collections::BTreeMap;
use std::sync::Arc;

use literals::CASES;
use lrx_layers::{Builder, Fixed, LinearShape, LinearSpec, Parameters, Pass, PlacedLinear, Progress, Registry};
use lrx_tensor::{Activation, Parameter, Tape, matrix, ops, values};

/// What PyTorch computes for a kind.
pub struct Case {
    kind: &'static str,
    options: &'static str,
    /// Inputs and outputs.
    shape: (usize, usize),
    /// Trained numbers.
    parameters: usize,
    /// Of a token's forward pass in training.
    flops: usize,
    y: &'static [f32],
    gradients: &'static [(&'static str, f32)],
    /// Standard deviations at first.
    starts: &'static [(&'static str, f32)],
}

fn spec(case: &Case, inputs: usize, outputs: usize) -> LinearSpec {
    let options = format!("options = {}", case.options).parse::<toml::Table>().unwrap();
    let options = options["options"].as_table().unwrap().clone();
    Registry::builtin().linear(case.kind, options, LinearShape { inputs, outputs, bias: false }).unwrap()
}

fn made(spec: &LinearSpec, seed: u64) -> (Parameters, PlacedLinear) {
    let (mut parameters, mut shared) = (Parameters::new(), BTreeMap::new());
    let layer = spec.build("slot", &mut Builder::new(&mut parameters, &mut shared, seed));
    (parameters, layer)
}

/// As the kind calls it: a shared matrix has a name of its own.
fn own_name(name: &str) -> &str {
    if name.starts_with("basis.") { "down.weight" } else { name }
}

fn wave(count: usize, phase: f64) -> impl Iterator<Item = f32> {
    (0..count).map(move |i| (0.5 * (0.7 * i as f64 + phase).sin()) as f32)
}

/// A tenth of training, twice.
const PROGRESS: Progress = Progress { step: 2, steps: 10 };
const TOKENS: usize = 2;

fn forward(layer: &PlacedLinear, parameters: &Parameters, x: Activation, progress: Progress) -> Activation {
    let offsets = [0, TOKENS].into();
    layer.linear().forward(&Pass::new(parameters, &offsets, progress), x)
}

fn assert_close(what: &str, is: f32, should: f32) {
    assert!((is - should).abs() <= 3e-6 * should.abs().max(1.0), "{what}: {is} for {should}");
}

#[test]
fn every_kind_computes_what_pytorch_does() {
    for case in &CASES {
        let (inputs, outputs) = case.shape;
        let name = format!("{} {}", case.kind, case.options);
        let spec = spec(case, inputs, outputs);
        assert_eq!((spec.cost.parameters, spec.cost.flops), (case.parameters, case.flops), "{name}: what it costs");
        let (mut parameters, layer) = made(&spec, 0);
        // The order of PyTorch's is that of the literals, with a sparse support behind its values.
        let places: BTreeMap<&str, usize> =
            case.gradients.iter().enumerate().map(|(p, (name, _))| (*name, p)).collect();
        for entry in parameters.iter_mut() {
            let p = places[own_name(&entry.name)] as f64;
            let count = entry.parameter.values().len();
            entry.parameter.values_mut().iter_mut().zip(wave(count, 1.3 * p + 0.3)).for_each(|(x, wave)| *x = wave);
        }
        for entry in parameters.fixed_mut() {
            let Fixed::Integers(places) = &entry.content else { panic!("{name}: real numbers that are fixed") };
            entry.content = Fixed::Integers(Arc::from_iter((0..places.len() as u32).map(|place| place * 4)));
        }
        let x = Parameter::new(matrix(wave(TOKENS * inputs, 2.0).collect(), TOKENS, inputs));
        let tape = Tape::recording();
        let y = forward(&layer, &parameters, x.on(&tape), PROGRESS);
        for (is, should) in values(&y).iter().zip(case.y) {
            assert_close(&name, *is, *should);
        }
        let upstream = (0..TOKENS * outputs).map(|i| (1.1 * i as f64 + 0.2).cos() as f32).collect();
        Tape::backward(ops::weighted_sum(y, &matrix(upstream, TOKENS, outputs)));
        for (of, should) in case.gradients {
            let entry = parameters.iter().find(|entry| own_name(&entry.name) == *of);
            let gradient = entry.map_or(&x, |entry| &entry.parameter).gradient();
            let is: f64 = gradient.iter().enumerate().map(|(i, g)| f64::from(*g) * (i as f64).cos()).sum();
            assert_close(&format!("{name}: the gradient of {of}"), is as f32, *should);
        }
    }
}

#[test]
fn every_kind_starts_as_its_paper_says() {
    for case in CASES.iter().filter(|case| !case.starts.is_empty()) {
        let outputs = if case.kind == "diagonal-low-rank" { 96 } else { 384 };
        let options = case.options.replace("density = 0.25", "density = 0.1");
        let (parameters, _) = made(&spec(&Case { options: options.leak(), ..*case }, 96, outputs), 3);
        for (of, std) in case.starts {
            let entry = parameters.iter().find(|entry| own_name(&entry.name) == *of).expect("a parameter of the kind");
            let numbers = entry.parameter.values();
            let count = numbers.len() as f64;
            let mean = numbers.iter().map(|x| f64::from(*x)).sum::<f64>() / count;
            let is = (numbers.iter().map(|x| (f64::from(*x) - mean).powi(2)).sum::<f64>() / count).sqrt();
            // Four standard errors of a standard deviation of normal numbers.
            let error = 4.0 * f64::from(*std) / (2.0 * count).sqrt();
            assert!((is - f64::from(*std)).abs() <= error, "{} {}, {of}: {is} for {std}", case.kind, case.options);
        }
    }
}

/// Of each block of an orthogonal start the shorter side is orthonormal.
#[test]
fn blocks_start_orthogonal_each() {
    let registry = Registry::builtin();
    let shape = LinearShape { inputs: 96, outputs: 384, bias: false };
    let spec = registry.linear("block-shuffle", "blocks = 4".parse().unwrap(), shape).unwrap();
    let (parameters, _) = made(&spec, 1);
    for (entry, (rows, columns)) in parameters.iter().zip([(24, 24), (96, 24)]) {
        let numbers = entry.parameter.values();
        assert_eq!(numbers.len(), 4 * rows * columns);
        for block in numbers.chunks_exact(rows * columns) {
            for a in 0..columns {
                for b in 0..columns {
                    let dot: f32 = (0..rows).map(|i| block[i * columns + a] * block[i * columns + b]).sum();
                    assert!((dot - f32::from(a == b)).abs() < 1e-5, "{}: columns {a} and {b}: {dot}", entry.name);
                }
            }
        }
    }
}

/// With W₀ = S₀ the output does not depend on α; at 1 it is W's, behind the end S's.
#[test]
fn a_guide_changes_nothing_at_first() {
    for options in
        ["rank = 5", "structure = 'block-dense'\nrank = 8\nblocks = 4", "structure = 'block-shuffle'\nblocks = 4"]
    {
        let registry = Registry::builtin();
        let shape = LinearShape { inputs: 16, outputs: 24, bias: true };
        let options = format!("{options}\nuntil = 1.0").parse().unwrap();
        let (mut parameters, layer) = made(&registry.linear("self-guided", options, shape).unwrap(), 7);
        let x = matrix(wave(TOKENS * 16, 2.0).collect(), TOKENS, 16);
        let at = |parameters: &Parameters, step: u64| {
            let x = lrx_tensor::activation(x.clone(), &Tape::silent());
            values(&forward(&layer, parameters, x, Progress { step, steps: 10 })).to_vec()
        };
        let first = at(&parameters, 0);
        assert!(first.iter().any(|y| y.abs() > 1e-4), "{first:?}");
        for step in 1..=10 {
            for (is, first) in at(&parameters, step).iter().zip(&first) {
                assert!((is - first).abs() < 1e-6, "at {step}: {is} for {first}");
            }
        }
        // W alone counts at 0, S alone at the end.
        let (start, end) = (at(&parameters, 0), at(&parameters, 10));
        let guide = parameters.iter_mut().find(|entry| entry.name == "guide.weight").expect("W");
        guide.parameter.values_mut().iter_mut().for_each(|w| *w += 1.0);
        assert_ne!(at(&parameters, 0), start);
        assert_eq!(at(&parameters, 10), end);
    }
}

/// Under the structure-aware rules of start and rate an Adam-like first update, ±rate for every number, moves the output by
/// as much at every width; under a flat rate it grows with it.
#[test]
fn structure_aware_updates_are_of_one_size_at_every_width() {
    let registry = Registry::builtin();
    let size = |kind: &str, options: &str, width: usize, rule: &str| -> f64 {
        let shape = LinearShape { inputs: width, outputs: width, bias: false };
        let rules = format!("init = 'structure-aware'\nlr = '{rule}'\n{options}");
        let spec = registry.linear(kind, rules.parse().unwrap(), shape).unwrap();
        let (mut parameters, layer) = made(&spec, 11);
        // x of size 1 in every feature; the loss is that of a random direction of y.
        let random = |seed: u64, count: usize| -> Vec<f32> {
            let mut state = seed;
            let mut next = || {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                ((state >> 40) as f32 / (1 << 23) as f32 - 1.0) * 3_f32.sqrt()
            };
            (0..count).map(|_| next()).collect()
        };
        let tokens = TOKENS;
        let x = matrix(random(5, tokens * width), tokens, width);
        let output = |parameters: &Parameters, tape: &Tape| {
            forward(&layer, parameters, lrx_tensor::activation(x.clone(), tape), Progress { step: 0, steps: 1 })
        };
        let before = values(&output(&parameters, &Tape::silent())).to_vec();
        let upstream = matrix(random(6, tokens * width), tokens, width);
        Tape::backward(ops::weighted_sum(output(&parameters, &Tape::recording()), &upstream));
        let rate = 1e-4 / width as f64; // As the rate of a dense matrix falls with the width (Yang et al. 2022).
        for entry in parameters.iter_mut() {
            let step = (rate * entry.learning_rate) as f32;
            let (values, gradient) = entry.parameter.values_and_gradient_mut();
            values.iter_mut().zip(gradient.iter()).for_each(|(w, g)| *w -= step * g.signum());
        }
        let after = values(&output(&parameters, &Tape::silent())).to_vec();
        let moved: f64 = after.iter().zip(&before).map(|(a, b)| f64::from(a - b).powi(2)).sum();
        (moved / before.len() as f64).sqrt() / 1e-4
    };
    let widths = [64, 256, 1024, 4096];
    /// The options at a width.
    type Options = fn(usize) -> String;
    let structures: [(&str, Options); 5] = [
        ("dense", |_| String::new()),
        ("low-rank", |width| format!("rank = {}", width / 4)),
        ("block-shuffle", |_| "blocks = 4".to_string()),
        ("block-dense", |width| format!("rank = {}\nblocks = 4", width / 4)),
        ("tensor-train", |_| "rank = 1".to_string()),
    ];
    let spread =
        |sizes: [f64; 4]| sizes.iter().copied().fold(0.0, f64::max) / sizes.iter().copied().fold(f64::MAX, f64::min);
    for (kind, options) in structures {
        let sizes = |rule: &str| widths.map(|width| size(kind, &options(width), width, rule));
        let (aware, flat) = (sizes("structure-aware"), sizes("flat"));
        assert!(spread(aware) < 1.6, "{kind}: {aware:?} over width × 64 (flat: {flat:?})");
        // The inputs of a core grow with the root of the width only.
        assert!(kind != "tensor-train" || spread(flat) > 4.0, "{flat:?}");
    }
}
