//! `[train]` as configs have it: errors, what a run is known by, and the schema.

use lrx_layers::{OptionError, deserialize};
use lrx_train::{Optimizers, RegisterOptimizer, TrainConfig};

use crate::common::registry;

fn error(lines: &str) -> OptionError {
    let config: Result<TrainConfig, _> = deserialize(lines.parse().unwrap());
    config
        .and_then(|config| config.resolve(&registry().optimizers()))
        .err()
        .unwrap_or_else(|| panic!("an error: {lines}"))
}

fn told(lines: &str, key: &str, message: &str) {
    let error = error(lines);
    assert_eq!(error.key, key, "{lines}: {error}");
    assert!(error.message.contains(message), "{lines}: {error}");
}

#[test]
fn what_is_wrong_with_an_optimizer_is_told_at_its_key() {
    told("optimizer = 3", "optimizer", "expected a table");
    told("[optimizer]\nkind = 3", "optimizer.kind", "`kind` is 3; expected text in quotes");
    told("[optimizer]\nkind = 'mun'", "optimizer.kind", "did you mean `muon`? (known: adamw, lion, muon, sgd)");
    told(
        "[optimizer]\nbeta11 = 1",
        "optimizer.beta11",
        "did you mean `beta1`? (known: beta1, beta2, eps, kind, group)",
    );
    told(
        "[optimizer]\nmomentum = 0.9",
        "optimizer.momentum",
        "it is an option of `muon`, `sgd`, but the kind here is `adamw`",
    );
    told("[optimizer]\nbeta1 = 1", "optimizer.beta1", "`beta1` is 1; expected at least 0 and less than 1");
    told("[optimizer]\nbeta1 = 'x'", "optimizer.beta1", "expected a number");
    told("[optimizer]\neps = -1e-8", "optimizer.eps", "expected a number of at least 0");
    told("[optimizer]\nkind = 'sgd'\nnesterov = true", "optimizer.nesterov", "expected a momentum above 0");
    told("[optimizer]\nkind = 'muon'\nns_steps = 0", "optimizer.ns_steps", "expected 1 to 100");
    told("[optimizer]\nkind = 'muon'\nadjust_lr = 'orignal'", "optimizer.adjust_lr", "did you mean `original`?");
    told("[optimizer]\ngroup = 3", "optimizer.group", "[[train.optimizer.group]]");
    let group = |lines: &str, key: &str, message: &str| {
        let lines = format!("[[optimizer.group]]\nrole = 'bias'\n[[optimizer.group]]\n{lines}");
        told(&lines, &format!("optimizer.group.1{key}"), message);
    };
    group("lr = 2", "", "which parameters are meant? expected `role` or `name`");
    group("role = 'factr'", ".role", "did you mean `factor`?");
    group("role = 'factor'\nlr = -1", ".lr", "at least 0");
    group("role = 'factor'\nlearning_rate = 1e-3", ".learning_rate", "`lr`");
    group("role = 'factor'\nbeta2 = 2", ".beta2", "less than 1");
    group("role = 'factor'\nweight_decy = 2", ".weight_decy", "did you mean `weight_decay`?");
    group("role = 'factor'\nmomentum = 0.5", ".momentum", "an option of `muon`, `sgd`");
}

#[test]
fn numbers_out_of_range_are_told() {
    for (lines, key) in [
        ("learning_rate = -1e-3", "learning_rate"),
        ("learning_rate = inf", "learning_rate"),
        ("learning_rate = nan", "learning_rate"),
        ("micro_batches = 0", "micro_batches"),
    ] {
        assert_eq!(error(lines).key, key);
    }
    let zero: TrainConfig = deserialize("learning_rate = 0".parse().unwrap()).unwrap();
    assert_eq!(zero.resolve(&Optimizers::default()).unwrap().learning_rate, 0.0);
}

fn identity(lines: &str) -> String {
    let config: TrainConfig = deserialize(lines.parse().unwrap()).unwrap();
    config.resolve(&registry().optimizers()).unwrap().identity().to_string()
}

/// An option that comes later with a default renames no run; kinds are known with their version.
#[test]
fn a_run_is_known_by_what_is_not_at_its_default() {
    assert_eq!(identity(""), "");
    let defaults = "batch_stories = 4\nmicro_batches = 1\nepochs = 1\nlearning_rate = 5e-5\nschedule = 'linear'\n\
        weight_decay = 0\nclip_norm = 1\neval_every = 1000\n[optimizer]\nkind = 'adamw'\nbeta1 = 0.9\neps = 1e-8";
    assert_eq!(identity(defaults), "");
    assert_eq!(identity("weight_decay = 1\neval_every = 5"), "eval_every = 5\nweight_decay = 1.0\n");
    assert_eq!(identity("steps = 7"), "steps = 7\n");
    assert_eq!(identity("micro_batches = 2"), "micro_batches = 2\n");
    assert_eq!(identity("[optimizer]\nkind = 'sgd'"), "[optimizer]\nkind = \"sgd\"\n");
    assert_eq!(identity("[optimizer]\nkind = 'sgd'\nmomentum = 0"), identity("[optimizer]\nkind = 'sgd'"));
    assert_eq!(identity("[optimizer]\nbeta1 = 0"), "[optimizer]\nbeta1 = 0.0\nkind = \"adamw\"\n");
    assert_eq!(identity("[optimizer]\nkind = 'lion'"), "[optimizer]\nkind = \"lion\"\nversion = 3\n");
    let group = "[optimizer]\n[[optimizer.group]]\nrole = 'bias'\nlr = ";
    assert_eq!(identity(&format!("{group}2\nbeta1 = 0")), identity(&format!("{group}2.0\nbeta1 = 0.0")));
    assert_ne!(identity(&format!("{group}2")), identity(&format!("{group}3")));
    assert_ne!(identity(&format!("{group}2")), "");
}

/// What is written out is a config, and the same one.
#[test]
fn the_resolved_section_is_a_config() {
    let group = "[[optimizer.group]]\nname = '*.attn.*'\nlr = 2\nmomentum = 0\nnesterov = false\n";
    for lines in ["", "steps = 3\nmicro_batches = 2", &format!("[optimizer]\nkind = 'sgd'\nmomentum = 0.5\n{group}")] {
        let resolve = |text: &str| {
            let config: TrainConfig = deserialize(text.parse().unwrap()).unwrap();
            toml::to_string(&config.resolve(&Optimizers::default()).unwrap()).unwrap()
        };
        let resolved = resolve(lines);
        assert_eq!(resolve(&resolved), resolved);
        assert!(resolved.contains("[optimizer]\n"), "{resolved}");
    }
}

#[test]
fn the_schema_knows_every_optimizer_and_group() {
    let schema = registry().optimizers().schema();
    let names: Vec<&str> = schema["properties"]["kind"]["anyOf"]
        .as_array()
        .unwrap()
        .iter()
        .map(|kind| kind["const"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["adamw", "lion", "muon", "sgd"]);
    for key in ["beta1", "eps", "momentum", "ns_steps", "group"] {
        assert!(schema["properties"].get(key).is_some(), "{key}");
    }
    let group = &schema["properties"]["group"]["items"]["properties"];
    for key in ["role", "name", "lr", "weight_decay", "beta1", "momentum"] {
        assert!(group.get(key).is_some(), "{key}");
    }
    assert!(group.get("kind").is_none());
}
