//! The short form of fuzzing: the corpus, and what becomes of it by random changes. The long form is `cargo fuzz`.

use std::fs;
use std::path::{Path, PathBuf};

use lrx_fuzz::TARGETS;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Changed inputs for each target.
const INPUTS: usize = 20_000;

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

#[test]
fn no_input_of_the_corpus_or_near_it_breaks_anything() {
    for (name, target) in TARGETS {
        let corpus = corpus(name);
        assert!(!corpus.is_empty(), "{name}");
        corpus.iter().for_each(|input| target(input));
        let mut random = ChaCha8Rng::seed_from_u64(1);
        for i in 0..INPUTS {
            let mut input = corpus[i % corpus.len()].clone();
            change(&mut input, &corpus, &mut random);
            target(&input);
        }
    }
}
