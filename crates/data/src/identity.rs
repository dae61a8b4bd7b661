//! What tells data from other data.

use serde::Serialize;

use crate::config::{LongKind, SplitKind, TokenizerConfig, VocabularyKind};
use crate::source::FileIdentity;
use crate::spec::{DataSpec, SYNTHETIC_STORIES, StoriesFile, TokenizerSpec, TrainSpec, VALID_FRACTION, ValidSpec};
use crate::tokenizer::TRAINER;
use crate::{DataConfig, synthetic};

/// Whatever of a [`DataSpec`] decides how bytes become stories and stories tokens, for the identity of a run: files by
/// their content, their format and the version of its reader; the versions of what lrx makes itself.
///
/// What is at its default is left out, so that an option that is added later renames nothing; so is what changes nothing,
/// such as a seed where nothing is drawn. Files' names are no part of it.
#[derive(Debug, Clone, Serialize)]
pub struct DataIdentity<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    train: Option<Train<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    valid: Option<Files<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    valid_fraction: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stories: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tokenizer: Option<Tokenizer<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    vocabulary: Option<VocabularyKind>,
    #[serde(skip_serializing_if = "Option::is_none")]
    shuffle: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    end_of_text: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    long: Option<LongKind>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seed: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    split: Option<SplitKind>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tune_fraction: Option<f64>,
}

#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
enum Train<'a> {
    Files(Files<'a>),
    Synthetic { version: u32 },
}

/// A folder with a single file is that file.
#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
enum Files<'a> {
    One(FileIdentity<'a>),
    Several(Vec<FileIdentity<'a>>),
}

impl<'a> Files<'a> {
    fn new(files: &'a [StoriesFile], spec: &'a DataSpec) -> Self {
        let identity = |file| FileIdentity::new(file, spec.text_key.as_deref());
        match files {
            [one] => Self::One(identity(one)),
            several => Self::Several(several.iter().map(identity).collect()),
        }
    }
}

#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
enum Tokenizer<'a> {
    File { blake3: &'a str },
    Trained { train_bpe: usize, version: u32 },
}

impl<'a> DataIdentity<'a> {
    pub(crate) fn new(spec: &'a DataSpec) -> Self {
        let default = DataConfig::default();
        let TokenizerConfig::TrainBpe(default_size) = default.tokenizer else { unreachable!("the default is trained") };
        let (train, all_stories) = match &spec.train {
            TrainSpec::Files(files) => (Some(Train::Files(Files::new(files, spec))), 0),
            TrainSpec::Synthetic => {
                let version = synthetic::VERSION;
                ((version != 1).then_some(Train::Synthetic { version }), SYNTHETIC_STORIES)
            }
        };
        let (valid, valid_fraction, drawn) = match &spec.valid {
            ValidSpec::Files(files) => (Some(Files::new(files, spec)), None, false),
            ValidSpec::Fraction(fraction) => (None, Some(*fraction).filter(|it| *it != VALID_FRACTION), spec.shuffle),
        };
        let tokenizer = match &spec.tokenizer {
            TokenizerSpec::File(file) => Some(Tokenizer::File { blake3: &file.blake3 }),
            TokenizerSpec::TrainBpe(size) if (*size, TRAINER) == (default_size, 1) => None,
            TokenizerSpec::TrainBpe(size) => Some(Tokenizer::Trained { train_bpe: *size, version: TRAINER }),
        };
        let drawn = drawn || (spec.tune.is_some() && spec.shuffle);
        let seeded = drawn || matches!(spec.train, TrainSpec::Synthetic);
        Self {
            train,
            valid,
            valid_fraction,
            stories: Some(spec.stories).filter(|it| *it != all_stories),
            tokenizer,
            vocabulary: Some(spec.vocabulary).filter(|it| *it != default.vocabulary),
            shuffle: Some(spec.shuffle).filter(|it| *it != default.shuffle),
            end_of_text: Some(spec.end_of_text).filter(|it| *it != default.end_of_text),
            long: Some(spec.long).filter(|it| *it != default.long),
            seed: Some(spec.seed).filter(|it| seeded && *it != default.seed),
            split: spec.tune.map(|_| SplitKind::Tune),
            tune_fraction: spec.tune.filter(|it| *it != default.tune_fraction),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use serde_json::{Value, json};

    use super::*;
    use crate::source::READERS;

    fn resolve(dir: &Path, config: &str) -> DataSpec {
        toml::from_str::<DataConfig>(config).unwrap().resolve(&|_, written| dir.join(written)).unwrap()
    }

    fn identity(dir: &Path, config: &str) -> Value {
        serde_json::to_value(resolve(dir, config).identity()).unwrap()
    }

    #[test]
    fn what_is_at_its_default_is_not_in_it() {
        let dir = Path::new(".");
        assert_eq!(identity(dir, ""), json!({}));
        let spelled_out = "train = 'synthetic'\nvalid_fraction = 1e-2\nstories = 20000\nseed = 0\nshuffle = true\n\
                           tokenizer = { train_bpe = 8192 }\nvocabulary = 'full'\nend_of_text = false";
        assert_eq!(identity(dir, spelled_out), json!({}));
        assert_eq!(identity(dir, "stories = 0"), json!({}));
    }

    /// Two specs that differ in anything that changes how bytes become stories, or stories tokens, are not the same; two
    /// that differ in anything else are.
    #[test]
    fn whatever_changes_the_tokens_is_in_it() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        for name in ["a.txt", "b.txt", "a.jsonl", "a.ndjson"] {
            std::fs::write(dir.join(name), "{\"text\": \"a\"}").unwrap();
        }
        std::fs::write(dir.join("other.txt"), "y").unwrap();
        let base = "train = 'a.txt'\nvalid = 'a.txt'\n";
        let own = identity(dir, base);
        for (changed, same) in [
            ("train = 'b.txt'\nvalid = 'b.txt'", true),
            ("train = 'a.jsonl'\nvalid = 'a.txt'", false),
            ("train = 'a.txt'\nvalid = 'a.jsonl'", false),
            ("train = 'other.txt'\nvalid = 'a.txt'", false),
            ("train = 'a.txt'\nvalid = 'other.txt'", false),
            ("train = 'a.txt'", false),
            ("valid = 'a.txt'", false),
            (&format!("{base}stories = 1"), false),
            (&format!("{base}tokenizer = {{ train_bpe = 300 }}"), false),
            (&format!("{base}tokenizer = 'a.txt'"), false),
            (&format!("{base}vocabulary = 'compact'"), false),
            (&format!("{base}shuffle = false"), false),
            (&format!("{base}end_of_text = true"), false),
            (&format!("{base}long = 'split'"), false),
            (&format!("{base}long = 'pack'"), false),
            (&format!("{base}long = 'cut'"), true),
            (&format!("{base}split = 'tune'"), false),
            (&format!("{base}split = 'compare'"), true),
            // A comparison trains on what tuning holds out.
            (&format!("{base}tune_fraction = 0.5"), true),
            // Nothing is drawn: neither stories nor which of them are held out.
            (&format!("{base}seed = 1"), true),
        ] {
            assert_eq!(identity(dir, changed) == own, same, "{changed}");
        }
        assert_eq!(identity(dir, "train = 'a.jsonl'"), identity(dir, "train = 'a.ndjson'"));
        assert_eq!(identity(dir, "train = ['a.jsonl']"), identity(dir, "train = 'a.json*'"));
        assert_ne!(
            identity(dir, "train = ['a.jsonl', 'other.txt']"),
            identity(dir, "train = ['other.txt', 'a.jsonl']")
        );
        assert_ne!(identity(dir, "train = 'a.jsonl'\ntext_key = 'b'"), identity(dir, "train = 'a.jsonl'"));
        // The key concerns the files that have keys.
        let valid = |more: &str| identity(dir, &format!("train = 'a.txt'\nvalid = 'a.jsonl'\n{more}"));
        assert_eq!(valid("text_key = 'b'")["train"], valid("")["train"]);
        assert_ne!(valid("text_key = 'b'")["valid"], valid("")["valid"]);
        assert_ne!(identity(dir, "train = 'a.txt'"), identity(dir, "train = 'a.txt'\nseed = 1"));
        assert_eq!(
            identity(dir, "train = 'a.txt'\nshuffle = false"),
            identity(dir, "train = 'a.txt'\nshuffle = false\nseed = 1")
        );
        assert_ne!(identity(dir, "valid = 'a.txt'"), identity(dir, "valid = 'a.txt'\nseed = 1"));
        assert_ne!(identity(dir, ""), identity(dir, "valid_fraction = 0.02"));
        let tune = format!("{base}split = 'tune'\n");
        assert_ne!(identity(dir, &tune), identity(dir, &format!("{tune}tune_fraction = 0.5")));
        assert_eq!(identity(dir, &tune), identity(dir, &format!("{tune}tune_fraction = 0.05")));
        assert_ne!(identity(dir, &tune), identity(dir, &format!("{tune}seed = 1")), "it draws the stories");
    }

    #[test]
    fn files_are_known_by_content_and_format() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("a.jsonl"), "").unwrap();
        // From BLAKE3's published test vectors: no input.
        let hash = "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262";
        assert_eq!(
            identity(dir.path(), "train = 'a.jsonl'"),
            json!({"train": {"blake3": hash, "format": "lines", "reader": READERS}})
        );
        std::fs::write(dir.path().join("b.json"), "").unwrap();
        assert_eq!(identity(dir.path(), "train = 'a.jsonl'"), identity(dir.path(), "train = 'b.json'"));
        let mut longer = resolve(dir.path(), "train = 'a.jsonl'");
        let TrainSpec::Files(files) = &mut longer.train else { unreachable!() };
        files[0].file.blake3 = "another".to_owned();
        assert_ne!(serde_json::to_value(longer.identity()).unwrap(), identity(dir.path(), "train = 'a.jsonl'"));
    }
}
