//! Tokenizer files that ask for what cannot be, and texts without end: an error that says so, in bounded time and memory.

mod common;

use std::fs;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use common::{corpus, ids, resolve, texts};
use lrx_data::{Cache, Progress, Unit, Vocabulary, prepare};
use serde_json::{Value, json};

/// A tokenizer of bytes and a few merges, as JSON.
fn tokenizer(dir: &Path) -> Value {
    let text: Vec<String> = (0..50).map(|i| format!("Story {i} is about a dog.\n<|endoftext|>\n")).collect();
    fs::write(dir.join("a.txt"), text.concat()).unwrap();
    let corpus = corpus(dir, "train = 'a.txt'\ntokenizer = { train_bpe = 300 }").unwrap();
    corpus.vocabulary.save(&dir.join("vocabulary.json")).unwrap();
    let saved: Value = serde_json::from_slice(&fs::read(dir.join("vocabulary.json")).unwrap()).unwrap();
    saved["tokenizer"].clone()
}

const CONFIG: &str = "train = 'a.txt'\ntokenizer = 't.json'\nvocabulary = 'compact'";

/// The texts that are evaluated on, encoded and decoded with the tokenizer of which `key` is `value`; or what is wrong.
fn outcome(dir: &Path, key: &str, value: &Value) -> Result<Vec<String>, String> {
    let mut tokenizer = tokenizer(dir);
    tokenizer[key] = value.clone();
    fs::write(dir.join("t.json"), tokenizer.to_string()).unwrap();
    let began = Instant::now();
    let corpus = corpus(dir, CONFIG).map_err(|error| {
        assert!(error.key().is_some(), "{error}");
        error.to_string()
    });
    assert!(began.elapsed() < Duration::from_secs(20), "{key} {value}: {:?}", began.elapsed());
    let corpus = corpus?;
    Ok(texts(&corpus, &corpus.valid))
}

fn replace(pattern: Value, content: &str) -> Value {
    json!({"type": "Replace", "pattern": pattern, "content": content})
}

/// `part` within `part` within …
fn nested(depth: usize, parts: &str, part: Value) -> Value {
    (0..depth).fold(part, |inner, _| json!({"type": "Sequence", parts: [inner]}))
}

/// Each of these made the library panic, or the memory grow without bound.
#[test]
fn what_the_library_cannot_do_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let grow = replace(json!({"String": "a"}), &"a".repeat(1000));
    let bytes = json!({"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true});
    for (key, value, part) in [
        ("decoder", json!({"type": "Nothing"}), "t.json is no tokenizer: data did not match"),
        ("decoder", replace(json!({"Regex": "("}), "x"), "is no tokenizer: Oniguruma error"),
        ("decoder", json!({"type": "Sequence", "decoders": [grow, grow, grow]}), "decoder can make a text 1e9 times"),
        ("normalizer", json!({"type": "Precompiled", "precompiled_charsmap": "AAAA"}), "gave up: Precompiled"),
        ("normalizer", json!({"type": "Precompiled", "precompiled_charsmap": "!!"}), "gave up: Precompiled"),
        ("normalizer", json!({"type": "Precompiled"}), "gave up: Precompiled"),
        (
            "normalizer",
            json!({"type": "Precompiled", "precompiled_charsmap": "BAAAAHRyaWVhYgBjZGVmZwBoAA=="}),
            "cannot encode the text that begins with \"Story 0 is about a dog.\": the tokenizers library gave up",
        ),
        ("normalizer", replace(json!({"String": ""}), "x"), "gave up: index out of bounds"),
        ("normalizer", replace(json!({"Regex": "x*"}), "x"), "gave up: index out of bounds"),
        ("normalizer", json!({"type": "Prepend", "prepend": ""}), "gave up: index out of bounds"),
        (
            "normalizer",
            json!({"type": "Sequence", "normalizers": [grow, grow, grow]}),
            "normalizer can make a text 1e9",
        ),
        (
            "normalizer",
            json!({"type": "Sequence", "normalizers": [grow, grow]}),
            "it has 23 bytes; expected at most 22",
        ),
        ("pre_tokenizer", json!({"type": "FixedLength", "length": 0}), "gave up: chunk size must be non-zero"),
        (
            "pre_tokenizer",
            json!({"type": "Sequence", "pretokenizers": vec![bytes; 40]}),
            "pre-tokenizer can make a text",
        ),
        ("version", json!("2.0"), "Unknown tokenizer version '2.0'"),
        ("model", Value::Null, "is no tokenizer"),
        (
            "model",
            json!({"type": "BPE", "vocab": {"a": 0, "b": 0}, "merges": []}),
            "\"a\" and \"b\" have the same id, 0",
        ),
        ("model", json!({"type": "BPE", "vocab": {"a": 0, "b": u32::MAX}, "merges": []}), "has the id 4294967295"),
        ("model", json!({"type": "BPE", "vocab": {"a": 0}, "merges": [], "dropout": 7}), "Dropout should be between"),
        ("model", json!({"type": "BPE", "vocab": {"a": 0}, "merges": [], "unk_token": "u"}), "Unk token `u` not found"),
        (
            "model",
            json!({"type": "BPE", "vocab": {"a": 0, "b": 1}, "merges": [["a", "b"]], "continuing_subword_prefix": "##"}),
            "is no tokenizer",
        ),
        ("model", json!({"type": "Unigram", "vocab": [["a", 0.0]], "unk_id": 5}), "UnkIdNotInVocabulary"),
        ("model", json!({"type": "Unigram", "vocab": [], "unk_id": null}), "`unk_id` is missing"),
        ("model", json!({"type": "WordLevel", "vocab": {"a": 0}, "unk_token": "u"}), "Missing [UNK] token"),
        (
            "model",
            json!({
                "type": "WordPiece", "vocab": {"a": 0, "u": 1}, "unk_token": "u", "continuing_subword_prefix": "##",
                "max_input_chars_per_word": 4_000_000_000_u32
            }),
            "max_input_chars_per_word is 4000000000; expected at most 10000",
        ),
    ] {
        let message = outcome(dir, key, &value).expect_err(part);
        assert!(message.contains(part) && !message.contains('\n'), "{message}");
    }
}

/// ... and these are odd, but no more.
#[test]
fn what_is_merely_odd_is_done() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let plain = outcome(dir, "version", &json!("1.0")).unwrap();
    assert_eq!(plain.len(), 1);
    // A story is all of its tokens and nothing else.
    for (key, value) in [
        ("post_processor", json!({"type": "TemplateProcessing", "single": [], "pair": [], "special_tokens": {}})),
        (
            "post_processor",
            json!({
                "type": "TemplateProcessing", "pair": [], "special_tokens": {},
                "single": vec![json!({"Sequence": {"id": "A", "type_id": 0}}); 1000]
            }),
        ),
        ("truncation", json!({"direction": "Right", "max_length": 0, "strategy": "LongestFirst", "stride": 5})),
        (
            "padding",
            json!({
                "strategy": {"Fixed": 100_000_000}, "direction": "Right", "pad_to_multiple_of": 0, "pad_id": 0,
                "pad_type_id": 0, "pad_token": "x"
            }),
        ),
        (
            "added_tokens",
            json!([{
                "id": u32::MAX, "content": "zz", "single_word": false, "lstrip": false, "rstrip": false,
                "normalized": false, "special": true
            }]),
        ),
        ("normalizer", nested(60, "normalizers", json!({"type": "Strip", "strip_left": true, "strip_right": true}))),
    ] {
        assert_eq!(outcome(dir, key, &value).as_ref(), Ok(&plain), "{key} {value}");
    }
    for (key, value) in [
        ("decoder", replace(json!({"String": ""}), "x")),
        ("decoder", json!({"type": "Strip", "content": "a", "start": u32::MAX, "stop": u32::MAX})),
        ("decoder", json!({"type": "CTC", "pad_token": "", "word_delimiter_token": "", "cleanup": true})),
        ("normalizer", replace(json!({"String": "a"}), &"a".repeat(1000))),
        ("normalizer", replace(json!({"Regex": "(a+)+$"}), "y")),
        (
            "pre_tokenizer",
            json!({"type": "Split", "pattern": {"Regex": "(.*)*(.*)*x"}, "behavior": "Isolated", "invert": true}),
        ),
        ("model", json!({"type": "BPE", "vocab": {"S": 0}, "merges": []})),
    ] {
        let _ = outcome(dir, key, &value);
    }
}

/// What was told on the way, and whether to stop after so much of it.
#[derive(Default)]
struct Notes {
    warnings: Mutex<Vec<String>>,
    advanced: AtomicU64,
    stop_at: Option<u64>,
}

impl Progress for Notes {
    fn start(&self, _: &str, _: u64, _: Unit) {}
    fn advance(&self, count: u64) {
        self.advanced.fetch_add(count, Ordering::Relaxed);
    }
    fn finish(&self) {}
    fn warn(&self, message: &str) {
        self.warnings.lock().unwrap().push(message.to_owned());
    }
    fn stopped(&self) -> bool {
        self.stop_at.is_some_and(|at| self.advanced.load(Ordering::Relaxed) >= at)
    }
}

#[test]
fn what_is_random_in_a_tokenizer_is_switched_off_and_told() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let mut tokenizer = tokenizer(dir);
    fs::write(dir.join("t.json"), tokenizer.to_string()).unwrap();
    let plain = corpus(dir, CONFIG).unwrap();
    tokenizer["model"]["dropout"] = json!(0.3);
    fs::write(dir.join("t.json"), tokenizer.to_string()).unwrap();
    for fresh in [true, true, false] {
        if fresh {
            fs::remove_dir_all(dir.join("cache")).unwrap();
        }
        let notes = Notes::default();
        let cache = Cache { dir: &dir.join("cache") };
        let corpus = prepare(&resolve(dir, CONFIG).unwrap(), &cache, &notes).unwrap();
        assert_eq!(ids(&corpus.train), ids(&plain.train));
        assert_eq!(corpus.vocabulary.size(), plain.vocabulary.size());
        let ids = corpus.vocabulary.encode("Story about dogs").unwrap();
        assert!((0..20).all(|_| corpus.vocabulary.encode("Story about dogs").unwrap() == ids));
        let warnings = notes.warnings.into_inner().unwrap();
        assert_eq!(warnings.len(), 1);
        assert!(warnings[0].contains("t.json: its dropout of 0.3 is switched off"), "{warnings:?}");
    }
    // A dropout of nothing is none.
    tokenizer["model"]["dropout"] = json!(0.0);
    fs::write(dir.join("t.json"), tokenizer.to_string()).unwrap();
    let notes = Notes::default();
    prepare(&resolve(dir, CONFIG).unwrap(), &Cache { dir: &dir.join("cache") }, &notes).unwrap();
    assert!(notes.warnings.into_inner().unwrap().is_empty());
}

#[test]
fn tokenizers_of_other_encodings_are_understood_or_told() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let json = tokenizer(dir).to_string();
    fs::write(dir.join("t.json"), &json).unwrap();
    let plain = corpus(dir, CONFIG).unwrap();
    fs::write(dir.join("t.json"), format!("\u{feff}{json}")).unwrap();
    let marked = corpus(dir, CONFIG).unwrap();
    assert_eq!(ids(&marked.train), ids(&plain.train));
    assert_eq!(marked.vocabulary.hash(), plain.vocabulary.hash());
    marked.vocabulary.save(&dir.join("v.json")).unwrap();
    let utf16: Vec<u8> = json.encode_utf16().flat_map(u16::to_le_bytes).collect();
    fs::write(dir.join("t.json"), utf16).unwrap();
    let error = corpus(dir, CONFIG).unwrap_err().to_string();
    assert!(error.contains("t.json is no tokenizer: it is UTF-16LE, by its zero bytes"), "{error}");
}

/// Memory is bounded by what may be given to the library at once, and by what may be a story at all.
#[test]
fn stories_without_end_are_errors() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let tokenizer = tokenizer(dir).to_string();
    fs::write(dir.join("t.json"), &tokenizer).unwrap();
    fs::write(
        dir.join("words.json"),
        tokenizer.replace(r#""normalizer":null"#, r#""normalizer":{"type":"Lowercase"}"#),
    )
    .unwrap();
    let two = |story: &str| format!("{story}<|endoftext|>another story");
    fs::write(dir.join("word.txt"), two(&"a".repeat(50_000_000))).unwrap();
    fs::write(dir.join("words.txt"), two(&"a dog. ".repeat(2_000_000))).unwrap();
    fs::write(dir.join("endless.txt"), two(&"a dog. ".repeat(10_000_000))).unwrap();
    fs::write(dir.join("endless.jsonl"), format!("{{\"text\": \"{}\"}}", "a dog. ".repeat(10_000_000))).unwrap();
    for (train, tokenizer, key, part) in [
        ("word.txt", "t.json", "tokenizer", "begins with \"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\": without a space"),
        (
            "words.txt",
            "words.json",
            "tokenizer",
            "\"a dog. a dog. a dog. a dog. a \": it has 13999999 bytes; expected at most",
        ),
        (
            "endless.txt",
            "t.json",
            "train",
            "byte 0: a story of more than 64 MB begins here: stories are divided by <|endo",
        ),
        (
            "endless.jsonl",
            "t.json",
            "train",
            "byte 0: a story of more than 64 MB begins here: JSON lines hold one object a line",
        ),
    ] {
        let began = Instant::now();
        let error = corpus(dir, &format!("train = '{train}'\ntokenizer = '{tokenizer}'")).unwrap_err();
        assert!(error.to_string().contains(part) && error.key() == Some(key), "{error}");
        assert!(began.elapsed() < Duration::from_secs(60), "{train}: {:?}", began.elapsed());
    }
    // With words that are of this world, a long story is a story.
    assert_eq!(corpus(dir, "train = 'words.txt'\ntokenizer = 't.json'").unwrap().train.len(), 1);
}

#[test]
fn work_stops_when_it_is_asked_to() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    fs::write(dir.join("a.txt"), "A story about a dog.\n<|endoftext|>\n".repeat(40_000)).unwrap();
    for (config, stop_at) in [
        ("train = 'a.txt'\ntokenizer = { train_bpe = 300 }", 0),
        ("train = 'a.txt'\ntokenizer = { train_bpe = 300 }", 1),
        // Behind the end of training the tokenizer.
        ("train = 'a.txt'\ntokenizer = { train_bpe = 300 }", 1_600_000),
        ("stories = 4000\ntokenizer = { train_bpe = 300 }", 0),
        ("stories = 4000\ntokenizer = { train_bpe = 300 }", 3000),
    ] {
        let cache = dir.join(format!("cache{stop_at}"));
        let notes = Notes { stop_at: Some(stop_at), ..Notes::default() };
        let error = prepare(&resolve(dir, config).unwrap(), &Cache { dir: &cache }, &notes).unwrap_err();
        assert!(error.is_stopped() && error.key().is_none(), "{config}: {error}");
        // What was done is kept, and nothing half done.
        let left = fs::read_dir(&cache).map_or(0, |files| {
            files
                .inspect(|file| assert!(!file.as_ref().unwrap().file_name().to_string_lossy().starts_with(".tmp")))
                .count()
        });
        assert_eq!(left, usize::from(stop_at == 1_600_000), "{config}");
    }
    let error = corpus(dir, "train = 'none.txt'").unwrap_err();
    assert!(!error.is_stopped());
}

#[cfg(unix)]
#[test]
fn what_is_no_file_is_told_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    assert!(std::process::Command::new("mkfifo").arg(dir.join("pipe")).status().unwrap().success());
    for key in ["train", "valid", "tokenizer"] {
        for (path, what) in [("pipe", "a pipe"), ("/dev/zero", "a device"), (".", "a folder")] {
            let error = resolve(dir, &format!("{key} = '{path}'")).unwrap_err();
            assert_eq!(error.key(), Some(key));
            // A folder stands for the stories in it.
            let what = match (key, path) {
                ("train" | "valid", ".") => "a folder that holds no file of stories".to_owned(),
                _ => format!("not a file but {what}"),
            };
            assert!(error.to_string().contains(&what), "{error}");
        }
    }
    for path in [dir.join("pipe"), "/dev/zero".into(), dir.to_owned()] {
        let error = Vocabulary::load(&path).unwrap_err().to_string();
        assert!(error.contains("not a file but"), "{error}");
    }
}
