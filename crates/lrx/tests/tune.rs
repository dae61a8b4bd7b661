//! `lrx tune`: what it chooses, on which stories, and that neither interruptions nor repetitions change it.
#![cfg(unix)]

mod common;

use std::collections::HashSet;
use std::fs;

use common::{Done, Lab, Row, column, files, numbers, rows, wait_until};

/// Learning rates of which the middle ones are best by far; a run is so short that all of it takes a second.
const TUNE: &str = "--key train.learning_rate --values 1e-5,1e-3,3e-2,1e-1 --threads 1 --out out";

/// Two configurations and something to be held out three times.
const TWO: &str = "seeds = [0, 1000]\nsweep.'model.mlp' = [{ kind = 'dense' }, { kind = 'low-rank', rank = 2 }]\n";
const LONGER: &str = "--set train.steps=32 --set data.tune_fraction=0.1";

fn tuned(lab: &Lab, more: &str) -> (Done, Vec<Row>) {
    let done = lab.expect(0, &format!("tune tiny.toml {LONGER} {TUNE} {more}"));
    (done, rows(&lab.read("out/tiny/tune.csv")))
}

fn chosen(rows: &[Row]) -> Vec<&Row> {
    rows.iter().filter(|row| row["verdict"] == "chosen").collect()
}

#[test]
fn each_configuration_gets_the_value_that_is_best_for_it() {
    let lab = Lab::tiny(TWO);
    let (done, table) = tuned(&lab, "");
    assert!(done.stdout.contains("train.learning_rate of 2 configurations, seeds 1001, 1002"), "{}", done.stdout);
    let best = chosen(&table);
    assert_eq!(column(&table, "label").into_iter().collect::<HashSet<_>>().len(), 2);
    assert_eq!(best.len(), 2, "one for each");
    for row in &table {
        assert_eq!((row["key"].as_str(), row["steps"].as_str()), ("train.learning_rate", "32"));
        assert_eq!(row["seeds"], "1001 1002", "1000 is a seed of the comparison");
        assert_eq!(row["step"], ["4", "8", "16", "32"][row["rung"].parse::<usize>().unwrap() - 1]);
    }
    // What a plain sweep of the same runs finds at the same step, by its curves.
    let first: Vec<&Row> = table.iter().filter(|row| row["rung"] == "1").collect();
    lab.expect(
        0,
        &format!(
            "run tiny.toml {LONGER} --set data.split=\"tune\" --set train.eval_every=4 --set train.log_every=50 \
             --set seeds=[1001,1002] --set sweep.train.learning_rate=[1e-5,1e-3,3e-2,1e-1] --out plain --threads 1"
        ),
    );
    let curves = rows(&lab.read("plain/tiny/curves.csv"));
    for row in first.iter().filter(|row| row["grid"] == "given") {
        let ids: Vec<&str> = row["run_ids"].split(' ').collect();
        let at = |id: &str| {
            let measured =
                curves.iter().find(|one| one["run_id"] == id && one["split"] == "eval" && one["step"] == "4");
            measured.unwrap_or_else(|| panic!("{id}"))["loss"].parse::<f64>().unwrap()
        };
        let mean = ids.iter().map(|id| at(id)).sum::<f64>() / 2.0;
        assert_eq!(row["loss"].parse::<f64>().unwrap(), mean, "{row:?}");
    }
    // The halving never keeps more than half, and says what became of each.
    for configuration in column(&table, "configuration") {
        let of = |rung: &str| {
            table.iter().filter(|row| row["configuration"] == configuration && row["rung"] == rung).count()
        };
        assert!(of("2") <= of("1").div_ceil(2) + 1, "an extension may join later");
    }
    let verdicts: HashSet<&str> = column(&table, "verdict").into_iter().collect();
    assert!(verdicts.iter().all(|it| ["kept", "dropped", "parted", "diverged", "chosen"].contains(it)), "{verdicts:?}");
    let plot = lab.read("out/tiny/tiny-tune-learning_rate.svg");
    assert!(plot.starts_with("<svg") && plot.contains("learning rate (logarithmic)"));
}

#[test]
fn a_finished_tuning_trains_nothing_more() {
    let lab = Lab::tiny("");
    let (_, table) = tuned(&lab, "");
    let before: Vec<(String, Vec<u8>)> = files(&lab.path("out/tiny"))
        .into_iter()
        .map(|file| (file.clone(), fs::read(lab.path("out/tiny").join(&file)).unwrap()))
        .collect();
    assert!(!before.iter().any(|(file, _)| file.contains("checkpoint")), "nobody needs them any more: {before:?}");
    let (again, same) = tuned(&lab, "");
    assert!(!again.stderr.contains("step"), "{}", again.stderr);
    assert_eq!(same, table);
    let after: Vec<(String, Vec<u8>)> = files(&lab.path("out/tiny"))
        .into_iter()
        .map(|file| (file.clone(), fs::read(lab.path("out/tiny").join(&file)).unwrap()))
        .collect();
    assert!(before == after, "every byte");
    // Side by side, and on other threads: the same.
    let (_, beside) = {
        let done = lab.expect(
            0,
            &format!("tune tiny.toml {LONGER} --values 1e-5,1e-3,3e-2,1e-1 --jobs 3 --threads 3 --out beside"),
        );
        (done, rows(&lab.read("beside/tiny/tune.csv")))
    };
    assert_eq!(beside, table);
}

#[test]
fn a_tuning_that_is_killed_goes_on_to_the_same_choice() {
    let lab = Lab::tiny("");
    let long = "--set train.steps=400 --set data.tune_fraction=0.1 --values 1e-4,1e-3,1e-2,3e-2 --threads 1";
    lab.expect(0, &format!("tune tiny.toml {long} --out whole"));
    let lines = || {
        let runs = files(&lab.path("killed/tiny/tune")).into_iter().filter(|file| file.ends_with("curve.csv"));
        // A run that has ended since they were listed has moved its curve: the next look finds it.
        let curve = |file| std::fs::read_to_string(lab.path(&format!("killed/tiny/tune/{file}"))).unwrap_or_default();
        runs.map(|file| curve(file).lines().count()).sum::<usize>()
    };
    for round in 0..4 {
        let before = lines();
        let mut process = lab.start(&format!("tune tiny.toml {long} --out killed --checkpoint-every 0"));
        wait_until(&mut process, "some progress", || lines() >= before + 5);
        if round % 2 == 0 {
            process.kill().unwrap(); // SIGKILL
            assert!(!process.wait().unwrap().success());
        } else {
            let id = process.id().to_string();
            assert!(std::process::Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
            assert_eq!(process.wait().unwrap().code(), Some(143));
        }
    }
    lab.expect(0, &format!("tune tiny.toml {long} --out killed"));
    assert_eq!(lab.read("killed/tiny/tune.csv"), lab.read("whole/tiny/tune.csv"));
}

#[test]
fn a_run_takes_what_was_chosen_and_is_the_run_of_that_number() {
    let lab = Lab::tiny(TWO);
    let with = |rate: &str| format!("tiny.toml --set train.steps=32 --set train.learning_rate={rate} --threads 1");
    // The config may say it all along: tuning takes it for its key.
    let done = lab.expect(2, &format!("run {} --out out", with("\"tuned\"")));
    assert!(
        done.stderr.contains("`train.learning_rate` is \"tuned\", but there is no out/tiny/tune.csv yet"),
        "{}",
        done.stderr
    );
    assert!(
        done.stderr.contains("lrx tune tiny.toml --set train.steps=32 --set 'train.learning_rate=\"tuned\"' --out out"),
        "{}",
        done.stderr
    );
    assert!(done.stderr.contains("--> --set:1:21"), "{}", done.stderr);
    lab.expect(0, &format!("tune {} --values 1e-5,1e-3,3e-2,1e-1 --out out", with("\"tuned\"")));
    let table = rows(&lab.read("out/tiny/tune.csv"));
    lab.expect(0, &format!("run {} --out out", with("\"tuned\"")));
    let runs = rows(&lab.read("out/tiny/runs.csv"));
    assert_eq!(runs.len(), 4, "the folder of tuning is no run of the experiment");
    for run in &runs {
        let choice = *chosen(&table).iter().find(|row| row["label"] == run["label"]).unwrap();
        assert_eq!(run["learning_rate"].parse::<f64>().unwrap(), choice["value"].parse::<f64>().unwrap());
        assert!(run["tuned"].starts_with("train.learning_rate one of "), "{}", run["tuned"]);
        assert_ne!(run["eval_data"], choice["eval_data"], "it is compared on other stories");
        let typed = lab.plan(&format!("{} --out out", with(&choice["value"])));
        let same = typed.iter().find(|one| one["label"] == run["label"] && one["seed"] == run["seed"]).unwrap();
        assert_eq!(same["run_id"], run["run_id"], "the number typed by hand is the same run");
        let resolved = lab.read(&format!("out/tiny/{}/resolved.toml", run["run_id"]));
        assert!(!resolved.contains("tuned") && !resolved.contains("split"), "{resolved}");
    }
    // How often is measured changes no choice; anything else is another configuration.
    lab.expect(0, &format!("plan {} --set train.eval_every=3 --out out", with("\"tuned\"")));
    let other = lab.expect(2, &format!("plan {} --set model.hidden=24 --out out", with("\"tuned\""))).stderr;
    assert!(other.contains("tune.csv has no value for this configuration"), "{other}");
}

#[test]
fn the_grid_grows_to_where_the_best_is_or_says_that_it_is_at_an_end() {
    let lab = Lab::tiny("");
    let quick = "--set train.steps=32 --set data.tune_fraction=0.1 --seeds 1 --threads 1";
    lab.expect(0, &format!("tune tiny.toml {quick} --values 1e-3,4e-3 --out grown"));
    let table = rows(&lab.read("grown/tiny/tune.csv"));
    assert!(table.iter().any(|row| row["grid"] == "extended" && row["value"] == "0.016"), "{table:?}");
    assert_eq!(chosen(&table)[0]["edge"], "");
    // Four times three is as far as it goes.
    let done = lab.expect(0, &format!("tune tiny.toml {quick} --values 1e-9,2e-9 --out stuck"));
    let table = rows(&lab.read("stuck/tiny/tune.csv"));
    let best = chosen(&table)[0].clone();
    assert!(!best["edge"].is_empty() && best["loss_sd"].is_empty() && best["difference_high"].is_empty(), "{best:?}");
    assert!(done.stdout.contains("that was tried, and what lies beyond may be better"), "{}", done.stdout);
}

#[test]
fn any_number_can_be_tuned() {
    let lab = Lab::tiny("[train.optimizer]\nbeta2 = 0.99\n");
    let quick = "--set train.steps=16 --seeds 1 --threads 1 --out out";
    lab.expect(0, &format!("tune tiny.toml {quick} --key train.optimizer.beta2 --values 0.5,0.9,0.99"));
    lab.expect(0, &format!("tune tiny.toml {quick} --key train.warmup_steps --values 0,2,4"));
    let table = rows(&lab.read("out/tiny/tune.csv"));
    assert_eq!(chosen(&table).len(), 2, "rows of another key stay");
    let planned = lab.plan("tiny.toml --set train.steps=16 --set train.warmup_steps=\"tuned\" --out out");
    let warmup = chosen(&table)[1]["value"].parse::<f64>().unwrap();
    assert_eq!(planned[0]["warmup_steps"].parse::<f64>().unwrap(), warmup);
    assert!(planned[0]["tuned"].starts_with("train.warmup_steps one of 3 from 0 to 4"), "{}", planned[0]["tuned"]);
    let both = "--set train.warmup_steps=\"tuned\" --set train.learning_rate=\"tuned\" --out out";
    let error = lab.expect(2, &format!("plan tiny.toml {both}")).stderr;
    assert!(
        error.contains("no value for this configuration") && error.contains("--with train.warmup_steps=A,B"),
        "{error}"
    );
}

#[test]
fn what_cannot_be_is_one_message() {
    let lab = Lab::tiny("");
    for (arguments, message) in [
        ("--values 1e-3", "--values: there is nothing to choose from one value; expected at least two"),
        ("--values 1e-3,x", "invalid value 'x' for '--values"),
        ("--values 1,nan", "--values: NaN is no number that a key can have"),
        ("--values=-1,1", "train.learning_rate = -1: `learning_rate` is -1; expected a number of at least 0"),
        ("--factor 1", "--factor 1: expected a number above 1"),
        ("--seeds 0", "--seeds 0: expected at least 1"),
        ("--rungs 99", "--rungs 99: expected at most 20"),
        ("--jobs 0", "--jobs 0: expected at least 1"),
        (
            "--key learning_rate",
            "--key learning_rate: `learning_rate` is no key of [train] or [model], such as train.learning_rate",
        ),
        ("--key train.steps", "--key train.steps: `train.steps` says how long is trained"),
        (
            "--key train.learning_rat",
            "--key train.learning_rat: unknown key `learning_rat`; did you mean `learning_rate`?",
        ),
        ("--key train.learning_rat --values 1,2", "--key train.learning_rat: unknown key `learning_rat`; did you mean"),
        (
            "--key train.weight_decay",
            "--key train.weight_decay: it has the value 0 in FullSA-FullMLP-2L, which no grid goes around; give --values",
        ),
        ("--key train.schedule --values 1,2", "train.schedule = 1: "),
        ("--set train.learning_rat=\"tuned\"", "unknown key `learning_rat`; did you mean `learning_rate`?"),
        (
            "--set train.weight_decay=\"tuned\"",
            "`train.weight_decay` is \"tuned\", while `train.learning_rate` is being tuned",
        ),
        ("--set data.split=\"tuned\"", "unknown value \"tuned\"; did you mean `tune`?"),
        ("--set data.tune_fraction=1", "tune_fraction = 1 is out of range"),
        ("--set data.train=\"nowhere.txt\"", "nowhere.txt"),
    ] {
        let done = lab.expect(2, &format!("tune tiny.toml --out out {arguments}"));
        assert!(done.stderr.contains(message), "{arguments}: {}", done.stderr);
        assert_eq!(done.stderr.matches("error: ").count(), 1, "{arguments}: {}", done.stderr);
        assert!(done.stdout.is_empty() && !lab.path("out/tiny").exists(), "{arguments}");
    }
    // Nothing is written over what nobody understands.
    lab.write("out/tiny/tune.csv", "configuration,key\n");
    let done = lab.expect(1, "tune tiny.toml --out out");
    assert!(done.stderr.contains("move out/tiny/tune.csv away"), "{}", done.stderr);
    assert_eq!(lab.read("out/tiny/tune.csv"), "configuration,key\n");
    let done = lab.expect(2, "plan tiny.toml --set train.learning_rate=\"tuned\" --out out");
    assert!(done.stderr.contains("what was chosen cannot be read"), "{}", done.stderr);
}

#[test]
fn existing_runs_keep_their_names() {
    let lab = Lab::tiny("");
    let id = |more: &str| lab.plan(&format!("tiny.toml {more}"))[0]["run_id"].clone();
    let own = id("");
    assert_eq!(id("--set data.split=\"compare\""), own);
    assert_eq!(id("--set data.tune_fraction=0.3"), own, "a comparison trains on those stories");
    let tune = id("--set data.split=\"tune\"");
    assert_ne!(tune, own);
    assert_ne!(id("--set data.split=\"tune\" --set data.tune_fraction=0.3"), tune);
}

#[test]
fn a_run_that_was_paused_is_the_run_that_was_not() {
    let lab = Lab::tiny("");
    let tune = "--set train.steps=32 --seeds 1 --rungs 2 --values 1e-3,1e-2,2e-2 --threads 1";
    lab.expect(0, &format!("tune tiny.toml {tune} --out out"));
    let finished = rows(&lab.read("out/tiny/tune/runs.csv")).into_iter().filter(|row| row["status"] == "finished");
    let finished: Vec<Row> = finished.collect();
    assert!(!finished.is_empty());
    for run in &finished {
        lab.expect(
            0,
            &format!(
                "run tiny.toml --set train.steps=32 --set data.split=\"tune\" --set seeds=[1000] --set train.eval_every=16 \
                 --set train.log_every=50 --set train.learning_rate={} --out plain --threads 1",
                run["learning_rate"]
            ),
        );
        let weights = |folder: &str| fs::read(lab.path(folder).join(&run["run_id"]).join("model.safetensors")).unwrap();
        assert!(weights("out/tiny/tune") == weights("plain/tiny"));
    }
    assert_eq!(numbers(&lab, "plain").1.len(), finished.len());
}

/// For each warm-up its best rate, trained to the end; then the warm-up whose best is best. Both are taken by a run.
#[test]
fn a_second_key_is_chosen_by_the_best_of_each_of_its_values() {
    let lab = Lab::tiny(TWO);
    // A warm-up over all the steps leaves little of any rate but the highest.
    let with = "--with train.warmup_steps=2,31 --seeds 1 --rungs 2";
    let (done, table) = tuned(&lab, with);
    assert_eq!(column(&table, "configuration").into_iter().collect::<HashSet<_>>().len(), 2 * 2 + 2);
    let of = |key: &str| -> Vec<&Row> { table.iter().filter(|row| row["key"] == key).collect() };
    let warmups = of("train.warmup_steps with train.learning_rate");
    assert_eq!(
        column(&warmups.iter().map(|row| (*row).clone()).collect::<Vec<_>>(), "value"),
        ["2.0", "31.0"].repeat(2)
    );
    let curves = rows(&lab.read("out/tiny/tune/curves.csv"));
    for row in &warmups {
        // The loss of its best rate's whole run.
        assert_eq!((row["step"].as_str(), row["edge"].as_str(), row["grid"].as_str()), ("32", "", "given"));
        let last =
            curves.iter().find(|one| one["run_id"] == row["run_ids"] && one["split"] == "eval" && one["step"] == "32");
        assert_eq!(last.unwrap()["loss"], row["loss"]);
        let rate = of("train.learning_rate").into_iter().find(|one| {
            one["verdict"] == "chosen" && one["run_ids"] == row["run_ids"] && one["label"].starts_with(&row["label"])
        });
        assert!(rate.is_some(), "{row:?}");
    }
    for pair in warmups.chunks(2) {
        let loss = |row: &Row| row["loss"].parse::<f64>().unwrap();
        let best = if loss(pair[0]) <= loss(pair[1]) { 0 } else { 1 };
        assert_eq!((pair[best]["verdict"].as_str(), pair[1 - best]["verdict"].as_str()), ("chosen", "dropped"));
        let value = pair[best]["value"].trim_end_matches(".0");
        assert!(done.stdout.contains(&format!("{}: train.warmup_steps {value},", pair[0]["label"])), "{}", done.stdout);
    }
    assert!(done.stdout.contains("learning_rate = \"tuned\" and warmup_steps = \"tuned\""), "{}", done.stdout);
    let before = lab.read("out/tiny/tune.csv");
    let (again, _) = tuned(&lab, with);
    assert!(!again.stderr.contains("step"), "{}", again.stderr);
    assert_eq!(lab.read("out/tiny/tune.csv"), before);

    // A run takes both, and is the run of these numbers.
    let both = "--set train.learning_rate=\"tuned\" --set train.warmup_steps=\"tuned\"";
    let planned = lab.plan(&format!("tiny.toml {LONGER} {both} --out out"));
    for row in &planned {
        let [one] = &warmups
            .iter()
            .filter(|one| one["verdict"] == "chosen" && one["label"] == row["label"])
            .collect::<Vec<_>>()[..]
        else {
            panic!("{row:?}")
        };
        assert_eq!(format!("{}.0", row["warmup_steps"]), one["value"]);
        let words = "; train.warmup_steps one of 2 from 2 to 31";
        assert!(row["tuned"].starts_with("train.learning_rate one of ") && row["tuned"].ends_with(words), "{row:?}");
    }
    let first = &planned[0];
    let numbers = format!(
        "--set train.learning_rate={} --set train.warmup_steps={}",
        first["learning_rate"], first["warmup_steps"]
    );
    assert!(
        column(&lab.plan(&format!("tiny.toml {LONGER} {numbers} --out out")), "run_id").contains(&&*first["run_id"])
    );
    // With the warm-up written, the rate that was chosen for it is taken.
    let written = lab
        .plan(&format!("tiny.toml {LONGER} --set train.learning_rate=\"tuned\" --set train.warmup_steps=31 --out out"));
    assert!(written.iter().all(|row| row["warmup_steps"] == "31" && !row["tuned"].contains("warmup")));
    lab.expect(0, &format!("run tiny.toml {LONGER} {both} --set seeds=[0,1] --out out --threads 1"));
    let text = lab.expect(0, "report out/tiny --format text --out page").stdout;
    assert!(text.contains("warmup steps: one of 2 from 2 to 31") && !text.contains("one side tuned"), "{text}");
}

/// What was chosen for each value of another key is not what is best at one value of it, and is no longer once that is tuned again.
#[test]
fn choices_of_a_pair_are_apart_from_those_of_one_key() {
    let lab = Lab::tiny("");
    // The learning rate is left to its default: without it the configuration is the one of the pair.
    lab.write("tiny.toml", lab.read("tiny.toml").replace("learning_rate = 1e-3\n", ""));
    let quick = "--set train.steps=16 --seeds 1 --rungs 1 --threads 1 --out out";
    lab.expect(0, &format!("tune tiny.toml {quick} --values 1e-2,4e-2,1e-1 --with train.warmup_steps=0,4"));
    let both = "--set train.steps=16 --set train.learning_rate=\"tuned\" --set train.warmup_steps=\"tuned\" --out out";
    let before = lab.plan(&format!("tiny.toml {both}"));
    let alone = "plan tiny.toml --set train.steps=16 --set train.warmup_steps=\"tuned\" --out out";
    let error = lab.expect(2, alone).stderr;
    assert!(error.contains("has no value for this configuration"), "nothing was tuned at the default rate: {error}");
    lab.expect(0, &format!("tune tiny.toml {quick} --key train.warmup_steps --values 2,6,8"));
    lab.expect(0, alone);
    assert_eq!(lab.plan(&format!("tiny.toml {both}")), before);
    // The rate at the chosen warm-up, tuned again among others: the pair was another.
    let warmup = &before[0]["warmup_steps"];
    lab.expect(0, &format!("tune tiny.toml {quick} --values 1e-5,2e-5,4e-5 --set train.warmup_steps={warmup}"));
    let error = lab.expect(2, &format!("plan tiny.toml {both}")).stderr;
    let expected = "`train.learning_rate` has been tuned again since `train.warmup_steps` was chosen by it";
    assert!(error.contains(expected) && error.contains("lrx tune --with train.warmup_steps=A,B"), "{error}");
    // A rate at one warm-up is none for all of them.
    lab.expect(0, &format!("tune tiny.toml {} --values 1e-2,4e-2,1e-1", quick.replace("--out out", "--out other")));
    let error = lab.expect(2, &format!("plan tiny.toml {}", both.replace("--out out", "--out other"))).stderr;
    assert!(error.contains("--with train.warmup_steps=A,B"), "{error}");
}

#[test]
fn a_second_key_that_cannot_be_chosen_is_refused() {
    let lab = Lab::tiny("");
    for (with, expected) in [
        ("train.warmup_steps", "expected a key and its values"),
        ("train.warmup_steps=4", "expected at least two"),
        ("train.warmup_steps=4,x", "`x` is no number"),
        ("train.warmup_steps=4,inf", "inf is no number that a key can have"),
        ("train.learning_rate=1e-3,2e-3", "`train.learning_rate` is what is tuned"),
        ("train.steps=4,8", "says how long is trained"),
        ("train.warmup_stepz=4,8", "did you mean `warmup_steps`?"),
        ("train.warmup_steps=4,-8", "warmup_steps"),
        ("model.hidden=16,17", "model.hidden = 17"),
    ] {
        let done = lab.expect(2, &format!("tune tiny.toml {LONGER} {TUNE} --with {with}"));
        assert!(done.stderr.contains(expected), "--with {with}: {}", done.stderr);
    }
    let rank = "--set model.mlp.kind=\"low-rank\" --set model.mlp.rank=2 --key model.mlp.rank --values 2,4 --out out";
    let done = lab.expect(2, &format!("tune tiny.toml {rank}"));
    assert!(done.stderr.contains("--key model.mlp.rank: there is no configuration without it"), "{}", done.stderr);
    let both = "--set train.learning_rate=\"tuned\" --set train.warmup_steps=\"tuned\"";
    let done = lab.expect(2, &format!("run tiny.toml {both} --out out"));
    assert!(
        done.stderr.contains("lrx tune") && done.stderr.contains("--with train.warmup_steps=A,B"),
        "{}",
        done.stderr
    );
}
