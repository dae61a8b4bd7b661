//! JSON lines: a row a line.

use std::io::Read;

use super::key::Key;
use super::pieces::{Pieces, trimmed, utf8};
use super::row;

/// The next story that is not empty, without its surrounding white space. Rows that hold none are counted.
pub(super) fn next_story<R: Read>(pieces: &mut Pieces<R>, key: Key) -> Result<Option<String>, String> {
    loop {
        pieces.piece.clear();
        let start = pieces.offset;
        if !pieces.extend_until(b'\n', start, "JSON lines hold one object a line")? {
            return Ok(None);
        }
        pieces.count += 1;
        let line = trimmed(utf8(&pieces.piece, start)?);
        if line.is_empty() {
            continue;
        }
        let number = pieces.count;
        let story = row::story(line, key).map_err(|error| match error.at {
            Some(column) => format!(", line {number}, column {column}: {}", error.message),
            None => format!(", line {number}: {}", error.message),
        })?;
        match story {
            Some(story) => return Ok(Some(story)),
            None => pieces.empty += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::source::tests::read;

    #[test]
    fn stories_come_from_either_key() {
        let lines =
            "{\"text\": \" a\\nb \", \"n\": 1}\n\n{\"story\": \"c\"}\r\n{\"text\": \"  \"}\n{\"story\": \"\\u00e4\"}";
        assert_eq!(read("x.jsonl", lines.as_bytes(), 0).unwrap(), ["a\nb", "c", "ä"]);
    }

    #[test]
    fn the_key_that_holds_a_story_counts() {
        let lines = "{\"text\": \"\", \"story\": \"x\"}\n{\"text\": null, \"story\": \"y\"}\n{\"text\": \"z\", \"story\": \"no\"}";
        assert_eq!(read("x.jsonl", lines.as_bytes(), 0).unwrap(), ["x", "y", "z"]);
    }

    #[test]
    fn rows_without_a_story_are_passed_over() {
        let lines = "null\n{\"text\": null}\n{\"text\": \" \"}\n{\"text\": \"a\"}\n{\"text\": null, \"story\": null}\n";
        assert_eq!(read("x.jsonl", lines.as_bytes(), 0).unwrap(), ["a"]);
    }

    #[test]
    fn byte_order_marks_and_line_ends_are_no_text() {
        let lines = "\u{feff}{\"text\": \"\u{feff}a\\r\\nb\\rc\"}\r\n\u{feff}{\"text\": \"d\"}\r\n";
        assert_eq!(read("x.jsonl", lines.as_bytes(), 0).unwrap(), ["a\nb\nc", "d"]);
    }

    #[test]
    fn errors_name_file_and_line() {
        for (line, part) in [
            ("[1]", "x.jsonl, line 3: expected a JSON object"),
            ("[{\"text\": \"a\"}]", "jq -c '.[]'"),
            ("{\"text\": 1}", "x.jsonl, line 3, column 10: invalid type: integer `1`, expected a string"),
            ("{\"text\": \"a\"", "x.jsonl, line 3, column 12: EOF while parsing an object"),
            ("{\"txt\": \"a\"}", "x.jsonl, line 3: the object has no string under \"text\" or \"story\""),
            ("{\"text\": \"a\\ud83d b\"}", "x.jsonl, line 3, column 18: an escape from \\ud800 to \\udfff is half of"),
            ("{\"text\": \"a\\ud83d\\n\"}", "its other half is missing"),
            ("{\"text\": \"a\\ude00\"}", "its other half is missing"),
            ("{\"text\": \"a\\ud83d\"}", "its other half is missing"),
        ] {
            let error = read("x.jsonl", format!("{{\"text\": \"a\"}}\n\n{line}\n").as_bytes(), 0).unwrap_err();
            assert_eq!(error.key(), Some("train"));
            assert!(error.to_string().contains(part), "{error}");
        }
        let error = read("x.jsonl", b"{\"text\": \"a\"}\n{\"text\": \"\xff\"}", 0).unwrap_err();
        assert!(error.to_string().contains("byte 24: not UTF-8"), "{error}");
        assert_eq!(read("x.jsonl", br#"{"text": "\ud83d\ude00"}"#, 0).unwrap(), ["\u{1f600}"]);
    }
}
