//! From config to corpus: sources, split, tokenizer, vocabulary, cache.

mod common;

use std::fs;
use std::path::Path;
use std::sync::Mutex;

use common::{corpus, ids, resolve, texts};
use lrx_data::{Cache, Progress, Unit, Vocabulary, prepare, synthetic};

/// A file of `count` numbered stories.
fn write_stories(path: &Path, count: usize) {
    let stories: Vec<String> = (0..count).map(|i| format!("Story {i} is about a dog.\n<|endoftext|>\n")).collect();
    fs::write(path, stories.concat()).unwrap();
}

#[test]
fn the_split_covers_the_first_stories_once() {
    let dir = tempfile::tempdir().unwrap();
    write_stories(&dir.path().join("a.txt"), 120);
    let config = "train = 'a.txt'\nstories = 100\nvalid_fraction = 0.1\ntokenizer = { train_bpe = 300 }\n";
    let shuffled = corpus(dir.path(), config).unwrap();
    assert_eq!((shuffled.train.len(), shuffled.valid.len(), shuffled.skipped), (90, 10, 0));
    let number = |text: &String| text.split(' ').nth(1).unwrap().parse::<usize>().unwrap();
    let numbers = |texts: Vec<String>| texts.iter().map(number).collect::<Vec<_>>();
    let train = numbers(texts(&shuffled, &shuffled.train));
    let valid = numbers(texts(&shuffled, &shuffled.valid));
    assert!(train.is_sorted() && valid.is_sorted());
    assert!((0..100).all(|i| train.contains(&i) != valid.contains(&i)));
    assert_ne!(valid, (90..100).collect::<Vec<_>>());

    let straight = corpus(dir.path(), &format!("{config}shuffle = false")).unwrap();
    assert_eq!(numbers(texts(&straight, &straight.valid)), (90..100).collect::<Vec<_>>());
    let other = corpus(dir.path(), &format!("{config}seed = 1")).unwrap();
    assert_ne!(numbers(texts(&other, &other.valid)), valid);
}

#[test]
fn tuning_holds_out_stories_of_its_own() {
    let dir = tempfile::tempdir().unwrap();
    write_stories(&dir.path().join("a.txt"), 100);
    write_stories(&dir.path().join("valid.txt"), 3);
    for held_out in ["valid_fraction = 0.1", "valid = 'valid.txt'"] {
        let config = format!("train = 'a.txt'\n{held_out}\ntokenizer = {{ train_bpe = 300 }}\n");
        let compare = corpus(dir.path(), &format!("{config}tune_fraction = 0.2")).unwrap();
        let tune = corpus(dir.path(), &format!("{config}split = 'tune'\ntune_fraction = 0.2")).unwrap();
        assert_eq!(tune.valid.len(), compare.train.len() / 5, "{held_out}");
        let mut stories = [texts(&tune, &tune.train), texts(&tune, &tune.valid)].concat();
        let mut trained_on = texts(&compare, &compare.train);
        stories.sort();
        trained_on.sort();
        assert_eq!(stories, trained_on, "{held_out}: what the comparison trains on, and nothing else");
        // The same model is tuned.
        assert_eq!(tune.vocabulary.hash(), compare.vocabulary.hash());
        assert_ne!(tune.eval_data(64), compare.eval_data(64));
        assert!(tune.valid.bits_per_byte(64, 1.0).is_some());
    }
    let error = corpus(dir.path(), "train = 'valid.txt'\nstories = 2\nsplit = 'tune'\ntokenizer = { train_bpe = 300 }");
    assert!(error.unwrap_err().to_string().contains("too few stories"));
}

#[test]
fn a_valid_file_is_used_whole() {
    let dir = tempfile::tempdir().unwrap();
    write_stories(&dir.path().join("a.txt"), 20);
    fs::write(dir.path().join("b.jsonl"), "{\"story\": \"A cat.\"}\n{\"text\": \"Zebras 日本!\"}\n").unwrap();
    let config = "train = 'a.txt'\nvalid = 'b.jsonl'\nstories = 5\ntokenizer = { train_bpe = 300 }";
    let corpus = corpus(dir.path(), config).unwrap();
    assert_eq!(corpus.train.len(), 5);
    assert_eq!(texts(&corpus, &corpus.valid), ["A cat.", "Zebras 日本!"]);
}

#[test]
fn synthetic_stories_need_no_file() {
    let dir = tempfile::tempdir().unwrap();
    let config = "stories = 50\nshuffle = false\nseed = 4\nvalid_fraction = 0.1";
    let corpus = corpus(dir.path(), config).unwrap();
    let told: Vec<String> = (0..50).map(|i| synthetic::story(4, i)).collect();
    assert_eq!(texts(&corpus, &corpus.train), told[..45]);
    assert_eq!(texts(&corpus, &corpus.valid), told[45..]);
}

#[test]
fn stories_without_a_target_are_counted_and_left_out() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("a.txt"), "a b<|endoftext|>c<|endoftext|>d e<|endoftext|>f g").unwrap();
    let config = "train = 'a.txt'\nvalid_fraction = 0.25\nshuffle = false\ntokenizer = { train_bpe = 257 }\n";
    let plain = corpus(dir.path(), config).unwrap();
    assert_eq!(texts(&plain, &plain.train), ["a b", "d e"]);
    assert_eq!(plain.skipped, 1);
    // The end of the text is something to predict.
    let ended = corpus(dir.path(), &format!("{config}end_of_text = true")).unwrap();
    assert_eq!(texts(&ended, &ended.train), ["a b<|endoftext|>", "c<|endoftext|>", "d e<|endoftext|>"]);
    let end = ended.vocabulary.end_of_text().unwrap();
    assert!(ids(&ended.train).iter().all(|ids| ids.last() == Some(&end)));
    assert_eq!(ended.skipped, 0);
}

#[test]
fn a_compact_vocabulary_only_renumbers() {
    let dir = tempfile::tempdir().unwrap();
    write_stories(&dir.path().join("a.txt"), 60);
    fs::write(dir.path().join("b.txt"), "Another dog, a big one").unwrap();
    let config = "train = 'a.txt'\ntokenizer = { train_bpe = 400 }\nvalid = 'b.txt'\nend_of_text = true\n";
    let full = corpus(dir.path(), config).unwrap();
    let compact = corpus(dir.path(), &format!("{config}vocabulary = 'compact'")).unwrap();
    assert!(compact.vocabulary.size() < full.vocabulary.size());
    assert!(compact.vocabulary.size() >= 257);
    for (of_full, of_compact) in [(&full.train, &compact.train), (&full.valid, &compact.valid)] {
        assert_eq!(texts(&full, of_full), texts(&compact, of_compact));
        assert_eq!(of_full.tokens(usize::MAX), of_compact.tokens(usize::MAX));
        // Ascending ids stay ascending.
        for (full, compact) in ids(of_full).iter().zip(&ids(of_compact)) {
            let order = |ids: &[u32]| ids.windows(2).map(|pair| pair[0].cmp(&pair[1])).collect::<Vec<_>>();
            assert_eq!(order(full), order(compact));
        }
    }
    let end = |corpus: &lrx_data::Corpus| corpus.vocabulary.decode(&[corpus.vocabulary.end_of_text().unwrap()]);
    assert_eq!(end(&compact).unwrap(), "<|endoftext|>");
    for prompt in ["The zebra's 日本語 🙂!\n\ttab  \u{0}\u{7f}ñ", "", "Story<|endoftext|>dogs", "Dogs about stories"]
    {
        let ids = compact.vocabulary.encode(prompt).unwrap();
        assert!(ids.iter().all(|id| (*id as usize) < compact.vocabulary.size()));
        assert_eq!(compact.vocabulary.decode(&ids).unwrap(), prompt);
    }
    let size = compact.vocabulary.size() as u32;
    assert!(compact.vocabulary.decode(&[size]).unwrap_err().to_string().contains("not in a vocabulary"));
}

#[test]
fn a_vocabulary_can_be_saved_and_loaded() {
    let dir = tempfile::tempdir().unwrap();
    write_stories(&dir.path().join("a.txt"), 30);
    for kind in ["full", "compact"] {
        let config = format!("train = 'a.txt'\ntokenizer = {{ train_bpe = 300 }}\nvocabulary = '{kind}'");
        let saved = corpus(dir.path(), &config).unwrap().vocabulary;
        let path = dir.path().join("vocabulary.json");
        saved.save(&path).unwrap();
        let loaded = Vocabulary::load(&path).unwrap();
        assert_eq!((loaded.size(), loaded.end_of_text()), (saved.size(), saved.end_of_text()));
        let ids = loaded.encode("A dog and a <cat>").unwrap();
        assert_eq!(ids, saved.encode("A dog and a <cat>").unwrap());
        assert_eq!(loaded.decode(&ids).unwrap(), "A dog and a <cat>");
        let text = fs::read_to_string(&path).unwrap();
        for (damaged, part) in [
            (text.replace("lrx-vocabulary-1", "lrx-vocabulary-9"), "lrx-vocabulary-9"),
            (text[..text.len() / 2].to_owned(), "not a vocabulary"),
        ] {
            fs::write(&path, damaged).unwrap();
            let error = Vocabulary::load(&path).unwrap_err().to_string();
            assert!(error.contains("vocabulary.json") && error.contains(part), "{error}");
        }
    }
    assert!(Vocabulary::load(&dir.path().join("none")).unwrap_err().to_string().contains("none"));
}

#[test]
fn nothing_depends_on_the_number_of_threads() {
    let run = |threads| {
        let dir = tempfile::tempdir().unwrap();
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let corpus = corpus(dir.path(), "stories = 1500\ntokenizer = { train_bpe = 2000 }").unwrap();
            let path = dir.path().join("vocabulary.json");
            corpus.vocabulary.save(&path).unwrap();
            (ids(&corpus.train), ids(&corpus.valid), fs::read(path).unwrap())
        })
    };
    let one = run(1);
    assert!(one == run(2));
    assert!(one == run(3));
}

/// Notes what is worked on.
#[derive(Default)]
struct Notes(Mutex<Vec<(String, u64, u64)>>);

impl Progress for Notes {
    fn start(&self, what: &str, total: u64, _unit: Unit) {
        self.0.lock().unwrap().push((what.to_owned(), total, 0));
    }
    fn advance(&self, count: u64) {
        self.0.lock().unwrap().last_mut().unwrap().2 += count;
    }
    fn finish(&self) {}
}

#[test]
fn work_is_done_once_and_told_about() {
    let dir = tempfile::tempdir().unwrap();
    write_stories(&dir.path().join("a.txt"), 300);
    let bytes = fs::metadata(dir.path().join("a.txt")).unwrap().len();
    let work = |config: &str| {
        let notes = Notes::default();
        let cache = Cache { dir: &dir.path().join("cache") };
        prepare(&resolve(dir.path(), config).unwrap(), &cache, &notes).unwrap();
        notes.0.into_inner().unwrap()
    };
    let config = "train = 'a.txt'\ntokenizer = { train_bpe = 300 }\n";
    let mut done = work(config);
    // The last story to evaluate on is not the last of all.
    let (what, total, measured) = done.pop().unwrap();
    assert!((what.as_str(), total) == ("measure a.txt", bytes) && (1..=bytes).contains(&measured), "{measured}");
    assert_eq!(done, ["train the tokenizer", "tokenize a.txt"].map(|what| (what.to_owned(), bytes, bytes)));
    assert_eq!(work(config), []);
    // Neither how many tokens the model knows nor what a file is called makes other tokens.
    assert_eq!(work(&format!("{config}vocabulary = 'compact'")), []);
    fs::copy(dir.path().join("a.txt"), dir.path().join("b.txt")).unwrap();
    assert_eq!(work("train = 'b.txt'\ntokenizer = { train_bpe = 300 }"), []);
    assert_eq!(work(&format!("{config}end_of_text = true")).len(), 1);
    assert_eq!(work(&format!("{config}seed = 1"))[0].0, "train the tokenizer");
    assert_eq!(work("stories = 40\ntokenizer = { train_bpe = 300 }")[1], ("tokenize synthetic stories".into(), 40, 40));
}

#[test]
fn damage_to_the_cache_is_repaired() {
    let dir = tempfile::tempdir().unwrap();
    write_stories(&dir.path().join("a.txt"), 20);
    let config = "train = 'a.txt'\ntokenizer = { train_bpe = 300 }";
    let expected = ids(&corpus(dir.path(), config).unwrap().train);
    let files: Vec<_> = fs::read_dir(dir.path().join("cache")).unwrap().map(|file| file.unwrap().path()).collect();
    assert_eq!(files.len(), 3);
    for file in files {
        let whole = fs::read(&file).unwrap();
        for position in (0..whole.len()).step_by(whole.len() / 10) {
            let mut flipped = whole.clone();
            flipped[position] ^= 1;
            for damaged in [&flipped[..], &whole[..position]] {
                fs::write(&file, damaged).unwrap();
                assert_eq!(ids(&corpus(dir.path(), config).unwrap().train), expected);
                assert!(fs::read(&file).unwrap() == whole);
            }
        }
    }
}

#[test]
fn two_may_fill_the_same_cache_at_once() {
    let dir = tempfile::tempdir().unwrap();
    write_stories(&dir.path().join("a.txt"), 200);
    let config = "train = 'a.txt'\ntokenizer = { train_bpe = 300 }";
    let all: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(|| ids(&corpus(dir.path(), config).unwrap().train))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(all.iter().all(|ids| *ids == all[0]));
    assert_eq!(fs::read_dir(dir.path().join("cache")).unwrap().count(), 3);
}

#[test]
fn errors_name_the_key_and_the_file() {
    let dir = tempfile::tempdir().unwrap();
    write_stories(&dir.path().join("good.txt"), 9);
    fs::write(dir.path().join("empty.txt"), "\n<|endoftext|>\n").unwrap();
    fs::write(dir.path().join("one.txt"), "one story").unwrap();
    fs::write(dir.path().join("latin1.txt"), b"good<|endoftext|>caf\xe9").unwrap();
    fs::write(dir.path().join("bad.jsonl"), "{\"text\": \"a b\"}\n{").unwrap();
    fs::write(dir.path().join("short.txt"), "a<|endoftext|>b").unwrap();
    fs::write(dir.path().join("words.json"), WORDS).unwrap();
    for (config, key, part) in [
        ("train = 'empty.txt'", "train", "empty.txt holds no story"),
        ("train = 'good.txt'\nvalid = 'empty.txt'", "valid", "empty.txt holds no story"),
        ("train = 'empty.txt'\nvalid = 'good.txt'", "train", "empty.txt holds no story"),
        ("train = 'one.txt'", "train", "one.txt: a single story is too few"),
        ("train = 'latin1.txt'", "train", "latin1.txt, byte 20: not UTF-8"),
        ("train = 'bad.jsonl'", "train", "bad.jsonl, line 2, column 1: "),
        ("train = 'short.txt'\ntokenizer = { train_bpe = 257 }", "train", "no story to train on has two tokens"),
        ("train = 'good.txt'\ntokenizer = 'bad.jsonl'", "tokenizer", "bad.jsonl is no tokenizer"),
        ("train = 'good.txt'\ntokenizer = 'words.json'\nend_of_text = true", "end_of_text", "no such token"),
    ] {
        let error = corpus(dir.path(), config).unwrap_err();
        assert_eq!(error.key(), Some(key), "{config}: {error}");
        assert!(error.to_string().contains(part), "{config}: {error}");
    }
    let cached = fs::read_dir(dir.path().join("cache")).unwrap().map(|file| file.unwrap().path());
    assert!(cached.into_iter().all(|path| !path.to_string_lossy().contains("building")));
}

/// A tokenizer of whole words, without an end of text.
const WORDS: &str = r#"{
    "version": "1.0", "truncation": null, "padding": null, "added_tokens": [], "normalizer": null,
    "pre_tokenizer": {"type": "WhitespaceSplit"}, "post_processor": null, "decoder": null,
    "model": {"type": "WordLevel", "vocab": {"[UNK]": 0, "Story": 1, "dog.": 2, "a": 3, "x": 4}, "unk_token": "[UNK]"}
}"#;

#[test]
fn words_that_a_word_tokenizer_lacks_are_unknown() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("a.txt"), "a Story<|endoftext|>a Story b").unwrap();
    fs::write(dir.path().join("words.json"), WORDS).unwrap();
    let config = "train = 'a.txt'\ntokenizer = 'words.json'\nvocabulary = 'compact'\nshuffle = false";
    let corpus = corpus(dir.path(), config).unwrap();
    assert_eq!(corpus.vocabulary.end_of_text(), None);
    // [UNK], Story, a and x; "dog." is written with the pieces that are known.
    assert_eq!(corpus.vocabulary.size(), 4);
    assert_eq!(ids(&corpus.train), [[2, 1]]);
    assert_eq!(ids(&corpus.valid), [[2, 1, 0]]);
    assert_eq!(corpus.vocabulary.encode("Story dog.").unwrap(), [1, 0, 0, 0, 0]);
}

#[test]
fn a_file_that_changes_after_it_was_resolved_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    write_stories(&dir.path().join("a.txt"), 9);
    let spec = resolve(dir.path(), "train = 'a.txt'\nstories = 3").unwrap();
    write_stories(&dir.path().join("a.txt"), 8);
    let cache = Cache { dir: &dir.path().join("cache") };
    let error = prepare(&spec, &cache, &lrx_data::NoProgress).unwrap_err();
    assert_eq!(error.key(), Some("train"));
    assert!(error.to_string().contains("was changed while it was being used"), "{error}");
}

#[test]
fn what_is_left_out_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let config = "shuffle = false\nvalid = 'b.txt'\ntokenizer = { train_bpe = 257 }\n";
    fs::write(dir.path().join("b.txt"), "abcdef").unwrap();
    fs::write(
        dir.path().join("a.jsonl"),
        "{\"text\": null}\n{\"text\": \"abcdefghij\"}\n{\"text\": \"\", \"story\": \"abc\"}\n\n{\"text\": \"c\"}\nnull\n",
    )
    .unwrap();
    let config = format!("train = 'a.jsonl'\n{config}");
    // From the cache as at first.
    for _ in 0..2 {
        let corpus = corpus(dir.path(), &config).unwrap();
        assert_eq!(texts(&corpus, &corpus.train), ["abcdefghij", "abc"]);
        assert_eq!((corpus.skipped, corpus.empty_rows), (1, 2));
        let always = [
            "1 story of fewer than two tokens is left out: there is nothing to predict",
            "2 rows without a story (null, or empty) are passed over",
        ];
        assert_eq!(corpus.notes(10), always);
        let cut = corpus.notes(4);
        assert_eq!(
            cut[..2],
            [
                "1 of 2 stories to train on is longer than the context of 4: 6 targets of 11 are cut off (55 %); \
                 stories are divided by <|endoftext|>, or long = \"split\" keeps all",
                "1 of 1 story to evaluate on is longer than the context of 4: 2 targets of 5 are cut off (40 %)",
            ]
        );
        assert_eq!(cut[2..], always);
        assert_eq!(corpus.train.cut(4).tokens_cut, 6);
    }
}

/// What the columns `data`, `vocabulary` and `eval_data` tell apart.
#[test]
fn hashes_tell_texts_and_vocabularies_apart() {
    let dir = tempfile::tempdir().unwrap();
    let stories: Vec<String> = (0..20).map(|i| format!("Story {i} is about a dog.")).collect();
    let dir = dir.path();
    fs::write(dir.join("a.txt"), stories.join("<|endoftext|>")).unwrap();
    fs::write(dir.join("crlf.txt"), stories.join("\r\n<|endoftext|>\r\n")).unwrap();
    let lines: Vec<String> = stories.iter().map(|story| format!("{{\"text\": \"{story}\"}}\n")).collect();
    fs::write(dir.join("a.jsonl"), lines.concat()).unwrap();
    fs::write(dir.join("other.txt"), stories.join("<|endoftext|>").replace("dog", "cat")).unwrap();
    let hashes = |train: &str, more: &str| {
        let config = format!("train = '{train}'\nvalid_fraction = 0.2\n{more}");
        let corpus = corpus(dir, &config).unwrap();
        let hashes = [corpus.data_hash(), corpus.vocabulary.hash(), corpus.eval_data(99)];
        for (hash, letter) in hashes.iter().zip(['d', 'v', 'e']) {
            assert!(hash.len() == 11 && hash.starts_with(letter) && hash[1..].chars().all(|c| c.is_ascii_hexdigit()));
        }
        hashes
    };
    let bpe = "tokenizer = { train_bpe = 300 }\n";
    let base = hashes("a.txt", bpe);
    // The same stories, whatever file they came from.
    assert_eq!(hashes("crlf.txt", bpe), base);
    assert_eq!(hashes("a.jsonl", bpe), base);
    let differ = |other: [String; 3]| [0, 1, 2].map(|i| other[i] != base[i]);
    assert_eq!(differ(hashes("other.txt", bpe)), [true, true, true]);
    assert_eq!(differ(hashes("a.txt", "tokenizer = { train_bpe = 262 }")), [false, true, true]);
    assert_eq!(differ(hashes("a.txt", &format!("{bpe}vocabulary = 'compact'"))), [false, true, true]);
    assert_eq!(differ(hashes("a.txt", &format!("{bpe}end_of_text = true"))), [false, false, true]);
    assert!(differ(hashes("a.txt", &format!("{bpe}stories = 19")))[0]);
    assert!(differ(hashes("a.txt", &format!("{bpe}seed = 1")))[0]);
    // A context that cuts nothing is no other evaluation.
    let corpus = corpus(dir, &format!("train = 'a.txt'\nvalid_fraction = 0.2\n{bpe}")).unwrap();
    let longest = (0..corpus.valid.len()).map(|i| corpus.valid.story_tokens(i, usize::MAX)).max().unwrap();
    assert_eq!(corpus.eval_data(longest), corpus.eval_data(usize::MAX));
    assert_ne!(corpus.eval_data(longest - 1), corpus.eval_data(longest));
}

/// A cache file may be anything, and may change while it is read: what was read before stays what it was.
#[test]
fn what_others_do_to_the_cache_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    write_stories(&dir.path().join("a.txt"), 200);
    let config = "train = 'a.txt'\ntokenizer = { train_bpe = 300 }\nvocabulary = 'compact'";
    let corpus = corpus(dir.path(), config).unwrap();
    let expected = ids(&corpus.train);
    for file in fs::read_dir(dir.path().join("cache")).unwrap() {
        let path = file.unwrap().path();
        let length = fs::metadata(&path).unwrap().len() as usize;
        // In place, as `cp` and editors do it.
        fs::File::options().write(true).open(&path).unwrap().set_len(10).unwrap();
        assert!(ids(&corpus.train) == expected);
        fs::write(&path, vec![0xff; length]).unwrap();
        assert!(ids(&corpus.train) == expected);
    }
    assert!(ids(&common::corpus(dir.path(), config).unwrap().train) == expected);
}

#[test]
fn bytes_of_targets_are_those_of_their_text() {
    let dir = tempfile::tempdir().unwrap();
    write_stories(&dir.path().join("a.txt"), 40);
    fs::write(dir.path().join("b.txt"), "A dog and a cat: ñ.<|endoftext|>x<|endoftext|>The  end!").unwrap();
    for (more, end) in [("end_of_text = false", false), ("vocabulary = 'compact'\nend_of_text = true", true)] {
        for config in [
            format!("train = 'a.txt'\nvalid = 'b.txt'\ntokenizer = {{ train_bpe = 300 }}\n{more}"),
            format!("train = 'a.txt'\nvalid_fraction = 0.3\ntokenizer = {{ train_bpe = 300 }}\n{more}"),
        ] {
            let corpus = corpus(dir.path(), &config).unwrap();
            assert_eq!(corpus.train.text_bytes(9), None);
            let mut sums = [0; 2];
            for (i, ids) in ids(&corpus.valid).iter().enumerate() {
                let plain = &ids[..ids.len() - usize::from(end)];
                let bytes = |ids: &[u32]| corpus.vocabulary.decode(ids).unwrap().len();
                for context in 2..=plain.len() + 2 {
                    let seen = &plain[..context.min(plain.len())];
                    // Within the one letter of two bytes, the text of some tokens is no text.
                    let text = corpus.vocabulary.decode(seen).unwrap();
                    if !text.contains('\u{fffd}') {
                        let expected = bytes(seen) - bytes(&plain[..1]);
                        assert_eq!(corpus.valid.story_text_bytes(i, context), Some(expected), "{text:?} {context}");
                    }
                }
                sums[0] += corpus.valid.story_text_bytes(i, 9).unwrap() as u64;
                sums[1] += (bytes(plain) - bytes(&plain[..1])) as u64;
            }
            assert_eq!(corpus.valid.text_bytes(9), Some(sums[0]));
            assert_eq!(corpus.valid.text_bytes(usize::MAX), Some(sums[1]));
            // A loss of ln 2 is a bit a target.
            let bits = corpus.valid.bits_per_byte(9, 2_f64.ln()).unwrap();
            assert!((bits - corpus.valid.targets(9) as f64 / sums[0] as f64).abs() < 1e-12);
        }
    }
}
