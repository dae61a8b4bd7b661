//! Where stories come from: files of any form, or the generator. Stories are read one after another, so that a file may be
//! larger than memory.

mod array;
mod csv;
mod file;
mod form;
mod key;
mod lines;
mod parquet;
mod pieces;
mod row;
mod several;
mod text;
mod unpack;

use std::borrow::Cow;

use serde::Serialize;

pub(crate) use self::file::read_all;
pub(crate) use self::form::{EXTENSIONS, Form, Format};
pub(crate) use self::key::Key;
use self::several::Several;
pub(crate) use self::text::DIVIDE;
use crate::error::DataError;
use crate::progress::{Progress, Unit, check_stopped};
use crate::spec::StoriesFile;
use crate::synthetic;

/// Raised whenever the same file comes to hold other stories.
pub(crate) const READERS: u32 = 1;

/// Some stories in a fixed order.
#[derive(Debug, Clone)]
pub(crate) enum Source<'a> {
    /// The first `limit` stories of some files, one after another; 0 for all.
    Files {
        files: &'a [StoriesFile],
        text_key: Option<&'a str>,
        limit: usize,
        /// The part at its end that becomes a story of its own where there is a single one.
        halved: Option<f64>,
    },
    /// The first `stories` synthetic ones.
    Synthetic { seed: u64, stories: usize },
}

/// What tells the stories of one source from those of another, whatever its files are called.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum SourceIdentity<'a> {
    File {
        #[serde(flatten)]
        file: FileIdentity<'a>,
        limit: usize,
        #[serde(skip_serializing_if = "Option::is_none")]
        halved: Option<f64>,
    },
    Files {
        files: Vec<FileIdentity<'a>>,
        limit: usize,
        #[serde(skip_serializing_if = "Option::is_none")]
        halved: Option<f64>,
    },
    Synthetic {
        version: u32,
        seed: u64,
        stories: usize,
    },
}

/// What tells the stories of one file from those of another. What it is packed with is told by its content.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct FileIdentity<'a> {
    blake3: &'a str,
    format: Format,
    reader: u32,
    /// Where it is given, and the file has keys.
    #[serde(skip_serializing_if = "Option::is_none")]
    text_key: Option<&'a str>,
}

impl<'a> FileIdentity<'a> {
    pub(crate) fn new(StoriesFile { file, form }: &'a StoriesFile, text_key: Option<&'a str>) -> Self {
        let text_key = text_key.filter(|_| form.is_keyed());
        Self { blake3: &file.blake3, format: form.format, reader: READERS, text_key }
    }
}

impl<'a> Source<'a> {
    pub(crate) fn identity(&self) -> SourceIdentity<'a> {
        match *self {
            Self::Files { files: [file], text_key, limit, halved } => {
                SourceIdentity::File { file: FileIdentity::new(file, text_key), limit, halved }
            }
            Self::Files { files, text_key, limit, halved } => {
                let files = files.iter().map(|file| FileIdentity::new(file, text_key)).collect();
                SourceIdentity::Files { files, limit, halved }
            }
            Self::Synthetic { seed, stories } => {
                SourceIdentity::Synthetic { version: synthetic::VERSION, seed, stories }
            }
        }
    }

    /// What the source is called in messages.
    pub(crate) fn name(&self) -> Cow<'a, str> {
        match *self {
            Self::Files { files: [first, more @ ..], .. } if !more.is_empty() => {
                let files = if more.len() == 1 { "file" } else { "files" };
                format!("{} and {} more {files}", first.file.written, more.len()).into()
            }
            Self::Files { files, .. } => files.first().map_or("", |file| &*file.file.written).into(),
            Self::Synthetic { .. } => "synthetic stories".into(),
        }
    }

    /// An error about the stories of this source.
    pub(crate) fn error(&self, message: &str) -> DataError {
        match *self {
            Self::Files { files: [one], .. } => one.file.error(message),
            Self::Files { files: [first, ..], .. } => {
                DataError::at(first.file.key, format!("{}{message}", self.name()))
            }
            _ => DataError::at("stories", format!("{}{message}", self.name())),
        }
    }

    /// Starts reading, until `progress` wants it to stop.
    pub(crate) fn open(&self, progress: &'a dyn Progress) -> Result<StoryReader<'a>, DataError> {
        let inner = match *self {
            Self::Synthetic { seed, stories } => Inner::Synthetic { seed, stories, next: 0 },
            Self::Files { files, text_key, limit, halved } => {
                Inner::Files(Box::new(Several::open(files, Key::new(text_key), limit, halved)?))
            }
        };
        Ok(StoryReader { inner, progress })
    }
}

/// Reads the stories of a [`Source`]; an iterator that ends after the first error.
pub(crate) struct StoryReader<'a> {
    inner: Inner<'a>,
    progress: &'a dyn Progress,
}

enum Inner<'a> {
    Files(Box<Several<'a>>),
    Synthetic { seed: u64, stories: usize, next: usize },
}

impl StoryReader<'_> {
    /// How much there is to read.
    pub(crate) fn total(&self) -> (u64, Unit) {
        match &self.inner {
            Inner::Files(files) => (files.total(), Unit::Bytes),
            Inner::Synthetic { stories, .. } => (*stories as u64, Unit::Stories),
        }
    }

    /// How much of the total has been read.
    pub(crate) fn done(&self) -> u64 {
        match &self.inner {
            Inner::Files(files) => files.consumed(),
            Inner::Synthetic { next, .. } => *next as u64,
        }
    }

    /// Rows that held no story, among those read so far.
    pub(crate) fn empty(&self) -> u64 {
        match &self.inner {
            Inner::Files(files) => files.empty(),
            Inner::Synthetic { .. } => 0,
        }
    }

    /// Makes sure that what was read is what the spec speaks of, for results that outlive the reading.
    pub(crate) fn verify(self) -> Result<(), DataError> {
        match self.inner {
            Inner::Files(files) => files.verify(self.progress),
            Inner::Synthetic { .. } => Ok(()),
        }
    }
}

impl Iterator for StoryReader<'_> {
    type Item = Result<String, DataError>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Err(stopped) = check_stopped(self.progress) {
            return Some(Err(stopped));
        }
        match &mut self.inner {
            Inner::Synthetic { seed, stories, next } => {
                let index = *next;
                *next += usize::from(index < *stories);
                (index < *stories).then(|| Ok(synthetic::story(*seed, index as u64)))
            }
            Inner::Files(files) => files.next(self.progress).transpose(),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::path::Path;

    use super::*;
    use crate::progress::NoProgress;
    use crate::spec::FileSpec;

    /// The stories that a file of this name and content holds.
    pub(crate) fn read(name: &str, content: &[u8], limit: usize) -> Result<Vec<String>, DataError> {
        let dir = tempfile::tempdir().unwrap();
        all(&[write(dir.path(), name, content)], None, limit, None)
    }

    /// ... under this key of its rows.
    pub(crate) fn read_key(name: &str, content: &[u8], key: &str) -> Result<Vec<String>, DataError> {
        let dir = tempfile::tempdir().unwrap();
        all(&[write(dir.path(), name, content)], Some(key), 0, None)
    }

    fn all(
        files: &[StoriesFile],
        text_key: Option<&str>,
        limit: usize,
        halved: Option<f64>,
    ) -> Result<Vec<String>, DataError> {
        let mut reader = Source::Files { files, text_key, limit, halved }.open(&NoProgress)?;
        let stories = reader.by_ref().collect::<Result<_, _>>()?;
        reader.verify()?;
        Ok(stories)
    }

    fn write(dir: &Path, name: &str, content: &[u8]) -> StoriesFile {
        let path = dir.join(name);
        std::fs::write(&path, content).unwrap();
        let blake3 = blake3::hash(content).to_string();
        let form = Form::of(&path).unwrap();
        StoriesFile { file: FileSpec { key: "train", written: name.to_owned(), path, blake3 }, form }
    }

    #[test]
    fn the_name_tells_the_format() {
        let json = br#"{"text": "a"}"#;
        for name in ["x.jsonl", "x.json", "x.ndjson", "x.JSONL"] {
            assert_eq!(read(name, json, 0).unwrap(), ["a"]);
        }
        for name in ["x.txt", "x", "json"] {
            assert_eq!(read(name, json, 0).unwrap(), [r#"{"text": "a"}"#]);
        }
    }

    #[test]
    fn the_limit_counts_stories_that_are_not_empty() {
        let text = b"a<|endoftext|><|endoftext|>b<|endoftext|>c";
        assert_eq!(read("x", text, 0).unwrap(), ["a", "b", "c"]);
        assert_eq!(read("x", text, 2).unwrap(), ["a", "b"]);
        assert_eq!(read("x", text, 9).unwrap(), ["a", "b", "c"]);
    }

    #[test]
    fn a_changed_file_is_noticed() {
        let dir = tempfile::tempdir().unwrap();
        let file = write(dir.path(), "x", b"a<|endoftext|>b");
        std::fs::write(&file.file.path, b"a<|endoftext|>c").unwrap();
        let source = Source::Files { files: &[file], text_key: None, limit: 1, halved: None };
        let mut reader = source.open(&NoProgress).unwrap();
        assert_eq!(reader.next().unwrap().unwrap(), "a");
        assert!(reader.next().is_none());
        assert!(reader.verify().unwrap_err().to_string().contains("was changed"));
    }

    #[test]
    fn files_are_read_one_after_another() {
        let dir = tempfile::tempdir().unwrap();
        let files = [
            write(dir.path(), "b.txt", b"a<|endoftext|>b"),
            write(dir.path(), "e.txt", b""),
            write(dir.path(), "a.jsonl", b"null\n\"c\"\n{\"text\": \"d\"}"),
        ];
        assert_eq!(all(&files, None, 0, None).unwrap(), ["a", "b", "c", "d"]);
        assert_eq!(all(&files, None, 3, None).unwrap(), ["a", "b", "c"]);
        let source = Source::Files { files: &files, text_key: None, limit: 0, halved: None };
        let mut reader = source.open(&NoProgress).unwrap();
        assert_eq!((reader.total().0, reader.by_ref().count()), (15 + 22, 4));
        assert_eq!((reader.done(), reader.empty()), (15 + 22, 1));
        assert_eq!(source.name(), "b.txt and 2 more files");
        // Each file is held against its hash, also those before the last.
        std::fs::write(&files[0].file.path, b"a<|endoftext|>x").unwrap();
        let error = all(&files, None, 0, None).unwrap_err().to_string();
        assert!(error.contains("b.txt was changed"), "{error}");
    }

    #[test]
    fn a_lone_text_is_halved() {
        let dir = tempfile::tempdir().unwrap();
        let halves =
            |text: &str, fraction| all(&[write(dir.path(), "a.txt", text.as_bytes())], None, 0, Some(fraction));
        assert_eq!(halves("ab cd ef gh ij", 0.3).unwrap(), ["ab cd ef", "gh ij"]);
        assert_eq!(halves("a b\nc d e f", 0.5).unwrap(), ["a b", "c d e f"]);
        assert_eq!(halves("日本語日本語", 0.5).unwrap(), ["日本語", "日本語"]);
        assert_eq!(halves("a", 0.5).unwrap(), ["a"]);
        assert_eq!(halves("", 0.5).unwrap(), [""; 0]);
        assert_eq!(halves("ab cd<|endoftext|>e", 0.5).unwrap(), ["ab cd", "e"]);
        assert_eq!(halves("a<|endoftext|>b<|endoftext|>c", 0.5).unwrap(), ["a", "b", "c"]);
    }

    #[test]
    fn synthetic_stories_are_the_generators() {
        let source = Source::Synthetic { seed: 3, stories: 2 };
        let stories: Vec<String> = source.open(&NoProgress).unwrap().map(Result::unwrap).collect();
        assert_eq!(stories, [synthetic::story(3, 0), synthetic::story(3, 1)]);
    }
}
