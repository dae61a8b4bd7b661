//! What a config claims is written down before its runs, and answered by the report.

mod common;

use common::{Lab, rows};

const SWEEP: &str = "
[sweep]
dense_baseline = true
\"model.attention.kind\" = [\"low-rank\"]
\"model.attention.rank\" = [2, 4]
";

fn claim(name: &str, direction: &str) -> String {
    format!("\n[[claim]]\nname = '{name}'\na = 'R4SA-FullMLP-2L'\nb = 'dense'\n{direction}\n")
}

#[test]
fn claims_are_written_before_the_runs_and_answered_first() {
    let lab = Lab::new();
    let config = |claims: &str| format!("seeds = [0, 1]\n{}{SWEEP}{claims}", common::TINY);
    let first = claim("far", "direction = 'equivalent'\nmargin = 5.0");
    lab.write("tiny.toml", config(&first));
    lab.expect(0, "plan tiny.toml");
    assert!(!lab.path("results/tiny/claims.csv").exists(), "planning claims nothing");
    let done = lab.expect(0, "run tiny.toml");
    assert!(done.stdout.contains("What was claimed:") && done.stdout.contains("before the runs"), "{}", done.stdout);
    let written = rows(&lab.read("results/tiny/claims.csv"));
    assert_eq!((written.len(), written[0]["runs_begun"].as_str()), (1, "0"));
    let runs = rows(&lab.read("results/tiny/runs.csv"));
    assert!(
        runs.iter()
            .any(|run| run["configuration"] == written[0]["a_configuration"] && run["label"] == "R4SA-FullMLP-2L")
    );

    // Once runs have begun, a changed claim stands beside the first, and says so.
    let changed = claim("far", "direction = 'equivalent'\nmargin = 6.0");
    lab.write("tiny.toml", config(&changed));
    let done = lab.expect(0, "run tiny.toml");
    assert!(done.stderr.contains("claim \"far\": runs had begun before this claim was written"), "{}", done.stderr);
    let both = rows(&lab.read("results/tiny/claims.csv"));
    assert_eq!(both[0], written[0], "what stands there stays");
    assert_eq!((both.len(), both[1]["state"].as_str()), (2, "changed after runs began"));
    assert_eq!(lab.expect(0, "run tiny.toml").stderr.matches("had begun").count(), 0, "told once");

    let done = lab.expect(0, "report results/tiny --margin 5");
    assert!(done.stdout.contains("equivalent within 5"), "{}", done.stdout);
    let page = lab.read("results/tiny/report.html");
    let answered = page.find("What was claimed").unwrap();
    assert!(answered < page.find("<figure>").unwrap() && page.contains("to within 5"));
    lab.expect(2, "report results/tiny --margin -1");
}
