//! Ten steps of optimizers as PyTorch takes them. The literals are made by tests/parity/optimizers.py, which says of what.

use lrx_layers::{Registry, deserialize};
use lrx_model::{Model, ModelConfig};
use lrx_train::{Optimizer, Optimizers, TrainConfig};

#[path = "literals.rs"]
mod literals;

use literals::{MUON_MATCH_RMS_ADAMW, MUON_ORIGINAL_NESTEROV, SGD_WITH_GROUPS, Trained};

fn close(optimizer: &str, expected: &Trained) {
    let config: ModelConfig = deserialize("hidden = 4\nlayers = 1\nheads = 2\ncontext = 5".parse().unwrap()).unwrap();
    let mut model = Model::new(&config.resolve(&Registry::builtin(), &|_, path| Ok(path.into())).unwrap(), 7, 0);
    let train =
        format!("steps = 10\nlearning_rate = 0.05\nwarmup_steps = 2\nweight_decay = 0.1\n[optimizer]\n{optimizer}");
    let train: TrainConfig = deserialize(train.parse().unwrap()).unwrap();
    let train = train.resolve(&Optimizers::default()).unwrap();
    let parameters = model.parameters_mut();
    for (p, entry) in parameters.iter_mut().enumerate() {
        let start = |i: usize| 0.5 * (0.7 * i as f64 + 1.3 * p as f64 + 0.3).sin();
        entry.parameter.values_mut().iter_mut().enumerate().for_each(|(i, w)| *w = start(i) as f32);
    }
    let mut optimizer = Optimizer::new(&train.optimizer, parameters).unwrap();
    let mut expected = expected.iter();
    for t in 0..10 {
        for (p, entry) in parameters.iter().enumerate() {
            let wave = |i: usize| (1.1 * i as f64 + 0.5 * t as f64 + 0.7 * p as f64).cos();
            for (i, (g, &w)) in entry.parameter.gradient().iter_mut().zip(entry.parameter.values()).enumerate() {
                *g = ([1.0, 0.2, 2.0][t % 3] * wave(i) + 0.3 * f64::from(w)) as f32;
            }
        }
        let norm = optimizer.gradient_norm(parameters);
        optimizer.step(parameters, &train.update(t, 10), norm);
        if [1, 4, 10].contains(&(t + 1)) {
            for (entry, should) in parameters.iter().zip(expected.next().expect("three rows")) {
                let values = entry.parameter.values().iter().enumerate();
                let is: f64 = values.map(|(i, &w)| f64::from(w) * (i as f64).cos()).sum();
                let error = (is - f64::from(*should)).abs();
                assert!(error < 1e-5, "step {}, {}: {is} instead of {should}", t + 1, entry.name);
            }
        }
    }
}

#[test]
fn muon_with_adamw_for_the_rest() {
    let common = "kind = 'muon'\nmomentum = 0.9\nadamw_lr = 0.1\nbeta2 = 0.95";
    close(common, &MUON_ORIGINAL_NESTEROV);
    close(&format!("{common}\nnesterov = false\nadjust_lr = 'match-rms-adamw'"), &MUON_MATCH_RMS_ADAMW);
}

#[test]
fn sgd_with_groups() {
    let sgd = "kind = 'sgd'\nmomentum = 0.9\nnesterov = true\n\
        [[optimizer.group]]\nname = '*.mlp.*'\nlr = 0.5\nweight_decay = 0.3\n\
        [[optimizer.group]]\nrole = 'embedding'\nmomentum = 0.5";
    close(sgd, &SGD_WITH_GROUPS);
}
