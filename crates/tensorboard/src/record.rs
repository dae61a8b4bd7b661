//! TFRecord: how a file holds one message after another.
//!
//! ```text
//! length of the content          8 bytes, little endian
//! masked CRC-32C of the length   4 bytes
//! content
//! masked CRC-32C of the content  4 bytes
//! ```

use crate::crc::masked_crc32c;

/// A message with its framing.
pub fn record(content: &[u8]) -> Vec<u8> {
    let length = (content.len() as u64).to_le_bytes();
    let mut bytes = Vec::with_capacity(content.len() + 16);
    bytes.extend(length);
    bytes.extend(masked_crc32c(&length).to_le_bytes());
    bytes.extend(content);
    bytes.extend(masked_crc32c(content).to_le_bytes());
    bytes
}

/// The messages of a file, up to the first that is not whole: its process may have been killed while it wrote.
pub fn records(mut file: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let (length, rest) = file.split_first_chunk::<8>()?;
        let (crc, rest) = rest.split_first_chunk::<4>()?;
        let count = usize::try_from(u64::from_le_bytes(*length)).ok()?;
        let (content, rest) = rest.split_at_checked(count)?;
        let (content_crc, rest) = rest.split_first_chunk::<4>()?;
        let is = |bytes: &[u8], crc: &[u8; 4]| masked_crc32c(bytes).to_le_bytes() == *crc;
        file = rest;
        (is(length, crc) && is(content, content_crc)).then_some(content)
    })
    .fuse()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_whole_is_no_message() {
        let file = [record(b"one"), record(b""), record(b"three")].concat();
        let read = |file: &[u8]| records(file).map(<[u8]>::to_vec).collect::<Vec<_>>();
        assert_eq!(read(&file), [&b"one"[..], b"", b"three"]);
        for end in 0..file.len() {
            assert_eq!(
                read(&file[..end]).len(),
                if end < 19 {
                    0
                } else if end < 35 {
                    1
                } else {
                    2
                },
                "{end}"
            );
        }
        for place in 19..file.len() {
            let mut changed = file.clone();
            changed[place] ^= 0x10;
            assert_eq!(read(&changed).len(), if place < 35 { 1 } else { 2 }, "{place}");
        }
    }
}
