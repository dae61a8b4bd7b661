//! Checks that hold every registered kind to what it says of itself. Call [`every_kind`] in a test, with a registry
//! that has your kinds.

use lrx_tensor::{Activation, Matrix, Offsets, Parameter, Tape, activation, matrix, ops, values};

use crate::{
    BlockShape, BlockSpec, Builder, Cost, Linear, LinearShape, OptionError, Parameters, Pass, Past, Place, Registry,
};

/// Runs all checks over all kinds of `registry`.
///
/// For a linear kind, over shapes square and oblong, with and without bias (a kind may refuse some, not all): the
/// identity's forward equals the dense equivalent; gradients equal finite differences; the stated parameters are those
/// that are made; parameters copied by name give the same outputs; a seed gives the same layer again, another seed
/// another; the options survive being written out, and are the ones that the help describes; in all slots of a standard
/// block, the block adds to a residual what it gives by itself. For a block kind the same, without the dense equivalent, and:
/// no token sees a later one or another story; extending a past gives what the whole story gives.
///
/// # Panics
/// When a check fails: which kind, what was expected, what came.
pub fn every_kind(registry: &Registry) {
    for (about, place) in registry.iter() {
        let options: toml::Table =
            about.example.parse().unwrap_or_else(|error| panic!("{}: the example is TOML: {error}", about.name));
        help_is_complete(registry, about.name, &options);
        match place {
            None => linear_kind(registry, about.name, &options),
            Some(place) => block_kind(registry, about.name, place, &options),
        }
    }
}

type Forward = Box<dyn Fn(&Pass<'_>, Activation) -> Activation>;

/// A layer under test: how it is made and run.
struct Subject<'a> {
    name: String,
    inputs: usize,
    cost: Cost,
    build: Box<dyn Fn(&mut Builder<'_>) -> Forward + 'a>,
}

fn linear_kind(registry: &Registry, kind: &str, options: &toml::Table) {
    let mut refusals = Vec::new();
    let mut accepted = 0;
    for (inputs, outputs, bias) in [(8, 8, false), (8, 8, true), (8, 12, true), (12, 8, true)] {
        let shape = LinearShape { inputs, outputs, bias };
        let spec = match registry.linear(kind, options.clone(), shape) {
            Ok(spec) => spec,
            Err(OptionError { message, .. }) => {
                refusals.push(format!("{shape}: {message}"));
                continue;
            }
        };
        accepted += 1;
        let again = registry.linear(kind, spec.options.clone(), shape).expect("resolved options are options");
        assert_eq!(again.options, spec.options, "{kind}: options written out and read again");
        let name = format!("{kind}, {shape}, bias {bias}");
        dense_equivalent(&name, &spec);
        let build = |builder: &mut Builder<'_>| -> Forward {
            let layer = spec.build(builder);
            Box::new(move |pass, x| layer.forward(pass, x))
        };
        layer(&Subject { name, inputs, cost: spec.cost, build: Box::new(build) });
    }
    assert!(accepted > 0, "{kind}: the example fits none of the shapes: {}", refusals.join("; "));
    for place in [Place::Attention, Place::Mlp] {
        let shape = BlockShape { hidden: 8, heads: 2, window: None, inner: 12 };
        let mut table = options.clone();
        table.insert("kind".into(), kind.into());
        // A kind may refuse a slot's shape.
        if let Ok(spec) = registry.block(place, table, shape) {
            adds_onto_a_residual(&format!("{kind} in all slots of {place:?}"), &spec);
        }
    }
}

fn block_kind(registry: &Registry, kind: &str, place: Place, options: &toml::Table) {
    for window in [None, Some(2)] {
        let shape = BlockShape { hidden: 8, heads: 2, window, inner: 12 };
        let mut table = options.clone();
        table.insert("kind".into(), kind.into());
        let spec = registry.block(place, table, shape).unwrap_or_else(|error| panic!("{kind}: the example: {error}"));
        let build = |builder: &mut Builder<'_>| -> Forward {
            let block = spec.build(builder);
            Box::new(move |pass, x| block.forward(pass, x))
        };
        let subject = Subject {
            name: format!("{kind}, window {window:?}"),
            inputs: shape.hidden,
            cost: spec.cost,
            build: Box::new(build),
        };
        layer(&subject);
        causal(&subject);
        continues(&subject.name, &spec);
        adds_onto_a_residual(&subject.name, &spec);
    }
}

/// A block that can extend its past gives what it gives for the whole story, however the story is cut.
fn continues(name: &str, spec: &BlockSpec) {
    let mut parameters = Parameters::new();
    let block = spec.build(&mut Builder::new(&mut parameters, 1));
    disturb(&mut parameters);
    let hidden = 8;
    let x = input(hidden);
    let rows = |rows: std::ops::Range<usize>| {
        activation(matrix(x[rows.start * hidden..rows.end * hidden].to_vec(), rows.len(), hidden), &Tape::silent())
    };
    let story: Offsets = [0, TOKENS].into();
    let whole = block.forward(&Pass { parameters: &parameters, offsets: &story }, rows(0..TOKENS));
    for cut in 1..TOKENS {
        let mut past = Past::default();
        for part in [0..cut, cut..TOKENS] {
            let offsets: Offsets = [0, part.len()].into();
            let pass = Pass { parameters: &parameters, offsets: &offsets };
            let Some(y) = block.extend(&pass, rows(part.clone()), &mut past) else { return };
            for (is, should) in values(&y).iter().zip(&values(&whole)[part.start * hidden..]) {
                assert!((is - should).abs() < 1e-5, "{name}, cut at {cut}: extending gives {is}, not {should}");
            }
        }
    }
}

/// What a block adds to a residual in a way of its own is what it gives by itself and is added then: values and gradients.
fn adds_onto_a_residual(name: &str, spec: &BlockSpec) {
    let hidden = 8;
    let mut parameters = Parameters::new();
    let block = spec.build(&mut Builder::new(&mut parameters, 1));
    disturb(&mut parameters);
    let mut outcome = |at_once: bool| -> Vec<f32> {
        parameters.iter_mut().for_each(|entry| entry.parameter.clear_gradient());
        let [x, residual] = [input(hidden), input(2 * hidden)[TOKENS * hidden..].to_vec()]
            .map(|values| Parameter::new(matrix(values, TOKENS, hidden)));
        let (tape, offsets) = (Tape::recording(), offsets());
        let pass = Pass { parameters: &parameters, offsets: &offsets };
        let (on_x, on_residual) = (x.on(&tape), residual.on(&tape));
        let y = if at_once {
            block.forward_onto(&pass, on_residual, on_x)
        } else {
            ops::add(on_residual, block.forward(&pass, on_x))
        };
        let value = values(&y).to_vec();
        Tape::backward(loss(y));
        let of_parameters = parameters.iter().flat_map(|entry| entry.parameter.gradient().clone());
        value.into_iter().chain(x.gradient().clone()).chain(residual.gradient().clone()).chain(of_parameters).collect()
    };
    for (i, (is, should)) in outcome(true).into_iter().zip(outcome(false)).enumerate() {
        let error = (is - should).abs();
        assert!(error < 1e-5 * (1.0 + should.abs()), "{name}: onto a residual, number {i} is {is}, not {should}");
    }
}

/// The options that `lrx layers` describes are those that the type writes out.
fn help_is_complete(registry: &Registry, kind: &str, example: &toml::Table) {
    let (_, schema) = registry.describe(kind).expect("a registered kind");
    let described = schema.get("properties").and_then(|properties| properties.as_object());
    for key in example.keys() {
        assert!(described.is_some_and(|all| all.contains_key(key)), "{kind}: the option `{key}` is described");
    }
}

/// Forward of the identity: row i of the result is column i of W, plus the bias.
fn dense_equivalent(name: &str, spec: &crate::LinearSpec) {
    let LinearShape { inputs, outputs, .. } = spec.shape;
    let mut parameters = Parameters::new();
    let layer: Box<dyn Linear> = spec.build(&mut Builder::new(&mut parameters, 7));
    disturb(&mut parameters);
    let mut identity = vec![0.0; inputs * inputs];
    identity.iter_mut().step_by(inputs + 1).for_each(|diagonal| *diagonal = 1.0);
    let dense = layer.dense_equivalent(&parameters);
    assert_eq!(lrx_tensor::dims(&dense), (outputs, inputs), "{name}: the dense equivalent is outputs × inputs");
    let offsets: Offsets = [0, inputs].into();
    let pass = Pass { parameters: &parameters, offsets: &offsets };
    let run = |x: Vec<f32>| layer.forward(&pass, activation(matrix(x, inputs, inputs), &Tape::silent()));
    let (columns, bias) = (run(identity), run(vec![0.0; inputs * inputs]));
    for i in 0..inputs {
        for o in 0..outputs {
            let is = columns[[i, o]] - bias[[i, o]];
            assert!((is - dense[[o, i]]).abs() < 1e-5, "{name}: the dense equivalent's [{o}, {i}]");
        }
    }
}

fn layer(subject: &Subject<'_>) {
    let name = &subject.name;
    let mut parameters = Parameters::new();
    let forward = (subject.build)(&mut Builder::new(&mut parameters, 1));
    assert_eq!(subject.cost.parameters, parameters.count(), "{name}: stated parameters are those made");

    let mut again = Parameters::new();
    let _ = (subject.build)(&mut Builder::new(&mut again, 1));
    let all = |parameters: &Parameters| -> Vec<f32> {
        parameters.iter().flat_map(|entry| entry.parameter.values().to_vec()).collect()
    };
    assert_eq!(all(&parameters), all(&again), "{name}: a seed gives the same layer again");

    let mut other = Parameters::new();
    let other_forward = (subject.build)(&mut Builder::new(&mut other, 2));
    assert_ne!(all(&parameters), all(&other), "{name}: another seed gives another layer");

    disturb(&mut parameters);
    for (to, from) in other.iter_mut().zip(parameters.iter()) {
        assert_eq!(to.name, from.name, "{name}: parameter names do not depend on the seed");
        to.parameter.values_mut().copy_from_slice(from.parameter.values());
    }
    let x = input(subject.inputs);
    let outputs = |forward: &dyn Fn(&Pass<'_>, Activation) -> Activation, parameters: &Parameters| {
        values(&run(forward, parameters, x.clone(), &Tape::silent())).to_vec()
    };
    assert_eq!(outputs(&*forward, &parameters), outputs(&*other_forward, &other), "{name}: copied by name");

    gradients(name, &*forward, &mut parameters, x);
}

/// Biases start at zero and factors small; every parameter should matter.
fn disturb(parameters: &mut Parameters) {
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

const TOKENS: usize = 5;

fn offsets() -> Offsets {
    [0, 3, TOKENS].into()
}

fn input(features: usize) -> Vec<f32> {
    (0..TOKENS * features).map(|i| wave(3 * i + 1, 0.8)).collect()
}

fn run(
    forward: &dyn Fn(&Pass<'_>, Activation) -> Activation,
    parameters: &Parameters,
    x: Vec<f32>,
    tape: &Tape,
) -> Activation {
    let features = x.len() / TOKENS;
    forward(&Pass { parameters, offsets: &offsets() }, activation(matrix(x, TOKENS, features), tape))
}

/// Σ y ∘ fixed weights: a loss that depends on every output.
fn loss(y: Activation) -> lrx_tensor::Scalar {
    let (rows, columns) = lrx_tensor::dims(&y);
    let weights: Matrix = matrix((0..rows * columns).map(|i| wave(i * 5 + 2, 1.0)).collect(), rows, columns);
    ops::weighted_sum(y, &weights)
}

fn gradients(
    name: &str,
    forward: &dyn Fn(&Pass<'_>, Activation) -> Activation,
    parameters: &mut Parameters,
    x: Vec<f32>,
) {
    let features = x.len() / TOKENS;
    let x_parameter = Parameter::new(matrix(x.clone(), TOKENS, features));
    let tape = Tape::recording();
    let pass_offsets = offsets();
    let pass = Pass { parameters, offsets: &pass_offsets };
    Tape::backward(loss(forward(&pass, x_parameter.on(&tape))));

    let value = |parameters: &Parameters, x: Vec<f32>| -> f64 {
        f64::from(loss(run(forward, parameters, x, &Tape::silent())).value())
    };
    let agree = |what: &str, is: f32, up: f64, down: f64| {
        let should = (up - down) / (2.0 * f64::from(STEP));
        let allowed = 5e-3 * (1.0 + should.abs());
        assert!((f64::from(is) - should).abs() < allowed, "{name}: the gradient of {what} is {is}, not {should}");
    };
    const STEP: f32 = 1.0 / 128.0;
    for i in 0..x.len() {
        let at = |change: f32| {
            let mut x = x.clone();
            x[i] += change;
            value(parameters, x)
        };
        let is = x_parameter.gradient()[i];
        agree(&format!("input {i}"), is, at(STEP), at(-STEP));
    }
    let names: Vec<String> = parameters.iter().map(|entry| entry.name.clone()).collect();
    for (p, parameter) in names.iter().enumerate() {
        let is: Vec<f32> = parameters.iter().nth(p).expect("its place").parameter.gradient().clone();
        for (i, is) in is.into_iter().enumerate() {
            let mut at = |change: f32| {
                let entry = parameters.iter_mut().nth(p).expect("its place");
                let old = entry.parameter.values()[i];
                entry.parameter.values_mut()[i] = old + change;
                let loss = value(parameters, x.clone());
                parameters.iter_mut().nth(p).expect("its place").parameter.values_mut()[i] = old;
                loss
            };
            let (up, down) = (at(STEP), at(-STEP));
            agree(&format!("{parameter}[{i}]"), is, up, down);
        }
    }
}

/// Changing a token changes outputs of its own story from it on, no others.
fn causal(subject: &Subject<'_>) {
    let mut parameters = Parameters::new();
    let forward = (subject.build)(&mut Builder::new(&mut parameters, 1));
    disturb(&mut parameters);
    let x = input(subject.inputs);
    let before = run(&*forward, &parameters, x.clone(), &Tape::silent());
    let stories = offsets();
    for token in 0..TOKENS {
        let mut changed = x.clone();
        changed[token * subject.inputs] += 1.0;
        let after = run(&*forward, &parameters, changed, &Tape::silent());
        for other in 0..TOKENS {
            let same_story = stories.windows(2).any(|s| (s[0]..s[1]).contains(&token) && (s[0]..s[1]).contains(&other));
            let may_change = same_story && other >= token;
            let row = |y: &Activation| values(y)[other * subject.inputs..][..subject.inputs].to_vec();
            assert!(may_change || row(&before) == row(&after), "{}: token {other} sees {token}", subject.name);
        }
    }
}
