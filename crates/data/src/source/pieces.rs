//! A file of text read in pieces: up to a separator, a line's end, or the end of a row.

use std::io::{BufRead, BufReader, Read};

use super::unpack::Unpacked;
use crate::encoding;

/// A story, or a row that holds one, has no more bytes: a file that is not divided into stories would not fit into memory.
pub(super) const MOST_BYTES: usize = 64 << 20;

/// Reads a file in pieces and keeps count of where it is.
pub(super) struct Pieces<R: Read> {
    pub(super) input: BufReader<Unpacked<R>>,
    /// The latest piece.
    pub(super) piece: Vec<u8>,
    /// Bytes of text read so far.
    pub(super) offset: u64,
    /// Pieces read so far.
    pub(super) count: u64,
    /// Pieces that should have held a story and held none.
    pub(super) empty: u64,
}

impl<R: Read> Pieces<R> {
    pub(super) fn new(input: BufReader<Unpacked<R>>) -> Self {
        Self { input, piece: Vec::new(), offset: 0, count: 0, empty: 0 }
    }

    /// Reads up to and with the next `delimiter`, and appends that to `piece`, which begins at byte `start`; false at the
    /// end of the file. Where the piece gets too long, `hint` says what to do about it.
    pub(super) fn extend_until(&mut self, delimiter: u8, start: u64, hint: &str) -> Result<bool, String> {
        let left = (MOST_BYTES + 1).saturating_sub(self.piece.len()) as u64;
        let mut input = self.input.by_ref().take(left);
        let count = input.read_until(delimiter, &mut self.piece).map_err(|error| format!(": {error}"))?;
        self.offset += count as u64;
        if self.piece.len() > MOST_BYTES { Err(too_long(&format!("byte {start}"), hint)) } else { Ok(count > 0) }
    }
}

/// The error of a story that does not end.
pub(super) fn too_long(place: &str, hint: &str) -> String {
    format!(", {place}: a story of more than {} MB begins here: {hint}", MOST_BYTES >> 20)
}

/// The text of `bytes`, which begin at byte `start` of the file; else an error with the byte at fault.
pub(super) fn utf8(bytes: &[u8], start: u64) -> Result<&str, String> {
    std::str::from_utf8(bytes).map_err(|error| {
        let byte = start + error.valid_up_to() as u64;
        let guess = encoding::guess(bytes, error.valid_up_to());
        format!(", byte {byte}: not UTF-8 (counted from 0){guess}")
    })
}

/// The text of a field of a table; else what it seems to be, to stand behind "not UTF-8".
pub(super) fn field(bytes: &[u8]) -> Result<&str, String> {
    // Where a field ends, no character is cut.
    std::str::from_utf8(bytes).map_err(|error| encoding::guess(&[bytes, b"\n"].concat(), error.valid_up_to()))
}

/// A text without the white space around it. A byte-order mark, which stands at the beginning of files and so between those
/// that were put together, counts as such.
pub(super) fn trimmed(text: &str) -> &str {
    text.trim_matches(|char: char| char.is_whitespace() || char == '\u{feff}')
}

/// A text as it is learned: [`trimmed`], its lines ended by `\n` as on any system. `\r\n` and a `\r` of its own, as old
/// Macintoshes wrote it, are both the end of one line.
pub(super) fn normalized(text: &str) -> String {
    let text = trimmed(text);
    if text.contains('\r') { text.replace("\r\n", "\n").replace('\r', "\n") } else { text.to_owned() }
}
