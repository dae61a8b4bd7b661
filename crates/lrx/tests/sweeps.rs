//! Several runs, several jobs, several processes on one folder of results: every run is done once, with the same numbers.
#![cfg(unix)]

mod common;

use std::fs;
use std::process::Child;
use std::time::Duration;

use common::{Lab, column, files, rows};

const SEEDS: &str = "--set seeds=[0,1,2,3] --set train.steps=60 --set train.eval_every=20 --set train.log_every=5";

/// All numbers of an experiment but times, and its weights.
fn numbers(lab: &Lab, out: &str) -> Vec<String> {
    let mut all = Vec::new();
    for (file, timed) in [
        ("runs.csv", &["tokens_per_second", "wall_seconds", "peak_rss_mb", "threads", "machine", "others_share"][..]),
        ("curves.csv", &["elapsed_seconds"][..]),
        ("ranks.csv", &[][..]),
    ] {
        for mut row in rows(&lab.read(&format!("{out}/tiny/{file}"))) {
            assert!(timed.iter().all(|column| row.remove(*column).is_some()));
            let mut cells: Vec<String> = row.into_iter().map(|(name, cell)| format!("{name}={cell}")).collect();
            cells.sort();
            all.push(cells.join(" "));
        }
    }
    for run in lab.runs(&format!("{out}/tiny")) {
        let weights = fs::read(run.join("model.safetensors")).unwrap();
        all.push(format!("{weights:?}"));
    }
    all
}

#[test]
fn jobs_processes_and_kills_change_no_number() {
    let lab = Lab::tiny("");
    lab.expect(0, &format!("run tiny.toml {SEEDS} --out alone"));
    let alone = numbers(&lab, "alone");
    assert_eq!(rows(&lab.read("alone/tiny/runs.csv")).len(), 4);

    lab.expect(0, &format!("run tiny.toml {SEEDS} --out jobs --jobs 3 --threads 2"));
    assert!(numbers(&lab, "jobs") == alone, "jobs side by side");

    // Two processes at once, one of them killed now and then.
    let start = || lab.start(&format!("run tiny.toml {SEEDS} --out two --checkpoint-steps 7"));
    let mut processes: Vec<Child> = vec![start(), start()];
    for kill in 0..8_u64 {
        std::thread::sleep(Duration::from_millis(60 + 97 * kill % 250));
        let victim = &mut processes[(kill % 2) as usize];
        victim.kill().unwrap(); // SIGKILL
        victim.wait().unwrap();
        *victim = start();
    }
    for process in &mut processes {
        assert_eq!(process.wait().unwrap().code(), Some(0));
    }
    assert!(numbers(&lab, "two") == alone, "two processes");
    let left = files(&lab.path("two/tiny"));
    assert!(left.iter().all(|file| !file.contains("attempt") && !file.contains(".tmp")), "{left:?}");
}

#[test]
fn ids_and_only_name_single_runs() {
    let lab = Lab::tiny("");
    let ids = lab.expect(0, &format!("plan --ids tiny.toml {SEEDS}")).stdout;
    let ids: Vec<&str> = ids.lines().collect();
    assert_eq!(ids.len(), 4);
    lab.expect(0, &format!("run tiny.toml {SEEDS} --out out --only {}", ids[2]));
    assert_eq!(column(&rows(&lab.read("out/tiny/runs.csv")), "run_id"), [ids[2]]);
    let done = lab.expect(2, &format!("run tiny.toml {SEEDS} --out out --only {}x", ids[1]));
    assert!(done.stderr.contains(&format!("did you mean {}?", ids[1])), "{}", done.stderr);
}

#[test]
fn a_finished_run_that_has_changed_is_told_and_not_believed() {
    let lab = Lab::tiny("");
    lab.expect(0, "run tiny.toml --out out");
    let run = lab.only_run("out/tiny");
    for file in ["run.csv", "curve.csv", "model.safetensors", "resolved.toml", "checksums.txt", "ranks.csv"] {
        let path = run.join(file);
        let good = fs::read(&path).unwrap();
        let mut bad = good.clone();
        let middle = bad.len() / 2;
        bad[middle] ^= 1;
        fs::write(&path, bad).unwrap();
        let done = lab.expect(1, "run tiny.toml --out out");
        assert!(done.stderr.contains("has changed since it was written"), "{file}: {}", done.stderr);
        assert!(done.stderr.contains("left out of the tables: out/tiny/"), "{file}: {}", done.stderr);
        assert!(done.stdout.contains("tiny: no finished runs yet"), "{file}: {}", done.stdout);
        for table in ["runs.csv", "curves.csv", "ranks.csv"] {
            let table = lab.read(&format!("out/tiny/{table}"));
            assert!(table.starts_with("run_id,") && rows(&table).is_empty(), "{file}: {table}");
        }
        let report = lab.lrx(["report", "out/tiny", "--format", "text"]);
        assert!(!report.stderr.contains("panicked"), "{file}: {}", report.stderr);
        fs::write(&path, good).unwrap();
    }
    lab.expect(0, "run tiny.toml --out out");
    // Weights may be deleted to save room.
    fs::remove_file(run.join("model.safetensors")).unwrap();
    lab.expect(0, "run tiny.toml --out out");

    let table = lab.path("out/tiny/runs.csv");
    fs::write(&table, fs::read_to_string(&table).unwrap().replace("finished", "Finished")).unwrap();
    let report = lab.lrx(["report", "out/tiny", "--format", "text"]);
    assert!(report.stderr.contains("runs.csv has changed since it was written"), "{}", report.stderr);
}

/// Killed at any moment between the seal on a run's files and the end of clearing up: the next process completes it, trains
/// nothing, and leaves nothing behind.
#[test]
fn a_run_that_was_killed_while_it_was_completed_is_completed() {
    let lab = Lab::tiny("");
    lab.expect(0, "run tiny.toml --out right");
    let right = numbers(&lab, "right");
    let run_id = lab.only_run("right/tiny").file_name().unwrap().to_string_lossy().into_owned();
    // In the order in which they are moved.
    let files = [
        "resolved.toml",
        "curve.csv",
        "ranks.csv",
        "model.safetensors",
        "vocabulary.json",
        "stories.csv",
        "checksums.txt",
        "run.csv",
    ];
    for moved in 0..=files.len() {
        let out = format!("killed{moved}");
        let run = lab.path(&format!("{out}/tiny/{run_id}"));
        common::copy(&lab.path("right/.cache"), &lab.path(&format!("{out}/.cache")));
        fs::create_dir_all(run.join("attempt.3")).unwrap();
        for (i, file) in files.iter().enumerate() {
            let to = if i < moved { run.join(file) } else { run.join("attempt.3").join(file) };
            fs::copy(lab.path(&format!("right/tiny/{run_id}/{file}")), to).unwrap();
        }
        lab.write(&format!("{out}/tiny/{run_id}/attempt.3/checkpoint.safetensors"), "");
        lab.write(&format!("{out}/tiny/{run_id}/attempt.3/owner"), RELEASED);
        let done = lab.expect(0, &format!("run tiny.toml --out {out}"));
        assert!(!done.stderr.contains("loss "), "{moved}: nothing is trained: {}", done.stderr);
        assert!(numbers(&lab, &out) == right, "{moved}");
        let mut left: Vec<String> = common::files(&run);
        left.retain(|file| !files.contains(&file.as_str()));
        assert!(left.is_empty() && fs::read_dir(&run).unwrap().count() == files.len(), "{moved}: {left:?}");
    }
    // A file that was damaged meanwhile is not sealed over: the run is trained again when it is asked for.
    let run = lab.path(&format!("damaged/tiny/{run_id}"));
    for file in files {
        let content = fs::read(lab.path(&format!("right/tiny/{run_id}/{file}"))).unwrap();
        lab.write(&format!("damaged/tiny/{run_id}/attempt.0/{file}"), content);
    }
    lab.write(&format!("damaged/tiny/{run_id}/attempt.0/owner"), RELEASED);
    let curve = run.join("attempt.0/curve.csv");
    fs::write(&curve, fs::read_to_string(&curve).unwrap() + "\n").unwrap();
    let done = lab.expect(1, "run tiny.toml --out damaged");
    assert!(done.stderr.contains("curve.csv has changed since it was written"), "{}", done.stderr);
    lab.expect(0, "run tiny.toml --out damaged --retry-failed");
    assert!(numbers(&lab, "damaged") == right);
}

/// The owner of an attempt that was given back.
const RELEASED: &str = r#"{"host":"","process":1,"renewed":0,"released":true}"#;

#[test]
fn a_row_that_says_something_else_beside_its_checksums_is_told() {
    let lab = Lab::tiny("");
    lab.expect(0, "run tiny.toml --out out");
    let row = lab.only_run("out/tiny").join("run.csv");
    let finished = fs::read_to_string(&row).unwrap();
    for changed in [finished.replace(",finished,", ",running,"), String::new()] {
        fs::write(&row, changed).unwrap();
        let done = lab.expect(1, "run tiny.toml --out out");
        assert!(done.stderr.contains("run.csv has changed since it was written"), "{}", done.stderr);
    }
    lab.expect(0, "run tiny.toml --out out --retry-failed");
    assert_eq!(column(&rows(&lab.read("out/tiny/runs.csv")), "status"), ["finished"]);
}

#[test]
fn a_folder_of_another_config_is_not_mixed_in() {
    let lab = Lab::tiny("");
    let id = lab.expect(0, "plan --ids tiny.toml").stdout.trim().to_string();
    lab.expect(0, "run tiny.toml --out other --set train.learning_rate=2e-3");
    let other = lab.only_run("other/tiny");
    lab.write(&format!("out/tiny/{id}/attempt.0/owner"), RELEASED);
    lab.write(&format!("out/tiny/{id}/attempt.0/resolved.toml"), fs::read(other.join("resolved.toml")).unwrap());
    let done = lab.expect(1, "run tiny.toml --out out");
    assert!(done.stderr.contains("`train.learning_rate` is 0.002 there and 0.001 here"), "{}", done.stderr);
}

#[test]
fn a_run_under_another_label_or_experiment_is_the_same_run() {
    let lab = Lab::tiny("label = \"first\"");
    lab.expect(0, "run tiny.toml");
    let run = lab.only_run("results/tiny");
    let before = fs::read(run.join("run.csv")).unwrap();

    // Relabelled, and in a sweep: found, and called as it is now.
    lab.write("tiny.toml", format!("{}[sweep]\n\"train.steps\" = [12]\n", common::TINY));
    let done = lab.expect(0, "run tiny.toml --set label=\"second\"");
    assert!(done.stderr.contains("finished before"), "{}", done.stderr);
    assert_eq!(column(&rows(&lab.read("results/tiny/runs.csv")), "label"), ["second"]);
    assert_eq!(fs::read(run.join("run.csv")).unwrap(), before, "what was trained stays as it was");
    lab.expect(0, "run tiny.toml --set label=\"second\" --set seeds=[1]");
    assert_eq!(column(&rows(&lab.read("results/tiny/runs.csv")), "label"), ["second", "second"]);
    lab.expect(0, "run tiny.toml --set label=\"first\"");
    assert_eq!(column(&rows(&lab.read("results/tiny/runs.csv")), "label"), ["first", "second"]);

    // In another experiment: taken from there, every number as it is, and whole.
    lab.write("other.toml", format!("label = \"third\"\nseeds = [0, 2]\n{}", common::TINY));
    let done = lab.expect(0, "run other.toml");
    assert!(done.stderr.contains("third seed 0  finished before in tiny"), "{}", done.stderr);
    let (ours, theirs) = (rows(&lab.read("results/other/runs.csv")), rows(&lab.read("results/tiny/runs.csv")));
    assert_eq!(column(&ours, "seed"), ["0", "2"]);
    for name in ours[0].keys().filter(|name| *name != "label") {
        assert_eq!(ours[0][name], theirs[0][name], "{name}");
    }
    let folder = |experiment: &str| lab.path("results").join(experiment).join(&ours[0]["run_id"]);
    for file in ["model.safetensors", "curve.csv", "ranks.csv", "vocabulary.json"] {
        assert!(
            fs::read(folder("other").join(file)).unwrap() == fs::read(folder("tiny").join(file)).unwrap(),
            "{file}"
        );
    }
    fs::remove_dir_all(lab.path("results/tiny")).unwrap();
    let again = lab.expect(0, "run other.toml").stderr;
    assert_eq!(again.matches("finished before").count(), 2, "{again}");
}

#[test]
fn a_run_that_two_files_describe_is_trained_once() {
    let lab = Lab::tiny("");
    lab.write("other.toml", format!("seeds = [0, 1]\n{}", common::TINY));
    for (out, jobs) in [("one", "1"), ("side-by-side", "3")] {
        let done = lab.expect(0, &format!("run tiny.toml other.toml --out {out} --jobs {jobs}"));
        assert_eq!(done.stderr.matches("finished before in ").count(), 1, "{}", done.stderr);
        assert!(
            done.stderr.contains("note: other: FullSA-FullMLP-2L with seed 0 is a run of tiny, too"),
            "{}",
            done.stderr
        );
        let ids = |name: &str| {
            rows(&lab.read(&format!("{out}/{name}/runs.csv")))
                .iter()
                .map(|row| row["run_id"].clone())
                .collect::<Vec<_>>()
        };
        assert_eq!((ids("tiny").len(), ids("other").len()), (1, 2));
        assert_eq!(ids("tiny")[0], ids("other")[0]);
    }
}
