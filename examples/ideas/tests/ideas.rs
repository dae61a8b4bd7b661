//! Each idea from the command line: told, planned, trained, killed and resumed, on one thread and on two.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

const CONFIG: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/config.toml");
/// What each idea is called.
const NAMES: [&str; 6] =
    ["own-silu-low-rank", "own-sparse-low-rank", "sigmoid-gated-mlp", "own-dense-then-svd", "depth-scaled", "lion"];

fn lrx(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ideas"));
    command.args(arguments).stdin(Stdio::null());
    command
}

fn output(arguments: &[&str]) -> String {
    let done = lrx(arguments).output().unwrap();
    assert!(done.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout).unwrap()
}

#[test]
fn all_commands_know_them() {
    let told = output(&["layers"]) + &output(&["rules"]) + &output(&["optimizers"]);
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().to_str().unwrap();
    let (schema, plan) = (output(&["schema"]), output(&["plan", CONFIG, "--format", "csv", "--out", out]));
    for name in NAMES {
        assert!(told.contains(name) && schema.contains(name) && plan.contains(name), "{name} is told and planned");
    }
    assert_eq!(plan.lines().count(), 1 + 7, "a row for each idea, and for dense:\n{plan}");
}

/// Curves without their times, and weights, of every run.
fn numbers(out: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut numbers = BTreeMap::new();
    for entry in std::fs::read_dir(out.join("config")).unwrap() {
        let run = entry.unwrap().path();
        let name = run.file_name().unwrap().to_string_lossy().into_owned();
        let Ok(weights) = std::fs::read(run.join("model.safetensors")) else { continue };
        let curve = std::fs::read_to_string(run.join("curve.csv")).unwrap();
        let rows = curve.lines().map(|row| row.rsplit_once(',').unwrap().0).collect::<Vec<_>>().join("\n");
        numbers.insert(name, [rows.into_bytes(), weights].concat());
    }
    numbers
}

#[test]
fn kills_and_threads_change_no_number() {
    let folder = tempfile::tempdir().unwrap();
    let out = |name: &str| folder.path().join(name);
    let run = |name: &str, threads: &str| {
        let mut command = lrx(&["run", CONFIG, "--checkpoint-steps", "1", "--threads", threads, "--out"]);
        command.arg(out(name)).stdout(Stdio::null()).stderr(Stdio::null());
        command
    };
    assert!(run("one", "1").status().unwrap().success());
    assert!(run("two", "2").status().unwrap().success());
    let undisturbed = numbers(&out("one"));
    assert_eq!(undisturbed.len(), 7);
    assert_eq!(undisturbed, numbers(&out("two")), "two threads give what one gives");

    // Killed at any instant, also while a layer changes; each time a little later, so that it gets on.
    let mut killed = 0;
    for attempt in 0.. {
        let mut process = run("killed", "2").spawn().unwrap();
        std::thread::sleep(Duration::from_millis(30 + 15 * attempt));
        if process.try_wait().unwrap().is_some_and(|status| status.success()) && killed >= 20 {
            break;
        }
        if killed < 20 {
            process.kill().unwrap();
            killed += 1;
        }
        process.wait().unwrap();
    }
    assert!(run("killed", "2").status().unwrap().success());
    assert_eq!(undisturbed, numbers(&out("killed")), "{killed} kills");
}
