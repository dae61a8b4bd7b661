//! Text with `<|endoftext|>` between stories, as TinyStories is published.

use std::io::Read;

use super::pieces::{Pieces, normalized, utf8};

const SEPARATOR: &[u8] = b"<|endoftext|>";
/// What a user may do about stories that run together.
pub(crate) const DIVIDE: &str = "stories are divided by <|endoftext|>";

/// The next story that is not empty, without its surrounding white space.
pub(super) fn next_story<R: Read>(pieces: &mut Pieces<R>) -> Result<Option<String>, String> {
    loop {
        pieces.piece.clear();
        let start = pieces.offset;
        // The separator's last byte is rare in stories: reading up to it costs next to nothing.
        let mut more = true;
        while more && !pieces.piece.ends_with(SEPARATOR) {
            more = pieces.extend_until(b'>', start, DIVIDE)?;
        }
        let story = normalized(utf8(pieces.piece.strip_suffix(SEPARATOR).unwrap_or(&pieces.piece), start)?);
        if !story.is_empty() {
            return Ok(Some(story));
        }
        if !more {
            return Ok(None);
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::source::tests::read;

    fn stories(text: &str) -> Vec<String> {
        read("stories.txt", text.as_bytes(), 0).unwrap()
    }

    #[test]
    fn stories_are_trimmed_and_empty_ones_dropped() {
        let text = "<|endoftext|>\n a\nb \n<|endoftext|>\n\n<|endoftext|> c\u{a0}<|endoftext|>\n";
        assert_eq!(stories(text), ["a\nb", "c"]);
        assert_eq!(stories("only"), ["only"]);
        assert!(stories(" \n").is_empty());
        assert!(stories("").is_empty());
    }

    #[test]
    fn only_the_whole_separator_separates() {
        let text = "a > b <|endoftext> <|endoftext| > c <<|endoftext|>> d";
        assert_eq!(stories(text), ["a > b <|endoftext> <|endoftext| > c <", "> d"]);
    }

    #[test]
    fn line_ends_of_any_system_are_one() {
        assert_eq!(stories("a\r\nb\r\n\r\nc\r<|endoftext|>\r\nd\re\r\n"), ["a\nb\n\nc", "d\ne"]);
    }

    #[test]
    fn byte_order_marks_are_no_text() {
        assert_eq!(stories("\u{feff}a<|endoftext|>\u{feff}\nb\u{feff}"), ["a", "b"]);
        assert!(stories("\u{feff}").is_empty());
        // Within a word it is a character like others.
        assert_eq!(stories("a\u{feff}b"), ["a\u{feff}b"]);
    }

    #[test]
    fn bytes_that_are_not_utf8_are_located() {
        let error = read("stories.txt", b"\xc3\xa4<|endoftext|>\nab\xff", 0).unwrap_err();
        assert_eq!(error.key(), Some("train"));
        let message = error.to_string();
        assert!(message.contains("stories.txt, byte 18: not UTF-8"), "{message}");
    }
}
