//! Stories that are longer than the context: split, packed, and held out where there is only one.

mod common;

use std::fs;
use std::path::Path;

use common::{corpus, texts};
use lrx_data::{Corpus, LongKind};

const BYTES: &str = "tokenizer = { train_bpe = 257 }\nshuffle = false\n";

fn written(dir: &Path, text: &str, more: &str) -> Corpus {
    fs::write(dir.join("a.txt"), text).unwrap();
    corpus(dir, &format!("train = 'a.txt'\n{BYTES}{more}")).unwrap()
}

#[test]
fn stories_are_split_and_packed() {
    let dir = tempfile::tempdir().unwrap();
    let text = "abcdefg<|endoftext|>hi<|endoftext|>jklm<|endoftext|>nopqr";
    let of = |more: &str| {
        let corpus = written(dir.path(), text, &format!("valid_fraction = 0.25\n{more}")).in_context(4);
        let read = |stories| texts(&corpus, stories);
        (read(&corpus.train), read(&corpus.valid))
    };
    let (train, valid) = of("long = 'split'");
    assert_eq!(train, ["abcd", "defg", "hi", "jklm"]);
    assert_eq!(valid, ["nopq", "qr"]);
    let end = "<|endoftext|>";
    let packed = ["abcd".to_owned(), "defg".to_owned(), format!("g{end}hi"), format!("i{end}jk"), format!("klm{end}")];
    let held_out = ["nopq".to_owned(), format!("qr{end}")];
    assert_eq!(of("long = 'pack'"), (packed.to_vec(), held_out.to_vec()));
    // Stories that end with it have no other.
    assert_eq!(of("long = 'pack'\nend_of_text = true"), (packed.to_vec(), held_out.to_vec()));
    assert_eq!(of("long = 'pack'\nvocabulary = 'compact'"), (packed.to_vec(), held_out.to_vec()));
    assert_eq!(of("").0, ["abcdefg", "hi", "jklm"], "cut by who takes them");
}

#[test]
fn what_is_made_of_stories_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let text = "abcdefg<|endoftext|>hi<|endoftext|>jklm<|endoftext|>nopqr<|endoftext|>s";
    let notes = |more: &str| written(dir.path(), text, &format!("valid_fraction = 0.4\n{more}")).in_context(4).notes(4);
    let skipped = "1 story of fewer than two tokens is left out: there is nothing to predict";
    assert_eq!(
        notes("long = 'split'"),
        [
            "1 of 3 stories to train on is longer than the context of 4: 1 further sequence is made of the rest",
            "1 of 1 story to evaluate on is longer than the context of 4: 1 further sequence is made of the rest",
            skipped
        ]
    );
    assert_eq!(
        notes("long = 'pack'"),
        [
            "3 stories to train on are packed into 5 blocks of 4 tokens",
            "1 story to evaluate on is packed into 2 blocks of 4 tokens",
            skipped
        ]
    );
    assert_eq!(
        notes("")[0],
        "1 of 3 stories to train on is longer than the context of 4: 3 targets of 10 are cut off (30 %)"
    );
}

/// Each byte but the first is a target, whichever way sequences are made; what separates stories stands for no byte.
#[test]
fn bytes_are_counted_once() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("v.txt"), "Zwölf Bären<|endoftext|>日本語 und mehr<|endoftext|>ab").unwrap();
    let lengths = ["Zwölf Bären".len(), "日本語 und mehr".len(), 2];
    let all: usize = lengths.iter().sum();
    for (more, context, bytes) in [
        ("long = 'split'", 3, all - 3),
        ("long = 'split'", 99, all - 3),
        ("long = 'pack'", 3, all - 1),
        ("long = 'pack'", 99, all - 1),
        ("long = 'pack'\nend_of_text = true", 5, all - 1),
        // w and ö, nothing behind 日, b.
        ("", 3, 4),
    ] {
        let corpus = written(dir.path(), "some text", &format!("valid = 'v.txt'\n{more}\n")).in_context(context);
        // A character of several bytes, each a token, counts with the first of them, which none is here but one of 日.
        let counted = corpus.valid.text_bytes(context).unwrap() as usize;
        let first_of_second = if more.contains("split") { 2 } else { 0 };
        assert_eq!(counted, bytes - first_of_second, "{more} {context}");
    }
}

#[test]
fn the_end_of_a_lone_text_is_held_out() {
    let dir = tempfile::tempdir().unwrap();
    let text: String = (0..100).map(|i| format!("line {i:02}\n")).collect();
    for long in ["split", "pack"] {
        let lone = written(dir.path(), &text, &format!("long = '{long}'\nvalid_fraction = 0.2"));
        let (train, valid) = (texts(&lone, &lone.train), texts(&lone, &lone.valid));
        assert!(train[0].ends_with("line 79") && valid[0].starts_with("line 80"), "{train:?} {valid:?}");
        assert_eq!(format!("{}\n{}\n", train[0], valid[0]), text);
    }
    fs::write(dir.path().join("a.txt"), &text).unwrap();
    let config = |more: &str| corpus(dir.path(), &format!("train = 'a.txt'\n{BYTES}{more}"));
    let error = config("").unwrap_err().to_string();
    assert!(
        error.contains("a single story is too few to hold one out") && error.contains("long = \"split\""),
        "{error}"
    );
    let error = config("long = 'pack'\nsplit = 'tune'").unwrap_err().to_string();
    assert!(error.contains("too few stories to train on"), "{error}");
}

#[test]
fn evaluations_of_other_sequences_are_told_apart() {
    let dir = tempfile::tempdir().unwrap();
    let text = "abcdefg<|endoftext|>hi<|endoftext|>jklm<|endoftext|>nopqr";
    let of = |more: &str, context: usize| {
        let corpus = written(dir.path(), text, more).in_context(context);
        (corpus.data_hash(), corpus.eval_data(context))
    };
    let (data, cut) = of("", 4);
    for (more, context, same) in [
        ("long = 'cut'", 4, true),
        ("long = 'split'", 4, false),
        ("long = 'pack'", 4, false),
        ("long = 'pack'", 99, false),
    ] {
        let (other_data, other) = of(more, context);
        assert_eq!((other_data == data, other == cut), (true, same), "{more}");
    }
    // Where nothing is longer than the context, splitting changes nothing.
    assert_eq!(of("long = 'split'", 99), of("", 99));
}

#[test]
fn packing_needs_a_token_between_stories() {
    let dir = tempfile::tempdir().unwrap();
    let tokenizer = r#"{"version": "1.0", "added_tokens": [], "model": {"type": "WordLevel", "vocab": {"a": 0, "[UNK]": 1}, "unk_token": "[UNK]"}, "pre_tokenizer": {"type": "Whitespace"}}"#;
    fs::write(dir.path().join("t.json"), tokenizer).unwrap();
    fs::write(dir.path().join("a.txt"), "a b c<|endoftext|>a b<|endoftext|>a a").unwrap();
    let error = corpus(dir.path(), "train = 'a.txt'\ntokenizer = 't.json'\nlong = 'pack'").unwrap_err();
    assert_eq!(error.key(), Some("long"));
    assert!(error.to_string().contains("the tokenizer has no such token"), "{error}");
    let split = corpus(dir.path(), "train = 'a.txt'\ntokenizer = 't.json'\nlong = 'split'").unwrap();
    assert_eq!(split.long, LongKind::Split);
}
