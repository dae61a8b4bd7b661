//! Text that a trained model is evaluated on, read and tokenised as stories are for training.

use std::path::PathBuf;

use rayon::prelude::*;

use crate::config::LongKind;
use crate::ends::Ends;
use crate::error::DataError;
use crate::files;
use crate::notes::{left_out, of_part};
use crate::paths::Paths;
use crate::progress::{Progress, check_stopped};
use crate::source::Source;
use crate::spec::StoriesFile;
use crate::store::{CHUNK_PER_THREAD, read_chunk};
use crate::stories::Stories;
use crate::vocabulary::Vocabulary;

/// What messages call that which names a file.
const FILE: &str = "FILE";

/// A file of stories that was found, of any form that `[data]` takes.
#[derive(Debug, Clone)]
pub struct TextFile(StoriesFile);

/// How stories are read and arranged: as a run's `[data]` and `[model]` have it.
#[derive(Debug, Clone, Copy)]
pub struct Reading<'a> {
    /// The key, or column, that stories stand under; `text` or `story` where there is none.
    pub text_key: Option<&'a str>,
    /// Whether each story ends with the end-of-text token.
    pub end_of_text: bool,
    /// What becomes of stories that are longer than the context.
    pub long: LongKind,
    /// Tokens that a model sees at most.
    pub context: usize,
}

/// The stories of a file, ready for an evaluation. They are held in memory.
#[derive(Debug, Clone)]
pub struct EvalText {
    /// Cut, split or packed as in training.
    pub stories: Stories,
    /// How many were left out because they have fewer than two tokens.
    pub skipped: usize,
    /// How many rows of the file held no story.
    pub empty_rows: u64,
    /// As they are in the file.
    whole: Stories,
    long: LongKind,
    context: usize,
    separator: Option<u32>,
}

/// The files that are meant by `written`: each a path, a folder, a pattern, or a data set by name, as in `[data]`; relative
/// ones from the current folder.
///
/// # Errors
/// Where one is not there, cannot be read, or is named twice.
pub fn find_texts(written: &[String]) -> Result<Vec<TextFile>, DataError> {
    let here = |_: &str, written: &str| PathBuf::from(written);
    Ok(files::stories(FILE, &Paths(written.to_vec()), &here)?.into_iter().map(TextFile).collect())
}

impl TextFile {
    /// The file as it was named.
    pub fn name(&self) -> &str {
        &self.0.file.written
    }

    /// Whether its stories stand under a key.
    pub fn is_keyed(&self) -> bool {
        self.0.form.is_keyed()
    }

    /// Its stories in a vocabulary.
    ///
    /// # Errors
    /// Where it cannot be read, is not in its format, holds no story of two tokens, or the vocabulary cannot write it.
    pub fn read(
        &self,
        vocabulary: &Vocabulary,
        reading: &Reading<'_>,
        progress: &dyn Progress,
    ) -> Result<EvalText, DataError> {
        let appended = match vocabulary.end_of_text() {
            _ if !reading.end_of_text => None,
            Some(id) => Some(id),
            None => return Err(DataError::at("end_of_text", "the vocabulary has no end-of-text token")),
        };
        let text_key = reading.text_key.filter(|_| self.is_keyed());
        let source = Source::Files { files: std::slice::from_ref(&self.0), text_key, limit: 0, halved: None };
        let encoder = vocabulary.tokenizer().encoder()?;
        let mut reader = source.open(progress)?;
        let (total, unit) = reader.total();
        progress.start(&format!("tokenize {}", source.name()), total, unit);
        let (mut ids, mut ends, mut done) = (Vec::new(), Vec::new(), 0);
        let mut read = || -> Result<(), DataError> {
            loop {
                let chunk = read_chunk(&mut reader, CHUNK_PER_THREAD * rayon::current_num_threads())?;
                if chunk.is_empty() {
                    return Ok(());
                }
                let measure = |story: &String| {
                    check_stopped(progress)?;
                    vocabulary.measured(&encoder, story)
                };
                for (mut story, places) in chunk.par_iter().map(measure).collect::<Result<Vec<_>, DataError>>()? {
                    story.extend(appended);
                    ids.push(story);
                    ends.push(places);
                }
                progress.advance(reader.done() - done);
                done = reader.done();
            }
        };
        let result = read();
        progress.finish();
        result?;
        let empty_rows = reader.empty();
        reader.verify()?;
        if ids.is_empty() {
            return Err(source.error(" holds no story"));
        }
        let whole = Stories::from_ids(&ids);
        if whole.is_empty() {
            return Err(source.error(": no story has two tokens"));
        }
        let ends = Ends::of_each(&ends).only(whole.positions().iter().map(|position| *position as usize));
        let whole = whole.with_ends(ends);
        let Reading { long, context, .. } = *reading;
        let separator = vocabulary.end_of_text().filter(|_| !reading.end_of_text);
        let stories = whole.arranged(long, context, separator);
        let skipped = ids.len() - whole.len();
        Ok(EvalText { stories, skipped, empty_rows, whole, long, context, separator })
    }
}

impl EvalText {
    /// The number of stories in the file that are evaluated, whatever they were split or packed into.
    pub fn len(&self) -> usize {
        self.whole.len()
    }

    /// Whether there is none: never, for a text that was read.
    pub fn is_empty(&self) -> bool {
        self.whole.is_empty()
    }

    /// Each story by itself, with its place in the file, from 0. Where stories are packed, those that share a block see each
    /// other in training; here none does.
    pub fn each(&self) -> impl Iterator<Item = (usize, Stories)> {
        let alone = |i| self.whole.text(i).arranged(self.long, self.context, self.separator);
        self.whole.positions().iter().enumerate().map(move |(i, position)| (*position as usize, alone(i)))
    }

    /// What the owner of the text should know: how much of it is not evaluated, and why. A sentence each.
    pub fn notes(&self) -> Vec<String> {
        let mut notes = of_part(self.long, &self.stories, "to evaluate on", self.context);
        notes.extend(left_out(self.skipped, self.empty_rows));
        notes
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::progress::NoProgress;
    use crate::{Cache, DataConfig, TokenizerConfig, VocabularyKind, evaluation_batches, prepare};

    const STORY: &str = "Ann had a red ball. She gave it to Tim.";

    /// A corpus over a file of stories, and another to evaluate on.
    fn corpus(dir: &std::path::Path, config: DataConfig) -> crate::Corpus {
        let spec = config.resolve(&|_, written| dir.join(written)).unwrap();
        prepare(&spec, &Cache { dir: &dir.join("cache") }, &NoProgress).unwrap()
    }

    fn config(vocabulary: VocabularyKind, end_of_text: bool) -> DataConfig {
        let tokenizer = TokenizerConfig::TrainBpe(300);
        let valid = Some("valid.txt".into());
        DataConfig { train: "train.txt".into(), valid, tokenizer, vocabulary, end_of_text, ..DataConfig::default() }
    }

    /// What is read for an evaluation is what an evaluation in training sees: the same batches, the same bytes of text.
    #[test]
    fn a_text_is_read_as_in_training() {
        let dir = tempfile::tempdir().unwrap();
        let stories: Vec<String> = (0..40).map(|i| format!("{STORY} They saw {i} cats, Größe {}.", i % 7)).collect();
        fs::write(dir.path().join("train.txt"), stories[..20].join("<|endoftext|>")).unwrap();
        // A story of one letter is one token: none to predict.
        let valid = [&stories[20..], &["x".to_owned()]].concat();
        fs::write(dir.path().join("valid.txt"), valid.join("\r\n<|endoftext|>\r\n")).unwrap();
        let rows: Vec<String> =
            valid.iter().map(|text| serde_json::json!({"deep": {"text": text}}).to_string()).collect();
        fs::write(dir.path().join("valid.jsonl"), rows.join("\n") + "\nnull\n").unwrap();
        for (vocabulary, end_of_text, long) in [
            (VocabularyKind::Full, false, LongKind::Cut),
            (VocabularyKind::Compact, true, LongKind::Split),
            (VocabularyKind::Compact, false, LongKind::Pack),
        ] {
            let trained = corpus(dir.path(), DataConfig { long, ..config(vocabulary, end_of_text) }).in_context(16);
            for (file, text_key, empty) in [("valid.txt", None, 0), ("valid.jsonl", Some("deep.text"), 1)] {
                let named = dir.path().join(file).to_string_lossy().into_owned();
                let [file] = &find_texts(&[named]).unwrap()[..] else { panic!("one file") };
                let reading = Reading { text_key, end_of_text, long, context: 16 };
                let text = file.read(&trained.vocabulary, &reading, &NoProgress).unwrap();
                let batches = |stories: &Stories| evaluation_batches(stories, 16, 64).collect::<Vec<_>>();
                assert!(batches(&text.stories) == batches(&trained.valid), "{long:?}");
                assert_eq!(text.stories.text_bytes(16), trained.valid.text_bytes(16), "{long:?}");
                let skipped = usize::from(!end_of_text);
                assert_eq!((text.len(), text.skipped, text.empty_rows), (21 - skipped, skipped, empty), "{long:?}");
                if long != LongKind::Pack {
                    let parts: Vec<_> = text.each().collect();
                    assert!(parts.iter().map(|(place, _)| *place).eq(0..text.len()));
                    let sum = |of: &dyn Fn(&Stories) -> u64| parts.iter().map(|(_, story)| of(story)).sum::<u64>();
                    assert_eq!(sum(&|story| story.targets(16)), text.stories.targets(16));
                    assert_eq!(Some(sum(&|story| story.text_bytes(16).unwrap())), text.stories.text_bytes(16));
                }
            }
        }
    }

    /// What a compact vocabulary lacks is written with bytes; text is counted once.
    #[test]
    fn words_that_a_compact_vocabulary_lacks_are_written_with_its_bytes() {
        let dir = tempfile::tempdir().unwrap();
        let other = "zebra zebra";
        fs::write(dir.path().join("train.txt"), [STORY; 4].join("<|endoftext|>")).unwrap();
        fs::write(dir.path().join("valid.txt"), STORY).unwrap();
        fs::write(dir.path().join("other.txt"), other).unwrap();
        // Trained on other words as well, the tokenizer knows them; the vocabulary of the stories does not.
        let words = [&[other; 60].join("<|endoftext|>"), STORY].join("<|endoftext|>");
        fs::write(dir.path().join("words.txt"), words).unwrap();
        let full = corpus(dir.path(), DataConfig { train: "words.txt".into(), ..config(VocabularyKind::Full, false) });
        fs::write(dir.path().join("tokenizer.json"), full.vocabulary.tokenizer().json()).unwrap();
        let tokenizer = TokenizerConfig::File("tokenizer.json".into());
        let compact = corpus(dir.path(), DataConfig { tokenizer, ..config(VocabularyKind::Compact, false) });
        let named = dir.path().join("other.txt").to_string_lossy().into_owned();
        let reading = Reading { text_key: None, end_of_text: false, long: LongKind::Cut, context: 64 };
        let read = |of: &Vocabulary| {
            find_texts(std::slice::from_ref(&named)).unwrap()[0].read(of, &reading, &NoProgress).unwrap()
        };
        let (whole, pieces) = (read(&full.vocabulary), read(&compact.vocabulary));
        assert_eq!(whole.stories.get(0, 64).len(), 2, "`zebra`, ` zebra`");
        assert_eq!(pieces.stories.get(0, 64), compact.vocabulary.encode(other).unwrap());
        assert_eq!(pieces.stories.get(0, 64).len(), other.len());
        // The first token, of 5 bytes, is no target of the one; its letters but the first are targets of the other, without bytes.
        assert_eq!((whole.stories.text_bytes(64), pieces.stories.text_bytes(64)), (Some(6), Some(6)));
    }

    #[test]
    fn what_is_no_text_is_told() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("train.txt"), [STORY; 4].join("<|endoftext|>")).unwrap();
        fs::write(dir.path().join("valid.txt"), STORY).unwrap();
        let vocabulary = corpus(dir.path(), config(VocabularyKind::Full, false)).vocabulary;
        let read = |name: &str, content: &str| {
            fs::write(dir.path().join(name), content).unwrap();
            let named = dir.path().join(name).to_string_lossy().into_owned();
            let reading = Reading { text_key: None, end_of_text: false, long: LongKind::Cut, context: 64 };
            find_texts(&[named])
                .and_then(|files| files[0].read(&vocabulary, &reading, &NoProgress))
                .unwrap_err()
                .to_string()
        };
        assert!(read("empty.txt", " \n").contains("empty.txt holds no story"));
        assert!(read("short.txt", "x").contains("short.txt: no story has two tokens"));
        assert!(read("a.jsonl", "{\"body\": \"x\"}").contains("text_key"));
        let missing = find_texts(&["nowhere.txt".to_owned()]).unwrap_err().to_string();
        assert!(missing.starts_with("FILE = \"nowhere.txt\" cannot be read"), "{missing}");
    }
}
