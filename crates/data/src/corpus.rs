//! From a spec to stories ready for training.

use std::collections::HashSet;
use std::sync::{Arc, OnceLock};

use serde::Serialize;

use crate::cache::{Cache, Entry};
use crate::config::{LongKind, VocabularyKind};
use crate::ends::{Ends, Measured};
use crate::error::DataError;
use crate::fingerprint::Fingerprint;
use crate::notes::{left_out, of_part};
use crate::progress::Progress;
use crate::source::{DIVIDE, Source, SourceIdentity};
use crate::spec::{DataSpec, TokenizerSpec, TrainSpec, ValidSpec};
use crate::split::{HeldOut, Split};
use crate::store::{TOO_MANY, Tokenized, tokenize};
use crate::stories::Stories;
use crate::tokenizer::{self, TRAINER, Tokenizer};
use crate::vocabulary::Vocabulary;

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
    /// How many rows of both files held no story.
    pub empty_rows: u64,
    /// What becomes of stories that are longer than the context.
    pub long: LongKind,
    /// What [`in_context`](Self::in_context) puts between packed stories: nothing where they end with it.
    separator: Option<u32>,
    /// Of the texts of each part.
    train_texts: blake3::Hash,
    /// Once somebody has asked.
    train_inputs: Arc<OnceLock<usize>>,
    valid_texts: blake3::Hash,
}

impl Corpus {
    /// The corpus for a model with a context of so many tokens: its stories split or packed, if `[data]` asks for that.
    ///
    /// ```
    /// # use lrx_data::{Cache, DataConfig, LongKind, NoProgress, prepare};
    /// # let dir = tempfile::tempdir()?;
    /// let config = DataConfig { stories: 100, long: LongKind::Pack, ..DataConfig::default() };
    /// let spec = config.resolve(&|_key, written| written.into())?;
    /// let corpus = prepare(&spec, &Cache { dir: dir.path() }, &NoProgress)?.in_context(64);
    /// assert!((1..corpus.train.len()).all(|i| corpus.train.story_tokens(i - 1, 64) == 64));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn in_context(&self, context: usize) -> Self {
        let arranged = |stories: &Stories| stories.arranged(self.long, context, self.separator);
        Self { train: arranged(&self.train), valid: arranged(&self.valid), ..self.clone() }
    }

    /// How many different tokens occur among the inputs of the training stories: all but the last token of each.
    pub fn train_inputs(&self) -> usize {
        *self.train_inputs.get_or_init(|| self.train.different_inputs())
    }

    /// What tells the texts that are trained on and evaluated on from others, in short: `d` and ten hexadecimal digits. It
    /// is the same whatever file and format they came from and whatever tokens they have; the order counts, as do the parts.
    pub fn data_hash(&self) -> String {
        let mut fingerprint = Fingerprint::new('d');
        fingerprint.add(self.train_texts.as_bytes());
        fingerprint.add(self.valid_texts.as_bytes());
        fingerprint.finish()
    }

    /// What tells evaluations from others with which their losses cannot be compared, in short: `e` and ten hexadecimal
    /// digits. It depends on the texts that are evaluated on, on the vocabulary, on whether they are packed, and on the number of
    /// tokens that each sequence has in a context of `context`: contexts that cut and split nothing have the same.
    pub fn eval_data(&self, context: usize) -> String {
        let mut fingerprint = Fingerprint::new('e');
        fingerprint.add(self.valid_texts.as_bytes());
        fingerprint.add(self.vocabulary.hash().as_bytes());
        if self.long == LongKind::Pack {
            fingerprint.add(b"packed");
        }
        (0..self.valid.len()).for_each(|i| fingerprint.add_number(self.valid.story_tokens(i, context) as u64));
        fingerprint.finish()
    }

    /// What the owner of the data should know: how much is neither trained on nor evaluated in a context of `context`
    /// tokens, and why. A sentence each; none where all is used.
    pub fn notes(&self, context: usize) -> Vec<String> {
        let mut notes = Vec::new();
        for (part, name) in [(&self.train, "to train on"), (&self.valid, "to evaluate on")] {
            notes.extend(of_part(self.long, part, name, context));
        }
        notes.extend(left_out(self.skipped, self.empty_rows));
        notes
    }
}

/// Tokenises the data of `spec`, or takes it from the cache.
///
/// # Errors
/// If a file cannot be read, is not in its format (the message names the file and the line or byte) or holds no story,
/// if it was changed since the spec was resolved, if the tokenizer cannot be used, if the cache cannot be written, or if
/// `progress` wants the work to stop ([`DataError::is_stopped`]).
pub fn prepare(spec: &DataSpec, cache: &Cache, progress: &dyn Progress) -> Result<Corpus, DataError> {
    let text_key = spec.text_key.as_deref();
    let source = match &spec.train {
        TrainSpec::Files(files) => Source::Files { files, text_key, limit: spec.stories, halved: halved(spec) },
        TrainSpec::Synthetic => Source::Synthetic { seed: spec.seed, stories: spec.stories },
    };
    let tokenizer = match &spec.tokenizer {
        TokenizerSpec::File(file) => Tokenizer::read(file)?,
        TokenizerSpec::TrainBpe(size) => trained_tokenizer(spec, &source, *size, cache, progress)?,
    };
    let tokenize = |source| tokenize(source, &tokenizer, spec.end_of_text, cache, progress);
    let trained_on = tokenize(&source)?;
    let valid_source = match &spec.valid {
        // Tuning looks at the comparison's stories only where their tokens decide what the model's vocabulary is.
        ValidSpec::Files(_) if spec.tune.is_some() && spec.vocabulary == VocabularyKind::Full => None,
        ValidSpec::Files(files) => Some(Source::Files { files, text_key, limit: 0, halved: None }),
        ValidSpec::Fraction(_) => None,
    };
    let held_out = valid_source.as_ref().map(tokenize).transpose()?;
    let used: Vec<&[u32]> = [Some(&trained_on), held_out.as_ref()].into_iter().flatten().map(|t| &t.used[..]).collect();
    let facts = &trained_on.facts;
    facts.notes.iter().for_each(|note| progress.warn(&format!("{}: {note}", tokenizer.name())));
    let vocabulary = match spec.vocabulary {
        VocabularyKind::Full => Vocabulary::full(tokenizer, facts),
        VocabularyKind::Compact => Vocabulary::compact(tokenizer, facts, &used),
    };
    if spec.long == LongKind::Pack && vocabulary.end_of_text().is_none() {
        let message =
            "long = \"pack\" puts the end-of-text token behind each story, but the tokenizer has no such token";
        return Err(DataError::at("long", message));
    }
    let all = trained_on.store.len() as u32;
    let split = split(spec, &source, all)?;
    // From here on, tuning has no other stories than those to train on.
    let (split, valid_source, held_out) = match spec.tune {
        Some(fraction) => (tuning_split(split, spec, fraction, &source)?, None, None),
        None => (split, valid_source, held_out),
    };
    let given = split.train.len() + split.valid.len() + held_out.as_ref().map_or(0, |held_out| held_out.store.len());
    let stories = |of: &Tokenized, positions| Stories::new(of.store.clone(), positions, vocabulary.numbers());
    let (valid_of, valid_positions) = match &held_out {
        Some(held_out) => (held_out, (0..held_out.store.len() as u32).collect()),
        None => (&trained_on, split.valid),
    };
    let (train, valid) = (stories(&trained_on, split.train), stories(valid_of, valid_positions.clone()));
    for (part, name) in [(&train, "train on"), (&valid, "evaluate on")] {
        if part.is_empty() {
            return Err(source.error(&format!(": no story to {name} has two tokens")));
        }
    }
    let valid_source = valid_source.as_ref().unwrap_or(&source);
    let tune = spec.tune.map(|fraction| (fraction, seed(spec)));
    let measured = Measured { source: valid_source, positions: &valid_positions, held_out: drawn(spec), tune };
    let appended = usize::from(spec.end_of_text);
    let ends = Ends::measure(measured, &valid_of.store, appended, vocabulary.tokenizer(), cache, progress)?;
    let place = |position| valid_positions.binary_search(position).expect("one of those that were measured");
    let ends = ends.only(valid.positions().iter().map(place));
    let valid = valid.with_ends(ends);
    Ok(Corpus {
        skipped: given - train.len() - valid.len(),
        empty_rows: trained_on.empty_rows + held_out.as_ref().map_or(0, |held_out| held_out.empty_rows),
        long: spec.long,
        separator: vocabulary.end_of_text().filter(|_| !spec.end_of_text),
        train_texts: texts(&trained_on, &train),
        train_inputs: Arc::default(),
        valid_texts: texts(valid_of, &valid),
        train,
        valid,
        vocabulary,
    })
}

/// What tells the texts of some stories, in their order, from others.
fn texts(of: &Tokenized, stories: &Stories) -> blake3::Hash {
    let mut hasher = blake3::Hasher::new();
    for position in stories.positions() {
        hasher.update(of.digest(*position as usize));
    }
    hasher.finalize()
}

/// The part of a text that stands alone which is held out, where a single story need not stay whole.
fn halved(spec: &DataSpec) -> Option<f64> {
    match (spec.long, &spec.valid) {
        (LongKind::Split | LongKind::Pack, ValidSpec::Fraction(fraction)) => Some(*fraction),
        _ => None,
    }
}

/// Which of the `stories` of the training source are trained on, and which held out.
fn split(spec: &DataSpec, source: &Source, stories: u32) -> Result<Split, DataError> {
    match spec.valid {
        // They may be one text, of which the end is held out; of any two, the second is.
        ValidSpec::Fraction(_) if stories == 2 && halved(spec).is_some() => Ok(Split { train: vec![0], valid: vec![1] }),
        ValidSpec::Files(_) => Ok(Split { train: (0..stories).collect(), valid: Vec::new() }),
        ValidSpec::Fraction(fraction) => Split::new(stories, fraction, seed(spec)).ok_or_else(|| match stories {
            0 => source.error(" holds no story"),
            _ => source.error(&format!(
                ": a single story is too few to hold one out; {DIVIDE}, and long = \"split\" or \"pack\" holds out the end of one"
            )),
        }),
    }
}

/// Which of the stories that a comparison trains on are trained on in tuning, and which held out.
fn tuning_split(compare: Split, spec: &DataSpec, fraction: f64, source: &Source) -> Result<Split, DataError> {
    let too_few = || source.error(": too few stories to train on: tuning holds some of them out");
    compare.for_tuning(fraction, seed(spec)).ok_or_else(too_few)
}

/// What draws stories, where they are drawn.
fn seed(spec: &DataSpec) -> Option<u64> {
    spec.shuffle.then_some(spec.seed)
}

/// What decides which stories are held out, if any are.
fn drawn(spec: &DataSpec) -> Option<HeldOut> {
    match spec.valid {
        ValidSpec::Files(_) => None,
        ValidSpec::Fraction(fraction) => Some((fraction, seed(spec))),
    }
}

/// What a trained tokenizer depends on.
#[derive(Serialize)]
struct BpeKey<'a> {
    format: u32,
    source: SourceIdentity<'a>,
    size: usize,
    held_out: Option<HeldOut>,
}

/// The tokenizer of the stories that are trained on: from the cache, else trained and put there.
fn trained_tokenizer(
    spec: &DataSpec,
    source: &Source,
    size: usize,
    cache: &Cache,
    progress: &dyn Progress,
) -> Result<Tokenizer, DataError> {
    let key = BpeKey { format: TRAINER, source: source.identity(), size, held_out: drawn(spec) };
    let key = serde_json::to_string(&key).expect("a key is plain data");
    let parse = |entry: &Entry| {
        let [json] = entry.sections()?;
        let json = String::from_utf8(entry.bytes()[json].to_vec()).ok()?;
        let tokenizer = Tokenizer::new("the trained tokenizer".to_owned(), json);
        // One is soon parsed beside what tokenising takes, and it is needed for that.
        tokenizer.facts().is_ok().then_some(tokenizer)
    };
    cache.open_or_build("tokenizer", &key, progress, parse, |writer| {
        let stories = source.open(progress)?.try_fold(0_u64, |count, story| story.map(|_| count + 1))?;
        let stories = u32::try_from(stories).map_err(|_| source.error(TOO_MANY))?;
        let held_out: HashSet<u32> = split(spec, source, stories)?.valid.into_iter().collect();
        let mut reader = source.open(progress)?;
        let (total, unit) = reader.total();
        progress.start("train the tokenizer", total, unit);
        let mut position = 0;
        let kept = (0..).map_while(|index| {
            let story = reader.next()?;
            progress.advance(reader.done() - position);
            position = reader.done();
            Some((!held_out.contains(&index)).then_some(story))
        });
        let json = tokenizer::train(size, kept.flatten(), progress);
        progress.advance(reader.done() - position);
        progress.finish();
        let json = json?;
        reader.verify()?;
        writer.write(json.as_bytes())?;
        writer.end_section();
        Ok(())
    })
}
