//! `lrx run` from beginning to end: files, columns, the same numbers again, skipping, divergence, identity.

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::SystemTime;

use common::{Lab, Row, column, files, rows};
use lrx_records::{CurveRow, Row as _, RunRecord};

/// A curve without its times.
fn losses(lab: &Lab, name: &str) -> Vec<Row> {
    let mut curve = rows(&lab.read(name));
    curve.iter_mut().for_each(|row| drop(row.remove("elapsed_seconds")));
    curve
}

fn modified(folder: &Path) -> BTreeMap<String, SystemTime> {
    let time = |file: &String| fs::metadata(folder.join(file)).unwrap().modified().unwrap();
    files(folder).into_iter().map(|file| (file.clone(), time(&file))).collect()
}

/// Some stories as a text file.
fn stories() -> String {
    let story = |i: usize| format!("Ann had {i} red balls. She gave {} to Tim. They were happy.", i / 2);
    (0..30).map(story).collect::<Vec<_>>().join("\n<|endoftext|>\n")
}

#[test]
fn a_run_writes_its_rows_weights_and_config() {
    let lab = Lab::tiny("seeds = [2, 5]");
    let done = lab.expect(0, "run tiny.toml --out out");
    assert!(done.stdout.contains("FullSA-FullMLP-2L"), "{}", done.stdout);

    let runs = lab.read("out/tiny/runs.csv");
    let columns: Vec<&str> = runs.lines().next().unwrap().split(',').collect();
    assert_eq!(columns, RunRecord::COLUMNS);
    let runs = rows(&runs);
    assert_eq!(column(&runs, "seed"), ["2", "5"]);
    assert_eq!(column(&runs, "status"), ["finished", "finished"]);
    assert_eq!(column(&runs, "steps"), ["12", "12"]);
    assert_eq!(column(&runs, "stories"), ["36", "36"], "a tenth of 40 is held out");
    assert_eq!(column(&runs, "note"), ["", ""]);

    let curves = lab.read("out/tiny/curves.csv");
    assert_eq!(curves.lines().next().unwrap().split(',').collect::<Vec<_>>(), CurveRow::COLUMNS);
    let curves = rows(&curves);
    for run in &runs {
        let own: Vec<&Row> = curves.iter().filter(|row| row["run_id"] == run["run_id"]).collect();
        let steps = |split: &str| -> Vec<&str> {
            own.iter().filter(|row| row["split"] == split).map(|row| &*row["step"]).collect()
        };
        assert_eq!(steps("train"), ["1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12"]);
        assert_eq!(steps("eval"), ["5", "10", "12"], "and once at the end");
        let last = |split: &str| &own.iter().rfind(|row| row["split"] == split).unwrap()["loss"];
        assert_eq!((&run["train_loss"], &run["eval_loss"]), (last("train"), last("eval")));
        assert_eq!(run["tokens"], own.last().unwrap()["tokens"]);

        // An untrained model gives each of its tokens the same chance; training lowers the loss from there.
        let vocabulary = run["params_embedding"].parse::<f64>().unwrap() / 16.0 - 64.0;
        let loss = |row: &Row| row["loss"].parse::<f64>().unwrap();
        assert!((loss(own[0]) - vocabulary.ln()).abs() < 0.1, "{} for {vocabulary} tokens", loss(own[0]));
        assert!(loss(own.last().unwrap()) < loss(own[0]), "{own:?}");
        // Linear to 0, which would be reached at the step after the last.
        let rate: f64 = own[3]["learning_rate"].parse().unwrap();
        assert!((rate - 1e-3 * 9.0 / 12.0).abs() < 1e-12, "{rate}");

        let kept = files(&lab.path(&format!("out/tiny/{}", run["run_id"])));
        assert_eq!(
            kept,
            [
                "checksums.txt",
                "curve.csv",
                "model.safetensors",
                "ranks.csv",
                "resolved.toml",
                "run.csv",
                "stories.csv",
                "vocabulary.json"
            ]
        );
    }
}

/// What each held-out story cost makes up the loss; it is there too when the last evaluation was done by another process.
#[test]
fn a_run_keeps_what_each_held_out_story_cost() {
    let lab = Lab::tiny("");
    lab.write("valid.txt", stories());
    lab.write("tiny.toml", lab.read("tiny.toml").replace("valid_fraction = 0.1", "valid = \"valid.txt\""));
    lab.expect(0, "run tiny.toml --out out");
    let run = &rows(&lab.read("out/tiny/runs.csv"))[0];
    let number = |row: &Row, column: &str| -> f64 { row[column].parse().unwrap() };
    let own = rows(&lab.read(&format!("out/tiny/{}/stories.csv", run["run_id"])));
    let places: Vec<String> = (0..30).map(|place| place.to_string()).collect();
    assert_eq!(column(&own, "story"), places);
    let sum = |column: &str| own.iter().map(|row| number(row, column)).sum::<f64>();
    // Losses of a batch are rounded to f32 before they are added up.
    assert!((sum("nats") / sum("tokens") - number(run, "eval_loss")).abs() < 1e-6);
    let bits = sum("nats") / std::f64::consts::LN_2 / sum("bytes");
    assert!((bits - number(run, "bits_per_byte")).abs() < 1e-6);
    // `lrx eval` looks at each story by itself.
    let eval = format!("eval {} valid.txt --out out --per-story --format csv", run["run_id"]);
    for (one, other) in own.iter().zip(rows(&lab.expect(0, &eval).stdout)) {
        assert_eq!(one["tokens"], other["tokens"]);
        assert_eq!(one["bytes"], other["bytes"]);
        assert!((number(one, "nats") / number(one, "tokens") - number(&other, "loss")).abs() < 1e-5, "{one:?}");
    }
}

/// Rows that no story reaches are counted apart: positions behind the longest, tokens that are never an input.
#[test]
fn what_training_does_not_reach_is_counted() {
    let lab = Lab::tiny("");
    lab.write("stories.txt", ["Ann had a cat.", "Ann had a red ball, and Tim had a dog."].join("<|endoftext|>"));
    let config = lab.read("tiny.toml").replace("\"synthetic\"", "\"stories.txt\"").replace("stories = 40", "");
    lab.write("tiny.toml", config.replace("valid_fraction = 0.1", "valid = \"stories.txt\""));
    let planned = |more: &str| lab.plan(&format!("tiny.toml {more}")).remove(0);
    let number = |row: &Row, column: &str| -> i64 { row[column].parse().unwrap() };
    let tied = planned("");
    // 16 numbers for each of 64 positions, of which the longer story reaches so many; together the two have so many inputs.
    let untrained = number(&tied, "params_untrained");
    let longer = 64 - untrained / 16;
    let both = number(&planned("--set train.steps=1 --set train.batch_stories=2"), "tokens");
    assert!(untrained % 16 == 0 && longer < both && 2 * longer > both, "{longer} of {both} inputs");
    let untied = planned("--set model.tied=false");
    let (vocabulary, more) =
        (number(&tied, "params_embedding") / 16 - 64, number(&untied, "params_untrained") - untrained);
    assert!(more > 0 && more < 16 * vocabulary && more % 16 == 0, "{more} of {vocabulary} tokens");
    assert_eq!(number(&planned("--set model.context=4"), "params_untrained"), 16, "its last token is a target only");
    // Attention's products: 4·hidden for each layer and token that a token sees.
    let shorter = both - longer;
    let seen = (longer * (longer + 1) / 2 + shorter * (shorter + 1) / 2) as f64 / both as f64;
    assert_eq!(number(&tied, "attention_flops_per_token"), (2.0 * 4.0 * 16.0 * seen).round() as i64);
}

#[test]
fn the_same_config_gives_the_same_numbers_on_any_number_of_threads() {
    let lab = Lab::tiny("");
    for (out, threads) in [("one", 1), ("two", 2), ("again", 2)] {
        lab.expect(0, &format!("run tiny.toml --out {out} --threads {threads}"));
    }
    let weights = |out: &str| fs::read(lab.only_run(&format!("{out}/tiny")).join("model.safetensors")).unwrap();
    for other in ["two", "again"] {
        assert_eq!(losses(&lab, "one/tiny/curves.csv"), losses(&lab, &format!("{other}/tiny/curves.csv")));
        assert!(weights("one") == weights(other), "weights of {other}");
    }
    lab.expect(0, "run tiny.toml --out seed --set seeds=[1]");
    assert!(weights("one") != weights("seed"), "another seed has other weights");
}

#[test]
fn finished_runs_are_skipped_and_new_ones_added() {
    let lab = Lab::tiny("seeds = [0]");
    lab.expect(0, "run tiny.toml --out out");
    let folder = lab.only_run("out/tiny");
    let (before, table) = (modified(&folder), lab.read("out/tiny/runs.csv"));
    let done = lab.expect(0, "run tiny.toml --out out");
    assert!(done.stderr.contains("finished before"), "{}", done.stderr);
    assert_eq!(modified(&folder), before);
    assert_eq!(lab.read("out/tiny/runs.csv"), table);

    lab.expect(0, "run tiny.toml --out out --set seeds=[1,0]");
    assert_eq!(modified(&folder), before);
    assert_eq!(column(&rows(&lab.read("out/tiny/runs.csv")), "seed"), ["1", "0"], "in the config's order");
    lab.expect(0, "run tiny.toml --out out --set seeds=[2]");
    let after = lab.read("out/tiny/runs.csv");
    assert_eq!(column(&rows(&after), "seed"), ["2", "0", "1"], "runs that the config left out stay");
}

#[test]
fn a_run_that_diverges_says_where_and_is_not_repeated() {
    let lab = Lab::new();
    let sweep = "[sweep]\n\"train.learning_rate\" = [1e30, 1e-3]\n";
    lab.write("wild.toml", format!("{}{sweep}", common::TINY));
    // The first update throws every weight out to ±1e30: the second step's loss is no number.
    let done = lab.expect(1, "run wild.toml --out out");
    assert!(done.stderr.contains("diverged at step 2: loss NaN"), "{}", done.stderr);
    let runs = rows(&lab.read("out/wild/runs.csv"));
    assert_eq!(column(&runs, "status"), ["diverged", "finished"], "the others are trained all the same");
    assert_eq!(runs[0]["note"], "diverged at step 2: loss NaN");
    assert_eq!((&*runs[0]["steps"], &*runs[0]["eval_loss"]), ("1", ""));

    let folder = lab.path("out/wild").join(&runs[0]["run_id"]);
    let before = modified(&folder);
    let done = lab.expect(1, "run wild.toml --out out");
    assert!(done.stderr.contains("not tried again: diverged at step 2"), "{}", done.stderr);
    assert!(done.stderr.contains("--retry-failed"), "{}", done.stderr);
    assert_eq!(modified(&folder), before);

    let done = lab.expect(1, "run wild.toml --out out --retry-failed");
    assert!(done.stderr.contains("diverged at step 2") && !done.stderr.contains("not tried again"), "{}", done.stderr);
    let row =
        |files: &BTreeMap<String, SystemTime>| *files.iter().find(|(file, _)| file.ends_with("run.csv")).unwrap().1;
    assert!(row(&modified(&folder)) > row(&before));
    assert!(lab.expect(2, &format!("generate {} --prompt a", folder.display())).stderr.contains("not finished"));
}

/// What the last update has made of the weights is looked at, and no learning rate ends a sweep.
#[test]
fn anything_that_is_not_finite_is_diverged_and_the_others_are_trained() {
    let lab = Lab::tiny("");
    let done = lab.expect(1, "run tiny.toml --out one --set train.steps=1 --set train.learning_rate=1e12");
    assert!(done.stderr.contains("diverged at step 1: evaluation loss"), "{}", done.stderr);
    lab.write("sweep.toml", "extends = 'tiny.toml'\n[sweep]\n'train.learning_rate' = [1e39, 1e300, 0, 1e-3]\n");
    lab.expect(1, "run sweep.toml --out out --set train.steps=2");
    let runs = rows(&lab.read("out/sweep/runs.csv"));
    assert_eq!(column(&runs, "status"), ["diverged", "diverged", "finished", "finished"]);
    assert!(runs[..2].iter().all(|run| run["note"].starts_with("diverged at step ")), "{runs:?}");
    let arithmetic = column(&runs, "arithmetic");
    assert!(!arithmetic[0].is_empty() && arithmetic.iter().all(|name| *name == arithmetic[0]), "{arithmetic:?}");
    assert!(column(&runs, "numerics").iter().all(|version| version.parse::<u32>().is_ok_and(|version| version > 0)));
}

#[test]
fn optimizers_are_named_and_compared() {
    let lab = Lab::new();
    let cases = "[[sweep.case]]\n[[sweep.case]]\ntrain.optimizer = { kind = 'muon', adamw_lr = 0.1 }\n\
        [[sweep.case]]\ntrain.optimizer = { kind = 'sgd', momentum = 0.9, group = [{ role = 'embedding', lr = 2 }] }\n\
        [[sweep.case]]\ntrain.micro_batches = 2\n";
    lab.write("o.toml", format!("{}\n{cases}", common::TINY));
    lab.expect(0, "run o.toml --out out");
    let runs = rows(&lab.read("out/o/runs.csv"));
    assert_eq!(column(&runs, "optimizer"), ["adamw", "muon", "sgd", "adamw"]);
    let losses: std::collections::BTreeSet<&str> = runs.iter().map(|run| run["eval_loss"].as_str()).collect();
    assert!(losses.len() >= 3, "{losses:?}");
    let of = |name: &str| lab.expect(0, &format!("optimizers {name}")).stdout;
    assert!(of("").contains("muon") && of("muon").contains("ns_steps (default 5)"), "{}", of("muon"));
    let error = lab.expect(2, "optimizers mun").stderr;
    assert!(error.contains("unknown optimizer \"mun\"; did you mean `muon`?"), "{error}");
}

#[test]
fn several_files_are_several_experiments() {
    let lab = Lab::tiny("");
    lab.write("other.toml", "name = \"named\"\nextends = \"tiny.toml\"\n[train]\nsteps = 2\n");
    lab.expect(0, "run tiny.toml other.toml --out out");
    assert_eq!(column(&rows(&lab.read("out/tiny/runs.csv")), "steps"), ["12"]);
    assert_eq!(column(&rows(&lab.read("out/named/runs.csv")), "steps"), ["2"]);
}

#[test]
fn a_run_is_known_by_the_content_of_its_files() {
    let lab = Lab::new();
    let config = |path: &str| common::TINY.replace("\"synthetic\"", &format!("\"{path}\""));
    lab.write("here/stories.txt", stories());
    lab.write("here/a.toml", config("stories.txt"));
    lab.write("there/deep/moved.txt", stories());
    lab.write("there/b.toml", format!("name = \"other\"\n{}", config("deep/moved.txt")));
    lab.write("changed/stories.txt", stories().replace("Ann", "Eve"));
    lab.write("changed/a.toml", config("stories.txt"));
    let run_id = |arguments: &str| lab.plan(arguments)[0]["run_id"].clone();

    let here = run_id("here/a.toml");
    assert_eq!(run_id("there/b.toml"), here);
    assert_ne!(run_id("changed/a.toml"), here);
    assert_eq!(run_id("here/a.toml --threads 2 --out elsewhere"), here);
    for numbers_depend_on in ["train.learning_rate=2e-3", "seeds=[1]", "data.shuffle=false", "model.attention.window=4"]
    {
        assert_ne!(run_id(&format!("here/a.toml --set {numbers_depend_on}")), here, "{numbers_depend_on}");
    }
    // The readable part says what it is.
    assert!(here.starts_with("fullsa-fullmlp-2l-s0-"), "{here}");
}

#[test]
fn the_resolved_config_is_complete_and_names_no_place() {
    let lab = Lab::new();
    lab.write("data/stories.txt", stories());
    lab.write("data/valid.txt", stories());
    let data = common::TINY.replace("\"synthetic\"", "\"data/stories.txt\"").replace("valid_fraction = 0.1", "");
    lab.write("a.toml", &data);
    let valid = format!("data.valid=\"{}\"", lab.path("data/valid.txt").display());
    let weights = lab.path("w.safetensors");
    assert_eq!(lab.lrx(["run", "a.toml", "--set", &valid, "--out", "first"]).code, Some(0));
    fs::copy(lab.only_run("first/a").join("model.safetensors"), &weights).unwrap();

    let init = format!("model.init_from=\"{}\"", weights.display());
    assert_eq!(lab.lrx(["run", "a.toml", "--set", &valid, "--set", &init, "--out", "out"]).code, Some(0));
    let text = fs::read_to_string(lab.only_run("out/a").join("resolved.toml")).unwrap();
    assert!(!text.contains(&*lab.path("").to_string_lossy()), "{text}");
    let resolved: toml::Table = text.parse().unwrap();
    let get = |path: &str| {
        let value =
            path.split('.').try_fold(&toml::Value::Table(resolved.clone()), |value, key| value.get(key)).cloned();
        value.unwrap_or_else(|| panic!("{path} in\n{text}"))
    };
    assert_eq!(get("data.train.file").as_str(), Some("data/stories.txt"), "as written");
    assert_eq!(get("data.valid.file").as_str(), Some("valid.txt"));
    assert_eq!(get("model.init_from.file").as_str(), Some("w.safetensors"));
    for hash in ["data.train.blake3", "data.valid.blake3", "model.init_from.blake3"] {
        assert_eq!(get(hash).as_str().unwrap().len(), 64);
    }
    // Defaults of the contract's example that the config does not mention.
    assert_eq!(get("model.attention.kind").as_str(), Some("dense"));
    assert_eq!(get("model.attention.window").as_integer(), Some(0));
    assert_eq!(get("model.mlp.inner").as_integer(), Some(64));
    assert_eq!(get("train.schedule").as_str(), Some("linear"));
    assert_eq!(get("train.clip_norm").as_float(), Some(1.0));
    assert_eq!(get("data.end_of_text").as_bool(), Some(false));
}

#[test]
fn init_from_starts_where_another_run_ended() {
    let lab = Lab::tiny("");
    lab.expect(0, "run tiny.toml --out out");
    fs::copy(lab.only_run("out/tiny").join("model.safetensors"), lab.path("w.safetensors")).unwrap();
    let first = rows(&lab.read("out/tiny/runs.csv"));
    // One step so small that it changes nothing that the loss shows.
    let more = ["model.init_from=\"w.safetensors\"", "train.steps=1", "train.learning_rate=1e-12"];
    let set = more.iter().flat_map(|key| ["--set", key]);
    let done = lab.lrx(["run", "tiny.toml", "--out", "more"].into_iter().chain(set));
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    let loss = |row: &Row| row["eval_loss"].parse::<f64>().unwrap();
    let second = rows(&lab.read("more/tiny/runs.csv"));
    assert!((loss(&first[0]) - loss(&second[0])).abs() < 1e-5, "{first:?} {second:?}");
}

/// What stands between a forward pass and its backward pass is most of the memory of a step, and is there for one
/// micro-batch at a time.
#[cfg(target_os = "linux")]
#[test]
fn micro_batches_take_less_memory() {
    let lab = Lab::tiny("");
    let peak = |micro_batches: usize| -> f64 {
        let out = format!("out{micro_batches}");
        let size = "--set model.hidden=128 --set model.layers=4 --set train.batch_stories=64 --set train.steps=2";
        let data = "--set data.stories=200 --set train.eval_every=100";
        lab.expect(0, &format!("run tiny.toml {size} {data} --set train.micro_batches={micro_batches} --out {out}"));
        rows(&lab.read(&format!("{out}/tiny/runs.csv")))[0]["peak_rss_mb"].parse().unwrap()
    };
    let (whole, parts) = (peak(1), peak(8));
    assert!(parts < 0.7 * whole, "{parts} MB in parts, {whole} MB at once");
}

#[test]
fn a_model_that_cannot_fit_is_refused_before_anything_is_made() {
    let lab = Lab::tiny("");
    let huge = "tiny.toml --set model.hidden=65536 --set model.heads=1 --set model.layers=256";
    let error = lab.expect(2, &format!("run {huge}")).stderr;
    assert!(error.contains("error: not enough memory: weights, gradients and moments of [1/1] "), "{error}");
    assert!(!lab.path("results/tiny").exists());
    let planned = lab.expect(0, &format!("plan {huge}")).stderr;
    assert!(planned.contains("warning: not enough memory: "), "{planned}");
}

#[cfg(unix)]
#[test]
fn a_reader_that_goes_away_ends_no_run() {
    let lab = Lab::tiny("");
    let ended = std::process::Command::new("sh")
        .args(["-c", "{ \"$0\" run tiny.toml; echo $? > code; } 2>&1 | true", env!("CARGO_BIN_EXE_lrx")])
        .current_dir(lab.path(""))
        .status();
    assert!(ended.unwrap().success());
    assert_eq!(lab.read("code"), "0\n");
    assert!(lab.read("results/tiny/runs.csv").contains(",finished,"));
}

#[cfg(unix)]
#[test]
fn results_can_be_read_by_whoever_may_read_the_folder() {
    use std::os::unix::fs::PermissionsExt;
    let lab = Lab::tiny("");
    lab.expect(0, "run tiny.toml");
    let permissions = |name: &str| std::fs::metadata(lab.path(name)).unwrap().permissions().mode();
    for file in files(&lab.path("results/tiny")).iter() {
        assert_eq!(permissions(&format!("results/tiny/{file}")), permissions("tiny.toml"), "{file}");
    }
}
