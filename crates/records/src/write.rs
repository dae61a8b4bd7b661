//! Writing rows.

use crate::Row;

/// Rows under their header, as CSV; the header also stands where there is no row.
pub fn csv_text<'r, R: Row + 'r>(rows: impl IntoIterator<Item = &'r R>) -> String {
    let header = R::COLUMNS.iter().map(|&column| column.to_owned()).collect();
    records(std::iter::once(header).chain(rows.into_iter().map(R::cells)))
}

/// The line of the header.
pub fn csv_header<R: Row>() -> String {
    csv_text::<R>([])
}

/// The line of one row.
pub fn csv_line<R: Row>(row: &R) -> String {
    records([row.cells()])
}

fn records(records: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let written = records.into_iter().try_for_each(|record| writer.write_record(record));
    written.expect("rows have the header's length, and memory takes them");
    let bytes = writer.into_inner().expect("memory takes the text");
    String::from_utf8(bytes).expect("text in, text out")
}
