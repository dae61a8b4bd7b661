//! Files that save work done before: checked when opened, replaced as a whole.
//!
//! ```text
//! magic                     16 bytes
//! section 0, 1, …           section 0 is the key: what the content was made from
//! length of each section    8 bytes each, little endian
//! number of sections        8 bytes
//! BLAKE3 of all the above   32 bytes
//! ```
//! A file that is cut short, damaged, made from something else than what is asked for, or holds what no builder writes
//! counts as absent. A new one is written beside its place and renamed into it, so that whoever reads or writes at the same
//! time sees one or the other.
//!
//! An entry is read into memory before it is checked: what is mapped instead changes under the reader's feet where another
//! process writes to the file, and ends the process where it is cut short.

use std::fs;
use std::io::{self, BufWriter, Read, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use lrx_files::{NamedTempFile, open_regular, temporary_in, without_path};

use crate::error::DataError;
use crate::progress::{Progress, check_stopped};

pub(crate) const MAGIC: &[u8] = b"lrx-data cache1\n";
const HASH: usize = blake3::OUT_LEN;
/// Bytes that are read between two looks at whether to stop.
const READ_AT_ONCE: u64 = 1 << 24;

/// Where tokenised stories and trained tokenizers are kept.
#[derive(Debug, Clone, Copy)]
pub struct Cache<'a> {
    /// The folder; made if it is not there. Any file in it may be deleted at any time.
    pub dir: &'a Path,
}

impl Cache<'_> {
    /// What `parse` makes of the entry of `key`. Where there is none, or `parse` makes nothing of it, it is written with
    /// `build` first.
    pub(crate) fn open_or_build<T>(
        &self,
        kind: &str,
        key: &str,
        progress: &dyn Progress,
        parse: impl Fn(&Entry) -> Option<T>,
        build: impl FnOnce(&mut Writer) -> Result<(), DataError>,
    ) -> Result<T, DataError> {
        let hash = blake3::hash(key.as_bytes()).to_hex();
        let path = self.dir.join(format!("{}.{kind}", &hash[..32]));
        let open = || Ok::<_, DataError>(read(&path, key, progress)?.and_then(|entry| parse(&entry)));
        if let Some(parsed) = open()? {
            return Ok(parsed);
        }
        let _turn = progress.turn(&path);
        if let Some(parsed) = open()? {
            return Ok(parsed);
        }
        let mut writer = Writer::create(self.dir, key)?;
        build(&mut writer)?;
        writer.finish(&path)?;
        open()?
            .ok_or_else(|| DataError::new(format!("{}: cannot be read back just after it was written", path.display())))
    }
}

/// The entry of `key` if `path` holds it, whole and undamaged.
fn read(path: &Path, key: &str, progress: &dyn Progress) -> Result<Option<Entry>, DataError> {
    let Ok(file) = open_regular(path) else { return Ok(None) };
    let length = file.metadata().map_or(0, |metadata| metadata.len());
    let mut bytes = Vec::new();
    if bytes.try_reserve_exact(usize::try_from(length).unwrap_or(usize::MAX)).is_err() {
        return Ok(None);
    }
    // No more than it had: another process may go on writing to it.
    let mut file = file.take(length);
    loop {
        check_stopped(progress)?;
        match file.by_ref().take(READ_AT_ONCE).read_to_end(&mut bytes) {
            Ok(0) => break,
            Ok(_) => {}
            Err(_) => return Ok(None),
        }
    }
    Ok(Entry::from_bytes(bytes, key))
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
    bytes: Arc<Vec<u8>>,
    /// The first is that of the key.
    sections: Vec<Range<usize>>,
}

impl Entry {
    /// The entry of `key` if `bytes` are one, whole and undamaged.
    pub(crate) fn from_bytes(bytes: Vec<u8>, key: &str) -> Option<Self> {
        check(&bytes, key).map(|sections| Self { bytes: Arc::new(bytes), sections })
    }

    /// What [`Writer`] wrote up to each [`end_section`](Writer::end_section), if that was `N` times: where it lies in
    /// [`bytes`](Self::bytes).
    pub(crate) fn sections<const N: usize>(&self) -> Option<[Range<usize>; N]> {
        self.sections[1..].to_vec().try_into().ok()
    }

    /// The whole file.
    pub(crate) fn bytes(&self) -> &Arc<Vec<u8>> {
        &self.bytes
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
    use crate::progress::NoProgress;

    /// The texts of three sections.
    fn parse(entry: &Entry) -> Option<[String; 3]> {
        Some(entry.sections::<3>()?.map(|section| String::from_utf8(entry.bytes()[section].to_vec()).unwrap()))
    }

    fn build(key: &str, writer: &mut Writer) -> Result<(), DataError> {
        writer.write(b"one")?;
        writer.write(key.as_bytes())?;
        writer.end_section();
        writer.end_section();
        writer.write(b"three")?;
        writer.end_section();
        Ok(())
    }

    fn open(dir: &Path, key: &str) -> ([String; 3], bool) {
        let mut built = false;
        let entry = Cache { dir }.open_or_build("test", key, &NoProgress, parse, |writer| {
            built = true;
            build(key, writer)
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
            assert_eq!(entry, ["onekey", "", "three"]);
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
        assert_eq!(entry[0], "onekey");
    }

    #[test]
    fn what_nothing_can_be_made_of_is_built_again() {
        let dir = tempfile::tempdir().unwrap();
        let write = |content: &'static [u8]| {
            Cache { dir: dir.path() }.open_or_build(
                "test",
                "key",
                &NoProgress,
                |_| Some(()),
                |writer| {
                    writer.write(content)?;
                    writer.end_section();
                    Ok(())
                },
            )
        };
        write(b"one section").unwrap();
        assert!(open(dir.path(), "key").1);
        assert!(!open(dir.path(), "key").1);
        let nothing = |_: &Entry| None::<()>;
        let cache = Cache { dir: dir.path() };
        let error =
            cache.open_or_build("test", "key", &NoProgress, nothing, |writer| build("key", writer)).unwrap_err();
        assert!(error.to_string().contains("cannot be read back"), "{error}");
    }

    #[cfg(unix)]
    #[test]
    fn what_is_no_file_is_no_entry() {
        let dir = tempfile::tempdir().unwrap();
        open(dir.path(), "key");
        let path = only_file(dir.path());
        fs::remove_file(&path).unwrap();
        assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
        assert!(open(dir.path(), "key").1);
        fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink("/dev/zero", &path).unwrap();
        assert!(open(dir.path(), "key").1);
    }

    #[test]
    fn a_failed_build_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache { dir: dir.path() };
        let failed = cache.open_or_build("test", "key", &NoProgress, parse, |_| Err(DataError::new("no")));
        assert_eq!(failed.err(), Some(DataError::new("no")));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}
