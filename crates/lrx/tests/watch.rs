//! `lrx watch`, where no terminal is there: one picture of the sweep.

mod common;

use std::fs;

use common::{Lab, column, rows, wait_until};

const SWEEP: &str = "seeds = [0, 1, 2]\nname = \"sweep\"";

/// Before, while and after: what is to come is known by `planned.csv`, and what was planned is what is trained.
#[test]
fn a_sweep_is_watched_from_its_first_run_to_its_last() {
    let lab = Lab::tiny(SWEEP);
    let slow = lab.read("tiny.toml").replace("steps = ", "steps = 100");
    lab.write("slow.toml", slow);
    let planned = lab.plan("slow.toml");
    let mut process = lab.start("run slow.toml --out out --threads 1 --checkpoint-steps 10");
    let has_measured = || {
        let runs = lab.runs("out/sweep");
        let attempt = runs.iter().map(|run| common::current(run).join("curve.csv"));
        attempt.filter_map(|curve| fs::read_to_string(curve).ok()).any(|curve| curve.lines().count() > 2)
    };
    wait_until(&mut process, "a measurement", has_measured);
    let picture = lab.expect(0, "watch out").stdout;
    let expected = rows(&lab.read("out/sweep/planned.csv"));
    process.kill().unwrap();
    process.wait().unwrap();
    assert!(picture.contains("3 runs: 1 running, 2 planned"), "{picture}");
    assert!(picture.contains("left for all") && picture.contains("tokens/s"), "{picture}");
    assert_eq!(column(&expected, "run_id"), column(&planned, "run_id"));
    assert_eq!(column(&expected, "seed"), ["0", "1", "2"]);
    assert_eq!(column(&expected, "steps"), column(&planned, "steps"));
    // Forward passes of all targets, as `plan` counts them.
    for (row, planned) in expected.iter().zip(&planned) {
        let number = |text: &str| text.parse::<f64>().unwrap();
        assert_eq!(number(&row["flops"]), number(&planned["flops_per_token"]) * number(&planned["tokens"]));
    }
    // Killed: nobody trains it, nobody knows how long it will take.
    let picture = lab.expect(0, "watch out/sweep --once").stdout;
    assert!(picture.contains("1 interrupted, 2 planned") && picture.contains("nothing is being trained"), "{picture}");

    lab.expect(0, "run tiny.toml --out done");
    let picture = lab.expect(0, "watch done").stdout;
    assert!(picture.contains("3 runs: 3 finished") && picture.contains("100 %"), "{picture}");
    assert!(!picture.contains("left for all") && !picture.contains("being trained"), "{picture}");
}

/// A process that has a part of the runs says which there are, and leaves what one with more of them has said.
#[test]
fn a_part_of_a_sweep_plans_all_of_it() {
    let lab = Lab::tiny(SWEEP);
    let steps = || -> Vec<String> {
        let rows = rows(&lab.read("out/sweep/planned.csv"));
        column(&rows, "steps").into_iter().map(str::to_owned).collect()
    };
    lab.expect(0, "run tiny.toml --out out --task 2/3");
    let whole = lab.plan("tiny.toml")[0]["steps"].clone();
    assert_eq!(steps(), ["", whole.as_str(), ""]);
    let picture = lab.expect(0, "watch out").stdout;
    assert!(picture.contains("3 runs: 2 planned, 1 finished") && picture.contains("33 %"), "{picture}");
    lab.expect(0, "run tiny.toml --out out --task 1/3");
    assert_eq!(steps(), ["", whole.as_str(), ""], "the same runs: nothing is written");
    lab.expect(0, "run tiny.toml --out out");
    assert_eq!(steps(), [whole.as_str(); 3]);
    // Another config of the same name: what it describes is what is to come; what is there is shown all the same.
    let other = lab.read("tiny.toml").replace("seeds = [0, 1, 2]", "seeds = [2, 3]");
    lab.write("tiny.toml", other);
    lab.expect(0, "run tiny.toml --out out --task 1/2");
    assert_eq!(steps().len(), 2);
    let picture = lab.expect(0, "watch out").stdout;
    assert!(picture.contains("4 runs: 1 planned, 3 finished"), "{picture}");
}

#[test]
fn folders_that_are_not_there_are_told_and_empty_ones_are_empty() {
    let lab = Lab::tiny("");
    fs::create_dir(lab.path("results")).unwrap();
    assert!(lab.expect(0, "watch").stdout.contains("no runs"));
    let told = lab.expect(2, "watch resutls").stderr;
    assert!(told.contains("resutls: there is no such folder"), "{told}");
    // A plan that is torn is no plan.
    fs::create_dir(lab.path("results/x")).unwrap();
    lab.write("results/x/planned.csv", "run_id,label,seed,steps,flops\nr1,R1,0,1");
    lab.expect(0, "watch");
    // Lengths that no run has.
    for flops in ["inf", "nan", "1e308", "-1", "0"] {
        let row = |id: &str| format!("{id},A,0,5,{flops}\n");
        lab.write("results/x/planned.csv", format!("run_id,label,seed,steps,flops\n{}{}", row("a"), row("b")));
        assert!(lab.expect(0, "watch").stdout.contains("2 runs: 2 planned"), "{flops}");
    }
    assert!(lab.expect(0, "watch results results/x results/../results").stdout.contains("2 runs"), "each once");
    lab.write("results/x/planned.csv", [0xff, 0x00, b',']);
    assert!(lab.expect(0, "watch results/x").stdout.contains("no runs"));
}
