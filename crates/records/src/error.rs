//! What can be wrong with a CSV file.

use std::io;
use std::path::PathBuf;

use crate::visible;

/// An error of reading rows. Every message names the file, and the line, column and value where there is one.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file could not be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file is not CSV: text that is not UTF-8, an unclosed quote.
    #[error("{}: {source}", path.display())]
    Csv {
        /// The file.
        path: PathBuf,
        /// Why, with the line.
        source: csv::Error,
    },
    /// A column that cannot be done without is not in the header.
    #[error("{}: no column `{column}`; the header has: {}", path.display(), visible(found))]
    MissingColumn {
        /// The file.
        path: PathBuf,
        /// The name of the missing column.
        column: &'static str,
        /// The columns that are there, separated by commas.
        found: String,
    },
    /// A column occurs twice in the header.
    #[error("{}: the column `{}` occurs twice in the header", path.display(), visible(column))]
    DuplicateColumn {
        /// The file.
        path: PathBuf,
        /// The name of the column.
        column: String,
    },
    /// A row has more or fewer fields than the header.
    #[error("{}:{line}: {found} fields, but the header has {expected}", path.display())]
    FieldCount {
        /// The file.
        path: PathBuf,
        /// The line that the row starts on, from 1.
        line: u64,
        /// Fields in the header.
        expected: usize,
        /// Fields in the row.
        found: usize,
    },
    /// A field cannot be read as what its column holds.
    #[error("{}:{line}: column `{column}`: `{}` is not {expected}", path.display(), visible(value))]
    BadValue {
        /// The file.
        path: PathBuf,
        /// The line that the row starts on, from 1.
        line: u64,
        /// The name of the column.
        column: &'static str,
        /// The field as written.
        value: String,
        /// What the column holds, with its article: "a number".
        expected: &'static str,
    },
    /// Two rows of a `runs.csv` have the same `run_id`.
    #[error("{}:{line}: the run `{run_id}` has a row already, on line {first}", path.display())]
    DuplicateRun {
        /// The file.
        path: PathBuf,
        /// The line of the second row.
        line: u64,
        /// The line of the first row.
        first: u64,
        /// The `run_id` of both.
        run_id: String,
    },
}
