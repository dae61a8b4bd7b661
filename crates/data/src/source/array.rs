//! A JSON array of rows, cut into its rows while it is read: a file may be larger than memory.

use std::io::{BufRead, Read};

use super::key::Key;
use super::pieces::{MOST_BYTES, Pieces, too_long, trimmed, utf8};
use super::{lines, row};

/// Reads a `.json` file: an array of rows, or a row a line.
pub(super) struct Json<R: Read> {
    pub(super) pieces: Pieces<R>,
    within: Within,
    /// The line that the reader is in, counted from 1.
    line: u64,
}

/// Where the reader is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Within {
    /// A row a line.
    Lines,
    /// An array, of which nothing was read.
    Opened,
    /// An array.
    Array,
    /// Behind it.
    Closed,
}

impl<R: Read> Json<R> {
    /// A reader of what begins with an array, or does not.
    pub(super) fn new(mut pieces: Pieces<R>) -> Result<Self, String> {
        let first = pieces.input.fill_buf().map_err(|error| format!(": {error}"))?;
        let mark = if first.starts_with("\u{feff}".as_bytes()) { 3 } else { 0 };
        let blank = first[mark..].iter().take_while(|byte| byte.is_ascii_whitespace()).count();
        let lines = first[mark..][..blank].iter().filter(|byte| **byte == b'\n').count() as u64;
        if first.get(mark + blank) != Some(&b'[') {
            return Ok(Self { within: Within::Lines, line: 1, pieces });
        }
        let mut json = Self { within: Within::Opened, line: 1 + lines, pieces };
        json.consume(mark + blank + 1);
        Ok(json)
    }

    /// The next story that is not empty, without its surrounding white space. Rows that hold none are counted.
    pub(super) fn next_story(&mut self, key: Key) -> Result<Option<String>, String> {
        if self.within == Within::Lines {
            return lines::next_story(&mut self.pieces, key);
        }
        while self.within != Within::Closed {
            let (start, line) = (self.pieces.offset, self.line);
            self.next_row()?;
            let bytes = &self.pieces.piece[..];
            let text = utf8(bytes, start)?;
            let row = trimmed(text);
            let blank = &text[..text.len() - text.trim_start().len()];
            let line = line + blank.matches('\n').count() as u64;
            if row.is_empty() {
                // An array may have nothing in it, but nothing stands between two commas.
                match (self.within, self.pieces.count) {
                    (Within::Closed, 0) => break,
                    (_, count) => return Err(format!(", line {line}: row {} of the array is missing", count + 1)),
                }
            }
            self.pieces.count += 1;
            let number = self.pieces.count;
            let story = row::story(row, key).map_err(|error| {
                let before = &row.as_bytes()[..error.at.unwrap_or(0).min(row.len())];
                let line = line + before.iter().filter(|byte| **byte == b'\n').count() as u64;
                format!(", line {line}, row {number} of the array: {}", error.message)
            })?;
            match story {
                Some(story) => return Ok(Some(story)),
                None => self.pieces.empty += 1,
            }
        }
        self.check_rest()?;
        Ok(None)
    }

    /// Reads up to and with the next comma between rows, or the end of the array; the piece is what stands before that.
    fn next_row(&mut self) -> Result<(), String> {
        self.pieces.piece.clear();
        let (start, first_line) = (self.pieces.offset, self.line);
        let (mut depth, mut quoted, mut escaped) = (0_usize, false, false);
        loop {
            let buffer = self.pieces.input.fill_buf().map_err(|error| format!(": {error}"))?;
            if buffer.is_empty() {
                return Err(format!(", line {}: the array that the file begins with is not closed", self.line));
            }
            let end = buffer.iter().position(|byte| {
                self.line += u64::from(*byte == b'\n');
                match byte {
                    _ if escaped => escaped = false,
                    b'\\' if quoted => escaped = true,
                    b'"' => quoted = !quoted,
                    _ if quoted => {}
                    b'[' | b'{' => depth += 1,
                    b']' | b',' if depth == 0 => return true,
                    b']' | b'}' => depth = depth.saturating_sub(1),
                    _ => {}
                }
                false
            });
            let length = end.unwrap_or(buffer.len());
            self.pieces.piece.extend_from_slice(&buffer[..length]);
            if let Some(end) = end {
                self.within = if buffer[end] == b',' { Within::Array } else { Within::Closed };
            }
            self.consume(length + usize::from(end.is_some()));
            if self.pieces.piece.len() > MOST_BYTES {
                return Err(too_long(
                    &format!("byte {start} (line {first_line})"),
                    "an array holds an object for each",
                ));
            }
            if end.is_some() {
                return Ok(());
            }
        }
    }

    /// Nothing but white space stands behind the array.
    fn check_rest(&mut self) -> Result<(), String> {
        loop {
            let buffer = self.pieces.input.fill_buf().map_err(|error| format!(": {error}"))?;
            let length = buffer.len();
            if length == 0 {
                return Ok(());
            }
            for byte in buffer {
                if !byte.is_ascii_whitespace() {
                    return Err(format!(", line {}: something stands behind the array; expected its end", self.line));
                }
                self.line += u64::from(*byte == b'\n');
            }
            self.consume(length);
        }
    }

    fn consume(&mut self, count: usize) {
        self.pieces.input.consume(count);
        self.pieces.offset += count as u64;
    }
}

#[cfg(test)]
mod tests {
    use crate::source::tests::{read, read_key};

    #[test]
    fn an_array_holds_objects_strings_and_null() {
        let array = "\u{feff} \n[\n {\"text\": \" a, [b]\\\"}\\\\\", \"n\": [1, {\"x\": \"]\"}]},\r\n \"c\" , null,{\"story\":\"d\"},\n{\"text\": \"\"}]\n\n";
        assert_eq!(read("x.json", array.as_bytes(), 0).unwrap(), ["a, [b]\"}\\", "c", "d"]);
        assert!(read("x.json", b"[]", 0).unwrap().is_empty());
        assert!(read("x.json", b" [ \n ] ", 0).unwrap().is_empty());
        assert_eq!(read("x.json", b"[\"a\", \"b\"]", 1).unwrap(), ["a"]);
        assert_eq!(read_key("x.json", b"[{\"a\": {\"b\": \"x\"}}, {\"a.b\": \"y\"}]", "a.b").unwrap(), ["x", "y"]);
    }

    #[test]
    fn errors_name_the_line_and_the_row() {
        for (array, part) in [
            ("[\n\"a\",\n\n 5]", "x.json, line 4, row 2 of the array: expected a JSON object"),
            (
                "[\n\"a\",\n{\"text\":\n 5}]",
                "x.json, line 4, row 2 of the array: invalid type: integer `5`, expected a string",
            ),
            ("[\"a\",,\"b\"]", "x.json, line 1: row 2 of the array is missing"),
            ("[\"a\",\n]", "x.json, line 2: row 2 of the array is missing"),
            ("[,]", "line 1: row 1 of the array is missing"),
            ("[\"a\"", "line 1: the array that the file begins with is not closed"),
            ("[\n\"a]", "line 2: the array that the file begins with is not closed"),
            ("[\"a\"]\n ]", "line 2: something stands behind the array"),
            ("[{\"a\": 1}}]", "line 1, row 1 of the array: trailing characters"),
            (
                "[{\"txt\": \"a\", \"id\": 1}]",
                "under \"text\" or \"story\"; text_key = \"txt\"? (there: \"id\", \"txt\")",
            ),
        ] {
            let error = read("x.json", array.as_bytes(), 0).unwrap_err().to_string();
            assert!(error.contains(part), "{array}: {error}");
        }
        let error = read("x.json", b"[\"a\", \"\xff\"]", 0).unwrap_err().to_string();
        assert!(error.contains("byte 7: not UTF-8"), "{error}");
        let error = read_key("x.json", b"[\"a\"]", "b").unwrap_err().to_string();
        assert!(error.contains("a string has no key \"b\""), "{error}");
    }
}
