//! One file of stories, open.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek};

use bytes::Bytes;
use lrx_files::open_regular;

use super::array::Json;
use super::csv::Csv;
use super::form::{Form, Format};
use super::key::Key;
use super::parquet::Parquet;
use super::pieces::Pieces;
use super::unpack::{Counted, Unpacked};
use super::{lines, text};
use crate::encoding;
use crate::error::DataError;
use crate::progress::{Progress, check_stopped};
use crate::spec::{FileSpec, StoriesFile};

/// Bytes of text that are read at once.
const BUFFER: usize = 1 << 18;

/// A file whose stories are read.
pub(super) struct OpenFile<'a> {
    file: &'a FileSpec,
    size: u64,
    key: Key<'a>,
    rows: Rows<Hashed<File>>,
}

impl<'a> OpenFile<'a> {
    pub(super) fn open(StoriesFile { file, form }: &'a StoriesFile, key: Key<'a>) -> Result<Self, DataError> {
        let cannot = |error: io::Error| file.error(format!(": {error}"));
        let mut handle = open_regular(&file.path).map_err(cannot)?;
        let size = handle.metadata().map_err(cannot)?.len();
        let rows = if form.format == Format::Parquet {
            let mut first = Vec::new();
            handle.by_ref().take(1 << 12).read_to_end(&mut first).map_err(cannot)?;
            form.check(&file.path, &first).and_then(|()| Parquet::new(handle, size, key)).map(Rows::Parquet)
        } else {
            let mut raw = Counted::new(Hashed { inner: handle, hasher: blake3::Hasher::new() });
            let checked = raw.fill_buf().map_err(cannot).map(|first| form.check(&file.path, first))?;
            checked.and_then(|()| Rows::open(raw, *form, key))
        };
        Ok(Self { file, size, key, rows: rows.map_err(|wrong| file.error(wrong))? })
    }

    /// The next story that is not empty; none at the end.
    pub(super) fn next_story(&mut self) -> Result<Option<String>, DataError> {
        self.rows.next_story(self.key).map_err(|wrong| self.file.error(wrong))
    }

    /// Rows that held no story, among those read so far.
    pub(super) fn empty(&self) -> u64 {
        match &self.rows {
            Rows::Text(pieces) | Rows::Lines(pieces) => pieces.empty,
            Rows::Json(json) => json.pieces.empty,
            Rows::Csv(csv) => csv.empty,
            Rows::Parquet(table) => table.empty,
        }
    }

    /// The bytes of the file, and how many of them were read so far.
    pub(super) fn size(&self) -> u64 {
        self.size
    }

    pub(super) fn consumed(&self) -> u64 {
        match &self.rows {
            Rows::Text(pieces) | Rows::Lines(pieces) => pieces.input.get_ref().consumed(),
            Rows::Json(json) => json.pieces.input.get_ref().consumed(),
            Rows::Csv(csv) => csv.consumed(),
            Rows::Parquet(table) => table.consumed(),
        }
    }

    /// Makes sure that the content of the file is what the spec speaks of.
    pub(super) fn verify(self, progress: &dyn Progress) -> Result<(), DataError> {
        let cannot = |error: io::Error| self.file.error(format!(": {error}"));
        let input = match self.rows {
            Rows::Text(pieces) | Rows::Lines(pieces) => pieces.input,
            Rows::Json(json) => json.pieces.input,
            Rows::Csv(csv) => csv.into_input(),
            Rows::Parquet(table) => {
                // Its parts were read in another order than that of the hash.
                let mut handle = table.file();
                handle.rewind().map_err(cannot)?;
                return verify(Hashed { inner: handle, hasher: blake3::Hasher::new() }, self.file, progress);
            }
        };
        let raw = input.into_inner().into_inner();
        verify(raw.into_inner(), self.file, progress)
    }
}

/// Reads what is left to read, and compares the hash of all.
fn verify<R: Read>(rest: Hashed<R>, file: &FileSpec, progress: &dyn Progress) -> Result<(), DataError> {
    let mut input = BufReader::with_capacity(BUFFER, rest);
    loop {
        check_stopped(progress)?;
        let read = input.fill_buf().map_err(|error| file.error(format!(": {error}")))?.len();
        if read == 0 {
            break;
        }
        input.consume(read);
    }
    let hash = input.into_inner().hasher.finalize().to_string();
    if hash == file.blake3 { Ok(()) } else { Err(file.changed()) }
}

/// What a file holds, in its format.
enum Rows<R: Read> {
    Text(Pieces<R>),
    Lines(Pieces<R>),
    Json(Json<R>),
    Csv(Csv<R>),
    Parquet(Parquet<File>),
}

impl<R: Read> Rows<R> {
    /// Reads a file of another format than Parquet.
    fn open(raw: Counted<R>, form: Form, key: Key) -> Result<Self, String> {
        let cannot = |error: io::Error| format!(": {error}");
        let mut input = BufReader::with_capacity(BUFFER, Unpacked::new(raw, form.packing).map_err(cannot)?);
        encoding::check(input.fill_buf().map_err(cannot)?)?;
        Ok(match form.format {
            Format::Text => Self::Text(Pieces::new(input)),
            Format::Lines => Self::Lines(Pieces::new(input)),
            Format::Json => Self::Json(Json::new(Pieces::new(input))?),
            Format::Csv => Self::Csv(Csv::new(input, key)?),
            Format::Parquet => unreachable!("a table by columns is not read from its beginning to its end"),
        })
    }

    fn next_story(&mut self, key: Key) -> Result<Option<String>, String> {
        match self {
            Self::Text(pieces) => text::next_story(pieces),
            Self::Lines(pieces) => lines::next_story(pieces, key),
            Self::Json(json) => json.next_story(key),
            Self::Csv(csv) => csv.next_story(),
            Self::Parquet(table) => table.next_story(),
        }
    }
}

/// All stories of `bytes`.
pub(crate) fn read_all(form: Form, bytes: &[u8], key: Key) -> Result<Vec<String>, String> {
    if form.format == Format::Parquet {
        let mut table = Parquet::new(Bytes::copy_from_slice(bytes), bytes.len() as u64, key)?;
        return std::iter::from_fn(|| table.next_story().transpose()).collect();
    }
    let mut rows = Rows::open(Counted::new(bytes), form, key)?;
    std::iter::from_fn(|| rows.next_story(key).transpose()).collect()
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
