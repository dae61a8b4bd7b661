//! Writing files whole, and CSV.

use std::path::Path;

use crate::Error;

/// Writes a file of the report, so that a reader never meets half a file.
pub(crate) fn write_whole(path: &Path, text: &str) -> Result<(), Error> {
    lrx_files::write_whole(path, text.as_bytes()).map_err(|source| Error::Write { path: path.to_owned(), source })
}

/// A header and rows of the same length as CSV.
pub(crate) fn csv_text<const N: usize>(header: [&str; N], mut rows: impl Iterator<Item = [String; N]>) -> String {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let written = writer.write_record(header).and_then(|()| rows.try_for_each(|row| writer.write_record(row)));
    written.expect("rows have the header's length, and memory takes them");
    let bytes = writer.into_inner().expect("memory takes the text");
    String::from_utf8(bytes).expect("text in, text out")
}

/// A field of a CSV; empty for what is not known.
pub(crate) fn field(value: Option<impl ToString>) -> String {
    value.map_or(String::new(), |value| value.to_string())
}
