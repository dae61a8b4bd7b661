//! JSON lines: an object a line, the story under `text` or `story`.

use std::io::Read;

use serde::{Deserialize, Deserializer};

use super::{Reader, normalized, trimmed, utf8};

/// What a line is read for; its other keys are of no interest. A key that is not there is none, `null` is `Some(None)`.
#[derive(Deserialize)]
struct Line {
    #[serde(default, deserialize_with = "present")]
    text: Option<Option<String>>,
    #[serde(default, deserialize_with = "present")]
    story: Option<Option<String>>,
}

fn present<'de, D: Deserializer<'de>>(value: D) -> Result<Option<Option<String>>, D::Error> {
    Option::deserialize(value).map(Some)
}

/// The next story that is not empty, without its surrounding white space. Rows that hold none are counted.
pub(super) fn next_story<R: Read>(reader: &mut Reader<R>) -> Result<Option<String>, String> {
    loop {
        reader.piece.clear();
        let start = reader.offset;
        if !reader.extend_until(b'\n', start, "JSON lines hold one object a line")? {
            return Ok(None);
        }
        reader.count += 1;
        let line = trimmed(utf8(&reader.piece, start)?);
        if line.is_empty() {
            continue;
        }
        let number = reader.count;
        if line == "null" {
            reader.empty += 1;
            continue;
        }
        if !line.starts_with('{') {
            let hint = if line.starts_with('[') { "; `jq -c '.[]'` makes an array so" } else { "" };
            let expected = "expected a JSON object with the story under \"text\" or \"story\"";
            return Err(format!(", line {number}: {expected}{hint}"));
        }
        let object: Line = serde_json::from_str(line).map_err(|error| json_error(number, &error))?;
        if object.text.is_none() && object.story.is_none() {
            return Err(format!(", line {number}: the object has no string under \"text\" or \"story\""));
        }
        let stories = [object.text, object.story].into_iter().flatten().flatten();
        match stories.map(|story| normalized(&story)).find(|story| !story.is_empty()) {
            Some(story) => return Ok(Some(story)),
            None => reader.empty += 1,
        }
    }
}

/// The message of a JSON error with the file's line in place of serde_json's, which always is the first.
fn json_error(number: u64, error: &serde_json::Error) -> String {
    let text = error.to_string();
    let mut cause = text.rsplit_once(" at line ").map_or(text.as_str(), |(cause, _)| cause);
    if cause.contains("surrogate") || cause == "unexpected end of hex escape" {
        cause = "an escape from \\ud800 to \\udfff is half of a character, and its other half is missing beside it; \
                 write the whole character, or leave it out";
    }
    format!(", line {number}, column {}: {cause}", error.column())
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
