//! Checks that hold every registered kind and rule to what it says of itself. Call [`every_kind`] in a test, with a registry
//! that has your kinds.

mod approximation;
mod gradients;
mod rules;
mod subject;
mod time;

use lrx_tensor::{Offsets, Parameter, Tape, activation, matrix, ops, values};
use toml::{Table, Value};

use crate::{BlockShape, BlockSpec, LinearShape, LinearSpec, OptionError, Pass, Past, Place, PlacedBlock, Registry};
use subject::{BEFORE, Made, Subject, TOKENS, disturb, input, loss, make, offsets};

/// Runs all checks over all kinds and rules of `registry`.
///
/// For a linear kind, over shapes square and oblong, with and without bias (a kind may refuse some, not all): the
/// identity's forward equals the dense equivalent, if there is one, and the chain's product, if it says that it is one; no small
/// change brings its approximation of a dense matrix nearer, if it has one, and it approximates what it stands for by itself;
/// gradients equal finite differences; the stated parameters are those that are made; parameters copied by name give the same
/// outputs; a seed gives the same layer again, another seed another; one thread and three give the same bits; the options
/// survive being written out, and are the ones that the help describes; in all slots of every block, the block adds to a
/// residual what it gives by itself. Over a training of four updates, whatever it changes: it can be brought to its structure
/// from its beginning, and values and gradients hold before and after. With every rule: it follows it or says why not.
///
/// For a block kind the same, without the dense equivalent, and: no token sees a later one or another story; going on from a
/// past gives what the whole story gives.
///
/// # Panics
/// When a check fails: which kind, what was expected, what came.
pub fn every_kind(registry: &Registry) {
    for (about, place) in registry.iter() {
        let options: Table =
            about.example.parse().unwrap_or_else(|error| panic!("{}: the example is TOML: {error}", about.name));
        assert!(about.version > 0, "{}: versions count from 1", about.name);
        help_is_complete(registry, about.name, &options);
        match place {
            None => linear_kind(registry, about.name, &options),
            Some(place) => block_kind(registry, about.name, place, &options),
        }
    }
    rules::every_rule(registry);
}

fn linear_kind(registry: &Registry, kind: &str, options: &Table) {
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
        assert_eq!(again.identity, spec.identity, "{kind}: the same options are known by the same");
        let name = format!("{kind}, {shape}, bias {bias}");
        dense_equivalent(&name, &spec);
        approximation::is_the_nearest(&name, &spec);
        subject::layer(&Subject::of_linear(&name, &spec));
        time::over_a_training(&name, &spec);
    }
    assert!(accepted > 0, "{kind}: the example fits none of the shapes: {}", refusals.join("; "));
    for (block, place) in registry.iter().filter_map(|(about, place)| Some((about, place?))) {
        let mut table: Table = block.example.parse().expect("the block's own check says so");
        table.extend(options.clone());
        table.extend([("block".to_string(), Value::from(block.name)), ("kind".to_string(), kind.into())]);
        if registry.slots(block.name).is_empty() {
            continue;
        }
        // A kind may refuse a slot's shape.
        if let Ok(spec) = registry.blocks(place, &table, &[block_shape(None)]) {
            let name = format!("{kind} in all slots of {}", block.name);
            adds_onto_a_residual(&name, &spec[0]);
            continues(&name, &spec[0]);
        }
    }
}

fn block_shape(rotary: Option<f64>) -> BlockShape {
    BlockShape { hidden: 8, heads: 2, rotary, layer: 0, layers: 1 }
}

fn block_kind(registry: &Registry, kind: &str, place: Place, options: &Table) {
    for rotary in [None, Some(100.0)] {
        let mut table = options.clone();
        table.insert("block".into(), kind.into());
        let spec = registry.blocks(place, &table, &[block_shape(rotary)]);
        let spec = spec.unwrap_or_else(|error| panic!("{kind}: the example: {error}")).remove(0);
        assert_eq!(
            spec.slots.iter().map(|slot| slot.key).collect::<Vec<_>>(),
            registry.slots(kind),
            "{kind}: the slots that it declares, in their order"
        );
        let name = format!("{kind}, rotary {rotary:?}");
        let subject = Subject::of_block(&name, &spec);
        subject::layer(&subject);
        causal(&subject);
        continues(&name, &spec);
        adds_onto_a_residual(&name, &spec);
    }
}

/// A block that can go on from its past gives what it gives for the whole story, however the story is cut.
fn continues(name: &str, spec: &BlockSpec) {
    let Made { mut parameters, layer: block } = make(1, |builder| spec.build(builder));
    if !block.continues() {
        return;
    }
    disturb(&mut parameters);
    let hidden = 8;
    let x = input(hidden);
    let rows = |rows: std::ops::Range<usize>| {
        activation(matrix(x[rows.start * hidden..rows.end * hidden].to_vec(), rows.len(), hidden), &Tape::silent())
    };
    let story: Offsets = [0, TOKENS].into();
    let whole = block.forward(&Pass::new(&parameters, &story, BEFORE), rows(0..TOKENS), None);
    for cut in 1..TOKENS {
        let past = std::cell::RefCell::new(Past::default());
        for part in [0..cut, cut..TOKENS] {
            let offsets: Offsets = [0, part.len()].into();
            let mut pass = Pass::new(&parameters, &offsets, BEFORE);
            pass.first_position = part.start;
            let y = block.continue_from(&pass, &past, rows(part.clone()), None);
            for (is, should) in values(&y).iter().zip(&values(&whole)[part.start * hidden..]) {
                assert!((is - should).abs() < 1e-5, "{name}, cut at {cut}: going on gives {is}, not {should}");
            }
        }
    }
}

/// What a block adds to a residual in a way of its own is what it gives by itself and is added then: values and gradients.
fn adds_onto_a_residual(name: &str, spec: &BlockSpec) {
    let hidden = 8;
    let Made { mut parameters, layer: block } = make(1, |builder| spec.build(builder));
    disturb(&mut parameters);
    let mut outcome = |block: &PlacedBlock, at_once: bool| -> Vec<f32> {
        parameters.iter_mut().for_each(|entry| entry.parameter.clear_gradient());
        let [x, residual] = [input(hidden), input(2 * hidden)[TOKENS * hidden..].to_vec()]
            .map(|values| Parameter::new(matrix(values, TOKENS, hidden)));
        let (tape, offsets) = (Tape::recording(), offsets());
        let pass = Pass::new(&parameters, &offsets, BEFORE);
        let (on_x, on_residual) = (x.on(&tape), residual.on(&tape));
        let y = if at_once {
            block.forward(&pass, on_x, Some(on_residual))
        } else {
            ops::add(on_residual, block.forward(&pass, on_x, None))
        };
        let value = values(&y).to_vec();
        Tape::backward(loss(y));
        let of_parameters = parameters.iter().flat_map(|entry| entry.parameter.gradient().clone());
        value.into_iter().chain(x.gradient().clone()).chain(residual.gradient().clone()).chain(of_parameters).collect()
    };
    for (i, (is, should)) in outcome(&block, true).into_iter().zip(outcome(&block, false)).enumerate() {
        let error = (is - should).abs();
        assert!(error < 1e-5 * (1.0 + should.abs()), "{name}: onto a residual, number {i} is {is}, not {should}");
    }
}

/// The options that `lrx layers` describes are those that the type writes out.
fn help_is_complete(registry: &Registry, kind: &str, example: &Table) {
    let (_, _, schema) = registry.describe(kind).expect("a registered kind");
    let described = schema.get("properties").and_then(|properties| properties.as_object());
    for key in example.keys() {
        assert!(described.is_some_and(|all| all.contains_key(key)), "{kind}: the option `{key}` is described");
    }
}

/// Forward of the identity: row i of the result is column i of W, plus the bias. A chain is one of such matrices.
fn dense_equivalent(name: &str, spec: &LinearSpec) {
    let LinearShape { inputs, outputs, .. } = spec.shape;
    let Made { mut parameters, layer } = make(7, |builder| spec.build("slot", builder));
    disturb(&mut parameters);
    let layer = layer.linear();
    let of_chain = layer.chain().map(|chain| chain.product(&parameters));
    let said = layer.dense_equivalent(&parameters, BEFORE);
    assert!(of_chain.is_none() || said.is_some(), "{name}: a chain of matrices has a dense equivalent");
    let mut identity = vec![0.0; inputs * inputs];
    identity.iter_mut().step_by(inputs + 1).for_each(|diagonal| *diagonal = 1.0);
    let offsets: Offsets = [0, inputs].into();
    let pass = Pass::new(&parameters, &offsets, BEFORE);
    let run = |x: Vec<f32>| {
        let y = layer.forward(&pass, activation(matrix(x, inputs, inputs), &Tape::silent()));
        values(&y).to_vec()
    };
    let (columns, bias) = (run(identity), run(vec![0.0; inputs * inputs]));
    for (which, dense) in [("the dense equivalent", said), ("the chain's product", of_chain)] {
        let Some(dense) = dense else { continue };
        assert_eq!(lrx_tensor::dims(&dense), (outputs, inputs), "{name}: {which} is outputs × inputs");
        for i in 0..inputs {
            for o in 0..outputs {
                let is = columns[i * outputs + o] - bias[i * outputs + o];
                assert!((is - values(&dense)[o * inputs + i]).abs() < 1e-5, "{name}: {which}'s [{o}, {i}]");
            }
        }
    }
}

/// Changing a token changes outputs of its own story from it on, no others.
fn causal(subject: &Subject<'_>) {
    let Made { mut parameters, layer: forward } = make(1, |builder| (subject.build)(builder));
    disturb(&mut parameters);
    let x = input(subject.inputs);
    let run = |x: Vec<f32>| values(&subject::run(&*forward, &parameters, x, &Tape::silent())).to_vec();
    let before = run(x.clone());
    let stories = offsets();
    for token in 0..TOKENS {
        let mut changed = x.clone();
        changed[token * subject.inputs] += 1.0;
        let after = run(changed);
        for other in 0..TOKENS {
            let same_story = stories.windows(2).any(|s| (s[0]..s[1]).contains(&token) && (s[0]..s[1]).contains(&other));
            let may_change = same_story && other >= token;
            let row = |y: &[f32]| y[other * subject.inputs..][..subject.inputs].to_vec();
            assert!(may_change || row(&before) == row(&after), "{}: token {other} sees {token}", subject.name);
        }
    }
}
