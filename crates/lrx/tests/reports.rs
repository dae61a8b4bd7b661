//! `lrx report` on folders that nobody trained in here.

mod common;

use common::Lab;

#[test]
fn a_damaged_experiment_is_told_and_the_good_one_drawn() {
    let lab = Lab::new();
    lab.write("results/good/runs.csv", "label,params,eval_loss\nFull,9,3.0\nLow,7,3.2\n");
    lab.write("results/worse/runs.csv", "label,eval_loss\nFull,3.O\n");
    let done = lab.expect(1, "report results");
    assert!(done.stdout.contains("good: 2 configurations"), "{}", done.stdout);
    assert!(lab.read("results/report.html").contains("<svg "));
    let told = "error: left out: results/worse/runs.csv:2: column `eval_loss`: `3.O` is not a number";
    assert!(done.stderr.contains(told), "{}", done.stderr);
    lab.expect(2, "report results/worse");
    lab.expect(0, "report results/good");
}
