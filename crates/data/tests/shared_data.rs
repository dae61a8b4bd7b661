//! Real stories with the tokenizer of GPT-2, against figures from the Python package `tokenizers` 0.23.
//!
//! The literals were computed once with
//! ```python
//! tokenizer = tokenizers.Tokenizer.from_file("gpt2/tokenizer.json")
//! tokenizer.encode(text, add_special_tokens=False).ids
//! ```
//! for each text; for the whole files, over the stripped parts of `text.split("<|endoftext|>")` that are not empty.

mod common;

use std::collections::HashSet;

use common::shared_data;
use lrx_data::{Cache, Corpus, NoProgress, prepare};

fn corpus(config: &str) -> Option<Corpus> {
    let data = shared_data()?;
    let cache = tempfile::tempdir().unwrap();
    let spec = common::resolve(&data, config).unwrap();
    Some(prepare(&spec, &Cache { dir: cache.path() }, &NoProgress).unwrap())
}

#[test]
fn texts_have_the_ids_of_the_reference() {
    let config = "train = 'tinystories-valid.txt'\ntokenizer = 'gpt2/tokenizer.json'\nstories = 50";
    let Some(Corpus { vocabulary, .. }) = corpus(config) else { return };
    assert_eq!((vocabulary.size(), vocabulary.end_of_text()), (50_257, Some(50_256)));
    for (text, ids) in [
        (
            "Once upon a time, there was a little girl named Lily.",
            &[7454, 2402, 257, 640, 11, 612, 373, 257, 1310, 2576, 3706, 20037, 13][..],
        ),
        (
            "The cat's café – naïve 日本語 🙂!  Two  spaces\n\nand\ttabs, 12345.",
            &[
                464, 3797, 338, 40304, 784, 41492, 10545, 245, 98, 17312, 105, 45739, 252, 32485, 0, 220, 4930, 220,
                9029, 198, 198, 392, 197, 8658, 82, 11, 17031, 2231, 13,
            ],
        ),
        (" leading", &[3756]),
        ("I'll <|endoftext|> stop", &[40, 1183, 220, 50256, 2245]),
        ("", &[]),
    ] {
        assert_eq!(vocabulary.encode(text).unwrap(), ids, "{text:?}");
        assert_eq!(vocabulary.decode(ids).unwrap(), text);
    }
}

#[test]
fn the_whole_files_have_the_tokens_of_the_reference() {
    let config = "train = 'tinystories-train.txt'\nvalid = 'tinystories-valid.txt'\n\
                  tokenizer = 'gpt2/tokenizer.json'\nvocabulary = 'compact'";
    let Some(corpus) = corpus(config) else { return };
    assert_eq!((corpus.train.len(), corpus.valid.len(), corpus.skipped), (15_249, 800, 0));
    assert_eq!(corpus.train.tokens(usize::MAX), 3_008_827);
    let distinct: HashSet<u32> = (0..corpus.train.len()).flat_map(|i| corpus.train.get(i, usize::MAX)).collect();
    assert_eq!(distinct.len(), 9_885);
    let longest = (0..corpus.train.len()).map(|i| corpus.train.story_tokens(i, usize::MAX)).max();
    assert_eq!(longest, Some(1_021));
}
