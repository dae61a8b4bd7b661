//! Wrong files behind a config: texts that are not TOML, data, tokenizers, weights, `extends`; and wrong command lines.

mod common;

use common::{Bad, Lab, check, refuse, shown};

const SYNTAX: &[Bad] = &[
    ("a missing value", "[model]\nhidden =\nlayers = 2", "2:9", "", "not valid TOML: the value is missing"),
    (
        "text without quotes",
        "[data]\ntrain = stories.txt",
        "2:9",
        "stories.txt",
        "not valid TOML: stories.txt is neither a number",
    ),
    ("an open bracket", "[model\nhidden = 3", "1:7", "", "not valid TOML: unclosed table, expected `]`"),
    ("an open quote", "name = \"x", "1:10", "", "not valid TOML: invalid basic string"),
    ("a key twice", "[model]\nhidden = 3\nhidden = 4", "3:1", "hidden", "not valid TOML: duplicate key"),
    (
        "a number of 20 digits",
        "seeds = [99999999999999999999]",
        "1:10",
        "99999999999999999999",
        "not valid TOML: 99999999999999999999 is too large a number",
    ),
];

/// `[data]` with the stories of the lab and a tokenizer trained on them, and a tiny model.
const DATA: &str = "data = { train = 'stories.txt', tokenizer = { train_bpe = 300 } }\n\
                    model = { hidden = 16, layers = 2, heads = 2, context = 64, init_from = 'w.safetensors' }\n";

/// A lab with files of every sort.
fn lab() -> Lab {
    let lab = Lab::new();
    lab.write(
        "stories.txt",
        "Ann saw a cat.<|endoftext|>\nBob had a dog. It ran to a pond.<|endoftext|>\nTim ate cake.",
    );
    lab.write("one.txt", "Ann saw a cat.");
    lab.write("blank.txt", " \n<|endoftext|>\n");
    lab.write("binary.txt", b"Ann\xff\xfe\x00");
    lab.write("lines.jsonl", "{\"text\": \"Ann saw a cat.\"}\n{\"txt\": \"Bob had a dog.\"}\n");
    lab.write("broken.json", "{ not a tokenizer");
    lab.write("empty.json", "{}");
    lab.write("folder/file", "");
    lab
}

/// A safetensors file of zeros, written by hand as its specification says.
fn weights(tensors: &[(&str, &[usize])]) -> Vec<u8> {
    let (mut entries, mut end) = (Vec::new(), 0);
    for (name, shape) in tensors {
        let begin = end;
        end += 4 * shape.iter().product::<usize>();
        entries.push(format!("\"{name}\":{{\"dtype\":\"F32\",\"shape\":{shape:?},\"data_offsets\":[{begin},{end}]}}"));
    }
    let header = format!("{{{}}}", entries.join(","));
    let length = (header.len() as u64).to_le_bytes();
    [&length[..], header.as_bytes(), &vec![0; end]].concat()
}

#[test]
fn what_is_not_toml_is_explained() {
    check(SYNTAX);
}

#[test]
fn a_config_that_is_not_utf8_is_shown_where_it_ends_to_be() {
    let lab = Lab::new();
    lab.write("bad.toml", b"name = 'x'\n# caf\xe9\n");
    let error = refuse(&lab, "latin1", &["bad.toml"]);
    assert!(
        error.starts_with("error: the config is not UTF-8 text: the byte 0xe9 here\n --> bad.toml:2:6\n"),
        "{error}"
    );
}

#[test]
fn data_that_cannot_be_read_is_named_with_its_key() {
    let bpe = "tokenizer = { train_bpe = 300 }";
    for (key, file, message) in [
        ("train", "storys.txt", "train = \"storys.txt\" cannot be read: storys.txt: No such file"),
        ("train", "folder", "train = \"folder\" is a folder that holds no file of stories: their names end in .txt"),
        ("train", "binary.txt", "binary.txt, byte 3: not UTF-8"),
        ("train", "blank.txt", "blank.txt holds no story"),
        ("train", "one.txt", "one.txt: a single story is too few to hold one out"),
        ("train", "lines.jsonl", "lines.jsonl, line 2: the object has no string under \"text\" or \"story\""),
        ("valid", "nowhere.txt", "valid = \"nowhere.txt\" cannot be read: nowhere.txt: No such file"),
        ("valid", "blank.txt", "blank.txt"),
        ("valid", "synthetic", "valid must be a file"),
        ("tokenizer", "tokeniser.json", "tokenizer = \"tokeniser.json\" cannot be read: tokeniser.json: No such file"),
        ("tokenizer", "folder", "tokenizer = \"folder\" cannot be read: folder: not a file"),
        ("tokenizer", "broken.json", "broken.json is no tokenizer: "),
        ("tokenizer", "empty.json", "empty.json is no tokenizer: "),
        ("tokenizer", "binary.txt", "binary.txt is no tokenizer: it is not UTF-8"),
    ] {
        let lab = lab();
        let others = match key {
            "train" => format!("{bpe}\n"),
            "valid" => format!("train = 'stories.txt'\n{bpe}\n"),
            _ => "train = 'stories.txt'\n".to_string(),
        };
        let config = format!("[data]\n{others}{key} = '{file}'\n");
        lab.write("bad.toml", &config);
        let error = refuse(&lab, file, &["bad.toml"]);
        let place = format!("{}:{}", config.lines().count(), key.len() + 4);
        let expected = format!("error: {message}");
        assert!(error.contains(&expected), "{key} = {file}: {error}");
        assert!(error.ends_with(&shown("bad.toml", &config, &place, &format!("'{file}'"))), "{key} = {file}: {error}");
    }
}

#[test]
fn a_file_is_a_validation_set_or_a_fraction_is() {
    let lab = lab();
    let config = "[data]\ntrain = 'stories.txt'\nvalid = 'one.txt'\nvalid_fraction = 0.5\n";
    lab.write("bad.toml", config);
    let error = refuse(&lab, "both", &["bad.toml"]);
    assert!(error.starts_with("error: valid and valid_fraction exclude each other"), "{error}");
    assert!(error.ends_with(&shown("bad.toml", config, "4:18", "0.5")), "{error}");
}

#[test]
fn weights_that_do_not_fit_are_refused_before_anything_is_trained() {
    for (name, content, message) in [
        ("missing", None, "cannot read \"w.safetensors\": No such file"),
        ("junk", Some(b"this is no tensor file".to_vec()), "w.safetensors: not a safetensors file"),
        ("cut off", Some(weights(&[("a", &[4])])[..60].to_vec()), "w.safetensors: not a safetensors file"),
        (
            "misspelt",
            Some(weights(&[("transformer.wte.wieght", &[2, 2])])),
            "w.safetensors: the model needs `transformer.wte.weight`, which is not in the file; \
             the nearest name in it is `transformer.wte.wieght`",
        ),
        (
            "of another shape",
            Some(weights(&[("transformer.wte.weight", &[2, 3])])),
            "w.safetensors: `transformer.wte.weight` has the shape [2, 3]; the model needs [",
        ),
    ] {
        let lab = lab();
        lab.write("bad.toml", DATA);
        if let Some(content) = content {
            lab.write("w.safetensors", content);
        }
        let error = refuse(&lab, name, &["bad.toml"]);
        assert!(error.contains(&format!("error: {message}")), "{name}: {error}");
        assert!(error.ends_with(&shown("bad.toml", DATA, "2:73", "'w.safetensors'")), "{name}: {error}");
        // Before anybody waits for the first run, too.
        let planned = lab.lrx(["plan", "bad.toml", "--out", "out"]);
        let message = |error: &str| error[error.find("error: ").unwrap()..].to_string();
        assert_eq!((planned.code, message(&planned.stderr)), (Some(2), message(&error)), "{name}");
    }
}

#[test]
fn a_run_is_named_as_one_and_by_its_folder() {
    let lab = Lab::tiny("");
    lab.expect(0, "run tiny.toml --out out --set train.steps=1");
    let run = lab.only_run("out/tiny");
    let id = run.file_name().unwrap().to_string_lossy().into_owned();
    let plan = |written: &str| {
        let set = format!("model.init_from=\"{written}\"");
        lab.lrx(["plan", "tiny.toml", "--out", "out", "--ids", "--set", &set])
    };
    // The folder, its weights, the id and its beginning: the same run, whichever way it is named.
    let named = [
        format!("out/tiny/{id}"),
        format!("out/tiny/{id}/model.safetensors"),
        format!("run:{id}"),
        "run:fullsa".into(),
    ];
    let ids: Vec<String> = named
        .iter()
        .map(|written| plan(written))
        .map(|done| {
            assert_eq!(done.code, Some(0), "{}", done.stderr);
            done.stdout
        })
        .collect();
    assert!(ids.iter().all(|one| *one == ids[0]) && ids[0].trim() != id, "{ids:?}");
    let refused = |written: &str, said: &str| {
        let done = plan(written);
        assert!(done.code == Some(2) && done.stderr.contains(said), "{}", done.stderr);
    };
    refused(&id, &format!("of the run {id}, write \"run:{id}\""));
    refused(
        "run:fulsa",
        &format!("no run of an experiment in out has the id \"fulsa\", or begins with it; the nearest is {id}"),
    );
    lab.expect(0, "run tiny.toml --out out --set train.steps=1 --set seeds=[1]");
    refused("run:fullsa", "\"fullsa\" is the beginning of several runs: fullsa-");
    std::fs::remove_file(run.join("model.safetensors")).unwrap();
    refused(&format!("run:{id}"), &format!("the run {id} has no model.safetensors: it is not finished"));
    // Of the two that begin so, one has weights.
    assert_eq!(plan("run:fullsa").code, Some(0));
}

#[test]
fn what_only_the_data_tells_is_refused_too() {
    let lab = lab();
    let data = "data = { train = 'stories.txt', tokenizer = { train_bpe = 300 } }\n[model]\nhidden = 16\nheads = 2\n";
    for (more, place, marked, message) in [
        // Of three stories, one is held out: one batch.
        ("[train]\nwarmup_steps = 9\n", "6:16", "9", "`warmup_steps` is 9, more than the 1 step"),
        ("vocabulary = 50257\n", "5:14", "50257", "the config asks for a vocabulary of 50257 tokens, the data has 2"),
    ] {
        let config = format!("{data}{more}");
        lab.write("bad.toml", &config);
        let error = refuse(&lab, marked, &["bad.toml"]);
        assert!(error.contains(&format!("error: {message}")), "{error}");
        assert!(error.ends_with(&shown("bad.toml", &config, place, marked)), "{error}");
    }
}

#[test]
fn extends_is_followed_with_care() {
    let lab = Lab::new();
    lab.write("itself.toml", "extends = 'itself.toml'\n");
    lab.write("a.toml", "# first\nextends = 'b.toml'\n");
    lab.write("b.toml", "extends = 'a.toml'\n");
    lab.write("nothing.toml", "name = 'x'\nextends = 'bsae.toml'\n");
    lab.write("number.toml", "extends = 3\n");
    lab.write("base.toml", "[model]\nhidden = 16\nheads = 2\nmlp = { kind = 'low-rank', rank = 4 }\n");
    lab.write("over.toml", "extends = 'base.toml'\nmodel.heads = 3\n");
    lab.write("under.toml", "extends = 'base.toml'\nmodel.hidden = 2\n");
    for (file, place, message) in [
        ("itself.toml", "itself.toml:1:11", "itself.toml extends itself, directly or through others"),
        ("a.toml", "b.toml:1:11", "a.toml extends itself, directly or through others"),
        ("nothing.toml", "nothing.toml:2:11", "cannot read the config bsae.toml: No such file"),
        ("number.toml", "number.toml:1:11", "`extends` is 3; expected the path of a config file"),
        // The place is in the file that holds the value.
        ("over.toml", "over.toml:2:15", "3 heads do not divide hidden = 16"),
        ("under.toml", "base.toml:4:35", "rank 4 is more than 2, the smaller side of a matrix 2 → 8"),
    ] {
        let error = refuse(&lab, file, &[file]);
        assert!(error.starts_with(&format!("error: {message}")), "{error}");
        assert!(error.contains(&format!(" --> {place}\n")), "{error}");
    }
}

#[test]
fn every_section_tells_its_mistake() {
    let lab = Lab::new();
    lab.write("bad.toml", "[data]\nstoreis = 1\n[model]\nheads = 5\n[train]\nsteps = 0\n");
    let error = refuse(&lab, "three", &["bad.toml"]);
    for place in ["bad.toml:2:1", "bad.toml:4:9", "bad.toml:6:9"] {
        assert!(error.contains(&format!(" --> {place}\n")), "{error}");
    }
    assert_eq!(error.matches("error: ").count(), 3, "{error}");
}

#[test]
fn a_bad_file_among_good_ones_stops_all() {
    let lab = Lab::tiny("");
    lab.write("bad.toml", "model.hiden = 8\n");
    assert!(refuse(&lab, "second", &["tiny.toml", "bad.toml"]).contains("bad.toml:1:7"));
}

#[test]
fn wrong_command_lines_are_explained() {
    let lab = Lab::tiny("");
    lab.write("folder/file", "");
    for (arguments, message) in [
        (&["nowhere.toml"][..], "cannot read the config nowhere.toml: No such file"),
        (&["folder"], "cannot read the config folder: "),
        (&["tiny.toml", "--set", "model.hidden"], "--set model.hidden: expected dotted.key=VALUE, such as "),
        (&["tiny.toml", "--set", "=32"], "--set =32: expected dotted.key=VALUE, such as "),
        (
            &["tiny.toml", "--set", "data.train=stories.txt"],
            "--set data.train=stories.txt: the right side is not a TOML value; if it is text, quote it: \
             --set 'data.train=\"stories.txt\"'",
        ),
        (&["tiny.toml", "--set", "seeds=[1,"], "--set seeds=[1,: the right side is not a TOML value"),
        (&["tiny.toml", "--set", "extends='x.toml'"], "--set extends='x.toml': a config file extends another"),
        (&["tiny.toml", "--set", "model.hiden=32"], "unknown key `hiden`; did you mean `hidden`?"),
        (&["tiny.toml", "--set", "model.heads=3"], "3 heads do not divide hidden = 16"),
        (&["tiny.toml", "--threads", "0"], "--threads 0: expected at least 1"),
        (&["tiny.toml", "--thread", "2"], "unexpected argument '--thread' found"),
        (&[], "the following required arguments were not provided"),
    ] {
        let error = refuse(&lab, message, arguments);
        assert!(error.starts_with(&format!("error: {message}")), "{error}");
    }
    let error = refuse(&lab, "place", &["tiny.toml", "--set", "model.hiden=32"]);
    assert!(error.ends_with(&shown("--set", "model.hiden=32", "1:7", "hiden")), "{error}");
}
