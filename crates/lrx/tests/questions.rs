//! What is asked of runs that are there: `lrx list`, `show`, `eval` and `rm`.

mod common;

use std::fs;
use std::path::Path;

use common::{Lab, Row, TINY, column, copy, current, rows, wait_until};
use lrx_records::{Row as _, RunRecord};

/// Stories of some words each, the last of one letter.
fn stories(from: usize, to: usize) -> Vec<String> {
    let story = |i: usize| format!("Ann had {i} red balls. She gave {} to Tim, and „{}“ to Größe.", i / 2, i % 7);
    (from..to).map(story).collect()
}

/// A folder with a config over files, `more` in its [data].
fn lab(more: &str, train: &str) -> Lab {
    let lab = Lab::new();
    lab.write("train.txt", stories(0, 30).join("\n<|endoftext|>\n"));
    lab.write("valid.txt", stories(30, 38).join("\n<|endoftext|>\n"));
    let data =
        format!("[data]\ntrain = \"train.txt\"\nvalid = \"valid.txt\"\n{more}\ntokenizer = {{ train_bpe = 300 }}");
    let model = &TINY[TINY.find("[model]").unwrap()..];
    lab.write("tiny.toml", format!("{data}\n{model}\n{train}"));
    lab
}

fn run_id(folder: &Path) -> String {
    folder.file_name().unwrap().to_string_lossy().into_owned()
}

fn number(row: &Row, column: &str) -> f64 {
    row[column].parse().unwrap_or_else(|_| panic!("{column}: {row:?}"))
}

/// Evaluated on what it held out, a run finds what it found in training, to the last digit; in every arrangement and form.
#[test]
fn an_evaluation_is_that_of_the_training() {
    for (data, train) in [
        ("", ""),
        ("vocabulary = \"compact\"\nend_of_text = true", "precision = \"bf16\""),
        ("long = \"split\"", ""),
        ("long = \"pack\"\nvocabulary = \"compact\"", ""),
    ] {
        let lab = lab(data, train);
        let text = lab.read("tiny.toml").replace("context = 64", "context = 24");
        lab.write("tiny.toml", text);
        lab.expect(0, "run tiny.toml --out out");
        let own = &rows(&lab.read("out/tiny/runs.csv"))[0];
        let lines: Vec<String> =
            stories(30, 38).iter().map(|text| serde_json::json!({"a": {"b": text}, "text": "x"}).to_string()).collect();
        lab.write("valid.jsonl", lines.join("\n"));
        for more in ["valid.txt", "valid.jsonl --text-key a.b", "valid.txt --threads 3"] {
            let done = lab.expect(0, &format!("eval {} --out out --format csv {more}", &own["run_id"]));
            let header = "file,stories,tokens,bytes,loss,perplexity,bits_per_byte\n";
            assert!(done.stdout.starts_with(header), "{}", done.stdout);
            let found = &rows(&done.stdout)[0];
            assert_eq!(
                (&found["loss"], &found["bits_per_byte"]),
                (&own["eval_loss"], &own["bits_per_byte"]),
                "{data} {more}"
            );
            assert_eq!((&*found["stories"], &*found["file"]), ("8", more.split(' ').next().unwrap()));
            let (loss, tokens) = (number(found, "loss"), number(found, "tokens"));
            assert!((number(found, "perplexity") - loss.exp()).abs() < 1e-9 * loss.exp());
            let bits = loss * tokens / (2_f64.ln() * number(found, "bytes"));
            assert!((number(found, "bits_per_byte") - bits).abs() < 1e-12);
        }
    }
}

#[test]
fn stories_have_losses_of_their_own_that_come_to_that_of_the_file() {
    let lab = lab("", "");
    lab.expect(0, "run tiny.toml --out out");
    let id = run_id(&lab.only_run("out/tiny"));
    lab.write("more/a.txt", format!("x<|endoftext|>{}", stories(50, 53).join("<|endoftext|>")));
    lab.write("more/b.csv", "number,text\n1,\"Ann had a ball.\"\n2,\n3,\"Tim had, too.\"\n");
    let files = lab.expect(0, &format!("eval {id} more --out out --format csv"));
    assert!(files.stderr.contains("more/a.txt: 1 story of fewer than two tokens is left out"), "{}", files.stderr);
    assert!(
        files.stderr.contains("more/b.csv: 1 row without a story (null, or empty) is passed over"),
        "{}",
        files.stderr
    );
    let files = rows(&files.stdout);
    assert_eq!(column(&files, "file"), ["more/a.txt", "more/b.csv"]);
    assert_eq!(column(&files, "stories"), ["3", "2"]);
    let each = rows(&lab.expect(0, &format!("eval {id} more --out out --per-story --format csv")).stdout);
    assert_eq!(column(&each, "story"), ["1", "2", "3", "0", "1"], "by their places in the file");
    for file in &files {
        let own: Vec<&Row> = each.iter().filter(|row| row["file"] == file["file"]).collect();
        let sum = |of: &dyn Fn(&Row) -> f64| own.iter().map(|row| of(row)).sum::<f64>();
        assert_eq!(
            (sum(&|row| number(row, "tokens")), sum(&|row| number(row, "bytes"))),
            (number(file, "tokens"), number(file, "bytes"))
        );
        let mean = sum(&|row| number(row, "loss") * number(row, "tokens")) / number(file, "tokens");
        assert!((mean - number(file, "loss")).abs() < 1e-5, "{mean} {file:?}");
    }
    // "Ann had a ball." is 15 bytes; the first token is no target, and what it stands for no text of one.
    assert!((1.0..15.0).contains(&(15.0 - number(&each[3], "bytes"))), "{:?}", each[3]);
    let text = lab.expect(0, &format!("eval {id} more --out out")).stdout;
    assert!(text.contains("all together") && text.contains("on the stories that it held out"), "{text}");
}

/// A model that is not trained gives each of its tokens about the same chance.
#[test]
fn what_is_not_trained_has_the_perplexity_of_its_vocabulary() {
    let lab = lab("", "");
    lab.expect(0, "run tiny.toml --out out --set train.learning_rate=0");
    let own = &rows(&lab.read("out/tiny/runs.csv"))[0];
    lab.write("digits.txt", "3141592653589793");
    let found = &rows(&lab.expect(0, &format!("eval {} digits.txt --out out --format csv", own["run_id"])).stdout)[0];
    let vocabulary = number(own, "params_embedding") / 16.0 - 64.0;
    assert!((number(found, "perplexity") / vocabulary - 1.0).abs() < 0.1, "{found:?} of {vocabulary}");
    // Digits were learned one by one, or in pairs at most.
    assert!((7.0..=15.0).contains(&number(found, "tokens")) && number(found, "bytes") <= 15.0, "{found:?}");
}

#[test]
fn what_cannot_be_evaluated_is_told() {
    let lab = lab("long = \"pack\"", "");
    lab.expect(0, "run tiny.toml --out out");
    let id = run_id(&lab.only_run("out/tiny"));
    lab.write("a.jsonl", "{\"body\": \"x\"}");
    for (arguments, part) in [
        ("nowhere.txt", "\"nowhere.txt\" cannot be read"),
        ("valid.txt --text-key body", "--text-key body is of no use"),
        ("a.jsonl", "--text-key"),
        ("valid.txt --per-story", "this run packs stories"),
        ("valid.txt valid.txt", "a second time"),
    ] {
        let done = lab.expect(2, &format!("eval {id} --out out {arguments}"));
        assert!(done.stderr.contains(part) && done.stdout.is_empty(), "{arguments}: {}", done.stderr);
    }
}

/// Two configurations of two seeds, one of which diverges.
fn sweep() -> Lab {
    let lab = Lab::tiny("seeds = [0, 1]\n[sweep]\n\"train.learning_rate\" = [1e-3, 1e30]\n\"model.hidden\" = [16, 24]");
    lab.expect(1, "run tiny.toml --out out");
    lab
}

#[test]
fn runs_are_listed_sorted_and_filtered() {
    let lab = sweep();
    let all = rows(&lab.read("out/tiny/runs.csv"));
    let csv = lab.expect(0, "list out --format csv").stdout;
    assert_eq!(csv, lab.read("out/tiny/runs.csv"), "the columns of runs.csv, and its rows");
    let ids = |arguments: &str| -> Vec<String> {
        lab.expect(0, &format!("list out --ids {arguments}")).stdout.lines().map(str::to_string).collect()
    };
    let those = |keep: &dyn Fn(&Row) -> bool| -> Vec<String> {
        all.iter().filter(|row| keep(row)).map(|row| row["run_id"].clone()).collect()
    };
    assert_eq!(ids(""), those(&|_| true));
    assert_eq!(ids("--where state=finished"), those(&|row| row["status"] == "finished"));
    assert_eq!(ids("--where state=diverged"), those(&|row| row["status"] == "diverged"));
    assert_eq!(ids("--where hidden>=24 --where seed=1"), those(&|row| row["hidden"] == "24" && row["seed"] == "1"));
    let mut by_loss = those(&|row| row["status"] == "finished");
    let loss = |id: &String| number(all.iter().find(|row| row["run_id"] == *id).unwrap(), "eval_loss");
    by_loss.sort_by(|a, b| loss(a).total_cmp(&loss(b)));
    assert_eq!(ids("--sort eval_loss --where state=finished"), by_loss);
    by_loss.reverse();
    assert_eq!(ids("--sort -eval_loss --where state=finished"), by_loss);
    assert_eq!(ids("--sort eval_loss --reverse --where state=finished"), by_loss);
    // Of each configuration the better seed; of the experiment the best of all.
    let best = ids("--best");
    assert_eq!(best.len(), 2);
    for id in &best {
        let row = all.iter().find(|row| row["run_id"] == *id).unwrap();
        let rivals = all.iter().filter(|other| other["configuration"] == row["configuration"]);
        assert!(rivals.map(|other| number(other, "eval_loss")).all(|other| other >= number(row, "eval_loss")));
    }
    assert_eq!(ids("--best=experiment"), [by_loss.last().unwrap().clone()]);

    let text = lab.expect(0, "list out --where hidden=24").stdout;
    assert!(
        text.contains("run_id") && text.contains("hidden") && text.contains("4 runs: 2 finished, 2 diverged"),
        "{text}"
    );
    assert_eq!(lab.expect(0, "list out --where hidden=25").stdout, "no runs\n");
    for (arguments, part) in [
        ("nowhere", "nowhere: there is no such folder"),
        ("out --sort eval_los", "did you mean `eval_loss`?"),
        ("out --where hiden=3", "did you mean `hidden`?"),
        ("out --where hidden", "expected COLUMN"),
    ] {
        assert!(lab.expect(2, &format!("list {arguments}")).stderr.contains(part), "{arguments}");
    }
    // A table of other origin, without a folder.
    lab.write("other/elsewhere/runs.csv", "run_id,label,eval_loss\n,published,1.5\n");
    let other = lab.expect(0, "list other").stdout;
    assert!(other.contains("published") && other.contains("rows of a table alone"), "{other}");
}

/// What has begun and not ended: running, paused and interrupted.
#[cfg(unix)]
#[test]
fn states_are_those_of_the_processes() {
    let lab = Lab::tiny("");
    let long = "run tiny.toml --set train.steps=200000 --out out";
    let mut process = lab.start(&format!("{long} --checkpoint-every 0"));
    let checkpoint = || lab.runs("out/tiny").iter().any(|run| current(run).join("checkpoint.safetensors").exists());
    wait_until(&mut process, "a checkpoint", checkpoint);
    let list = || lab.expect(0, "list out").stdout;
    let running = list();
    assert!(
        running.contains("1 run: 1 running") && running.contains(&format!("process {}", process.id())),
        "{running}"
    );
    let id = run_id(&lab.only_run("out/tiny"));
    let shown = lab.expect(0, &format!("show {id} --out out")).stdout;
    assert!(shown.contains(&format!("running by process {}", process.id())), "{shown}");
    // A run that a process works on is not removed, whatever is said.
    let refused = lab.expect(1, &format!("rm {id} --yes --out out"));
    assert!(refused.stderr.contains(&format!("process {}", process.id())), "{}", refused.stderr);
    assert!(lab.only_run("out/tiny").exists());
    let steps = |listed: &str| number(&rows(listed)[0], "steps");
    assert!(steps(&lab.expect(0, "list out --format csv").stdout) >= 1.0, "as far as its curve is");

    let pid = process.id().to_string();
    assert!(std::process::Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    assert_eq!(process.wait().unwrap().code(), Some(143));
    assert!(list().contains("1 run: 1 paused"), "{}", list());
    let mut process = lab.start(long);
    let by = format!("process {}", process.id());
    wait_until(&mut process, "going on", || list().contains(&by));
    process.kill().unwrap();
    process.wait().unwrap();
    assert!(list().contains("1 run: 1 interrupted"), "{}", list());
    lab.expect(0, &format!("rm {id} --yes --out out"));
    assert_eq!(lab.runs("out/tiny"), [] as [std::path::PathBuf; 0]);
}

#[test]
fn a_run_is_shown_whole() {
    let lab = Lab::tiny("label = \"little\"");
    lab.expect(0, "run tiny.toml --out out");
    let folder = lab.only_run("out/tiny");
    let id = run_id(&folder);
    let row = &rows(&lab.read("out/tiny/runs.csv"))[0];
    let hash = id.rsplit('-').next().unwrap();
    for name in [id.as_str(), &id[..id.len() - 3], hash, &folder.to_string_lossy()] {
        let shown = lab.expect(0, &format!("show {name} --out out --rows 3 --chart")).stdout;
        assert!(shown.starts_with("little seed 0, of tiny\n"), "{shown}");
        let loss = format!(
            "{:.4} nats/token held out, perplexity {:.2}",
            number(row, "eval_loss"),
            number(row, "eval_loss").exp()
        );
        for part in [
            &*loss,
            "finished",
            "hidden = 16",
            "model.safetensors",
            "curve, 3 of 15 rows",
            "● eval",
            &format!("lrx generate {id}"),
        ] {
            assert!(shown.contains(part), "{part}: {shown}");
        }
    }
    let csv = lab.expect(0, &format!("show {id} --out out --format csv")).stdout;
    assert_eq!(csv, lab.read("out/tiny/runs.csv"));
    assert_eq!(csv.lines().next().unwrap().split(',').count(), RunRecord::COLUMNS.len());
    fs::write(folder.join("curve.csv"), "changed").unwrap();
    let damaged = lab.expect(1, &format!("show {id} --out out")).stdout;
    assert!(damaged.contains("damaged: curve.csv has changed since it was written"), "{damaged}");
    assert!(lab.expect(2, "show nothing --out out").stderr.contains("no run \"nothing\""));
}

#[test]
fn removed_runs_leave_no_trace_and_are_trained_again() {
    let lab = sweep();
    let before = lab.read("out/tiny/runs.csv");
    let finished: Vec<String> =
        rows(&before).into_iter().filter(|row| row["status"] == "finished").map(|row| row["run_id"].clone()).collect();
    let [first, second, ..] = &finished[..] else { panic!("{before}") };
    // Nobody is asked where nobody can answer, and nothing goes where something is wrong.
    let asked = lab.expect(2, &format!("rm {first} --out out"));
    assert!(asked.stderr.contains("--yes"), "{}", asked.stderr);
    assert!(lab.expect(2, &format!("rm {first} nothing --yes --out out")).stderr.contains("no run \"nothing\""));
    assert_eq!(lab.read("out/tiny/runs.csv"), before);
    // A run that several experiments have is named by its folder.
    copy(&lab.path(&format!("out/tiny/{second}")), &lab.path(&format!("out/other/{second}")));
    let both = lab.expect(2, &format!("rm {second} --yes --out out")).stderr;
    assert!(both.contains(&format!("out/other/{second}")) && both.contains(&format!("out/tiny/{second}")), "{both}");
    lab.expect(0, &format!("rm out/other/{second} --yes --out out"));

    // The weights alone: its rows stay.
    lab.expect(0, &format!("rm --weights {second} --yes --out out"));
    assert!(!lab.path(&format!("out/tiny/{second}/model.safetensors")).exists());
    lab.expect(1, "run tiny.toml --out out");
    assert_eq!(lab.read("out/tiny/runs.csv"), before);
    assert!(
        lab.expect(2, &format!("rm --weights {second} --yes --out out")).stderr.contains("has no model.safetensors")
    );

    lab.expect(0, &format!("rm {first} --yes --out out"));
    assert!(!lab.path(&format!("out/tiny/{first}")).exists());
    for table in ["runs.csv", "curves.csv", "ranks.csv"] {
        let text = lab.read(&format!("out/tiny/{table}"));
        assert!(!text.contains(first.as_str()) && text.contains(second.as_str()), "{table}");
    }
    let hidden: Vec<_> = fs::read_dir(lab.path("out/tiny")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(!hidden.iter().any(|name| name.to_string_lossy().starts_with(".tmp")), "{hidden:?}");
    lab.expect(1, "run tiny.toml --out out");
    let losses =
        |csv: &str| rows(csv).iter().map(|row| (row["run_id"].clone(), row["eval_loss"].clone())).collect::<Vec<_>>();
    assert_eq!(
        losses(&lab.read("out/tiny/runs.csv")),
        losses(&before),
        "trained again, to the same numbers, in its place"
    );
}

#[test]
fn a_prompt_may_begin_with_a_dash_and_a_beginning_is_enough() {
    let lab = Lab::tiny("seeds = [0, 1]");
    lab.expect(0, "run tiny.toml --out out");
    let done = lab.lrx(["generate", "fullsa", "--out", "out", "--prompt", "- Hello", "--tokens", "3"]);
    assert_eq!(done.code, Some(2), "two runs have weights: {}", done.stderr);
    let [first, second] = &lab.runs("out/tiny")[..] else { panic!("two runs") };
    assert!(done.stderr.contains(&run_id(first)) && done.stderr.contains("seed 1, finished"), "{}", done.stderr);
    fs::remove_file(second.join("model.safetensors")).unwrap();
    let done = lab.lrx(["generate", "fullsa", "--out", "out", "--prompt", "- Hello", "--tokens", "3"]);
    assert_eq!(done.code, Some(0), "one of them has: {}", done.stderr);
    assert!(done.stdout.starts_with("- Hello"), "{}", done.stdout);
    // Every command that takes a run takes the beginning.
    lab.write("a.txt", "Ann had a ball.");
    lab.expect(0, "eval fullsa a.txt --out out");
    lab.expect(0, "show fullsa --out out");
}

/// What only looks like a run, what a link leads to, and what an unset variable names: nothing of it is deleted.
#[test]
fn nothing_but_a_run_is_ever_removed() {
    let lab = Lab::tiny("");
    lab.expect(0, "run tiny.toml --out out");
    let run = lab.runs("out/tiny").remove(0);
    for (file, text) in [("mine/sub/resolved.toml", "x = 1"), ("mine/sub/precious", "p"), ("mine/runs.csv", "mine")] {
        lab.write(file, text);
    }
    let refused = lab.expect(2, "rm --yes mine/sub").stderr;
    assert!(refused.contains("mine/sub: has no row of a run of that name; nothing is deleted"), "{refused}");
    assert!(lab.read("mine/sub/precious") == "p" && lab.read("mine/runs.csv") == "mine");
    std::os::unix::fs::symlink(&run, lab.path("link")).unwrap();
    assert!(lab.expect(2, "rm --yes link").stderr.contains("link: is a link"));
    let done = lab.lrx(["rm", "--yes", "", "--out", "out"]);
    assert!(done.code == Some(2) && done.stderr.contains("no run \"\""), "{}", done.stderr);
    assert!(run.join("run.csv").exists() && !lab.path("runs.csv").exists());
    // An export into the runs' own folder would put its file in the place of theirs.
    let refused = lab.expect(2, "export --tensorboard out --out out").stderr;
    assert!(refused.contains("a run lies there"), "{refused}");
    lab.expect(0, "run tiny.toml --out out");
}
