//! The kind keeps its word, and works from the command line.

use assert_cmd::Command;
use lrx::layers::{Registry, checks};
use scaled_low_rank::ScaledLowRank;

#[test]
fn the_kind_keeps_its_word() {
    let mut registry = Registry::empty();
    registry.register(ScaledLowRank).unwrap();
    checks::every_kind(&registry);
}

#[test]
fn the_binary_knows_the_kind_and_trains_it() {
    let binary = || Command::cargo_bin("scaled-low-rank").unwrap();
    let listed = binary().arg("layers").assert().success();
    let listed = String::from_utf8_lossy(&listed.get_output().stdout).into_owned();
    assert!(listed.contains("scaled-low-rank") && listed.contains("dense"), "{listed}");

    let schema = binary().arg("schema").assert().success();
    assert!(String::from_utf8_lossy(&schema.get_output().stdout).contains("scaled-low-rank"));

    let out = tempfile::tempdir().unwrap();
    let config = concat!(env!("CARGO_MANIFEST_DIR"), "/config.toml");
    let small = ["--set", "data.stories=60", "--set", "train.steps=4", "--out"];
    binary().args(["run", config]).args(small).arg(out.path()).assert().success();
    let runs = std::fs::read_to_string(out.path().join("scaled-low-rank/runs.csv")).unwrap();
    assert_eq!(
        runs.lines().filter(|row| row.contains("finished") && row.contains("scaled-low-rank")).count(),
        2,
        "{runs}"
    );
}

#[test]
fn a_rank_that_does_not_fit_is_told() {
    let config = concat!(env!("CARGO_MANIFEST_DIR"), "/config.toml");
    let set = ["--set", r#"sweep={"model.mlp"=[{kind="scaled-low-rank",rank=65}]}"#];
    let failed = Command::cargo_bin("scaled-low-rank").unwrap().args(["plan", config]).args(set).assert().code(2);
    let message = String::from_utf8_lossy(&failed.get_output().stderr).into_owned();
    assert!(message.contains("rank 65 is more than 64, the smaller side of 64 → 256"), "{message}");
}
