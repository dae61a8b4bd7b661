//! Text with `<|endoftext|>` between stories, as TinyStories is published.

use std::io::Read;

use super::{Reader, utf8};

const SEPARATOR: &[u8] = b"<|endoftext|>";

/// The next story that is not empty, without its surrounding white space.
pub(super) fn next_story<R: Read>(reader: &mut Reader<R>) -> Result<Option<String>, String> {
    loop {
        reader.piece.clear();
        let start = reader.offset;
        // The separator's last byte is rare in stories: reading up to it costs next to nothing.
        let mut more = true;
        while more && !reader.piece.ends_with(SEPARATOR) {
            more = reader.extend_until(b'>')?;
        }
        let story = reader.piece.strip_suffix(SEPARATOR).unwrap_or(&reader.piece);
        let story = utf8(story, start)?.trim();
        if !story.is_empty() {
            return Ok(Some(story.to_owned()));
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
        let text = "<|endoftext|>\n a\r\nb \n<|endoftext|>\n\n<|endoftext|> c\u{a0}<|endoftext|>\n";
        assert_eq!(stories(text), ["a\r\nb", "c"]);
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
    fn bytes_that_are_not_utf8_are_located() {
        let error = read("stories.txt", b"\xc3\xa4<|endoftext|>\nab\xff", 0).unwrap_err();
        assert_eq!(error.key(), Some("train"));
        let message = error.to_string();
        assert!(message.contains("stories.txt, byte 18: not UTF-8"), "{message}");
    }
}
