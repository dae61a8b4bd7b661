//! What an optimizer does to which parameter, and when.

use lrx_layers::{ParameterEntry, Parameters, Role};
use lrx_model::Model;
use lrx_tensor::adamw;
use lrx_train::{Optimizer, Order, Outcome, RegisterOptimizer, TrainSpec, Update};

use crate::common::{Told, model, registry, train_config, train_in, train_spec};

/// Sets every gradient to a wave.
fn set_gradients(parameters: &Parameters, phase: f32) {
    for (p, entry) in parameters.iter().enumerate() {
        let wave = |i: usize| (i as f32 * 0.9 + p as f32 + phase).cos();
        entry.parameter.gradient().iter_mut().enumerate().for_each(|(i, g)| *g = wave(i));
    }
}

fn values(parameters: &Parameters) -> Vec<Vec<f32>> {
    parameters.iter().map(|entry| entry.parameter.values().to_vec()).collect()
}

fn step(spec: &TrainSpec, model: &mut Model, optimizer: &mut Optimizer, number: usize, phase: f32) {
    set_gradients(model.parameters(), phase);
    let norm = optimizer.gradient_norm(model.parameters());
    optimizer.step(model.parameters_mut(), &spec.update(number - 1, 6), norm);
}

/// The default is the pass over memory with the constants that runs have always had, bit for bit.
#[test]
fn adamw_as_it_comes_has_its_constants() {
    let (spec, mut model, mut other) = (train_spec(""), model(""), model(""));
    let mut optimizer = Optimizer::new(&spec.optimizer, model.parameters()).unwrap();
    let zeros: Vec<Vec<f32>> = values(other.parameters()).iter().map(|values| vec![0.0; values.len()]).collect();
    let (mut first, mut second) = (zeros.clone(), zeros);
    for number in 1..=4 {
        step(&spec, &mut model, &mut optimizer, number, number as f32);
        set_gradients(other.parameters(), number as f32);
        let norm = other.parameters().iter().map(|entry| adamw::squared_norm(&entry.parameter)).sum::<f64>().sqrt();
        let Update { learning_rate, weight_decay, .. } = spec.update(number - 1, 6);
        for (i, entry) in other.parameters_mut().iter_mut().enumerate() {
            let settings = adamw::Step {
                learning_rate: learning_rate as f32,
                beta1: 0.9,
                beta2: 0.999,
                epsilon: 1e-8,
                weight_decay: if entry.is_vector { 0.0 } else { weight_decay as f32 },
                step: number as u64,
                gradient_scale: (1.0 / (norm + 1e-6)).min(1.0) as f32,
            };
            adamw::update(&mut entry.parameter, &mut first[i], &mut second[i], &settings);
        }
        assert!(values(model.parameters()) == values(other.parameters()), "step {number}");
    }
}

/// Adam's first update of a parameter is its learning rate in the direction of the gradient's sign: whenever it comes.
#[test]
fn bias_corrections_count_from_the_update_at_which_a_parameter_came() {
    let lines = "[mlp]\nkind = 'own-dense-then-svd'\nrank = 2\nat = 4";
    let mut spec = train_spec("");
    spec.weight_decay = 0.0;
    let mut model = model(lines);
    let mut optimizer = Optimizer::new(&spec.optimizer, model.parameters()).unwrap();
    for number in 1..=4 {
        step(&spec, &mut model, &mut optimizer, number, number as f32);
    }
    model.on_step(lrx_layers::Progress { step: 4, steps: 6 }).unwrap();
    optimizer.follow(model.parameters()).unwrap();
    let is_new = |entry: &ParameterEntry| entry.name.ends_with("down.weight") || entry.name.ends_with("up.weight");
    assert_eq!(model.parameters().iter().filter(|entry| is_new(entry)).count(), 8);
    let before = values(model.parameters());
    step(&spec, &mut model, &mut optimizer, 5, 5.0);
    let rate = spec.update(4, 6).learning_rate;
    for (before, entry) in before.iter().zip(model.parameters().iter()).filter(|(_, entry)| is_new(entry)) {
        for (before, after) in before.iter().zip(entry.parameter.values()) {
            let moved = f64::from((after - before).abs());
            assert!((moved / rate - 1.0).abs() < 1e-2, "{}: moved by {moved}, not by {rate}", entry.name);
        }
    }
}

/// The multipliers of layers' rules, of groups and of the schedule multiply; later groups win over earlier ones.
#[test]
fn multipliers_multiply_and_later_groups_win() {
    let plain = "[optimizer]\nkind = 'sgd'\n";
    let moved = |model_lines: &str, train_lines: &str| -> Vec<(String, Role, f64)> {
        let mut spec = train_spec(&format!("{plain}{train_lines}"));
        (spec.weight_decay, spec.clip_norm, spec.learning_rate) = (0.0, 0.0, 1.0);
        let mut model = model(model_lines);
        let mut optimizer = Optimizer::new(&spec.optimizer, model.parameters()).unwrap();
        let before = values(model.parameters());
        step(&spec, &mut model, &mut optimizer, 1, 0.0);
        let size = |before: &[f32], after: &[f32]| -> f64 {
            before.iter().zip(after).map(|(before, after)| f64::from(after - before).powi(2)).sum::<f64>().sqrt()
        };
        let entries = before.iter().zip(model.parameters().iter());
        entries.map(|(before, e)| (e.name.clone(), e.role, size(before, e.parameter.values()))).collect()
    };
    let usual = moved("", "");
    let groups = "[[optimizer.group]]\nname = '*.mlp.*'\nlr = 0.25\n\
        [[optimizer.group]]\nname = '*.h.1.mlp.*'\nrole = 'bias'\nlr = 0\n";
    let with = moved("[mlp]\nlr = 3", groups);
    for ((name, role, usual), (.., with)) in usual.iter().zip(&with) {
        let factor = match (name.contains(".mlp."), name.contains(".h.1."), role) {
            (true, true, Role::Bias) => 0.0,
            (true, _, _) => 0.25 * 3.0,
            (false, ..) => 1.0,
        };
        assert!((with - factor * usual).abs() < 1e-4 * usual, "{name}: {with} instead of {factor} · {usual}");
    }
}

#[test]
fn a_group_without_a_parameter_is_told_with_what_there_is() {
    let folder = tempfile::tempdir().unwrap();
    let spec = train_spec("[[optimizer.group]]\nrole = 'factor'\n[[optimizer.group]]\nname = '*.atn.*'");
    let told = &mut Told::default();
    let error = train_in(folder.path(), &mut model(""), &spec, &|| Order::GoOn, told).unwrap_err().to_string();
    let start = "[train] optimizer.group.1.name: no parameter of the model has name = \"*.atn.*\"; there are \
        transformer.wte.weight (embedding), ";
    assert!(error.starts_with(start), "{error}");
    assert!(error.contains("transformer.h.*.attn.attention.q_proj.weight (factor)"), "{error}");
}

#[test]
fn every_optimizer_learns() {
    let eval_loss = |optimizer: &str, rate: f64| {
        let folder = tempfile::tempdir().unwrap();
        let lines = format!("steps = 40\nlearning_rate = {rate}\n[optimizer]\nkind = '{optimizer}'");
        let spec = train_config(&lines).resolve(&registry().optimizers()).unwrap();
        let told = &mut Told::default();
        let (outcome, report) = train_in(folder.path(), &mut model(""), &spec, &|| Order::GoOn, told).unwrap();
        assert_eq!(outcome, Outcome::Finished);
        report.eval_loss.unwrap()
    };
    let untrained = eval_loss("adamw", 0.0);
    for (optimizer, rate) in [("adamw", 3e-2), ("muon", 3e-2), ("sgd", 2.0), ("lion", 1e-2)] {
        let trained = eval_loss(optimizer, rate);
        assert!(trained < untrained - 0.05, "{optimizer}: {untrained} became {trained}");
    }
}
