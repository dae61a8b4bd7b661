//! Tables as text: a line that names the columns, then a row for each story, its fields divided by commas and quoted where
//! they hold a comma, a quotation mark (twice) or a line's end.

use std::io::{self, BufReader, Read};

use csv::{ByteRecord, ErrorKind, Reader, ReaderBuilder};

use super::key::Key;
use super::pieces::{MOST_BYTES, field, normalized, too_long, trimmed};
use super::unpack::Unpacked;

/// What is read ahead of the row.
const AHEAD: usize = 1 << 16;

/// Reads a table row by row.
pub(super) struct Csv<R: Read> {
    reader: Reader<Bounded<R>>,
    /// The columns that may hold the story, in the order in which they are looked at.
    columns: Vec<usize>,
    row: ByteRecord,
    pub(super) empty: u64,
}

impl<R: Read> Csv<R> {
    /// A reader of the table, of which the first line was read.
    pub(super) fn new(input: BufReader<Unpacked<R>>, key: Key) -> Result<Self, String> {
        let input = Bounded { inner: input, left: 0 };
        let mut reader = ReaderBuilder::new().buffer_capacity(AHEAD).has_headers(false).from_reader(input);
        let (mut row, mut columns) = (ByteRecord::new(), Vec::new());
        if next_row(&mut reader, &mut row)? {
            let names = row.iter().map(|name| field(name).map(trimmed)).collect::<Result<Vec<_>, _>>();
            let names = names.map_err(|guess| format!(", line 1: not UTF-8{guess}"))?;
            columns.extend(key.names().iter().filter_map(|wanted| names.iter().position(|name| name == wanted)));
            if columns.is_empty() {
                let hint = match names[..] {
                    [one] if one.contains([';', '\t', '|']) => "; fields are divided by commas".to_owned(),
                    _ => key.nearest(names),
                };
                return Err(format!(", line 1: no column is called {}{hint}", key.expected()));
            }
        }
        Ok(Self { reader, columns, row, empty: 0 })
    }

    /// The next story that is not empty, without its surrounding white space. Rows that hold none are counted.
    pub(super) fn next_story(&mut self) -> Result<Option<String>, String> {
        while next_row(&mut self.reader, &mut self.row)? {
            let line = self.row.position().map_or(0, csv::Position::line);
            for column in &self.columns {
                let field = field(&self.row[*column]);
                let field = field.map_err(|guess| format!(", line {line}: column {} is not UTF-8{guess}", column + 1));
                let story = normalized(field?);
                if !story.is_empty() {
                    return Ok(Some(story));
                }
            }
            self.empty += 1;
        }
        Ok(None)
    }

    /// Bytes of the file that were read so far.
    pub(super) fn consumed(&self) -> u64 {
        self.reader.get_ref().inner.get_ref().consumed()
    }

    pub(super) fn into_input(self) -> BufReader<Unpacked<R>> {
        self.reader.into_inner().inner
    }
}

/// Reads a row; false at the end.
fn next_row<R: Read>(reader: &mut Reader<Bounded<R>>, row: &mut ByteRecord) -> Result<bool, String> {
    reader.get_mut().left = MOST_BYTES + 1;
    let line = reader.position().line();
    reader.read_byte_record(row).map_err(|error| match error.kind() {
        ErrorKind::Io(cause) if cause.kind() == io::ErrorKind::FileTooLarge => {
            too_long(&format!("line {line}"), "is a quotation mark not closed?")
        }
        ErrorKind::Io(cause) => format!(": {cause}"),
        ErrorKind::UnequalLengths { pos, expected_len, len } => {
            let line = pos.as_ref().map_or(line, csv::Position::line);
            let fields = if *len == 1 { "field" } else { "fields" };
            format!(", line {line}: the row has {len} {fields}; expected {expected_len}, as the first line has")
        }
        _ => format!(", line {line}: {error}"),
    })
}

/// Ends a row that does not end by itself.
struct Bounded<R: Read> {
    inner: BufReader<Unpacked<R>>,
    /// Bytes that may yet be read for this row.
    left: usize,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.left == 0 {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        let count = self.inner.read(buffer)?;
        self.left = self.left.saturating_sub(count);
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use crate::source::tests::{read, read_key};

    #[test]
    fn rows_are_stories() {
        let table = "\u{feff}id,text\r\n1,a\r\n2,\"b, \"\"c\"\"\r\nd\"\r\n3,\r\n\r\n4,\"e\u{e4}\"";
        assert_eq!(read("x.csv", table.as_bytes(), 0).unwrap(), ["a", "b, \"c\"\nd", "eä"]);
        assert_eq!(read("x.csv", b"text,story\n,x\ny,z\n", 0).unwrap(), ["x", "y"]);
        assert_eq!(read_key("x.csv", b"a.b,text\nx,y\n", "a.b").unwrap(), ["x"]);
        assert!(read("x.csv", b"text\n", 0).unwrap().is_empty());
        assert!(read("x.csv", b"", 0).unwrap().is_empty());
    }

    #[test]
    fn errors_name_line_and_column() {
        for (table, part) in [
            (&b"id,txt\n1,a\n"[..], "x.csv, line 1: no column is called \"text\" or \"story\"; text_key = \"txt\"?"),
            (b"id;text\n1;a\n", "; fields are divided by commas"),
            (b"id,text\n1,a\n2,b,c\n", "x.csv, line 3: the row has 3 fields; expected 2"),
            (b"id,text\n1,\"a\nb\"\n2\n", "x.csv, line 4: the row has 1 field; expected 2"),
            (b"id,text\n1,caf\xe9\n", "x.csv, line 2: column 2 is not UTF-8; it seems to be LATIN1"),
        ] {
            let error = read("x.csv", table, 0).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
        let endless = [&b"text\na\n\""[..], &vec![b'x'; super::MOST_BYTES + super::AHEAD]].concat();
        let error = read("x.csv", &endless, 0).unwrap_err().to_string();
        assert!(error.contains("line 3: a story of more than 64 MB begins here: is a quotation mark"), "{error}");
    }
}
