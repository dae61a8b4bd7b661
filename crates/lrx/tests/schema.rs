//! `lrx schema`: the shipped configs are valid by it, misspelt ones are not.

mod common;

use std::fs;
use std::path::{Path, PathBuf};

use common::Lab;
use jsonschema::Validator;
use serde_json::Value;

fn validator() -> Validator {
    let schema: Value = serde_json::from_str(&Lab::new().expect(0, "schema").stdout).unwrap();
    jsonschema::meta::validate(&schema).unwrap();
    jsonschema::validator_for(&schema).unwrap()
}

fn json(toml: &str) -> Value {
    serde_json::to_value(toml.parse::<toml::Table>().unwrap_or_else(|error| panic!("{toml}: {error}"))).unwrap()
}

/// The configs in a folder and the folders in it.
fn configs(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries
        .flat_map(|path| match path.is_dir() {
            true => configs(&path),
            false => Vec::from_iter(path.extension().is_some_and(|extension| extension == "toml").then_some(path)),
        })
        .collect()
}

#[test]
fn the_shipped_configs_are_valid() {
    let validator = validator();
    let configs = configs(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../configs"));
    assert!(configs.len() > 20, "{configs:?}");
    for path in configs {
        let errors: Vec<String> =
            validator.iter_errors(&json(&fs::read_to_string(&path).unwrap())).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{}: {errors:?}", path.display());
    }
}

#[test]
fn what_a_config_may_say_is_valid() {
    let validator = validator();
    for config in [
        "",
        common::TINY,
        "extends = 'base.toml'\nseeds = [1, 2]\nmodel.attention.rank = 4",
        "model.attention = { kind = ['dense', 'low-rank'], rank = ['', 8], window = [0, 256] }",
        "model.mlp = { kind = 'dense', c_fc = { kind = 'low-rank', rank = [3, 4], init = 'spectral' }, inner = 64 }",
        "[sweep]\n'model.hidden' = [64, 128]\nmodel.mlp.rank = [[1, 2], [3, 4]]\nseeds = [[1], [2]]",
        "[[sweep.case]]\n\n[[sweep.case]]\nlabel = 'x'\n'model.hidden' = 3\ntrain.steps = 4",
        "name = 'a-1.b'\nlabel = 'µ = 3'\n[sweep]\ndense_baseline = true\n'model.hidden' = [64]",
        "[train.optimizer]\nkind = 'muon'\nmomentum = 0.9\n[[train.optimizer.group]]\nrole = 'bias'\nlr = 0.5\nbeta1 = 0.8",
        "data.split = 'tune'\ndata.tune_fraction = 0.1\n[train]\nlearning_rate = 'tuned'\nbatch_tokens = 100",
        "[compare]\nat = 'body'\nto = 'dense'\nsolve = 'hidden'\n[train]\nflops = 1e14",
        "[compare]\nat = 'parameters'\ntarget = 1e6",
        "compare.to = 0",
        "[log]\ntensorboard = true\n[train]\nsample_every = 100\nprompts = ['Once', '- Hello']\nsample_tokens = 8",
        "data.tokenizer = 'a.json'\n[train]\nlearning_rate = 1\nschedule = 'cosine'\nbatch_tokens = 100",
    ] {
        assert!(validator.is_valid(&json(config)), "{config}: {:?}", validator.validate(&json(config)));
    }
}

#[test]
fn misspelt_keys_and_wrong_values_are_not() {
    let validator = validator();
    for config in [
        "nmae = 'x'",
        "seeds = 3",
        "[modle]\nhidden = 8",
        "model.hiden = 8",
        "model.hidden = 'x'",
        "data.storeis = 8",
        "data.vocabulary = 'compct'",
        "data.tokenizer = { train_bep = 300 }",
        "train.warm_up = 8",
        "train.flops = 'all'",
        "train.prompts = 'Once'",
        "log.tensorbord = true",
        "[[sweep.case]]\nlog.tensorboard = true",
        "compare.at = 'seconds'",
        "compare.traget = 3",
        "compare.solve = 'rank'",
        "[[sweep.case]]\ncompare.at = 'body'",
        "train.schedule = 'cosin'",
        "train.schedule = 'tuned'",
        "train.learning_rate = 'tune'",
        "train.steps = 'tuned'",
        "train.optimizer = { kind = 'adam' }",
        "train.optimizer = { kind = 'adamw', momentum = 0.9 }",
        "train.optimizer = { beta3 = 1 }",
        "train.optimizer = { group = [{ rle = 'bias' }] }",
        "model.attention = { kind = 'lowrank' }",
        "model.attention = { kind = 'low-rank', rnak = 8 }",
        "model.attention = { kind = 'low-rank', rank = 0 }",
        "model.attention = { kind = 'low-rank', rank = [8, 0] }",
        "model.attention = { kind = 'dense', rank = 8 }",
        "model.attention = { inner = 8 }",
        "model.attention = { c_fc = { kind = 'dense' } }",
        "model.mlp = { c_fc = { kind = 'dense', rank = 8 } }",
        "model.mlp = { kind = 'low-rank', init = 'svd' }",
        "sweep = 3",
        "[sweep]\n'model.hidden' = 64",
        "[sweep]\n'modle.hidden' = [64]",
        "[sweep.case]\nmodel.hidden = 64",
        "[[sweep.case]]\nmodel.hiden = 32",
        "[[sweep.case]]\nname = 'x'",
        "[sweep]\ndense_baseline = 1",
        "name = '../x'",
        "name = '-x'",
        "label = '=1'",
        "label = ' '",
    ] {
        assert!(!validator.is_valid(&json(config)), "{config}");
    }
}

#[test]
fn completions_know_the_commands() {
    for shell in ["bash", "zsh", "fish"] {
        let script = Lab::new().expect(0, &format!("completions {shell}")).stdout;
        assert!(script.contains("checkpoint-every") && script.contains("layers"), "{shell}: {script}");
    }
    assert!(Lab::new().expect(2, "completions bsh").stderr.contains("a similar value exists: 'bash'"));
}
