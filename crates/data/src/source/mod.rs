//! Where stories come from: a file of either format, or the generator. Stories are read one after another, so that a
//! file may be larger than memory.

mod lines;
mod text;

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};

use lrx_files::open_regular;
use serde::Serialize;

pub(crate) use self::text::DIVIDE;
use crate::encoding;
use crate::error::DataError;
use crate::progress::{Progress, Unit, check_stopped};
use crate::spec::FileSpec;
use crate::synthetic;

/// Raised whenever the same file comes to hold other stories.
pub(crate) const READERS: u32 = 1;
/// A story, or a line that holds one, has no more bytes: a file that is not divided into stories would not fit into memory.
const MOST_BYTES: usize = 64 << 20;

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
    File { blake3: &'a str, format: Format, reader: u32, limit: usize },
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
    pub(crate) fn of(file: &FileSpec) -> Self {
        let extension = file.path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
        let lines = ["jsonl", "ndjson", "json"].iter().any(|known| extension.eq_ignore_ascii_case(known));
        if lines { Self::Lines } else { Self::Text }
    }
}

impl<'a> Source<'a> {
    pub(crate) fn identity(&self) -> SourceIdentity<'a> {
        match *self {
            Self::File { file, limit } => {
                SourceIdentity::File { blake3: &file.blake3, format: Format::of(file), reader: READERS, limit }
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

    /// Starts reading, until `progress` wants it to stop.
    pub(crate) fn open(&self, progress: &'a dyn Progress) -> Result<StoryReader<'a>, DataError> {
        let inner = match *self {
            Self::Synthetic { seed, stories } => Inner::Synthetic { seed, stories, next: 0 },
            Self::File { file, limit } => {
                let cannot = |error: io::Error| file.error(format!(": {error}"));
                let handle = open_regular(&file.path).map_err(cannot)?;
                let size = handle.metadata().map_err(cannot)?.len();
                let mut reader = Box::new(Reader::new(Hashed { inner: handle, hasher: blake3::Hasher::new() }));
                encoding::check(reader.input.fill_buf().map_err(cannot)?).map_err(|what| file.error(what))?;
                let limit = if limit == 0 { usize::MAX } else { limit };
                Inner::File { file, format: Format::of(file), reader, size, left: limit }
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
    File { file: &'a FileSpec, format: Format, reader: Box<Reader<Hashed<File>>>, size: u64, left: usize },
    Synthetic { seed: u64, stories: usize, next: usize },
}

impl StoryReader<'_> {
    /// How much there is to read.
    pub(crate) fn total(&self) -> (u64, Unit) {
        match self.inner {
            Inner::File { size, .. } => (size, Unit::Bytes),
            Inner::Synthetic { stories, .. } => (stories as u64, Unit::Stories),
        }
    }

    /// How much of the total has been read.
    pub(crate) fn done(&self) -> u64 {
        match &self.inner {
            Inner::File { reader, .. } => reader.offset,
            Inner::Synthetic { next, .. } => *next as u64,
        }
    }

    /// Rows that held no story, among those read so far.
    pub(crate) fn empty(&self) -> u64 {
        match &self.inner {
            Inner::File { reader, .. } => reader.empty,
            Inner::Synthetic { .. } => 0,
        }
    }

    /// Makes sure that what was read is what the spec speaks of, for results that outlive the reading.
    pub(crate) fn verify(self) -> Result<(), DataError> {
        let Inner::File { file, reader, .. } = self.inner else {
            return Ok(());
        };
        let mut input = reader.input;
        loop {
            check_stopped(self.progress)?;
            let read = input.fill_buf().map_err(|error| file.error(format!(": {error}")))?.len();
            if read == 0 {
                break;
            }
            input.consume(read);
        }
        let hash = input.into_inner().hasher.finalize().to_string();
        if hash == file.blake3 { Ok(()) } else { Err(file.changed()) }
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
    /// Pieces that should have held a story and held none.
    empty: u64,
}

impl<R: Read> Reader<R> {
    fn new(input: R) -> Self {
        let input = BufReader::with_capacity(1 << 18, input);
        Self { input, piece: Vec::new(), offset: 0, count: 0, empty: 0 }
    }

    /// Reads up to and with the next `delimiter`, and appends that to `piece`, which begins at byte `start`; false at the
    /// end of the file. Where the piece gets too long, `hint` says what to do about it.
    fn extend_until(&mut self, delimiter: u8, start: u64, hint: &str) -> Result<bool, String> {
        let left = (MOST_BYTES + 1).saturating_sub(self.piece.len()) as u64;
        let mut input = self.input.by_ref().take(left);
        let count = input.read_until(delimiter, &mut self.piece).map_err(|error| format!(": {error}"))?;
        self.offset += count as u64;
        if self.piece.len() > MOST_BYTES {
            let most = MOST_BYTES >> 20;
            return Err(format!(", byte {start}: a story of more than {most} MB begins here: {hint}"));
        }
        Ok(count > 0)
    }
}

/// The text of `bytes`, which begin at byte `start` of the file; else an error with the byte at fault.
fn utf8(bytes: &[u8], start: u64) -> Result<&str, String> {
    std::str::from_utf8(bytes).map_err(|error| {
        let byte = start + error.valid_up_to() as u64;
        let guess = encoding::guess(bytes, error.valid_up_to());
        format!(", byte {byte}: not UTF-8 (counted from 0){guess}")
    })
}

/// A text without the white space around it. A byte-order mark, which stands at the beginning of files and so between those
/// that were put together, counts as such.
fn trimmed(text: &str) -> &str {
    text.trim_matches(|char: char| char.is_whitespace() || char == '\u{feff}')
}

/// A text as it is learned: [`trimmed`], its lines ended by `\n` as on any system.
fn normalized(text: &str) -> String {
    let text = trimmed(text);
    if text.contains('\r') { text.replace("\r\n", "\n").replace('\r', "\n") } else { text.to_owned() }
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
pub(crate) mod tests {
    use std::path::Path;

    use super::*;
    use crate::progress::NoProgress;

    /// The stories that a file of this name and content holds.
    pub(crate) fn read(name: &str, content: &[u8], limit: usize) -> Result<Vec<String>, DataError> {
        let dir = tempfile::tempdir().unwrap();
        let file = write(dir.path(), name, content);
        let mut reader = Source::File { file: &file, limit }.open(&NoProgress)?;
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
        let mut reader = Source::File { file: &file, limit: 1 }.open(&NoProgress).unwrap();
        assert_eq!(reader.next().unwrap().unwrap(), "a");
        assert!(reader.next().is_none());
        assert!(reader.verify().unwrap_err().to_string().contains("was changed"));
    }

    #[test]
    fn synthetic_stories_are_the_generators() {
        let source = Source::Synthetic { seed: 3, stories: 2 };
        let stories: Vec<String> = source.open(&NoProgress).unwrap().map(Result::unwrap).collect();
        assert_eq!(stories, [synthetic::story(3, 0), synthetic::story(3, 1)]);
    }
}
