//! What stands of `[data]` in the record of a run.

use serde::Serialize;

use crate::config::{LongKind, SplitKind, VocabularyKind};
use crate::spec::{DataSpec, FileSpec, StoriesFile, TokenizerSpec, TrainSpec, ValidSpec};
use crate::synthetic;

/// Every value of a [`DataSpec`], files as they were written beside the hash of their content.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Record<'a> {
    train: TrainRecord<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    valid: Option<FilesRecord<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    valid_fraction: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text_key: Option<&'a str>,
    stories: usize,
    tokenizer: TokenizerRecord<'a>,
    vocabulary: VocabularyKind,
    shuffle: bool,
    end_of_text: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    long: Option<LongKind>,
    seed: u64,
    /// Neither is there where it changes nothing: in a comparison.
    #[serde(skip_serializing_if = "Option::is_none")]
    split: Option<SplitKind>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tune_fraction: Option<f64>,
}

impl<'a> Record<'a> {
    pub(crate) fn new(spec: &'a DataSpec) -> Self {
        fn file(file: &FileSpec) -> FileRecord<'_> {
            FileRecord { file: &file.written, blake3: &file.blake3 }
        }
        fn files(files: &[StoriesFile]) -> FilesRecord<'_> {
            match files {
                [one] => FilesRecord::One(file(&one.file)),
                several => FilesRecord::Several(several.iter().map(|one| file(&one.file)).collect()),
            }
        }
        let (valid, valid_fraction) = match &spec.valid {
            ValidSpec::Files(valid) => (Some(files(valid)), None),
            ValidSpec::Fraction(fraction) => (None, Some(*fraction)),
        };
        Self {
            train: match &spec.train {
                TrainSpec::Files(train) => TrainRecord::Files(files(train)),
                TrainSpec::Synthetic => {
                    TrainRecord::Synthetic { generator: synthetic::NAME, version: synthetic::VERSION }
                }
            },
            valid,
            valid_fraction,
            text_key: spec.text_key.as_deref(),
            stories: spec.stories,
            tokenizer: match &spec.tokenizer {
                TokenizerSpec::File(tokenizer) => TokenizerRecord::File(file(tokenizer)),
                TokenizerSpec::TrainBpe(size) => TokenizerRecord::Bpe { train_bpe: *size },
            },
            vocabulary: spec.vocabulary,
            shuffle: spec.shuffle,
            end_of_text: spec.end_of_text,
            long: Some(spec.long).filter(|long| *long != LongKind::Cut),
            seed: spec.seed,
            split: spec.tune.map(|_| SplitKind::Tune),
            tune_fraction: spec.tune,
        }
    }
}

#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
enum TrainRecord<'a> {
    Files(FilesRecord<'a>),
    Synthetic { generator: &'static str, version: u32 },
}

#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
enum TokenizerRecord<'a> {
    File(FileRecord<'a>),
    Bpe { train_bpe: usize },
}

#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
enum FilesRecord<'a> {
    One(FileRecord<'a>),
    Several(Vec<FileRecord<'a>>),
}

#[derive(Debug, Clone, Serialize)]
struct FileRecord<'a> {
    file: &'a str,
    blake3: &'a str,
}
