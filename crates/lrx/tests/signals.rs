//! Signals as schedulers send them: a checkpoint, a line that says how to go on, the right exit code, and the same numbers.
#![cfg(target_os = "linux")]

mod common;

use std::fs;
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use common::{Lab, Numbers, current, numbers, wait_until};

const LRX: &str = env!("CARGO_BIN_EXE_lrx");
const LONG: &str = "--set train.steps=500 --set train.eval_every=7 --set train.log_every=3";

static UNDISTURBED: LazyLock<Numbers> = LazyLock::new(|| {
    let lab = Lab::tiny("");
    lab.expect(0, &format!("run tiny.toml {LONG} --out out"));
    numbers(&lab, "out")
});

/// Starts lrx by way of `before`; what it says goes to `said`.
fn start(lab: &Lab, before: &[&str], arguments: &str) -> Child {
    let words = [before, &["env", "LRX_CLAIM_SECONDS=2", LRX]].concat();
    let mut command = Command::new(words[0]);
    command.args(&words[1..]).args(arguments.split_whitespace()).current_dir(lab.path(""));
    command.stdout(Stdio::null()).stderr(fs::File::create(lab.path("said")).unwrap()).spawn().unwrap()
}

fn send(process: &Child, signals: &[&str]) {
    for signal in signals {
        let id = process.id().to_string();
        assert!(Command::new("kill").args([&format!("-{signal}"), &id]).status().unwrap().success());
    }
}

/// Waits until the only run's curve has so many lines.
fn wait_for_lines(lab: &Lab, process: &mut Child, out: &str, lines: usize) {
    wait_until(process, "some progress", || {
        let runs = lab.runs(&format!("{out}/tiny"));
        let curve = runs.first().map(|run| fs::read_to_string(current(run).join("curve.csv")).unwrap_or_default());
        curve.is_some_and(|curve| curve.matches('\n').count() >= lines)
    });
}

/// Without what the shell that runs these tests may ignore.
const AS_USUAL: [&str; 2] = ["env", "--default-signal=HUP"];

#[test]
fn every_signal_of_a_scheduler_stops_with_a_checkpoint() {
    let lab = Lab::tiny("");
    for (signals, code) in [
        (&["USR1"][..], 138),
        (&["USR2"], 140),
        (&["HUP"], 129),
        (&["INT"], 130),
        (&["CONT", "TERM"], 143),
        // As `timeout` sends them: to the process, and to its group.
        (&["TERM", "CONT", "TERM"], 143),
    ] {
        let (out, name) = (format!("out-{}", signals.concat()), signals.last().unwrap());
        let arguments = format!("run tiny.toml {LONG} --out {out} --checkpoint-every 9999");
        let mut process = start(&lab, &AS_USUAL, &arguments);
        wait_for_lines(&lab, &mut process, &out, 5);
        send(&process, signals);
        assert_eq!(process.wait().unwrap().code(), Some(code), "{signals:?}: {}", lab.read("said"));
        let said = lab.read("said");
        assert!(said.contains(&format!("stopped by SIG{name}; this goes on from here: ")), "{said}");
        let command = said.lines().find_map(|line| line.split_once("from here: ")).unwrap().1;
        assert_eq!(command, format!("{LRX} {arguments}"));
        let done = lab.expect(0, &arguments);
        assert!(done.stderr.contains("continues after step"), "{}", done.stderr);
        assert!(numbers(&lab, &out) == *UNDISTURBED, "{signals:?}");
    }
}

#[test]
fn what_nohup_ignores_is_ignored() {
    let lab = Lab::tiny("");
    let mut process = start(&lab, &["nohup"], &format!("run tiny.toml {LONG} --out out"));
    wait_for_lines(&lab, &mut process, "out", 5);
    send(&process, &["HUP"]);
    assert_eq!(process.wait().unwrap().code(), Some(0), "{}", lab.read("said"));
    assert!(numbers(&lab, "out") == *UNDISTURBED);
}

#[test]
fn a_scheduler_that_is_to_run_it_again_gets_the_code_it_asks_for() {
    let lab = Lab::tiny("");
    let arguments = format!("run tiny.toml {LONG} --out out --requeue-exit 75");
    let mut process = start(&lab, &AS_USUAL, &arguments);
    wait_for_lines(&lab, &mut process, "out", 5);
    send(&process, &["USR1"]);
    assert_eq!(process.wait().unwrap().code(), Some(75), "{}", lab.read("said"));
    lab.expect(0, &arguments);
    assert!(numbers(&lab, "out") == *UNDISTURBED);
    // Before there is anything to keep.
    lab.write("large.toml", common::TINY.replace("stories = 40", "stories = 60000").replace("= 300", "= 4000"));
    let mut process = start(&lab, &AS_USUAL, "run large.toml --requeue-exit 75");
    wait_until(&mut process, "preparing", || lab.read("said").contains("tokenizer"));
    send(&process, &["USR2"]);
    assert_eq!(process.wait().unwrap().code(), Some(75));
    assert!(lab.read("said").contains("stopped by SIGUSR2 before any run began"), "{}", lab.read("said"));
    for wrong in ["0", "2", "256"] {
        assert!(lab.expect(2, &format!("run tiny.toml --requeue-exit {wrong}")).stderr.contains("3..=255"), "{wrong}");
    }
}

/// Evaluations of some seconds between steps of milliseconds: a signal falls into one, which is cut short, and done anew.
#[test]
fn an_evaluation_is_cut_short_and_done_again() {
    let lab = Lab::tiny("");
    let heavy = "--set data.stories=5000 --set data.valid_fraction=0.9 --set train.steps=2 --set train.eval_every=1 \
                 --set model.hidden=64 --threads 1";
    let began = Instant::now();
    lab.expect(0, &format!("run tiny.toml {heavy} --out right"));
    let evaluation = began.elapsed() / 2;
    let arguments = format!("run tiny.toml {heavy} --out out --checkpoint-every 9999");
    // In the evaluation after the first step, and in that after the last.
    for lines in [2, 4] {
        let mut process = start(&lab, &AS_USUAL, &arguments);
        wait_for_lines(&lab, &mut process, "out", lines);
        std::thread::sleep(Duration::from_millis(100));
        send(&process, &["TERM"]);
        let sent = Instant::now();
        assert_eq!(process.wait().unwrap().code(), Some(143), "{}", lab.read("said"));
        assert!(sent.elapsed() < evaluation / 2, "{:?} of {evaluation:?}", sent.elapsed());
        let checkpoint = fs::read(current(&lab.only_run("out/tiny")).join("checkpoint.safetensors")).unwrap();
        assert!(String::from_utf8_lossy(&checkpoint).contains("evaluation_due"), "the signal came in an evaluation");
    }
    lab.expect(0, &arguments);
    assert!(numbers(&lab, "out") == numbers(&lab, "right"));
}

#[test]
fn a_second_signal_ends_at_once() {
    let lab = Lab::tiny("");
    // A step of many seconds.
    let slow = "--set model.hidden=512 --set model.layers=8 --set data.stories=2000 --set train.batch_stories=1000 --threads 1";
    let mut process = start(&lab, &AS_USUAL, &format!("run tiny.toml {slow} --out out --requeue-exit 75"));
    wait_until(&mut process, "the run", || !lab.runs("out/tiny").is_empty());
    std::thread::sleep(Duration::from_millis(300));
    send(&process, &["TERM"]);
    std::thread::sleep(Duration::from_millis(400));
    assert!(process.try_wait().unwrap().is_none(), "the step goes on: {}", lab.read("said"));
    let sent = Instant::now();
    send(&process, &["TERM"]);
    assert_eq!(process.wait().unwrap().code(), Some(75));
    assert!(sent.elapsed() < Duration::from_secs(1), "{:?}", sent.elapsed());
    assert!(lab.read("said").contains("SIGTERM: stopping with a checkpoint"), "{}", lab.read("said"));
    assert!(!current(&lab.only_run("out/tiny")).join("checkpoint.safetensors").exists());
}
