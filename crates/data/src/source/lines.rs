//! JSON lines: an object a line, the story under `text` or `story`.

use std::io::Read;

use serde::Deserialize;

use super::{Reader, utf8};

/// What a line is read for; its other keys are of no interest.
#[derive(Deserialize)]
struct Line {
    text: Option<String>,
    story: Option<String>,
}

/// The next story that is not empty, without its surrounding white space.
pub(super) fn next_story<R: Read>(reader: &mut Reader<R>) -> Result<Option<String>, String> {
    loop {
        reader.piece.clear();
        let start = reader.offset;
        if !reader.extend_until(b'\n')? {
            return Ok(None);
        }
        reader.count += 1;
        let line = utf8(&reader.piece, start)?.trim();
        if line.is_empty() {
            continue;
        }
        let number = reader.count;
        if !line.starts_with('{') {
            return Err(format!(", line {number}: expected a JSON object with the story under \"text\" or \"story\""));
        }
        let object: Line = serde_json::from_str(line).map_err(|error| json_error(number, &error))?;
        let Some(story) = object.text.or(object.story) else {
            return Err(format!(", line {number}: the object has no string under \"text\" or \"story\""));
        };
        if !story.trim().is_empty() {
            return Ok(Some(story.trim().to_owned()));
        }
    }
}

/// The message of a JSON error with the file's line in place of serde_json's, which always is the first.
fn json_error(number: u64, error: &serde_json::Error) -> String {
    let text = error.to_string();
    let cause = text.rsplit_once(" at line ").map_or(text.as_str(), |(cause, _)| cause);
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
    fn errors_name_file_and_line() {
        for (line, part) in [
            ("[1]", "x.jsonl, line 3: expected a JSON object"),
            ("{\"text\": 1}", "x.jsonl, line 3, column 10: invalid type: integer `1`, expected a string"),
            ("{\"text\": \"a\"", "x.jsonl, line 3, column 12: EOF while parsing an object"),
            ("{\"txt\": \"a\"}", "x.jsonl, line 3: the object has no string under \"text\" or \"story\""),
        ] {
            let error = read("x.jsonl", format!("{{\"text\": \"a\"}}\n\n{line}\n").as_bytes(), 0).unwrap_err();
            assert_eq!(error.key(), Some("train"));
            assert!(error.to_string().contains(part), "{error}");
        }
        let error = read("x.jsonl", b"{\"text\": \"a\"}\n{\"text\": \"\xff\"}", 0).unwrap_err();
        assert!(error.to_string().contains("byte 24: not UTF-8"), "{error}");
    }
}
