//! `[data]` resolved: checked, every default filled in, each file known by its content.

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use lrx_files::open_regular;
use serde::{Serialize, Serializer};

use crate::config::{DataConfig, LongKind, SplitKind, TokenizerConfig, VocabularyKind};
use crate::error::DataError;
use crate::files::{self, Locate};
use crate::identity::DataIdentity;
use crate::record::Record;
use crate::source::Form;
use crate::synthetic;

/// How many synthetic stories there are unless `stories` says otherwise.
pub(crate) const SYNTHETIC_STORIES: usize = 20_000;
/// The smallest byte-level BPE: the 256 bytes and the end-of-text token.
const SMALLEST_BPE: usize = 257;
/// Far above any tokenizer in use; the trainer makes room for so many tokens beforehand.
const LARGEST_BPE: usize = 1_000_000;
/// The part of the training stories that is held out unless the config says otherwise.
pub(crate) const VALID_FRACTION: f64 = 0.01;

/// What data a run uses: checked, every default filled in, and each file known by its content.
///
/// Serialises with each file as `{ file = <path as written>, blake3 = <hash of the content> }`, never an absolute path.
#[derive(Debug, Clone, PartialEq)]
pub struct DataSpec {
    pub(crate) train: TrainSpec,
    pub(crate) valid: ValidSpec,
    pub(crate) text_key: Option<String>,
    pub(crate) stories: usize,
    pub(crate) tokenizer: TokenizerSpec,
    pub(crate) vocabulary: VocabularyKind,
    pub(crate) shuffle: bool,
    pub(crate) end_of_text: bool,
    pub(crate) long: LongKind,
    pub(crate) seed: u64,
    /// The part of the training stories that is evaluated on, and not trained on, in place of the held-out ones; none where
    /// those are evaluated on.
    pub(crate) tune: Option<f64>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum TrainSpec {
    Files(Vec<StoriesFile>),
    Synthetic,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum ValidSpec {
    Files(Vec<StoriesFile>),
    Fraction(f64),
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum TokenizerSpec {
    File(FileSpec),
    TrainBpe(usize),
}

/// A file of stories, and how it holds them by its name.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct StoriesFile {
    pub(crate) file: FileSpec,
    pub(crate) form: Form,
}

/// A file of the config: where it is, how it was written, what is in it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct FileSpec {
    /// The key under `[data]` that names it.
    pub(crate) key: &'static str,
    pub(crate) written: String,
    pub(crate) path: PathBuf,
    /// BLAKE3 of the content, in hexadecimal.
    pub(crate) blake3: String,
}

impl DataConfig {
    /// Checks the values, fills in the defaults, and reads every file once for its hash.
    ///
    /// `locate` gives the place of a file from the key that names it and the path as written: a config's paths are
    /// relative to the file that they stand in, which only the caller knows.
    ///
    /// # Errors
    /// A value outside its range, both `valid` and `valid_fraction`, or a file that cannot be read;
    /// [`DataError::key`] tells which key is at fault.
    pub fn resolve(self, locate: Locate) -> Result<DataSpec, DataError> {
        let synthetic = self.train.is(synthetic::NAME);
        if self.stories > u32::MAX as usize {
            return Err(DataError::at("stories", format!("stories = {} is above {}", self.stories, u32::MAX)));
        }
        let valid = match (self.valid, self.valid_fraction) {
            (Some(_), Some(_)) => {
                return Err(DataError::at("valid_fraction", "valid and valid_fraction exclude each other: give one"));
            }
            (Some(paths), None) if paths.is(synthetic::NAME) => {
                let message = "valid must be a file: synthetic stories are held out by valid_fraction";
                return Err(DataError::at("valid", message));
            }
            (Some(paths), None) => ValidSpec::Files(files::stories("valid", &paths, locate)?),
            (None, fraction) => {
                ValidSpec::Fraction(checked_fraction("valid_fraction", fraction.unwrap_or(VALID_FRACTION))?)
            }
        };
        let tune_fraction = checked_fraction("tune_fraction", self.tune_fraction)?;
        let tokenizer = match self.tokenizer {
            TokenizerConfig::File(written) => {
                TokenizerSpec::File(FileSpec::read("tokenizer", locate("tokenizer", &written), written)?)
            }
            TokenizerConfig::TrainBpe(size) if size < SMALLEST_BPE => {
                let message = format!(
                    "train_bpe = {size} is too small: a byte-level BPE has at least {SMALLEST_BPE} tokens, \
                     the 256 bytes and the end of text"
                );
                return Err(DataError::at("tokenizer", message));
            }
            TokenizerConfig::TrainBpe(size) if size > LARGEST_BPE => {
                let message = format!("train_bpe = {size} is too large: expected at most {LARGEST_BPE} tokens");
                return Err(DataError::at("tokenizer", message));
            }
            TokenizerConfig::TrainBpe(size) => TokenizerSpec::TrainBpe(size),
        };
        let train = match synthetic {
            true => TrainSpec::Synthetic,
            false => TrainSpec::Files(files::stories("train", &self.train, locate)?),
        };
        check_text_key(self.text_key.as_deref(), &train, &valid)?;
        Ok(DataSpec {
            train,
            valid,
            text_key: self.text_key,
            stories: if synthetic && self.stories == 0 { SYNTHETIC_STORIES } else { self.stories },
            tokenizer,
            vocabulary: self.vocabulary,
            shuffle: self.shuffle,
            end_of_text: self.end_of_text,
            long: self.long,
            seed: self.seed,
            tune: (self.split == SplitKind::Tune).then_some(tune_fraction),
        })
    }
}

/// A key is of use where a file has keys.
fn check_text_key(key: Option<&str>, train: &TrainSpec, valid: &ValidSpec) -> Result<(), DataError> {
    let Some(key) = key else { return Ok(()) };
    let wrong = |what: &str| Err(DataError::at("text_key", format!("text_key = \"{key}\" {what}")));
    let of_train = if let TrainSpec::Files(files) = train { &files[..] } else { &[] };
    let of_valid = if let ValidSpec::Files(files) = valid { &files[..] } else { &[] };
    if key.is_empty() {
        return wrong("is empty: expected the key, or the column, that stories stand under");
    }
    if !of_train.iter().chain(of_valid).any(|file| file.form.is_keyed()) {
        return wrong("is of no use: text has no keys, but .jsonl, .json, .csv and .parquet have");
    }
    Ok(())
}

fn checked_fraction(key: &'static str, fraction: f64) -> Result<f64, DataError> {
    if fraction > 0.0 && fraction < 1.0 {
        return Ok(fraction);
    }
    let message = format!("{key} = {fraction} is out of range: it must lie between 0 and 1, both excluded");
    Err(DataError::at(key, message))
}

impl FileSpec {
    pub(crate) fn read(key: &'static str, path: PathBuf, written: String) -> Result<Self, DataError> {
        let hash = content_hash(&path).map_err(|error| {
            DataError::at(key, format!("{key} = \"{written}\" cannot be read: {}: {error}", path.display()))
        })?;
        Ok(Self { key, written, path, blake3: hash })
    }

    /// An error about what is in the file.
    pub(crate) fn error(&self, message: impl std::fmt::Display) -> DataError {
        DataError::at(self.key, format!("{}{message}", self.path.display()))
    }

    /// The error of a file whose content is no longer what was resolved.
    pub(crate) fn changed(&self) -> DataError {
        self.error(" was changed while it was being used: start again")
    }
}

fn content_hash(path: &Path) -> io::Result<String> {
    let mut file = open_regular(path)?;
    let mut hasher = blake3::Hasher::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hasher.finalize().to_string()),
            count => hasher.update_rayon(&buffer[..count]),
        };
    }
}

impl DataSpec {
    /// Whether stories are drawn at random: for [`SamplerConfig::shuffle`](crate::SamplerConfig::shuffle).
    pub fn shuffle(&self) -> bool {
        self.shuffle
    }

    /// Whether each story ends with the end-of-text token.
    pub fn end_of_text(&self) -> bool {
        self.end_of_text
    }

    /// What tells this data from other data, whatever its files are called: for the identity of a run.
    pub fn identity(&self) -> DataIdentity<'_> {
        DataIdentity::new(self)
    }
}

impl Serialize for DataSpec {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Record::new(self).serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn here(_key: &str, written: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join(written)
    }

    fn resolve(text: &str) -> Result<DataSpec, DataError> {
        toml::from_str::<DataConfig>(text).unwrap().resolve(&here)
    }

    #[test]
    fn defaults_are_filled_in() {
        let resolved = toml::to_string(&resolve("").unwrap()).unwrap();
        let expected = format!(
            "valid_fraction = 0.01\nstories = 20000\nvocabulary = \"full\"\nshuffle = true\nend_of_text = false\n\
             seed = 0\n\n[train]\ngenerator = \"synthetic\"\nversion = {}\n\n[tokenizer]\ntrain_bpe = 8192\n",
            synthetic::VERSION
        );
        assert_eq!(resolved, expected);
    }

    #[test]
    fn files_are_named_as_written_beside_their_content() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("a.txt"), "").unwrap();
        std::fs::write(dir.path().join("b.txt"), "").unwrap();
        let resolve = |name: &str| {
            let config = DataConfig { train: name.into(), ..DataConfig::default() };
            config.resolve(&|_, written| dir.path().join(written)).unwrap()
        };
        let json = |spec: &DataSpec| serde_json::to_value(spec).unwrap();
        let (a, b) = (resolve("a.txt"), resolve("b.txt"));
        assert_eq!(json(&a)["train"]["file"], "a.txt");
        // From BLAKE3's published test vectors: no input.
        let hash = "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262";
        assert_ne!(json(&a), json(&b));
        assert_eq!(json(&a)["train"]["blake3"], hash);
    }

    #[test]
    fn errors_name_the_key_and_the_value() {
        for (text, key, part) in [
            ("train = 'missing.txt'", "train", "missing.txt"),
            ("train = 'src'", "train", "= \"src\" is a folder that holds no file of stories"),
            ("train = ['missing.txt']", "train", "= \"missing.txt\" cannot be read"),
            ("train = 'src/*.txt'", "train", "matches no file"),
            ("tokenizer = 'src'", "tokenizer", "not a file but a folder"),
            ("valid = 'Cargo.toml'\ntext_key = 'x'", "text_key", "text_key = \"x\" is of no use: text has no keys"),
            ("text_key = ''", "text_key", "is empty"),
            ("valid = 'missing.txt'", "valid", "missing.txt"),
            ("valid = 'synthetic'", "valid", "must be a file"),
            ("tokenizer = 'missing.json'", "tokenizer", "missing.json"),
            ("tokenizer = { train_bpe = 256 }", "tokenizer", "at least 257"),
            ("tokenizer = { train_bpe = 9000000000000000000 }", "tokenizer", "at most 1000000"),
            ("valid_fraction = 0", "valid_fraction", "= 0 is out of range"),
            ("valid_fraction = 1.0", "valid_fraction", "between 0 and 1"),
            ("tune_fraction = 0", "tune_fraction", "between 0 and 1"),
            ("valid_fraction = nan", "valid_fraction", "between 0 and 1"),
            ("valid = 'Cargo.toml'\nvalid_fraction = 0.1", "valid_fraction", "exclude each other"),
            ("stories = 4294967296", "stories", "4294967296"),
        ] {
            let error = resolve(text).unwrap_err();
            assert_eq!(error.key(), Some(key), "{text}");
            assert!(error.to_string().contains(part), "{text}: {error}");
        }
    }
}
