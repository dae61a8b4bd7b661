//! Short hashes for columns that people group by.

/// Hexadecimal digits behind the letter.
const DIGITS: usize = 10;

/// A hash in the making. It begins with a letter, so that no spreadsheet takes it for a number.
pub(crate) struct Fingerprint {
    letter: char,
    hasher: blake3::Hasher,
}

impl Fingerprint {
    /// One that begins with `letter`.
    pub(crate) fn new(letter: char) -> Self {
        Self { letter, hasher: blake3::Hasher::new() }
    }

    /// Adds to what is hashed. Parts of a variable length have to be told apart by what stands before them.
    pub(crate) fn add(&mut self, bytes: &[u8]) {
        self.hasher.update(bytes);
    }

    pub(crate) fn add_number(&mut self, number: u64) {
        self.add(&number.to_le_bytes());
    }

    pub(crate) fn finish(self) -> String {
        format!("{}{}", self.letter, &self.hasher.finalize().to_hex()[..DIGITS])
    }
}
