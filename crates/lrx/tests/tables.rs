//! What counts in tables and reports, and what is done when files change under one's feet.
#![cfg(unix)]

mod common;

use std::fs;
use std::path::Path;
use std::process::Command;

use common::{Lab, Row, column, rows, wait_until};

/// Flips a bit in the middle of a file.
fn flip(path: &Path) {
    let mut content = fs::read(path).unwrap();
    let middle = content.len() / 2;
    content[middle] ^= 1;
    fs::write(path, content).unwrap();
}

fn name(folder: &Path) -> String {
    folder.file_name().unwrap().to_string_lossy().into_owned()
}

/// The runs that the text report counts.
fn counted(report: &str) -> &str {
    report.split_whitespace().skip_while(|word| !word.starts_with("configuration")).nth(1).unwrap_or("0")
}

#[test]
fn a_report_counts_what_is_as_it_was_and_says_what_is_not() {
    let lab = Lab::tiny("seeds = [0, 1, 2]");
    lab.expect(0, "run tiny.toml --out out");
    let report = || lab.expect(0, "report out --format text");
    assert_eq!(counted(&report().stdout), "3", "{}", report().stdout);
    assert_eq!(report().stderr, "");
    let runs = lab.runs("out/tiny");
    for file in ["curve.csv", "model.safetensors", "resolved.toml", "ranks.csv"] {
        let path = runs[0].join(file);
        let good = fs::read(&path).unwrap();
        flip(&path);
        let done = report();
        let told = format!("left out: out/tiny/{}: {file} has changed since it was written", name(&runs[0]));
        assert!(done.stderr.contains(&told), "{file}: {}", done.stderr);
        assert_eq!(counted(&done.stdout), "2", "{file}: {}", done.stdout);
        fs::write(&path, good).unwrap();
    }
    // Weights may go, to save room; a folder may not.
    fs::remove_file(runs[0].join("model.safetensors")).unwrap();
    assert_eq!((counted(&report().stdout), report().stderr.as_str()), ("3", ""));
    fs::remove_dir_all(&runs[1]).unwrap();
    let done = report();
    assert!(done.stderr.contains("its folder is gone"), "{}", done.stderr);
    assert_eq!(counted(&done.stdout), "2", "{}", done.stdout);
    // The page and its tables, too.
    lab.expect(0, "report out");
    assert_eq!(rows(&lab.read("out/summary.csv"))[0]["runs"], "2");

    // A table alone is results of other origin.
    lab.write("alone/runs.csv", lab.read("out/tiny/runs.csv"));
    let alone = lab.expect(0, "report alone --format text");
    assert_eq!((counted(&alone.stdout), alone.stderr.as_str()), ("3", ""));
}

/// A file that changes while other runs go on, and one that cannot be read: told, left out, and not well.
#[test]
fn a_finished_run_does_not_vanish_without_a_word() {
    let lab = Lab::tiny("seeds = [0, 1]");
    let mut process = lab.start("run tiny.toml --out out --threads 1 --set train.steps=300");
    let finished = || lab.runs("out/tiny").into_iter().find(|run| run.join("run.csv").exists());
    wait_until(&mut process, "a finished run", || finished().is_some());
    flip(&finished().unwrap().join("model.safetensors"));
    assert_eq!(process.wait().unwrap().code(), Some(1));
    assert_eq!(rows(&lab.read("out/tiny/runs.csv")).len(), 1);

    let lab = Lab::tiny("seeds = [0, 1]");
    lab.expect(0, "run tiny.toml --out out");
    let run = lab.runs("out/tiny").remove(0);
    let curve = fs::read(run.join("curve.csv")).unwrap();
    fs::remove_file(run.join("curve.csv")).unwrap();
    fs::create_dir(run.join("curve.csv")).unwrap();
    let done = lab.expect(1, "run tiny.toml --out out");
    assert!(done.stderr.contains("curve.csv cannot be read"), "{}", done.stderr);
    assert!(!done.stderr.contains("has changed"), "it is not known to have: {}", done.stderr);
    assert_eq!(rows(&lab.read("out/tiny/runs.csv")).len(), 1, "no row without its curve");
    let whose: Vec<Row> = rows(&lab.read("out/tiny/curves.csv"));
    assert!(whose.iter().all(|row| row["run_id"] != run.file_name().unwrap().to_string_lossy()));
    fs::remove_dir(run.join("curve.csv")).unwrap();
    fs::write(run.join("curve.csv"), curve).unwrap();
    lab.expect(0, "run tiny.toml --out out");
    assert_eq!(rows(&lab.read("out/tiny/runs.csv")).len(), 2);
}

#[test]
fn reports_taken_while_runs_go_on_warn_of_nothing() {
    let lab = Lab::tiny("seeds = [0, 1, 2, 3, 4, 5, 6, 7]");
    let mut process = lab.start("run tiny.toml --out out --threads 1 --set train.eval_every=1");
    wait_until(&mut process, "a table", || lab.path("out/tiny/checksums.txt").exists());
    let mut reports = 0;
    while process.try_wait().unwrap().is_none() {
        let done = lab.lrx(["report", "out", "--format", "text"]);
        assert!(!done.stderr.contains("warning"), "report {reports}: {}", done.stderr);
        reports += 1;
    }
    assert!(process.wait().unwrap().success() && reports >= 3, "{reports}");
}

#[test]
fn text_comes_from_a_run_that_is_as_it_was_and_has_weights() {
    let lab = Lab::tiny("");
    lab.expect(0, "run tiny.toml --out out");
    let run = lab.only_run("out/tiny");
    let run_id = run.file_name().unwrap().to_string_lossy().into_owned();
    // The same run in folders before and after, as they are committed: without weights.
    for other in ["a", "z"] {
        common::copy(&run, &lab.path(&format!("out/{other}/{run_id}")));
        fs::remove_file(lab.path(&format!("out/{other}/{run_id}/model.safetensors"))).unwrap();
    }
    let generate = |code| lab.expect(code, &format!("generate {run_id} --out out --prompt Once --tokens 5"));
    let text = generate(0).stdout;
    for file in ["resolved.toml", "vocabulary.json", "model.safetensors"] {
        let good = fs::read(run.join(file)).unwrap();
        flip(&run.join(file));
        let told = generate(2).stderr;
        assert!(told.contains(&format!("{file} has changed since it was written")), "{told}");
        fs::write(run.join(file), good).unwrap();
    }
    assert_eq!(generate(0).stdout, text);
    // Its id is printed where it is finished, before or now.
    let done = lab.expect(0, "run tiny.toml --out out");
    let line = format!("  FullSA-FullMLP-2L seed 0  {run_id}");
    assert!(done.stdout.lines().any(|told| told == line), "{}", done.stdout);
}

/// Line ends are the repository's own wherever it is cloned: what is committed is what was written.
#[test]
fn committed_results_survive_a_clone_that_would_change_line_ends() {
    let lab = Lab::tiny("");
    lab.expect(0, "run tiny.toml --out origin/results");
    fs::remove_dir_all(lab.path("origin/results/.cache")).unwrap();
    let attributes = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.gitattributes");
    fs::copy(attributes, lab.path("origin/.gitattributes")).unwrap();
    let git = |arguments: &str| {
        let identity = ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "init.defaultBranch=main"];
        let mut command = Command::new("git");
        command.args(identity).args(arguments.split_whitespace()).current_dir(lab.path(""));
        command.output().is_ok_and(|done| done.status.success())
    };
    if !git("init -q origin") {
        eprintln!("not tested: there is no git here");
        return;
    }
    assert!(git("-C origin add -f -A") && git("-C origin commit -q -m results"));
    assert!(git("clone -q -c core.autocrlf=true origin clone"));
    let done = lab.expect(0, "report clone/results --format text");
    assert_eq!(done.stderr, "");
    assert_eq!(column(&rows(&lab.read("clone/results/tiny/runs.csv")), "status"), ["finished"]);
}

#[test]
fn what_was_trained_otherwise_has_a_label_and_a_baseline_of_its_own() {
    let lab = Lab::tiny(
        "[[sweep.case]]\nlabel = 'A'\n[[sweep.case]]\nlabel = 'B'\nmodel.mlp = { kind = 'low-rank', rank = 2 }",
    );
    lab.expect(0, "run tiny.toml --out out");
    lab.expect(0, "run tiny.toml --out out --set train.steps=3");
    let table = rows(&lab.read("out/tiny/runs.csv"));
    let mut labels = column(&table, "label");
    labels.sort_unstable();
    assert_eq!(labels, ["A (steps 12)", "A (steps 3)", "B (steps 12)", "B (steps 3)"]);
    lab.expect(0, "report out/tiny");
    let summary = rows(&lab.read("out/tiny/summary.csv"));
    for row in &summary {
        let steps = row["label"].split_once(' ').unwrap().1;
        let expected = if row["label"].starts_with('A') { String::new() } else { format!("A {steps}") };
        assert_eq!(row["baseline"], expected, "{row:?}");
    }

    // What starts from another run's weights is told, and is not what others are compared with.
    let weights = lab
        .runs("out/tiny")
        .iter()
        .map(|run| run.join("model.safetensors"))
        .find(|path| path.parent().unwrap().file_name().unwrap().to_string_lossy().starts_with("fullsa"));
    fs::copy(weights.unwrap(), lab.path("dense.safetensors")).unwrap();
    lab.write(
        "on.toml",
        "extends = 'tiny.toml'\nseeds = [0, 1]\n[[sweep.case]]\nmodel.init_from = 'dense.safetensors'\n",
    );
    lab.write("fresh.toml", "extends = 'tiny.toml'\nname = 'on'\nseeds = [7]\nsweep.case = [{}]\n");
    lab.expect(0, "run on.toml --out out");
    lab.expect(0, "run fresh.toml --out out");
    let table = rows(&lab.read("out/on/runs.csv"));
    for row in &table {
        let started = row["seed"] != "7";
        let expected = if started { "FullSA-FullMLP-2L, from dense.safetensors" } else { "FullSA-FullMLP-2L" };
        assert_eq!((row["label"].as_str(), !row["init_from"].is_empty()), (expected, started));
        assert!(!started || row["init_from"].starts_with("dense.safetensors "), "{row:?}");
    }
    let text = lab.expect(0, "report out/on --format text").stdout;
    assert!(text.contains("baseline FullSA-FullMLP-2L, 1 run"), "{text}");
}

#[test]
fn finished_runs_are_listed_with_their_labels_in_the_order_of_the_table() {
    let more =
        "seeds = [0, 1]\n[[sweep.case]]\nlabel = 'dull'\ntrain.learning_rate = 1e-9\n[[sweep.case]]\nlabel = 'keen'\n";
    let lab = Lab::tiny(more);
    let done = lab.expect(0, "run tiny.toml --out out").stdout;
    let table = rows(&lab.read("out/tiny/runs.csv"));
    let id = |label: &str, seed: &str| {
        table.iter().find(|row| row["label"] == label && row["seed"] == seed).unwrap()["run_id"].clone()
    };
    let expected: String = [("keen", "0"), ("keen", "1"), ("dull", "0"), ("dull", "1")]
        .map(|(label, seed)| format!("  {label} seed {seed}  {}\n", id(label, seed)))
        .concat();
    assert!(done.contains(&format!("finished runs, as `lrx generate` takes them:\n{expected}")), "{done}");
}
