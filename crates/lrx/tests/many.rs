//! Sweeps of many runs: tables that are assembled now and then have every run in the end, whatever comes between.
#![cfg(unix)]

mod common;

use std::collections::HashSet;
use std::fs;

use common::{Lab, column, rows, wait_until};

/// More configurations than tables show.
const MANY: usize = 120;

fn lab() -> Lab {
    let rates: Vec<String> = (1..=MANY).map(|number| format!("{number}e-5")).collect();
    Lab::tiny(&format!("[sweep]\n\"train.learning_rate\" = [{}]\n\"train.steps\" = [1]", rates.join(", ")))
}

/// Whether the tables have each run once, in the order of the config, and all that belongs to it.
fn check_whole(lab: &Lab) {
    let planned = lab.expect(0, "plan --ids tiny.toml").stdout;
    let table = rows(&lab.read("out/tiny/runs.csv"));
    assert_eq!(column(&table, "run_id"), planned.lines().collect::<Vec<_>>());
    assert!(column(&table, "status").iter().all(|status| *status == "finished"));
    let of = |file: &str| -> Vec<String> {
        let mut ids: Vec<String> = rows(&lab.read(file)).iter().map(|row| row["run_id"].clone()).collect();
        ids.dedup();
        ids
    };
    for file in ["out/tiny/curves.csv", "out/tiny/ranks.csv"] {
        assert_eq!(of(file), planned.lines().collect::<Vec<_>>(), "{file}");
    }
}

#[test]
fn a_sweep_of_many_runs_has_all_in_its_tables_and_floods_no_terminal() {
    let lab = lab();
    let done = lab.expect(0, "run tiny.toml --out out");
    check_whole(&lab);
    assert!(done.stdout.contains(&format!(" of {MANY} configurations: the 24 of the lowest loss")), "{}", done.stdout);
    let ids = done.stdout.lines().filter(|line| line.contains("-s0-") && line.starts_with("  ")).count();
    let more = format!("and {} more: runs.csv has their ids", MANY - ids);
    assert!((24..MANY / 2).contains(&ids) && done.stdout.contains(&more), "{ids}: {}", done.stdout);
}

#[test]
fn a_kill_between_two_tables_loses_no_run_and_the_report_says_what_is_missing() {
    let lab = lab();
    let mut process = lab.start("run tiny.toml --out out --threads 1");
    let finished = || lab.runs("out/tiny").into_iter().filter(|run| run.join("run.csv").exists()).count();
    wait_until(&mut process, "some runs", || finished() > MANY / 3);
    process.kill().unwrap(); // SIGKILL
    process.wait().unwrap();
    // The table may lack the last of them, but is whole; none is there twice.
    let table = rows(&lab.read("out/tiny/runs.csv"));
    let ids: HashSet<&str> = table.iter().map(|row| row["run_id"].as_str()).collect();
    assert!(ids.len() == table.len() && table.len() <= finished() + 1, "{}", table.len());
    let report = lab.expect(0, "report out --format text");
    let counted = table.iter().filter(|row| row["status"] == "finished").count();
    let missing = finished() - counted;
    let told = format!("not in runs.csv yet: {missing} finished");
    assert_eq!(report.stderr.contains(&told), missing > 0, "{missing}: {}", report.stderr);
    // One that was certainly not there when the tables were written.
    let late = lab.path("out/tiny").join(table.last().map(|row| row["run_id"].clone()).unwrap());
    let shortened = lab.read("out/tiny/runs.csv");
    let cut = shortened.trim_end().rfind('\n').unwrap() + 1;
    fs::write(lab.path("out/tiny/runs.csv"), &shortened[..cut]).unwrap();
    if late.join("run.csv").exists() {
        let report = lab.lrx(["report", "out", "--format", "text"]);
        assert!(report.stderr.contains("not in runs.csv yet: "), "{}", report.stderr);
    }
    lab.expect(0, "run tiny.toml --out out");
    check_whole(&lab);
    assert_eq!(lab.expect(0, "report out --format text").stderr, "");
}
