//! Where stories come from: a file of either format, or the generator. Stories are read one after another, so that a
//! file may be larger than memory.

mod lines;
mod text;

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};

use serde::Serialize;

use crate::error::DataError;
use crate::progress::Unit;
use crate::spec::FileSpec;
use crate::synthetic;

/// Some stories in a fixed order.
#[derive(Debug, Clone)]
pub(crate) enum Source<'a> {
    /// The first `limit` stories of a file; 0 for all.
    File { file: &'a FileSpec, limit: usize },
    /// The first `stories` synthetic ones.
    Synthetic { seed: u64, stories: usize },
}

/// What tells the stories of one source from those of another, whatever its file is called.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum SourceIdentity<'a> {
    File { blake3: &'a str, format: Format, limit: usize },
    Synthetic { version: u32, seed: u64, stories: usize },
}

/// How a file holds its stories.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Format {
    /// Text with `<|endoftext|>` between stories.
    Text,
    /// A JSON object a line.
    Lines,
}

impl Format {
    fn of(file: &FileSpec) -> Self {
        let extension = file.path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
        let lines = ["jsonl", "ndjson", "json"].iter().any(|known| extension.eq_ignore_ascii_case(known));
        if lines { Self::Lines } else { Self::Text }
    }
}

impl<'a> Source<'a> {
    pub(crate) fn identity(&self) -> SourceIdentity<'a> {
        match *self {
            Self::File { file, limit } => {
                SourceIdentity::File { blake3: &file.blake3, format: Format::of(file), limit }
            }
            Self::Synthetic { seed, stories } => {
                SourceIdentity::Synthetic { version: synthetic::VERSION, seed, stories }
            }
        }
    }

    /// What the source is called in messages.
    pub(crate) fn name(&self) -> &'a str {
        match self {
            Self::File { file, .. } => &file.written,
            Self::Synthetic { .. } => "synthetic stories",
        }
    }

    /// An error about the stories of this source.
    pub(crate) fn error(&self, message: &str) -> DataError {
        match self {
            Self::File { file, .. } => file.error(message),
            Self::Synthetic { .. } => DataError::at("stories", format!("{}{message}", self.name())),
        }
    }

    /// Starts reading.
    pub(crate) fn open(&self) -> Result<StoryReader<'a>, DataError> {
        let inner = match *self {
            Self::Synthetic { seed, stories } => Inner::Synthetic { seed, stories, next: 0 },
            Self::File { file, limit } => {
                let handle = File::open(&file.path).map_err(|error| file.error(format!(": {error}")))?;
                let size = handle.metadata().map_err(|error| file.error(format!(": {error}")))?.len();
                let reader = Box::new(Reader::new(Hashed { inner: handle, hasher: blake3::Hasher::new() }));
                let limit = if limit == 0 { usize::MAX } else { limit };
                Inner::File { file, format: Format::of(file), reader, size, left: limit }
            }
        };
        Ok(StoryReader(inner))
    }
}

/// Reads the stories of a [`Source`]; an iterator that ends after the first error.
pub(crate) struct StoryReader<'a>(Inner<'a>);

enum Inner<'a> {
    File { file: &'a FileSpec, format: Format, reader: Box<Reader<Hashed<File>>>, size: u64, left: usize },
    Synthetic { seed: u64, stories: usize, next: usize },
}

impl StoryReader<'_> {
    /// How much there is to read.
    pub(crate) fn total(&self) -> (u64, Unit) {
        match self.0 {
            Inner::File { size, .. } => (size, Unit::Bytes),
            Inner::Synthetic { stories, .. } => (stories as u64, Unit::Stories),
        }
    }

    /// How much of the total has been read.
    pub(crate) fn done(&self) -> u64 {
        match &self.0 {
            Inner::File { reader, .. } => reader.offset,
            Inner::Synthetic { next, .. } => *next as u64,
        }
    }

    /// Makes sure that what was read is what the spec speaks of, for results that outlive the reading.
    pub(crate) fn verify(self) -> Result<(), DataError> {
        let Inner::File { file, reader, .. } = self.0 else {
            return Ok(());
        };
        let mut input = reader.input;
        io::copy(&mut input, &mut io::sink()).map_err(|error| file.error(format!(": {error}")))?;
        let hash = input.into_inner().hasher.finalize().to_string();
        if hash == file.blake3 { Ok(()) } else { Err(file.changed()) }
    }
}

impl Iterator for StoryReader<'_> {
    type Item = Result<String, DataError>;

    fn next(&mut self) -> Option<Self::Item> {
        match &mut self.0 {
            Inner::Synthetic { seed, stories, next } => {
                let index = *next;
                *next += usize::from(index < *stories);
                (index < *stories).then(|| Ok(synthetic::story(*seed, index as u64)))
            }
            Inner::File { file, format, reader, left, .. } => {
                *left = left.checked_sub(1)?;
                let story = match format {
                    Format::Text => text::next_story(reader),
                    Format::Lines => lines::next_story(reader),
                };
                match story {
                    Ok(story) => story.map(Ok),
                    Err(error) => {
                        *left = 0;
                        Some(Err(file.error(error)))
                    }
                }
            }
        }
    }
}

/// All stories of `bytes`.
pub(crate) fn read_all(format: Format, bytes: &[u8]) -> Result<Vec<String>, String> {
    let mut reader = Reader::new(bytes);
    let next = || match format {
        Format::Text => text::next_story(&mut reader).transpose(),
        Format::Lines => lines::next_story(&mut reader).transpose(),
    };
    std::iter::from_fn(next).collect()
}

/// Reads a file in pieces and keeps count of where it is.
struct Reader<R> {
    input: BufReader<R>,
    /// The latest piece.
    piece: Vec<u8>,
    /// Bytes read so far.
    offset: u64,
    /// Pieces read so far.
    count: u64,
}

impl<R: Read> Reader<R> {
    fn new(input: R) -> Self {
        Self { input: BufReader::with_capacity(1 << 18, input), piece: Vec::new(), offset: 0, count: 0 }
    }

    /// Reads up to and with the next `delimiter`, and appends that to `piece`; false at the end of the file.
    fn extend_until(&mut self, delimiter: u8) -> Result<bool, String> {
        let count = self.input.read_until(delimiter, &mut self.piece).map_err(|error| format!(": {error}"))?;
        self.offset += count as u64;
        Ok(count > 0)
    }
}

/// The text of `bytes`, which begin at byte `start` of the file; else an error with the byte at fault.
fn utf8(bytes: &[u8], start: u64) -> Result<&str, String> {
    std::str::from_utf8(bytes).map_err(|error| {
        let byte = start + error.valid_up_to() as u64;
        format!(", byte {byte}: not UTF-8 (counted from 0)")
    })
}

/// Hashes what is read through it.
struct Hashed<R> {
    inner: R,
    hasher: blake3::Hasher,
}

impl<R: Read> Read for Hashed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.hasher.update(&buffer[..count]);
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    /// The stories that a file of this name and content holds.
    pub(super) fn read(name: &str, content: &[u8], limit: usize) -> Result<Vec<String>, DataError> {
        let dir = tempfile::tempdir().unwrap();
        let file = write(dir.path(), name, content);
        let mut reader = Source::File { file: &file, limit }.open()?;
        let stories = reader.by_ref().collect::<Result<_, _>>()?;
        reader.verify()?;
        Ok(stories)
    }

    fn write(dir: &Path, name: &str, content: &[u8]) -> FileSpec {
        let path = dir.join(name);
        std::fs::write(&path, content).unwrap();
        let blake3 = blake3::hash(content).to_string();
        FileSpec { key: "train", written: name.to_owned(), path, blake3 }
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
        std::fs::write(&file.path, b"a<|endoftext|>c").unwrap();
        let mut reader = Source::File { file: &file, limit: 1 }.open().unwrap();
        assert_eq!(reader.next().unwrap().unwrap(), "a");
        assert!(reader.next().is_none());
        assert!(reader.verify().unwrap_err().to_string().contains("was changed"));
    }

    #[test]
    fn synthetic_stories_are_the_generators() {
        let source = Source::Synthetic { seed: 3, stories: 2 };
        let stories: Vec<String> = source.open().unwrap().map(Result::unwrap).collect();
        assert_eq!(stories, [synthetic::story(3, 0), synthetic::story(3, 1)]);
    }
}
