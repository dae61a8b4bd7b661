//! Files that were flipped, overwritten or cut behind lrx's back: no panic, no wrong number; each damage is told, mended
//! or harmless. `LRX_DAMAGES=1000` makes so many to each kind of file instead of a few.
#![cfg(unix)]

mod common;

use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use common::{Lab, Numbers, copy, current, files, numbers, wait_until};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

const STEPS: &str =
    "--set train.steps=150 --set train.eval_every=50 --set train.log_every=3 --checkpoint-steps 10 --threads 1";

fn damages() -> u64 {
    std::env::var("LRX_DAMAGES").map_or(24, |count| count.parse().expect("a number of damages"))
}

/// A folder with a run that was killed after two checkpoints (`begun`) and an undisturbed one (`whole`).
struct Results {
    lab: Lab,
    numbers: Numbers,
}

static RESULTS: LazyLock<Results> = LazyLock::new(|| {
    let lab = Lab::tiny("");
    let mut process = lab.start(&format!("run tiny.toml --out begun {STEPS}"));
    wait_until(&mut process, "two checkpoints", || {
        let runs = lab.runs("begun/tiny");
        runs.iter().any(|run| {
            let run = current(run);
            run.join("checkpoint.safetensors").exists() && run.join("checkpoint-before.safetensors").exists()
        })
    });
    process.kill().unwrap();
    process.wait().unwrap();
    // Of a copy nobody can say whether its owner lives: it would be waited for until its claim expires, a minute each.
    for run in lab.runs("begun/tiny") {
        let owner = current(&run).join("owner");
        fs::write(&owner, fs::read_to_string(&owner).unwrap().replace(":false", ":true")).unwrap();
    }
    lab.expect(0, &format!("run tiny.toml --out whole {STEPS}"));
    let numbers = numbers(&lab, "whole");
    Results { lab, numbers }
});

/// One damage: a flipped bit, a stretch overwritten, a cut, or bytes that do not belong there.
fn damage(path: &Path, random: &mut ChaCha8Rng) -> String {
    let mut content = fs::read(path).unwrap();
    let at = random.random_range(0..content.len());
    let end = random.random_range(at..content.len().min(at + 200)) + 1;
    let what = match random.random_range(0..4) {
        0 => {
            content[at] ^= 1 << random.random_range(0..8);
            "a bit flipped"
        }
        1 => {
            content[at..end].fill_with(|| random.random());
            "overwritten"
        }
        2 => {
            content.truncate(at);
            "cut"
        }
        _ => {
            content.splice(at..at, b"12".iter().copied());
            "longer"
        }
    };
    fs::write(path, content).unwrap();
    format!("{}: {what} at {at} (to {end})", path.display())
}

/// Damages one of the files that `choose` takes from a copy of `from`, goes on with the run, and looks at what came.
fn each_is_told_mended_or_harmless(from: &str, choose: impl Fn(&str) -> bool + Sync) {
    let Results { lab, numbers: right } = &*RESULTS;
    let names: Vec<String> = files(&lab.path(from)).into_iter().filter(|name| choose(name)).collect();
    assert!(!names.is_empty());
    (0..damages()).into_par_iter().for_each(|i| {
        let mut random = ChaCha8Rng::seed_from_u64(i);
        let own = Lab::tiny("");
        copy(&lab.path(from), &own.path("out"));
        let name: &String = &names[i as usize % names.len()];
        let what = damage(&own.path("out").join(name), &mut random);

        if from == "whole" {
            // Who only looks is warned where figures may be wrong, and never sees a panic.
            let report = own.lrx(["report", "out/tiny", "--format", "text"]);
            assert!(!report.stderr.contains("panicked"), "{what}: {}", report.stderr);
            let table = name.ends_with("tiny/runs.csv") || name.ends_with("tiny/curves.csv");
            assert!(!table || report.code != Some(0) || report.stderr.contains("has changed"), "{what}: {report:?}");
        }
        let done = own.lrx(format!("run tiny.toml --out out {STEPS}").split_whitespace());
        assert!(!done.stderr.contains("panicked"), "{what}: {}", done.stderr);
        match done.code {
            Some(0) => assert!(numbers(&own, "out") == *right, "{what}: other numbers\n{}", done.stderr),
            Some(1 | 2) => {
                assert!(done.stderr.contains("out/tiny") || done.stderr.contains("since it"), "{what}: {done:?}")
            }
            _ => panic!("{what}: {done:?}"),
        }
    });
}

#[test]
fn checkpoints() {
    each_is_told_mended_or_harmless("begun", |name| name.contains("checkpoint"));
}

#[test]
fn the_cache_of_data() {
    each_is_told_mended_or_harmless("begun", |name| name.contains(".cache/"));
}

#[test]
fn tables_of_a_run_that_goes_on() {
    // A damaged claim may be anybody's: it is waited for until it expires, longer than a test should take.
    let elsewhere = [".cache/", "checkpoint", "owner"];
    each_is_told_mended_or_harmless("begun", |name| !elsewhere.iter().any(|other| name.contains(other)));
}

#[test]
fn tables_and_weights_of_a_finished_run() {
    each_is_told_mended_or_harmless("whole", |name| !name.contains(".cache/"));
}

/// A pipe in the place of a file is waited for by whoever opens it, and a device never ends.
#[test]
fn what_is_no_file_is_not_waited_for() {
    let lab = Lab::tiny("");
    lab.expect(0, "run tiny.toml --out good --set train.steps=2");
    let run = lab.only_run("good/tiny").file_name().unwrap().to_string_lossy().into_owned();
    let inside = |file: &str| format!("{run}/{file}");
    let mut places: Vec<String> = files(&lab.path("good/tiny")).iter().map(|file| file.to_string()).collect();
    assert!(places.contains(&inside("model.safetensors")) && places.contains(&"runs.csv".to_string()), "{places:?}");
    places.sort();
    for (i, place) in places.iter().enumerate() {
        for device in [false, true] {
            let out = format!("bad{i}{device}");
            copy(&lab.path("good"), &lab.path(&out));
            let file = lab.path(&format!("{out}/tiny/{place}"));
            fs::remove_file(&file).unwrap();
            if device {
                std::os::unix::fs::symlink("/dev/zero", &file).unwrap();
            } else {
                assert!(std::process::Command::new("mkfifo").arg(&file).status().unwrap().success());
            }
            // Each ends, which the lab waits for, and none panics.
            for command in [
                format!("plan tiny.toml --out {out} --set train.steps=2"),
                format!("report {out} --out {out}-report"),
                format!("generate {out}/tiny/{run} --prompt Ann --tokens 2"),
                format!("run tiny.toml --out {out} --set train.steps=2"),
            ] {
                let done = lab.lrx(command.split_whitespace());
                assert!(done.code.is_some_and(|code| code <= 2), "{place}, {command}: {}", done.stderr);
                assert!(!done.stderr.contains("panicked"), "{place}, {command}: {}", done.stderr);
            }
        }
    }
}
