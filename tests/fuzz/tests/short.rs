//! The short form of fuzzing: the corpus, and what becomes of it by random changes. The long form is `cargo fuzz`.

use std::fs;
use std::path::{Path, PathBuf};

use lrx_fuzz::TARGETS;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Changed inputs for each target; `LRX_FUZZ_INPUTS=1000000` makes so many.
fn inputs() -> usize {
    std::env::var("LRX_FUZZ_INPUTS").map_or(20_000, |count| count.parse().expect("a number of inputs"))
}

fn corpus(target: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target);
    let mut paths: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.iter().map(|path| fs::read(path).unwrap()).collect()
}

/// One to four changes: a bit, a byte, a cut, or a stretch of another input.
fn change(bytes: &mut Vec<u8>, others: &[Vec<u8>], random: &mut ChaCha8Rng) {
    for _ in 0..random.random_range(1..=4) {
        let at = random.random_range(0..=bytes.len());
        let other = &others[random.random_range(0..others.len())];
        match random.random_range(0..4) {
            0 if at < bytes.len() => bytes[at] ^= 1 << random.random_range(0..8),
            1 if at < bytes.len() => bytes[at] = random.random(),
            2 => bytes.truncate(at),
            _ => {
                let start = random.random_range(0..=other.len());
                let end = random.random_range(start..=other.len().min(start + 64));
                bytes.splice(at..at, other[start..end].iter().copied());
            }
        }
    }
}

/// Nothing of the corpus breaks the target, nor anything near it.
fn holds(name: &str) {
    let (_, target) = TARGETS.into_iter().find(|(target, _)| *target == name).expect("a target");
    let corpus = corpus(name);
    assert!(!corpus.is_empty(), "{name}");
    corpus.iter().for_each(|input| target(input));
    let mut random = ChaCha8Rng::seed_from_u64(1);
    for i in 0..inputs() {
        let mut input = corpus[i % corpus.len()].clone();
        change(&mut input, &corpus, &mut random);
        target(&input);
    }
}

#[test]
fn config() {
    holds("config");
}

#[test]
fn stories_text() {
    holds("stories_text");
}

#[test]
fn stories_lines() {
    holds("stories_lines");
}

#[test]
fn stories_array() {
    holds("stories_array");
}

#[test]
fn stories_csv() {
    holds("stories_csv");
}

#[test]
fn stories_parquet() {
    holds("stories_parquet");
}

#[test]
fn stories_gzip() {
    holds("stories_gzip");
}

#[test]
fn stories_zstd() {
    holds("stories_zstd");
}

#[test]
fn weights() {
    holds("weights");
}

#[test]
fn cache() {
    holds("cache");
}
