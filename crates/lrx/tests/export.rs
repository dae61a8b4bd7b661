//! `lrx export RUN DIR`, and starting from what others have: the whole way, over files.

mod common;

use std::fs;

use common::{Lab, Row, rows};
use serde_json::Value;

/// So many tokens that stories have not all of them, nor all that some of theirs are made of.
const COMPACT: &str = "--set data.vocabulary=\"compact\" --set data.tokenizer={train_bpe=700}";
const LOW_RANK: &str = "--set model.attention={kind=\"low-rank\",rank=3}";

fn json(lab: &Lab, file: &str) -> Value {
    serde_json::from_str(&lab.read(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

fn loss(row: &Row) -> f64 {
    row["eval_loss"].parse().unwrap()
}

#[test]
fn an_export_has_what_transformers_loads_and_can_be_started_from() {
    let lab = Lab::tiny("");
    lab.expect(0, &format!("run tiny.toml --out out {LOW_RANK} {COMPACT}"));
    let done = lab.expect(0, "export lrsa made/by/export --out out".replace("lrsa", "r3sa").as_str());
    assert!(done.stdout.starts_with("wrote made/by/export: GPT-Neo of "), "{}", done.stdout);
    let files = common::files(&lab.path("made/by/export"));
    let mut names: Vec<&str> = files.iter().map(|name| &**name).collect();
    names.sort_unstable();
    let all = [
        "README.md",
        "config.json",
        "generation_config.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
    ];
    assert_eq!(names, all);
    assert_eq!(common::files(&lab.path("made/by")).len(), 6, "nothing temporary is left");

    let config = json(&lab, "made/by/export/config.json");
    assert_eq!(config["architectures"][0], "GPTNeoForCausalLM");
    assert_eq!(
        (&config["hidden_size"], &config["num_layers"], &config["tie_word_embeddings"]),
        (&16.into(), &2.into(), &true.into())
    );
    let row = rows(&lab.read("out/tiny/runs.csv")).remove(0);
    assert_eq!(config["lrx_run"].as_str(), Some(row["run_id"].as_str()));
    let tokenizer = json(&lab, "made/by/export/tokenizer.json");
    let tokens = tokenizer["model"]["vocab"].as_object().unwrap().len() as u64;
    assert_eq!(config["vocab_size"], tokens);
    assert_eq!(json(&lab, "made/by/export/tokenizer_config.json")["eos_token"], "<|endoftext|>");
    let end = tokenizer["model"]["vocab"]["<|endoftext|>"].as_u64();
    assert_eq!(json(&lab, "made/by/export/generation_config.json")["eos_token_id"].as_u64(), end);
    let card = lab.read("made/by/export/README.md");
    for said in
        ["library_name: transformers", &*row["run_id"], "evaluation loss", "rank = 3", "AutoTokenizer.from_pretrained"]
    {
        assert!(card.contains(said), "{said} in\n{card}");
    }

    // Dense, from the export: the loss of the run that it was made from. And in factors again.
    let from = "--set model.init_from={path=\"made/by/export\",vocabulary=\"select\"} --set train.steps=1 --set train.learning_rate=1e-12";
    lab.expect(0, &format!("run tiny.toml --out dense {COMPACT} {from}"));
    lab.expect(0, &format!("run tiny.toml --out again {LOW_RANK} {COMPACT} {from}"));
    for out in ["dense", "again"] {
        let other = rows(&lab.read(&format!("{out}/tiny/runs.csv"))).remove(0);
        assert!((loss(&other) - loss(&row)).abs() < 1e-5, "{out}: {} of {}", loss(&other), loss(&row));
        assert!(other["init_from"].starts_with("export "), "{}", other["init_from"]);
    }
    // Numbers of tokens that mean others are not mistaken for the data's.
    let plain = "--set model.init_from=\"made/by/export\" --set data.tokenizer={train_bpe=700}";
    let error = lab.expect(2, &format!("plan tiny.toml --out out {plain}")).stderr;
    assert!(error.contains("tokenizer.json: the weights are for another vocabulary than the data's"), "{error}");
}

#[test]
fn a_folder_is_never_overwritten_unless_export_made_it() {
    let lab = Lab::tiny("seeds = [0, 1]");
    lab.expect(0, "run tiny.toml --out out --set train.steps=2");
    let ids: Vec<String> =
        lab.runs("out/tiny").iter().map(|run| run.file_name().unwrap().to_string_lossy().into_owned()).collect();
    let export =
        |run: &str, dir: &str, more: &str| lab.lrx(format!("export {run} {dir} --out out {more}").split_whitespace());
    let refused = |dir: &str, more: &str, said: &str| {
        let before = common::files(&lab.path(dir));
        let done = export(&ids[0], dir, more);
        assert!(done.code == Some(2) && done.stderr.contains(said), "{}", done.stderr);
        assert_eq!(common::files(&lab.path(dir)), before);
    };
    lab.write("mine/notes.txt", "mine");
    refused("mine", "", "mine: the folder is not empty\n");
    refused("mine", "--force", "--force leaves it alone");
    lab.write("mine/config.json", r#"{"model_type": "gpt2"}"#);
    refused("mine", "--force", "its config.json is not one that lrx export made");
    fs::create_dir(lab.path("empty")).unwrap();
    assert_eq!(export(&ids[0], "empty", "").code, Some(0));
    refused("empty", "", "--force puts another export in its place");
    assert_eq!(export(&ids[1], "empty", "--force").code, Some(0));
    assert_eq!(json(&lab, "empty/config.json")["lrx_run"].as_str(), Some(&*ids[1]));
    lab.write("empty/notes.txt", "mine");
    refused("empty", "--force", "notes.txt lies in it, which lrx export did not make");
    lab.write("file", "mine");
    let done = export(&ids[0], "file", "--force");
    assert!(done.code == Some(2) && done.stderr.contains("file: expected a folder, or nothing"), "{}", done.stderr);
    let left: Vec<String> = fs::read_dir(lab.path(""))
        .unwrap()
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    assert!(!left.iter().any(|name| name.starts_with(".tmp")), "{left:?}");
}

#[test]
fn what_no_architecture_computes_is_told_with_its_key() {
    let lab = Lab::tiny("");
    lab.expect(0, "run tiny.toml --out out --set train.steps=1 --set model.mlp={kind=\"silu-low-rank\",rank=3}");
    let error = lab.expect(2, "export fullsa made --out out").stderr;
    assert!(
        error.contains("resolved.toml: `model.mlp.kind`: \"silu-low-rank\" (layer 0, slot c_fc) is not linear"),
        "{error}"
    );
    assert!(!lab.path("made").exists());
}

/// What a run ended with is what another starts with, and part of what that is known by.
#[test]
fn a_run_goes_on_as_a_new_one() {
    let lab = Lab::tiny("");
    lab.expect(0, "run tiny.toml --out out");
    let first = rows(&lab.read("out/tiny/runs.csv")).remove(0);
    let more =
        "--set name=\"more\" --set model.init_from=\"run:fullsa\" --set train.steps=1 --set train.learning_rate=1e-12";
    lab.expect(0, &format!("run tiny.toml --out out {more}"));
    let second = rows(&lab.read("out/more/runs.csv")).remove(0);
    assert!((loss(&first) - loss(&second)).abs() < 1e-5, "{first:?} {second:?}");
    assert!(second["init_from"].starts_with(&format!("{} ", first["run_id"])), "{}", second["init_from"]);
    let resolved = lab.read(&format!("out/more/{}/resolved.toml", second["run_id"]));
    assert!(resolved.contains(&format!("file = \"run:{}\"", first["run_id"])), "{resolved}");
    // A smaller model of it: the first layer, and half the context.
    let cut = "--set model.init_from={path=\"run:fullsa\",layers=\"first\",context=\"cut\"} --set model.layers=1 --set model.context=32";
    lab.expect(
        0,
        &format!("run tiny.toml --out small --set train.steps=1 {cut}")
            .replace("run:fullsa", &format!("out/tiny/{}", first["run_id"])),
    );
    let error = lab.expect(2, "run tiny.toml --out out --set model.init_from=\"run:more\"").stderr;
    assert!(error.contains("no run of an experiment in out has the id \"more\""), "{error}");
    // Another vocabulary of the same size means other tokens.
    let other = "--set model.init_from=\"run:fullsa-fullmlp\" --set data.stories=30 --set name=\"other\"";
    let error = lab.lrx(format!("run tiny.toml --out out {other}").split_whitespace());
    assert!(
        error.code == Some(2) && error.stderr.contains("beginning of several runs")
            || error.stderr.contains("another vocabulary"),
        "{}",
        error.stderr
    );
}
