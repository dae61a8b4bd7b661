//! From a spec to stories ready for training.

use std::collections::HashSet;

use serde::Serialize;

use crate::cache::Cache;
use crate::config::VocabularyKind;
use crate::error::DataError;
use crate::progress::Progress;
use crate::source::{Source, SourceIdentity};
use crate::spec::{DataSpec, TokenizerSpec, TrainSpec, ValidSpec};
use crate::split::Split;
use crate::store::tokenize;
use crate::stories::Stories;
use crate::tokenizer::{self, Tokenizer};
use crate::vocabulary::Vocabulary;

/// To be raised whenever a tokenizer trained for the same key changes.
const BPE_FORMAT: u32 = 1;

/// Stories ready for training.
#[derive(Debug, Clone)]
pub struct Corpus {
    /// The stories to train on, in the order of their source.
    pub train: Stories,
    /// The stories to evaluate on, in the order of theirs.
    pub valid: Stories,
    /// What their ids mean.
    pub vocabulary: Vocabulary,
    /// How many stories of both parts were left out because they have fewer than two tokens.
    pub skipped: usize,
}

/// Tokenises the data of `spec`, or takes it from the cache.
///
/// # Errors
/// If a file cannot be read, is not in its format (the message names the file and the line or byte) or holds no story,
/// if it was changed since the spec was resolved, if the tokenizer cannot be used, or the cache cannot be written.
pub fn prepare(spec: &DataSpec, cache: &Cache, progress: &dyn Progress) -> Result<Corpus, DataError> {
    let train = match &spec.train {
        TrainSpec::File(file) => Source::File { file, limit: spec.stories },
        TrainSpec::Synthetic => Source::Synthetic { seed: spec.seed, stories: spec.stories },
    };
    let tokenizer = match &spec.tokenizer {
        TokenizerSpec::File(file) => Tokenizer::read(file)?,
        TokenizerSpec::TrainBpe(size) => trained_tokenizer(spec, &train, *size, cache, progress)?,
    };
    let tokenize = |source| tokenize(source, &tokenizer, spec.end_of_text, cache, progress);
    let trained_on = tokenize(&train)?;
    let held_out = match &spec.valid {
        ValidSpec::File(file) => Some(tokenize(&Source::File { file, limit: 0 })?),
        ValidSpec::Fraction(_) => None,
    };
    let used: Vec<&[u32]> = [Some(&trained_on), held_out.as_ref()].into_iter().flatten().map(|t| &t.used[..]).collect();
    let facts = &trained_on.facts;
    let vocabulary = match spec.vocabulary {
        VocabularyKind::Full => Vocabulary::full(tokenizer, facts),
        VocabularyKind::Compact => Vocabulary::compact(tokenizer, facts, &used),
    };
    let all = trained_on.store.len() as u32;
    let split = split(spec, &train, all)?;
    let given = split.train.len() + split.valid.len() + held_out.as_ref().map_or(0, |held_out| held_out.store.len());
    let stories = |store, positions| Stories::new(store, positions, vocabulary.numbers());
    let valid = match held_out {
        Some(held_out) => {
            let positions = (0..held_out.store.len() as u32).collect();
            stories(held_out.store, positions)
        }
        None => stories(trained_on.store.clone(), split.valid),
    };
    let train_stories = stories(trained_on.store, split.train);
    for (part, name) in [(&train_stories, "train on"), (&valid, "evaluate on")] {
        if part.is_empty() {
            return Err(train.error(&format!(": no story to {name} has two tokens")));
        }
    }
    let skipped = given - train_stories.len() - valid.len();
    Ok(Corpus { train: train_stories, valid, vocabulary, skipped })
}

/// Which of the `stories` of the training source are trained on, and which held out.
fn split(spec: &DataSpec, train: &Source, stories: u32) -> Result<Split, DataError> {
    match spec.valid {
        ValidSpec::File(_) => Ok(Split { train: (0..stories).collect(), valid: Vec::new() }),
        ValidSpec::Fraction(fraction) => {
            Split::new(stories, fraction, spec.shuffle.then_some(spec.seed)).ok_or_else(|| match stories {
                0 => train.error(" holds no story"),
                _ => train.error(": a single story is too few to hold one out"),
            })
        }
    }
}

/// What a trained tokenizer depends on.
#[derive(Serialize)]
struct BpeKey<'a> {
    format: u32,
    source: SourceIdentity<'a>,
    size: usize,
    /// What stories were held out: the fraction, and the seed if they were drawn.
    held_out: Option<(f64, Option<u64>)>,
}

/// The tokenizer of the stories that are trained on: from the cache, else trained and put there.
fn trained_tokenizer(
    spec: &DataSpec,
    source: &Source,
    size: usize,
    cache: &Cache,
    progress: &dyn Progress,
) -> Result<Tokenizer, DataError> {
    let held_out = match spec.valid {
        ValidSpec::File(_) => None,
        ValidSpec::Fraction(fraction) => Some((fraction, spec.shuffle.then_some(spec.seed))),
    };
    let key = BpeKey { format: BPE_FORMAT, source: source.identity(), size, held_out };
    let key = serde_json::to_string(&key).expect("a key is plain data");
    let entry = cache.open_or_build("tokenizer", &key, |writer| {
        let stories = source.open()?.try_fold(0, |count, story| story.map(|_| count + 1))?;
        let held_out: HashSet<u32> = split(spec, source, stories)?.valid.into_iter().collect();
        let mut reader = source.open()?;
        let (total, unit) = reader.total();
        progress.start("train the tokenizer", total, unit);
        let mut position = 0;
        let kept = (0..).map_while(|index| {
            let story = reader.next()?;
            progress.advance(reader.done() - position);
            position = reader.done();
            Some((!held_out.contains(&index)).then_some(story))
        });
        let json = tokenizer::train(size, kept.flatten());
        progress.advance(reader.done() - position);
        progress.finish();
        reader.verify()?;
        writer.write(json?.as_bytes())?;
        writer.end_section();
        Ok(())
    })?;
    let json = String::from_utf8(entry.section(0).to_vec());
    let json = json.map_err(|_| DataError::new("the cached tokenizer is not as it should be"))?;
    Ok(Tokenizer::new("the trained tokenizer".to_owned(), json))
}
