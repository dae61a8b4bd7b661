//! What the command line says and does about data.

mod common;

use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use common::{Lab, files, refuse, rows, wait_until};

/// A run of one step on `train`.
fn config(train: &str, more: &str) -> String {
    format!(
        "[data]\ntrain = \"{train}\"\n{more}\n[model]\nhidden = 16\nlayers = 1\nheads = 2\ncontext = 16\n\
         [train]\nsteps = 1\n"
    )
}

#[test]
fn the_same_bytes_in_another_format_are_another_run() {
    let lab = Lab::new();
    let line = |i: usize| format!("{{\"text\": \"Story {i} is about a dog and a cat.\"}}\n");
    let lines: String = (0..30).map(line).collect();
    for name in ["s.jsonl", "t.jsonl", "s.txt", "v.txt"] {
        lab.write(name, &lines);
    }
    let id = |name: &str| {
        lab.write("c.toml", config(name, "valid = \"v.txt\"\ntokenizer = { train_bpe = 300 }"));
        lab.expect(0, "plan --ids c.toml").stdout
    };
    assert_eq!(id("s.jsonl"), id("t.jsonl"));
    assert_ne!(id("s.jsonl"), id("s.txt"));
}

/// Whether a name lies does not depend on what the cache knows; a file is one file however it is written.
#[test]
fn names_that_lie_and_files_that_are_named_twice_are_told_whatever_was_prepared() {
    let lab = Lab::new();
    let stories = "A story about a dog.<|endoftext|>One about a cat.<|endoftext|>".repeat(20);
    lab.write("dir/a.txt", &stories);
    lab.write("dir/lie.txt.gz", &stories);
    let plan = |train: &str| {
        lab.write("c.toml", config("x", "tokenizer = { train_bpe = 257 }").replace("\"x\"", train));
        lab.lrx(["plan", "c.toml"])
    };
    let code = |train: &str| plan(train).code;
    assert_eq!(code("\"dir/a.txt\""), Some(0));
    let lie = plan("\"dir/lie.txt.gz\"");
    assert!(lie.code == Some(2) && lie.stderr.contains("is no gzip file"), "{}", lie.stderr);
    for twice in ["[\"dir/a.txt\", \"./dir/a.txt\"]", "[\"dir/a.txt\", \"dir/../dir/a.txt\"]"] {
        let told = plan(twice);
        assert!(told.code == Some(2) && told.stderr.contains("a second time"), "{twice}: {}", told.stderr);
    }
}

/// The library for patterns panics at such names.
#[cfg(target_os = "linux")]
#[test]
fn a_pattern_over_a_name_that_is_no_text_is_an_error() {
    use std::os::unix::ffi::OsStrExt;
    let lab = Lab::new();
    lab.write("dir/a.txt", "A story.");
    fs::write(lab.path("dir").join(std::ffi::OsStr::from_bytes(b"\xff.txt")), "A story.").unwrap();
    lab.write("c.toml", config("dir/*", ""));
    let told = lab.expect(2, "plan c.toml").stderr;
    assert!(told.contains("a name that is no UTF-8 stops a pattern") && !told.contains("panicked"), "{told}");
}

#[test]
fn what_is_left_out_of_the_data_is_said_once() {
    let lab = Lab::new();
    lab.write("a.txt", "A story about a dog that is longer than its context. ".repeat(50));
    lab.write("v.txt", "A short one.");
    let more = "valid = \"v.txt\"\ntokenizer = { train_bpe = 257 }";
    lab.write("c.toml", format!("seeds = [0, 1]\n{}", config("a.txt", more)));
    for command in ["plan c.toml", "run c.toml"] {
        let said = lab.expect(0, command).stderr;
        let note = "note: 1 of 1 story to train on is longer than the context of 16: 2,633 targets of 2,648 are cut off \
                    (99 %); stories are divided by <|endoftext|>, or long = \"split\" keeps all\n";
        assert_eq!(said.matches(note).count(), 1, "{said}");
    }
}

/// A text of one piece, as `input.txt` of many a tutorial: nothing of it is lost, and its end is held out.
#[test]
fn a_text_without_separators_is_used_whole() {
    let lab = Lab::new();
    let line = "A line about a dog, of many that there are.\n";
    lab.write("input.txt", line.repeat(1000));
    let config = |long: &str| {
        let long = format!("long = \"{long}\"\nvalid_fraction = 0.1\ntokenizer = {{ train_bpe = 257 }}");
        lab.write("c.toml", config("input.txt", &long));
    };
    config("cut");
    let error = refuse(&lab, "a single story", &["c.toml"]);
    assert!(error.contains("long = \"split\" or \"pack\" holds out the end of one"), "{error}");
    // Of bytes alone: the last tenth, without the white space at its ends, is held out. Packed texts have a token behind them.
    let (train, valid) = (900 * line.len() - 1, 100 * line.len() - 1);
    let sequences = |tokens: usize| (tokens - 1).div_ceil(15);
    for (long, behind, said) in [
        (
            "split",
            0,
            format!("1 of 1 story to train on is longer than the context of 16: 2,{} further", sequences(train) - 2001),
        ),
        ("pack", 1, format!("1 story to evaluate on is packed into {} blocks of 16 tokens", sequences(valid + 1))),
    ] {
        config(long);
        for command in ["plan c.toml", "run c.toml"] {
            let told = lab.expect(0, command).stderr;
            assert!(told.contains(&said), "{told}");
        }
        let runs = rows(&lab.read("results/c/runs.csv"));
        let row = runs.iter().find(|row| row["long"] == long).unwrap();
        assert_eq!(row["stories"], sequences(train + behind).to_string());
        assert_eq!((&*row["tokens_cut"], &*row["cut_share"], &*row["stories_skipped"]), ("0", "0.0", "0"));
        // Each target is a byte, but for the token behind the text.
        let number = |column: &str| row[column].parse::<f64>().unwrap();
        let targets_of_bytes = (valid - 1 + behind) as f64 / (valid - 1) as f64;
        let bits = number("eval_loss") / std::f64::consts::LN_2 * targets_of_bytes;
        assert!((number("bits_per_byte") - bits).abs() < 1e-9, "{row:?}");
    }
}

#[test]
fn rows_and_keys_of_tables_are_told() {
    let lab = Lab::new();
    lab.write("data/b.csv", "id,body\n1,A story about a cat.\n2,\n3,Another one.\n");
    lab.write("data/a.jsonl", "{\"body\": \"A story about a dog.\"}\nnull\n{\"body\": \"The last.\"}\n");
    let config =
        |key: &str| config("data", &format!("{key}\nvalid = [\"data/*.csv\"]\ntokenizer = {{ train_bpe = 257 }}"));
    lab.write("c.toml", config("text_key = \"body\""));
    let told = lab.expect(0, "run c.toml").stderr;
    assert!(told.contains("note: 3 rows without a story (null, or empty) are passed over"), "{told}");
    let row = rows(&lab.read("results/c/runs.csv")).remove(0);
    assert_eq!((row["stories"].as_str(), row["empty_rows"].as_str()), ("4", "3"));
    let run = lab.path("results/c").join(&row["run_id"]);
    let resolved = fs::read_to_string(run.join("resolved.toml")).unwrap();
    assert!(resolved.contains("text_key = \"body\"") && resolved.contains("file = \"data/a.jsonl\""), "{resolved}");
    for (key, said) in [
        (
            "",
            "a.jsonl, line 1: the object has no string under \"text\" or \"story\"; text_key names another (there: \"body\")",
        ),
        ("text_key = \"boddy\"", "has no string under \"boddy\"; text_key = \"body\"?"),
    ] {
        lab.write("c.toml", config(key));
        let error = refuse(&lab, key, &["c.toml"]);
        assert!(error.contains(said) && error.contains("--> c.toml:2:9"), "{error}");
    }
    // Without its data, a config is planned where the vocabulary is known.
    lab.write("c.toml", config("").replace("\"data\"", "[\"data\", \"none/*.txt\"]"));
    let error = refuse(&lab, "none", &["c.toml"]);
    assert!(error.contains("train = \"none/*.txt\" matches no file; there is no folder"), "{error}");
}

#[test]
fn tokenizers_that_make_the_library_panic_are_mistakes() {
    let lab = Lab::new();
    lab.write("a.txt", "A story about a dog.<|endoftext|>Another.");
    let model = r#""model": {"type": "WordLevel", "vocab": {"A": 0, "[UNK]": 1}, "unk_token": "[UNK]"}"#;
    let more = "tokenizer = \"t.json\"";
    for (part, said) in [
        (r#""normalizer": {"type": "Precompiled", "precompiled_charsmap": "AAAA"}"#, "t.json is no tokenizer: "),
        (
            r#""pre_tokenizer": {"type": "FixedLength", "length": 0}"#,
            "t.json cannot encode the text that begins with \"A",
        ),
        (r#""decoder": {"type": "Sequence", "decoders": ["#, "t.json is no tokenizer: "),
    ] {
        lab.write("t.json", format!("{{\"version\": \"1.0\", \"added_tokens\": [], {part}, {model}}}"));
        lab.write("c.toml", config("a.txt", more));
        let error = refuse(&lab, part, &["c.toml"]);
        assert!(error.contains(said) && error.contains("--> c.toml:3:13"), "{error}");
    }
}

#[cfg(unix)]
#[test]
fn data_that_is_no_file_is_a_mistake() {
    let lab = Lab::new();
    assert!(Command::new("mkfifo").arg(lab.path("pipe")).status().unwrap().success());
    for (train, what) in [("pipe", "a pipe"), ("/dev/zero", "a device")] {
        lab.write("c.toml", config(train, ""));
        let error = refuse(&lab, train, &["c.toml"]);
        assert!(error.contains(&format!("not a file but {what}")), "{error}");
    }
}

#[cfg(unix)]
#[test]
fn a_signal_ends_the_preparation_of_stories() {
    let lab = Lab::new();
    // Takes a minute, if it is let.
    lab.write("c.toml", config("synthetic", "stories = 2000000\ntokenizer = { train_bpe = 30000 }"));
    for (signal, code) in [("-TERM", 143), ("-INT", 130)] {
        let mut process = lab.start("run c.toml --out out");
        let cache = lab.path("out/.cache");
        wait_until(&mut process, "it writes to the cache", || {
            fs::read_dir(&cache).is_ok_and(|files| files.count() > 0)
        });
        let began = Instant::now();
        assert!(Command::new("kill").args([signal, &process.id().to_string()]).status().unwrap().success());
        assert_eq!(process.wait().unwrap().code(), Some(code));
        assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
        assert_eq!(files(&cache), [""; 0]);
    }
}

#[test]
fn runs_csv_tells_data_apart_and_counts_what_is_cut() {
    let lab = Lab::new();
    let stories: Vec<String> = (0..20).map(|i| format!("Story {i} is about a dog.")).collect();
    lab.write("a.txt", stories.join("<|endoftext|>"));
    lab.write("v.txt", "A dog.<|endoftext|>Another dog, and a cat.");
    lab.write("c.toml", config("a.txt", "valid = \"v.txt\"\ntokenizer = { train_bpe = 257 }"));
    let planned = lab.plan("c.toml").remove(0);
    lab.expect(0, "run c.toml");
    let row = rows(&lab.read("results/c/runs.csv")).remove(0);
    for (column, letter) in [("data", 'd'), ("vocabulary", 'v'), ("eval_data", 'e')] {
        assert!(row[column].starts_with(letter) && row[column].len() == 11, "{column}: {}", row[column]);
        assert_eq!(row[column], planned[column]);
    }
    // Of bytes alone, 23 or 24 in a context of 16.
    assert_eq!((row["stories_cut"].as_str(), row["tokens_cut"].as_str()), ("20", "150"));
    // Each target is a byte.
    let number = |column: &str| row[column].parse::<f64>().unwrap();
    assert!((number("bits_per_byte") * std::f64::consts::LN_2 - number("eval_loss")).abs() < 1e-9);
}

#[test]
fn steps_that_cannot_be_counted_are_said_at_once() {
    let lab = Lab::new();
    let began = Instant::now();
    let of = |train: &str| {
        format!("{}batch_tokens = 64\n{train}", config("synthetic", "stories = 40").replace("steps = 1\n", ""))
    };
    lab.write("epochs.toml", of("epochs = 999999999\n"));
    let error = refuse(&lab, "epochs", &["epochs.toml"]);
    assert!(error.contains("999999999 epochs of 39 stories have too many steps to count"), "{error}");
    assert!(error.contains("epochs.toml:"), "{error}");
    lab.write("steps.toml", of("steps = 999999999\n"));
    assert_eq!(lab.plan("steps.toml")[0]["tokens"], "");
    lab.expect(0, "plan steps.toml");
    assert!(began.elapsed() < Duration::from_secs(60), "{:?}", began.elapsed());
}
