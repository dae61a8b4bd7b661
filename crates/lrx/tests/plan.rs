//! `lrx plan`: the seed's published configurations, its columns, and what sweeps, `extends` and `--set` make of a config.

mod common;

use std::fs;
use std::path::Path;

use common::{Lab, column};
use lrx_records::{Row as _, RunRecord};

/// The seed's table: the label, attention ranks, MLP ranks, and the parameters that are used and trained.
const SEED: [(&str, &str, &str, &str); 10] = [
    ("FullSA-FullMLP-4L", "", "", "27179136"),
    ("LgSA-LgMLP-4L", "192 192 192 192", "307 307 307 307", "27176064"),
    ("MedSA-FullMLP-4L", "19 19 19 19", "", "25053312"),
    ("FullSA-MedMLP-4L", "", "31 31 31 31", "22936704"),
    ("MedSA-MedMLP-4L", "19 19 19 19", "31 31 31 31", "20810880"),
    ("MedSA-MedMLP-8L", "19 19 19 19 19 19 19 19", "31 31 31 31 31 31 31 31", "21535872"),
    ("IncSA-FullMLP-4L", "5 20 50 100", "", "25357440"),
    ("DecSA-FullMLP-4L", "100 50 20 5", "", "25357440"),
    ("FullSA-IncMLP-4L", "", "10 30 80 150", "23497344"),
    ("FullSA-DecMLP-4L", "", "150 80 30 10", "23497344"),
];

/// A copy of `configs/seed/` that has no data where its paths point to, each file changed by `change`.
fn seed_configs(change: impl Fn(&str) -> String) -> Lab {
    let lab = Lab::new();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../configs/seed");
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        lab.write(&format!("configs/seed/{name}"), change(&fs::read_to_string(path).unwrap()));
    }
    lab
}

#[test]
fn the_seed_s_configurations_have_its_counts_without_any_data() {
    let as_written = seed_configs(str::to_string);
    let without_label = seed_configs(|config| {
        let lines = config.lines().filter(|line| !line.starts_with("label"));
        lines.collect::<Vec<_>>().join("\n")
    });
    for lab in [as_written, without_label] {
        for (label, attention, mlp, params) in SEED {
            let rows = lab.plan(&format!("configs/seed/{label}.toml"));
            assert_eq!(rows.len(), 1, "{label}");
            let row = &rows[0];
            assert_eq!(row["label"], label);
            assert_eq!((&*row["attention_ranks"], &*row["mlp_ranks"]), (attention, mlp), "{label}");
            assert_eq!(row["params"], params, "{label}");
            // 50,257 tokens and 2,048 positions of 384 features.
            assert_eq!(row["params_embedding"], "20085120", "{label}");
            assert_eq!(row["status"], "planned", "{label}");
            for unknown in ["run_id", "stories", "steps", "eval_loss"] {
                assert_eq!(row[unknown], "", "{label}: {unknown}");
            }
        }
    }
}

#[test]
fn the_five_seeds_are_the_baseline() {
    let rows = seed_configs(str::to_string).plan("configs/seed/seeds.toml");
    assert_eq!(column(&rows, "seed"), ["0", "1", "2", "3", "4"]);
    assert!(rows.iter().all(|row| row["label"] == "FullSA-FullMLP-4L" && row["params"] == "27179136"));
}

#[test]
fn the_families_are_what_their_files_say() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../configs/families");
    let lab = Lab::new();
    // Each of four layers of 128 features: 12 · 128² in matrices, 5 · 128 biases in the MLP, two norms of 2 · 128; with a
    // bias of the attention's output, or of all four. A Llama's with 2 of 8 heads for keys and values, and three matrices
    // of 352 inside. A norm at the end.
    let (hidden, matrices) = (128, 12 * 128 * 128);
    let neo = 4 * (matrices + (1 + 5 + 4) * hidden) + 2 * hidden;
    let gpt2 = 4 * (matrices + (4 + 5 + 4) * hidden) + 2 * hidden;
    let llama = 4 * (2 * hidden * hidden + 2 * hidden * 32 + 3 * hidden * 352 + 2 * hidden) + hidden;
    // 1,024 tokens, and 512 positions or a head.
    let (positions, head) = ((1024 + 512) * hidden, 2 * 1024 * hidden);
    for (name, embedding, body) in [("gpt-neo", positions, neo), ("gpt2", positions, gpt2), ("llama", head, llama)] {
        let config = fs::read_to_string(folder.join(name).with_extension("toml")).unwrap();
        lab.write("config.toml", &config);
        let row = lab.plan("config.toml").remove(0);
        assert_eq!(row["params_embedding"], embedding.to_string(), "{name}");
        assert_eq!(row["params_body"], body.to_string(), "{name}");
        let small = "--set data.stories=60 --set model.hidden=16 --set train.steps=2 --set train.warmup_steps=0";
        lab.expect(0, &format!("run config.toml {small}"));
    }
    let gpt2: toml::Table = fs::read_to_string(folder.join("gpt2.toml")).unwrap().parse().unwrap();
    for (block, slot) in [("attention", "out"), ("mlp", "c_proj")] {
        let std = gpt2["model"][block][slot]["init"]["std"].as_float().unwrap();
        let layers = gpt2["model"]["layers"].as_integer().unwrap() as f64;
        assert!((std - 0.02 / (2.0 * layers).sqrt()).abs() < 1e-7, "{block}: {std}");
    }
}

#[test]
fn missing_data_is_said() {
    let done = seed_configs(str::to_string).expect(0, "plan configs/seed/base.toml --format csv");
    assert!(done.stderr.contains("planned without data"), "{}", done.stderr);
    assert!(done.stderr.contains("data/gpt2/tokenizer.json"), "{}", done.stderr);
}

#[test]
fn missing_data_hides_no_mistake() {
    let lab = seed_configs(str::to_string);
    let done = lab.expect(2, "plan configs/seed/base.toml --set data.valid_fraction=1.5");
    assert!(done.stderr.starts_with("error: valid_fraction = 1.5 is out of range"), "{}", done.stderr);
}

#[test]
fn the_columns_are_those_of_runs_csv() {
    let done = Lab::tiny("").expect(0, "plan tiny.toml --format csv");
    let columns: Vec<&str> = done.stdout.lines().next().unwrap().split(',').collect();
    assert_eq!(columns, RunRecord::COLUMNS);
}

#[test]
fn the_table_has_a_line_for_each_configuration_and_fits() {
    let lab = Lab::tiny("seeds = [4, 5, 6]");
    let done = lab.expect(0, "plan tiny.toml");
    let shown: Vec<&str> = done.stdout.lines().filter(|line| line.starts_with("FullSA-FullMLP-2L")).collect();
    assert_eq!(shown.len(), 1, "{}", done.stdout);
    assert!(shown[0].contains("  4–6  "), "{}", done.stdout);
    assert!(done.stdout.contains("3 runs of 1 configuration, about "), "{}", done.stdout);
    assert!(done.stdout.contains("times: by a matrix product of "), "{}", done.stdout);
    let sweep = "[sweep]\n\"train.learning_rate\" = [1e-3, 2e-3, 3e-3]\n\"model.attention\" = \
                 [{ kind = \"low-rank\", rank = 2 }, { kind = \"low-rank\", rank = 4, init = \"spectral\", slots = [\"q\", \"k\"] }]\n";
    lab.write("many.toml", format!("seeds = [0, 1, 2]\n{}{sweep}", common::TINY));
    let done = lab.expect(0, "plan many.toml");
    assert!(done.stdout.contains("18 runs of 6 configurations"), "{}", done.stdout);
    assert!(done.stdout.lines().all(|line| line.chars().count() <= 100), "{}", done.stdout);
    assert!(done.stdout.lines().count() < 20, "{}", done.stdout);
    assert_eq!(lab.expect(0, "plan many.toml --ids").stdout.lines().count(), 18);
}

/// Once runs are finished here, their speed tells how long their like will take: within a factor of five, on a machine that
/// does other things at the same time.
#[test]
fn what_was_finished_here_tells_the_time() {
    let lab = Lab::tiny("");
    lab.expect(0, "run tiny.toml --out out --set train.steps=200");
    let row = common::rows(&lab.read("out/tiny/runs.csv")).remove(0);
    let done = lab.expect(0, "plan tiny.toml --out out --set train.steps=20000");
    assert!(done.stdout.contains("times: by finished runs like them in out"), "{}", done.stdout);
    let rate: f64 = row["tokens_per_second"].parse().unwrap();
    let planned = &lab.plan("tiny.toml --out out --set train.steps=20000")[0];
    let seconds = planned["tokens"].parse::<f64>().unwrap() / rate;
    let said = done.stdout.lines().find(|line| line.starts_with("FullSA")).unwrap();
    let words: Vec<&str> = said.split_whitespace().collect();
    let number = |word: &str| word.parse::<f64>().unwrap();
    let said = match words[..] {
        [.., minutes, "min", seconds, "s"] => 60.0 * number(minutes) + number(seconds),
        [.., minutes, "min"] => 60.0 * number(minutes),
        [.., seconds, "s"] => number(seconds),
        _ => panic!("{said}"),
    };
    assert!((seconds / 5.0..5.0 * seconds).contains(&said), "{said} and {seconds}: {}", done.stdout);
}

/// Where results cannot be written, or their folder is not there and cannot be made, all the same.
#[cfg(unix)]
#[test]
fn planning_takes_no_folder_to_write_to() {
    let lab = Lab::tiny("");
    lab.expect(0, "plan tiny.toml --out made/here");
    // A file in the place of the folder keeps even root from writing there.
    lab.write("file", "");
    let ids = lab.expect(0, "plan tiny.toml --out file/out --ids").stdout;
    assert_eq!(ids, lab.expect(0, "plan tiny.toml --ids").stdout);
    lab.expect(0, "plan tiny.toml --out /proc/nowhere/out");
    assert!(lab.expect(1, "run tiny.toml --out file/out").stderr.starts_with("error: "));
}

#[test]
fn planning_leaves_no_results() {
    let lab = Lab::tiny("");
    lab.expect(0, "plan tiny.toml --out out");
    assert!(common::files(&lab.path("out")).iter().all(|file| file.starts_with(".cache")));
}

#[test]
fn a_grid_s_first_key_varies_slowest_and_seeds_fastest() {
    // The order is that of the file, not of the alphabet.
    let lab = Lab::new();
    let sweep = "[sweep]\n\"train.steps\" = [9, 7]\n\"model.hidden\" = [16, 8]\n";
    lab.write("grid.toml", format!("seeds = [3, 1]\n{}{sweep}", common::TINY));
    let rows = lab.plan("grid.toml");
    assert_eq!(column(&rows, "steps"), ["9", "9", "9", "9", "7", "7", "7", "7"]);
    assert_eq!(column(&rows, "hidden"), ["16", "16", "8", "8", "16", "16", "8", "8"]);
    assert_eq!(column(&rows, "seed"), ["3", "1", "3", "1", "3", "1", "3", "1"]);
    let ids: std::collections::HashSet<&str> = column(&rows, "run_id").into_iter().collect();
    assert_eq!(ids.len(), 8, "every run has its own folder");
    // All are FullSA-FullMLP-2L: what the sweep sets tells them apart, a seed does not.
    let label = |i: usize| rows[i]["label"].as_str();
    assert_eq!(label(0), "FullSA-FullMLP-2L, steps 9, hidden 16");
    assert_eq!(label(1), label(0));
    assert_eq!(label(7), "FullSA-FullMLP-2L, steps 7, hidden 8");
}

#[test]
fn cases_set_several_keys_and_combine_with_a_grid() {
    let lab = Lab::new();
    let sweep = r#"
        [[sweep.case]]
        [[sweep.case]]
        label = "thin"
        model.attention = { kind = "low-rank", rank = 4 }
        model.mlp = { kind = "low-rank", rank = [2, 3] }
    "#;
    lab.write("cases.toml", format!("{}{sweep}", common::TINY));
    let rows = lab.plan("cases.toml");
    assert_eq!(column(&rows, "label"), ["FullSA-FullMLP-2L", "thin"]);
    assert_eq!(column(&rows, "attention"), ["dense", "low-rank"]);
    assert_eq!(column(&rows, "attention_ranks"), ["", "4 4"]);
    assert_eq!(column(&rows, "mlp_ranks"), ["", "2 3"]);

    lab.write("both.toml", format!("{}{sweep}\n[sweep]\n\"model.context\" = [64, 32]\n", common::TINY));
    let rows = lab.plan("both.toml");
    assert_eq!(column(&rows, "attention"), ["dense", "dense", "low-rank", "low-rank"]);
    let sizes = [(64 + 300) * 16, (32 + 300) * 16];
    for (row, at_most) in rows.iter().zip([sizes[0], sizes[1], sizes[0], sizes[1]]) {
        let embedding: usize = row["params_embedding"].parse().unwrap();
        assert!(at_most - 64 * 16 < embedding && embedding <= at_most, "{row:?}");
    }
}

#[test]
fn a_file_overrides_what_it_extends_and_set_overrides_both() {
    let lab = Lab::new();
    lab.write(
        "folder/base.toml",
        common::TINY.replace("[model]", "[model]\nattention = { kind = \"low-rank\", rank = 4 }"),
    );
    lab.write("middle.toml", "extends = \"folder/base.toml\"\n[model]\nlayers = 3\nhidden = 8\n");
    lab.write("over.toml", "extends = \"middle.toml\"\n[model]\nlayers = 1\n");
    let row = |arguments: &str| lab.plan(arguments).remove(0);

    let over = row("over.toml");
    assert_eq!((&*over["layers"], &*over["hidden"], &*over["attention_ranks"]), ("1", "8", "4"));
    let set = row("over.toml --set model.hidden=32 --set model.attention.rank=5");
    assert_eq!((&*set["layers"], &*set["hidden"], &*set["attention_ranks"]), ("1", "32", "5"));
    assert_eq!(row("over.toml --set model.hidden=32 --set model.hidden=24")["hidden"], "24", "the last one wins");
}

#[test]
fn overriding_takes_away_what_it_excludes() {
    let lab = Lab::new();
    lab.write(
        "base.toml",
        common::TINY.replace("[model]", "[model.attention]\nkind = \"low-rank\"\nrank = 4\n[model]"),
    );
    lab.write("over.toml", "extends = \"base.toml\"\n[model.attention]\nkind = \"dense\"\n[train]\nepochs = 3\n");
    let row = lab.plan("over.toml").remove(0);
    assert_eq!((&*row["attention"], &*row["attention_ranks"]), ("dense", ""), "a rank belongs to its kind");
    // 36 of 40 stories are trained on, in nine batches of four.
    assert_eq!(row["steps"], "27", "epochs take the place of steps");
}

#[test]
fn slots_have_kinds_of_their_own() {
    let lab = Lab::new();
    lab.write("tiny.toml", common::TINY);
    let body = |set: &str| -> (String, String, usize) {
        let row = lab.lrx(["plan", "tiny.toml", "--format", "csv", "--set", set]);
        let row = common::rows(&row.stdout).remove(0);
        (row["attention"].clone(), row["attention_ranks"].clone(), row["params_body"].parse().unwrap())
    };
    // Each of two layers: 4·16² + 16 in the attention, 2·16·64 + 64 + 16 in the MLP, 4·16 in its norms; a norm at the end.
    let dense = 2 * (1024 + 16 + 2048 + 80 + 64) + 32;
    assert_eq!(body("model.hidden=16"), ("dense".into(), String::new(), dense));
    // q of rank 4 has 4·(16 + 16) numbers in place of 16².
    let q = body("model.attention.q={ kind = \"low-rank\", rank = 4 }");
    assert_eq!(q, ("dense q=low-rank".into(), "4/-/-/- 4/-/-/-".into(), dense - 2 * (256 - 128)));
    // A list has a value for each layer, here a whole table.
    let per_layer = body("model.attention.q=[{ kind = \"low-rank\", rank = 4 }, { kind = \"dense\" }]");
    assert_eq!(per_layer, ("dense q=low-rank, dense".into(), "4/-/-/- -".into(), dense - (256 - 128)));
    // A block's rank holds for all its slots but those that say otherwise.
    let own = body("model.attention={ kind = \"low-rank\", rank = 4, out = { rank = 2 } }");
    assert_eq!(own, ("low-rank".into(), "4/4/4/2 4/4/4/2".into(), dense - 2 * (1024 - 3 * 128 - 64)));
}

#[test]
fn what_is_finished_is_told_and_not_to_be_trained() {
    let lab = Lab::tiny("seeds = [0, 1, 2]");
    let fresh = lab.expect(0, "plan tiny.toml --out out").stdout;
    assert!(!fresh.contains("status") && fresh.contains("3 runs of 1 configuration, about "), "{fresh}");
    lab.expect(0, "run tiny.toml --out out --set seeds=[0]");
    let some = lab.expect(0, "plan tiny.toml --out out").stdout;
    assert!(some.contains("1/3 finished"), "{some}");
    assert!(some.contains("3 runs of 1 configuration: 1 finished, 2 to be trained, about "), "{some}");
    assert_eq!(column(&lab.plan("tiny.toml --out out"), "status"), ["finished", "planned", "planned"]);
    lab.expect(0, "run tiny.toml --out out");
    let all = lab.expect(0, "plan tiny.toml --out out").stdout;
    assert!(all.contains("3 runs of 1 configuration: all finished\n"), "{all}");
    assert!(!all.contains("times:"), "nothing remains to be told of: {all}");
    // Also where another experiment has them; a run of two files counts once, and each file's lines name it.
    lab.write("other.toml", format!("seeds = [2, 7]\n{}", common::TINY));
    let two = lab.expect(0, "plan tiny.toml other.toml --out out").stdout;
    assert!(two.contains("experiment") && two.contains("1/2 finished"), "{two}");
    assert!(two.contains("5 runs of 2 configurations: 3 finished, 1 to be trained, about "), "{two}");
}

#[test]
fn only_runs_of_this_machine_and_as_many_threads_tell_times() {
    let lab = Lab::tiny("");
    lab.expect(0, "run tiny.toml --out out --threads 1");
    let by_runs = |arguments: &str| {
        let done = lab.expect(0, &format!("plan tiny.toml --out out --set seeds=[1] {arguments}"));
        done.stdout.contains("times: by finished runs like them in out")
    };
    assert!(by_runs("--threads 1") && !by_runs("--threads 2"));
    assert!(!by_runs("--threads 1 --set model.hidden=64"), "no comparable model");
    let table = lab.read("out/tiny/runs.csv");
    let machine = common::rows(&table)[0]["machine"].clone();
    assert!(!machine.is_empty());
    lab.write("out/tiny/runs.csv", table.replace(&machine, "another machine"));
    assert!(!by_runs("--threads 1"));
}

#[test]
fn runs_whose_time_cannot_be_told_are_counted() {
    let done = seed_configs(|text| text.replace("name = ", "model.vocabulary = 50257\nname = "))
        .lrx(["plan", "configs/seed/base.toml"]);
    assert!(done.stdout.contains("1 run, no time is known of 1 run, as their tokens are not"), "{}", done.stdout);
}

/// Bodies by hand: with 16 features and two layers, 2 · (1,024 + 16 + 2,048 + 80) + 160 = 6,496 dense, 24 · 12² + 22 · 12 with 12;
/// low-rank MLPs have 320 numbers for each rank in place of 4,096.
#[test]
fn what_is_solved_for_is_shown_before_anything_trains() {
    let lab = Lab::tiny("");
    let cases = "[[sweep.case]]\nlabel = 'narrow'\n[[sweep.case]]\nlabel = 'ours'\nmodel.mlp.kind = 'low-rank'\n";
    lab.write("budget.toml", format!("{}[compare]\nat = 'body'\ntarget = 3800\n{cases}", common::TINY));
    let done = lab.expect(0, "plan budget.toml");
    let shown = |label: &str| -> Vec<String> {
        let mut lines = done.stdout.lines().skip_while(|line| !line.contains("solved for")).map(str::to_string);
        let line = lines.find(|line| line.starts_with(label)).unwrap_or_else(|| panic!("{}", done.stdout));
        line.split("  ").map(|cell| cell.trim().to_string()).filter(|cell| !cell.is_empty()).collect()
    };
    assert_eq!(shown("narrow")[1..], ["hidden 12", "body parameters", "3,720", "3,800", "-2.11 %"]);
    assert_eq!(shown("ours")[1..], ["budget 0.39", "body parameters", "3,680", "3,800", "-3.16 %"]);
    assert!(done.stdout.lines().all(|line| line.chars().count() <= 100), "{}", done.stdout);
    assert!(!lab.path("results/budget").exists(), "nothing is trained");
    // The same runs by hand, and of as many operations as they have steps.
    let by_hand = "[[sweep.case]]\nlabel = 'narrow'\nmodel.hidden = 12\n[[sweep.case]]\nlabel = 'ours'\n\
                   model.mlp = { kind = 'low-rank', rank = 4 }\n";
    lab.write("by_hand.toml", format!("{}{by_hand}", common::TINY));
    let ids = |command: &str| lab.expect(0, command).stdout;
    assert_eq!(ids("plan budget.toml --ids"), ids("plan by_hand.toml --ids"));
    let done = lab.expect(0, "plan by_hand.toml --set train.flops=1e9");
    for row in lab.plan("by_hand.toml --set train.flops=1e9") {
        let (steps, label) = (&row["steps"], &row["label"]);
        assert!(done.stdout.contains(&format!("steps {steps} ")), "{steps}: {}", done.stdout);
        let same = lab.plan(&format!("by_hand.toml --set train.steps={steps}"));
        let same = same.iter().find(|same| same["label"] == *label).unwrap();
        assert_eq!(row["run_id"], same["run_id"]);
        // Training is three times forward, and attention itself is less than a quarter of this model's.
        let count = |column: &str| row[column].parse::<f64>().unwrap();
        let share = 3.0 * count("tokens") * count("flops_per_token") / 1e9;
        assert!((0.75..1.0).contains(&share), "{label}: {share}");
    }
}
