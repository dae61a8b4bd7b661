//! Files of stories, one after another.

use std::collections::VecDeque;

use super::file::OpenFile;
use super::key::Key;
use crate::error::DataError;
use crate::progress::Progress;
use crate::spec::StoriesFile;

/// Reads some files one after another.
pub(super) struct Several<'a> {
    /// Those that were not opened yet.
    rest: &'a [StoriesFile],
    key: Key<'a>,
    open: Option<OpenFile<'a>>,
    /// Stories that may yet be read.
    left: usize,
    /// Bytes of all files.
    total: u64,
    /// Bytes of the files that were read to their ends, and their rows without a story.
    passed: u64,
    empty: u64,
    /// The part at its end that becomes a story of its own where the first story is the only one; none once that is known.
    halve: Option<f64>,
    /// Stories that were read ahead.
    pending: VecDeque<String>,
}

impl<'a> Several<'a> {
    /// Opens the first of `files`, so that what is wrong with it is told at once.
    pub(super) fn open(
        files: &'a [StoriesFile],
        key: Key<'a>,
        limit: usize,
        halve: Option<f64>,
    ) -> Result<Self, DataError> {
        let sizes = files.iter().map(|file| file.file.path.metadata().map_or(0, |metadata| metadata.len()));
        let mut several = Self {
            rest: files,
            key,
            open: None,
            left: if limit == 0 { usize::MAX } else { limit },
            total: sizes.sum(),
            passed: 0,
            empty: 0,
            halve,
            pending: VecDeque::new(),
        };
        several.open_next()?;
        Ok(several)
    }

    pub(super) fn total(&self) -> u64 {
        self.total
    }

    /// Bytes of the files that were read so far.
    pub(super) fn consumed(&self) -> u64 {
        self.passed + self.open.as_ref().map_or(0, OpenFile::consumed)
    }

    /// Rows that held no story, among those read so far.
    pub(super) fn empty(&self) -> u64 {
        self.empty + self.open.as_ref().map_or(0, OpenFile::empty)
    }

    /// Makes sure that the file that was read last is what the spec speaks of, as was done with those before.
    pub(super) fn verify(self, progress: &dyn Progress) -> Result<(), DataError> {
        self.open.map_or(Ok(()), |open| open.verify(progress))
    }

    /// Opens the next file, if there is one.
    fn open_next(&mut self) -> Result<(), DataError> {
        let Some((next, rest)) = self.rest.split_first() else { return Ok(()) };
        self.rest = rest;
        self.open = Some(OpenFile::open(next, self.key)?);
        Ok(())
    }

    /// The next story.
    pub(super) fn next(&mut self, progress: &dyn Progress) -> Result<Option<String>, DataError> {
        if let Some(fraction) = self.halve.take() {
            let first = self.read(progress)?;
            let second = self.read(progress)?;
            self.pending = match (first, second) {
                (Some(only), None) => halves(&only, fraction).into(),
                (first, second) => first.into_iter().chain(second).collect(),
            };
        }
        match self.pending.pop_front() {
            Some(story) => Ok(Some(story)),
            None => self.read(progress),
        }
    }

    fn read(&mut self, progress: &dyn Progress) -> Result<Option<String>, DataError> {
        while self.left > 0 {
            let Some(open) = &mut self.open else { break };
            match open.next_story() {
                Ok(Some(story)) => {
                    self.left -= 1;
                    return Ok(Some(story));
                }
                Ok(None) => {}
                Err(error) => {
                    self.left = 0;
                    return Err(error);
                }
            }
            // The last stays open, to be verified.
            if self.rest.is_empty() {
                break;
            }
            let Some(read) = self.open.take() else { break };
            self.empty += read.empty();
            self.passed += read.size();
            read.verify(progress)?;
            self.open_next()?;
        }
        Ok(None)
    }
}

/// A text in two: its last `fraction`, which begins behind the end of a line, a word or at least a character, and what comes
/// before it. The text as a whole where it is too short for that.
fn halves(text: &str, fraction: f64) -> Vec<String> {
    let wanted = (text.len() as f64 * (1.0 - fraction)) as usize;
    let at = (0..=wanted).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    // The character there may be the one behind which the other part begins.
    let before = &text[..at + text[at..].chars().next().map_or(0, char::len_utf8)];
    // A line's end is worth half of the other part, not more.
    let furthest = at.saturating_sub((text.len() - at) / 2);
    let end = |of: char| before.rfind(of).map(|end| end + 1).filter(|end| *end > furthest);
    let at = end('\n').or_else(|| end(' ')).unwrap_or(at);
    let parts = [text[..at].trim(), text[at..].trim()];
    if parts.iter().any(|part| part.is_empty()) { vec![text.to_owned()] } else { parts.map(str::to_owned).into() }
}
