//! What a file that is not UTF-8 seems to be, and how to make UTF-8 of it.

/// Enough of a file to tell.
const LOOKED_AT: usize = 4096;
/// Where an archive of tar says that it is one.
const TAR_AT: usize = 257;

/// What the first bytes of a file say that it is, if that is no UTF-8 text: a message to stand behind the file's name.
pub(crate) fn check(first: &[u8]) -> Result<(), String> {
    let first = &first[..first.len().min(LOOKED_AT)];
    for (magic, what, remedy) in [
        (&b"\x1f\x8b"[..], "compressed (gzip)", "gunzip"),
        (b"\x28\xb5\x2f\xfd", "compressed (zstd)", "unzstd"),
        (b"\xfd7zXZ\0", "compressed (xz)", "unxz"),
        (b"BZh", "compressed (bzip2)", "bunzip2"),
        (b"PK\x03\x04", "an archive (zip)", "unzip"),
    ] {
        // A text may begin with the letters of a magic number, but no compressed data goes on like text.
        if first.starts_with(magic) && std::str::from_utf8(first).is_err_and(|error| error.error_len().is_some()) {
            return Err(format!(" is {what}; expected text: `{remedy}` makes it so"));
        }
    }
    if first.get(TAR_AT..).is_some_and(|rest| rest.starts_with(b"ustar")) {
        return Err(" is an archive (tar); expected text: `tar -x` takes its files out".to_owned());
    }
    match utf16_or_32(first) {
        None => Ok(()),
        Some((name, how)) => Err(format!(" is {name}, by {how}; expected UTF-8: {}", iconv(name))),
    }
}

/// The encoding that a byte-order mark names; without one, that in which most characters of a text in Latin letters have a
/// zero byte at the same place.
fn utf16_or_32(first: &[u8]) -> Option<(&'static str, &'static str)> {
    for (mark, name) in [
        // UTF-32's mark begins with UTF-16's.
        (&b"\xff\xfe\0\0"[..], "UTF-32LE"),
        (b"\0\0\xfe\xff", "UTF-32BE"),
        (b"\xff\xfe", "UTF-16LE"),
        (b"\xfe\xff", "UTF-16BE"),
    ] {
        if first.starts_with(mark) {
            return Some((name, "its byte-order mark"));
        }
    }
    let zeros = |place: usize, of: usize| {
        let bytes = first.iter().skip(place).step_by(of);
        let count = bytes.clone().count();
        (count > 0).then(|| bytes.filter(|byte| **byte == 0).count() * 10 / count)
    };
    let name = match [zeros(0, 4)?, zeros(1, 4)?, zeros(2, 4)?, zeros(3, 4)?] {
        [0..=1, 5..=10, 9..=10, 9..=10] => "UTF-32LE",
        [9..=10, 9..=10, 5..=10, 0..=1] => "UTF-32BE",
        [0..=1, 5..=10, 0..=1, 5..=10] => "UTF-16LE",
        [5..=10, 0..=1, 5..=10, 0..=1] => "UTF-16BE",
        _ => return None,
    };
    Some((name, "its zero bytes"))
}

/// What bytes seem to be that are not UTF-8 from `at` on: words to follow the error, or nothing.
pub(crate) fn guess(bytes: &[u8], at: usize) -> String {
    let letter =
        |byte: Option<&u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric() || b" .,!?'\"\n".contains(byte));
    let before = at.checked_sub(1).map(|before| &bytes[before]);
    match bytes.get(at) {
        // The lead of a character that never came.
        Some(0xc2..=0xf4) if at + 1 == bytes.len() => "; a character is cut in two here".to_owned(),
        // A single byte between plain letters: a letter with an accent, or a quotation mark of Windows.
        Some(0x80..) if (letter(before) || at == 0) && (letter(bytes.get(at + 1)) || at + 1 == bytes.len()) => {
            let name = if matches!(bytes[at], 0x80..=0x9f) { "WINDOWS-1252" } else { "LATIN1" };
            format!("; it seems to be {name}: {}", iconv(name))
        }
        _ => String::new(),
    }
}

fn iconv(name: &str) -> String {
    format!("`iconv -f {name} -t UTF-8 FILE > NEW` makes it so")
}

#[cfg(test)]
mod tests {
    use crate::source::tests::read;

    const TEXT: &str = "Once upon a time, ein kleiner Bär.<|endoftext|>Es war.";

    fn utf16(order: fn(u16) -> [u8; 2], mark: bool) -> Vec<u8> {
        let units = mark.then_some(0xfeff).into_iter().chain(TEXT.encode_utf16());
        units.flat_map(order).collect()
    }

    fn utf32(order: fn(u32) -> [u8; 4], mark: bool) -> Vec<u8> {
        let units = mark.then_some(0xfeff).into_iter().chain(TEXT.chars().map(u32::from));
        units.flat_map(order).collect()
    }

    #[test]
    fn other_encodings_are_named_with_their_remedy() {
        for (bytes, what) in [
            (utf16(u16::to_le_bytes, true), " is UTF-16LE, by its byte-order mark; expected UTF-8: `iconv -f UTF-16LE"),
            (utf16(u16::to_be_bytes, true), " is UTF-16BE, by its byte-order mark"),
            (utf16(u16::to_le_bytes, false), " is UTF-16LE, by its zero bytes"),
            (utf16(u16::to_be_bytes, false), " is UTF-16BE, by its zero bytes; expected UTF-8: `iconv -f UTF-16BE"),
            (utf32(u32::to_le_bytes, true), " is UTF-32LE, by its byte-order mark"),
            (utf32(u32::to_be_bytes, true), " is UTF-32BE, by its byte-order mark"),
            (utf32(u32::to_le_bytes, false), " is UTF-32LE, by its zero bytes"),
            (utf32(u32::to_be_bytes, false), " is UTF-32BE, by its zero bytes"),
            (b"\x1f\x8b\x08\x00\x00\x00\x00\xff\x12".to_vec(), ": it is packed with gzip, which its name does not say"),
            (b"\x28\xb5\x2f\xfd\x00\x01".to_vec(), ": it is packed with zstd, which its name does not say; call it x."),
            (b"PK\x03\x04\x14\x00\xff\xff".to_vec(), " is an archive (zip)"),
            (b"PAR1\x15\x04".to_vec(), ": it is a Parquet file, which its name does not say; call it x.parquet"),
            ([&[b'x'; 257][..], b"ustar\x0000"].concat(), " is an archive (tar)"),
            (
                b"caf\xe9 au lait".to_vec(),
                ", byte 3: not UTF-8 (counted from 0); it seems to be LATIN1: `iconv -f LATIN1",
            ),
            (b"it\x92s".to_vec(), "; it seems to be WINDOWS-1252: `iconv -f WINDOWS-1252"),
            (b"caf\xc3".to_vec(), ", byte 3: not UTF-8 (counted from 0); a character is cut in two here"),
        ] {
            for name in ["x.txt", "x.jsonl"] {
                let message = read(name, &bytes, 0).unwrap_err().to_string();
                assert!(message.contains(&format!("{name}{what}")) || message.contains(what), "{message}");
            }
        }
    }

    #[test]
    fn utf8_is_not_mistaken() {
        for text in [TEXT, "", "a", "\0", "a\0", "BZh is no word", "日本", "a\0b\0 and then plain text for a while"] {
            super::check(text.as_bytes()).unwrap();
            assert_eq!(super::check(&[b"\xef\xbb\xbf", text.as_bytes()].concat()), Ok(()), "{text:?}");
        }
    }
}
