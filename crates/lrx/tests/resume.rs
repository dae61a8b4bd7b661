//! Interrupted runs: killed or stopped at any point, they end with the numbers of an undisturbed run.
#![cfg(unix)]

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::LazyLock;

use common::{Lab, Numbers, current, numbers, rows, wait_until};

/// Enough steps that a run is still going after a few of them are seen.
const LONG: &str = "--set train.steps=500 --set train.eval_every=7 --set train.log_every=3";

/// Those of an undisturbed run.
static UNDISTURBED: LazyLock<Numbers> = LazyLock::new(|| {
    let lab = Lab::tiny("");
    lab.expect(0, &format!("run tiny.toml {LONG} --out out"));
    numbers(&lab, "out")
});

/// Starts the run, and waits until a checkpoint is there and the curve has more lines than before.
fn start_and_progress(lab: &Lab, out: &str, checkpoint_every: &str) -> Child {
    let before = curve_lines(lab, out);
    let mut process = lab.start(&format!("run tiny.toml {LONG} --out {out} {checkpoint_every}"));
    wait_until(&mut process, "some progress", || {
        let checkpoint =
            lab.runs(&format!("{out}/tiny")).iter().any(|run| current(run).join("checkpoint.safetensors").exists());
        (checkpoint || !checkpoint_every.contains(" 0")) && curve_lines(lab, out) >= before + 4
    });
    process
}

fn curve_lines(lab: &Lab, out: &str) -> usize {
    let curve = |run: &PathBuf| fs::read_to_string(current(run).join("curve.csv")).unwrap_or_default();
    lab.runs(&format!("{out}/tiny")).iter().map(|run| curve(run).matches('\n').count()).sum()
}

fn status(run: &Path) -> String {
    rows(&fs::read_to_string(current(run).join("run.csv")).unwrap())[0]["status"].clone()
}

#[test]
fn a_run_killed_several_times_ends_with_the_same_numbers() {
    let lab = Lab::tiny("");
    for round in 0..3 {
        let mut process = start_and_progress(&lab, "killed", "--checkpoint-every 0");
        process.kill().unwrap(); // SIGKILL
        assert!(!process.wait().unwrap().success(), "killed before its end");
        let run = lab.only_run("killed/tiny");
        assert_eq!(status(&run), "running");
        assert!(!run.join("model.safetensors").exists());
        let run = current(&run);
        if round == 1 {
            // A row that was being written when the power went.
            let mut curve = fs::read(run.join("curve.csv")).unwrap();
            curve.extend_from_slice(b"half,a,ro");
            fs::write(run.join("curve.csv"), curve).unwrap();
        }
    }
    let done = lab.expect(0, &format!("run tiny.toml {LONG} --out killed"));
    assert!(done.stderr.contains("continues after step"), "{}", done.stderr);
    assert!(numbers(&lab, "killed") == *UNDISTURBED);
    let run = lab.only_run("killed/tiny");
    assert_eq!(current(&run), run, "nothing is left to resume");
}

#[test]
fn without_a_checkpoint_a_killed_run_starts_anew() {
    let lab = Lab::tiny("");
    let mut process = start_and_progress(&lab, "killed", "--checkpoint-every 9999");
    process.kill().unwrap();
    assert!(!process.wait().unwrap().success(), "killed before its end");
    let done = lab.expect(0, &format!("run tiny.toml {LONG} --out killed"));
    assert!(!done.stderr.contains("continues after step"), "{}", done.stderr);
    assert!(numbers(&lab, "killed") == *UNDISTURBED);
}

#[test]
fn a_damaged_checkpoint_is_said_and_the_one_before_it_used() {
    let lab = Lab::tiny("");
    let mut process = start_and_progress(&lab, "killed", "--checkpoint-every 0");
    process.kill().unwrap();
    assert!(!process.wait().unwrap().success(), "killed before its end");
    let run = lab.only_run("killed/tiny");
    let [checkpoint, before] =
        ["checkpoint", "checkpoint-before"].map(|name| current(&run).join(format!("{name}.safetensors")));
    if !checkpoint.exists() {
        fs::copy(&before, &checkpoint).unwrap(); // Killed between the two.
    }
    let content = fs::read(&checkpoint).unwrap();
    fs::write(&checkpoint, &content[..content.len() / 2]).unwrap();
    let done = lab.expect(0, &format!("run tiny.toml {LONG} --out killed"));
    assert!(done.stderr.contains("a checkpoint cannot be used"), "{}", done.stderr);
    assert!(done.stderr.contains("continues after step"), "the one before it is used: {}", done.stderr);
    assert!(numbers(&lab, "killed") == *UNDISTURBED);
}

#[test]
fn interrupting_stops_with_a_checkpoint() {
    stopped_by("-INT", 130);
}

#[test]
fn terminating_stops_with_a_checkpoint() {
    stopped_by("-TERM", 143);
}

fn stopped_by(signal: &str, code: i32) {
    let lab = Lab::tiny("");
    let mut process = start_and_progress(&lab, "stopped", "--checkpoint-every 9999");
    assert!(Command::new("kill").args([signal, &process.id().to_string()]).status().unwrap().success());
    assert_eq!(process.wait().unwrap().code(), Some(code));
    let run = lab.only_run("stopped/tiny");
    assert_eq!(status(&run), "running");
    let generate = lab.expect(2, &format!("generate {} --prompt Once", run.display()));
    assert!(generate.stderr.contains("the run is not finished"), "{}", generate.stderr);
    // What it has done so far is in the tables.
    assert!(rows(&lab.read("stopped/tiny/curves.csv")).len() >= 3);

    let done = lab.expect(0, &format!("run tiny.toml {LONG} --out stopped"));
    assert!(done.stderr.contains("continues after step"), "{}", done.stderr);
    assert!(numbers(&lab, "stopped") == *UNDISTURBED);
}
