//! Files that save work done before: checked when opened, replaced as a whole.
//!
//! ```text
//! magic                     16 bytes
//! section 0, 1, …           section 0 is the key: what the content was made from
//! length of each section    8 bytes each, little endian
//! number of sections        8 bytes
//! BLAKE3 of all the above   32 bytes
//! ```
//! A file that is cut short, damaged, or made from something else than what is asked for counts as absent. A new one is
//! written beside its place and renamed into it, so that whoever reads or writes at the same time sees one or the other.

use std::fs::{self, File};
use std::io::{self, BufWriter, Read, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use lrx_files::{NamedTempFile, temporary_in, without_path};

use crate::error::DataError;

pub(crate) const MAGIC: &[u8] = b"lrx-data cache1\n";
const HASH: usize = blake3::OUT_LEN;

/// The content of a file, in memory or mapped into it.
pub type Bytes = Box<dyn AsRef<[u8]> + Send + Sync>;

/// How a file is made readable as a slice of bytes.
pub type MapFile = dyn Fn(&File) -> io::Result<Bytes>;

/// Where tokenised stories and trained tokenizers are kept, and how they are read.
#[derive(Clone, Copy)]
pub struct Cache<'a> {
    /// The folder; made if it is not there. Any file in it may be deleted at any time.
    pub dir: &'a Path,
    /// Maps a file of the cache into memory. Mapping takes `unsafe`, which this crate leaves to its caller; the
    /// crate keeps its part of the bargain and never writes to a file once it has its name.
    /// [`read_into_memory`] will do where the data is small.
    pub map: &'a MapFile,
}

/// A [`MapFile`] that reads the whole file.
///
/// # Errors
/// Those of reading.
pub fn read_into_memory(mut file: &File) -> io::Result<Bytes> {
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(Box::new(bytes))
}

impl Cache<'_> {
    /// Opens the entry of `key`, or writes it with `build` first.
    pub(crate) fn open_or_build(
        &self,
        kind: &str,
        key: &str,
        build: impl FnOnce(&mut Writer) -> Result<(), DataError>,
    ) -> Result<Entry, DataError> {
        let hash = blake3::hash(key.as_bytes()).to_hex();
        let path = self.dir.join(format!("{}.{kind}", &hash[..32]));
        if let Some(entry) = self.open(&path, key) {
            return Ok(entry);
        }
        let mut writer = Writer::create(self.dir, key)?;
        build(&mut writer)?;
        writer.finish(&path)?;
        self.open(&path, key)
            .ok_or_else(|| DataError::new(format!("{}: cannot be read back just after it was written", path.display())))
    }

    /// The entry of `key` if `path` holds it, whole and undamaged.
    fn open(&self, path: &Path, key: &str) -> Option<Entry> {
        let bytes = (self.map)(&File::open(path).ok()?).ok()?;
        let sections = check((*bytes).as_ref(), key)?;
        Some(Entry { bytes: Arc::new(bytes), sections })
    }
}

/// Where the sections of `bytes` lie, if they are a whole and undamaged entry of `key`.
pub(crate) fn check(bytes: &[u8], key: &str) -> Option<Vec<Range<usize>>> {
    let (body, hash) = bytes.split_at_checked(bytes.len().checked_sub(HASH)?)?;
    if !body.starts_with(MAGIC) || blake3::Hasher::new().update_rayon(body).finalize().as_bytes() != hash {
        return None;
    }
    let (body, count) = body.split_last_chunk::<8>()?;
    let count = usize::try_from(u64::from_le_bytes(*count)).ok()?;
    let (body, lengths) = body.split_at_checked(body.len().checked_sub(count.checked_mul(8)?)?)?;
    let mut start = MAGIC.len();
    let mut sections = Vec::with_capacity(count);
    for length in lengths.as_chunks::<8>().0 {
        let end = start.checked_add(usize::try_from(u64::from_le_bytes(*length)).ok()?)?;
        sections.push(start..end);
        start = end;
    }
    let same_key = sections.first().and_then(|key| body.get(key.clone())) == Some(key.as_bytes());
    (start == body.len() && same_key).then_some(sections)
}

/// An open file of the cache.
#[derive(Clone)]
pub(crate) struct Entry {
    bytes: Arc<Bytes>,
    sections: Vec<Range<usize>>,
}

impl Entry {
    /// What [`Writer`] wrote between the `n`-th and the next [`end_section`](Writer::end_section).
    ///
    /// # Panics
    /// If there is no such section: a checked entry of a key has those that its builder wrote.
    pub(crate) fn section(&self, n: usize) -> &[u8] {
        &(**self.bytes).as_ref()[self.range(n)]
    }

    /// Where in the file that section lies.
    ///
    /// # Panics
    /// As [`section`](Self::section).
    pub(crate) fn range(&self, n: usize) -> Range<usize> {
        self.sections[n + 1].clone()
    }

    /// The whole file.
    pub(crate) fn bytes(&self) -> Arc<Bytes> {
        Arc::clone(&self.bytes)
    }
}

/// Writes a file of the cache, section by section.
pub(crate) struct Writer {
    file: BufWriter<NamedTempFile>,
    path: PathBuf,
    hasher: blake3::Hasher,
    lengths: Vec<u64>,
    length: u64,
}

impl Writer {
    fn create(dir: &Path, key: &str) -> Result<Self, DataError> {
        let file =
            fs::create_dir_all(dir).and_then(|()| temporary_in(dir)).map_err(|error| cannot_write(dir, error))?;
        let path = file.path().to_owned();
        let file = BufWriter::with_capacity(1 << 18, file);
        let mut writer = Self { file, path, hasher: blake3::Hasher::new(), lengths: Vec::new(), length: 0 };
        writer.write(MAGIC)?;
        writer.length = 0;
        writer.write(key.as_bytes())?;
        writer.end_section();
        Ok(writer)
    }

    /// Appends to the current section.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<(), DataError> {
        self.hasher.update(bytes);
        self.length += bytes.len() as u64;
        self.file.write_all(bytes).map_err(|error| cannot_write(&self.path, error))
    }

    /// Ends the current section; what follows is the next.
    pub(crate) fn end_section(&mut self) {
        self.lengths.push(self.length);
        self.length = 0;
    }

    fn finish(mut self, path: &Path) -> Result<(), DataError> {
        let lengths = std::mem::take(&mut self.lengths);
        for length in &lengths {
            self.write(&length.to_le_bytes())?;
        }
        self.write(&(lengths.len() as u64).to_le_bytes())?;
        let hash = self.hasher.finalize();
        self.write(hash.as_bytes())?;
        let file = self.file.into_inner().map_err(|error| cannot_write(&self.path, error.into_error()))?;
        file.persist(path).map(drop).map_err(|error| cannot_write(path, error.error))
    }
}

fn cannot_write(path: &Path, error: io::Error) -> DataError {
    DataError::new(format!("the data cache cannot be written: {}: {}", path.display(), without_path(error)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(dir: &Path, key: &str) -> (Entry, bool) {
        let mut built = false;
        let entry = Cache { dir, map: &read_into_memory }.open_or_build("test", key, |writer| {
            built = true;
            writer.write(b"one")?;
            writer.write(key.as_bytes())?;
            writer.end_section();
            writer.end_section();
            writer.write(b"three")?;
            writer.end_section();
            Ok(())
        });
        (entry.unwrap(), built)
    }

    fn only_file(dir: &Path) -> PathBuf {
        let mut files = fs::read_dir(dir).unwrap();
        let path = files.next().unwrap().unwrap().path();
        assert!(files.next().is_none());
        path
    }

    #[test]
    fn an_entry_is_built_once() {
        let dir = tempfile::tempdir().unwrap();
        let nested = dir.path().join("a/b");
        for built in [true, false] {
            let (entry, was_built) = open(&nested, "key");
            assert_eq!(was_built, built);
            assert_eq!([entry.section(0), entry.section(1), entry.section(2)], [&b"onekey"[..], b"", b"three"]);
        }
        assert!(open(&nested, "other").1);
        assert!(!open(&nested, "key").1);
    }

    #[test]
    fn a_damaged_or_cut_entry_is_built_again() {
        let dir = tempfile::tempdir().unwrap();
        open(dir.path(), "key");
        let path = only_file(dir.path());
        let whole = fs::read(&path).unwrap();
        for position in 0..whole.len() {
            let mut flipped = whole.clone();
            flipped[position] ^= 0x10;
            for damaged in [&flipped[..], &whole[..position]] {
                fs::write(&path, damaged).unwrap();
                assert!(open(dir.path(), "key").1, "damage at {position} went unnoticed");
                assert_eq!(fs::read(only_file(dir.path())).unwrap(), whole);
            }
        }
        fs::write(&path, [&whole[..], b"x"].concat()).unwrap();
        assert!(open(dir.path(), "key").1);
    }

    #[test]
    fn an_entry_of_another_key_is_foreign() {
        let dir = tempfile::tempdir().unwrap();
        open(dir.path(), "key");
        let path = only_file(dir.path());
        open(dir.path(), "other");
        let other = fs::read_dir(dir.path()).unwrap().map(|file| file.unwrap().path()).find(|other| *other != path);
        fs::copy(other.unwrap(), &path).unwrap();
        let (entry, built) = open(dir.path(), "key");
        assert!(built);
        assert_eq!(entry.section(0), b"onekey");
    }

    #[test]
    fn a_failed_build_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache { dir: dir.path(), map: &read_into_memory };
        let failed = cache.open_or_build("test", "key", |_| Err(DataError::new("no")));
        assert_eq!(failed.err(), Some(DataError::new("no")));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}
