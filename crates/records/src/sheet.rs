//! Reading a CSV file by the names of its columns.

use std::collections::HashMap;
use std::path::Path;

use csv::StringRecord;

use crate::{Error, Row};

/// Reads the rows of a file. A last line that is still being written is left out.
///
/// # Errors
/// When the file cannot be read or is not CSV, lacks a needed column, or holds a value of the wrong type.
pub fn read_rows<R: Row>(path: &Path) -> Result<Vec<R>, Error> {
    Ok(read_with_lines(path)?.into_iter().map(|(_, row)| row).collect())
}

/// The rows of a file whose content has been read already; errors call it `path`.
///
/// # Errors
/// As [`read_rows`].
pub fn parse_rows<R: Row>(content: &[u8], path: &Path) -> Result<Vec<R>, Error> {
    Ok(parse_with_lines(content, path)?.into_iter().map(|(_, row)| row).collect())
}

/// The rows, each with the line that it starts on.
pub(crate) fn read_with_lines<R: Row>(path: &Path) -> Result<Vec<(u64, R)>, Error> {
    let content = lrx_files::read(path).map_err(|source| Error::Read { path: path.to_owned(), source })?;
    parse_with_lines(&content, path)
}

fn parse_with_lines<R: Row>(content: &[u8], path: &Path) -> Result<Vec<(u64, R)>, Error> {
    let csv_error = |source| Error::Csv { path: path.to_owned(), source };
    // Flexible, to check the number of fields here: the last line may be one that a run is just writing.
    let mut reader = csv::ReaderBuilder::new().flexible(true).trim(csv::Trim::All).from_reader(content);
    let header = reader.headers().map_err(csv_error)?.clone();
    let sheet = Sheet::new(&header, path, R::NEEDED)?;
    let mut rows = Vec::new();
    // Row by row: a file of curves may be as large as the memory.
    let mut record = StringRecord::new();
    while reader.read_record(&mut record).map_err(csv_error)? {
        let cells = Cells { sheet: &sheet, record: &record };
        if record.len() != header.len() {
            let is_last = reader.position().byte() == content.len() as u64;
            if is_last && !content.ends_with(b"\n") && record.len() < header.len() {
                break;
            }
            let (line, expected, found) = (cells.line(), header.len(), record.len());
            return Err(Error::FieldCount { path: path.to_owned(), line, expected, found });
        }
        rows.push((cells.line(), R::read(&cells)?));
    }
    Ok(rows)
}

/// The columns of a CSV file.
struct Sheet<'a> {
    path: &'a Path,
    columns: HashMap<String, usize>,
}

impl<'a> Sheet<'a> {
    fn new(header: &StringRecord, path: &'a Path, needed: &[&'static str]) -> Result<Self, Error> {
        let mut columns = HashMap::new();
        for (index, name) in header.iter().enumerate() {
            if columns.insert(name.to_owned(), index).is_some() {
                return Err(Error::DuplicateColumn { path: path.to_owned(), column: name.to_owned() });
            }
        }
        if let Some(&column) = needed.iter().find(|&&name| !columns.contains_key(name)) {
            let found = header.iter().collect::<Vec<_>>().join(", ");
            return Err(Error::MissingColumn { path: path.to_owned(), column, found });
        }
        Ok(Self { path, columns })
    }
}

/// The cells of one row, by column.
pub struct Cells<'a> {
    sheet: &'a Sheet<'a>,
    record: &'a StringRecord,
}

impl Cells<'_> {
    fn line(&self) -> u64 {
        self.record.position().map_or(0, csv::Position::line)
    }

    /// The cell, without surrounding white space; empty when there is no such column.
    pub fn text(&self, column: &str) -> &str {
        self.sheet.columns.get(column).and_then(|&index| self.record.get(index)).unwrap_or("")
    }

    /// The error that a cell is not what its column holds: `expected`, with its article.
    pub fn bad(&self, column: &'static str, expected: &'static str) -> Error {
        Error::BadValue {
            path: self.sheet.path.to_owned(),
            line: self.line(),
            column,
            value: self.text(column).to_owned(),
            expected,
        }
    }
}
