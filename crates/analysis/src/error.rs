//! What can go wrong between a folder of CSV files and a report.

use std::io;
use std::path::PathBuf;

/// An error of this crate. Every message names the file, and the line, column and value where there is one.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file or folder could not be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file or folder could not be written.
    #[error("cannot write {}: {source}", path.display())]
    Write {
        /// The file or folder.
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
    /// A column that the analysis cannot do without is not in the header.
    #[error("{}: no column `{column}`; the header has: {found}", path.display())]
    MissingColumn {
        /// The file.
        path: PathBuf,
        /// The name of the missing column.
        column: &'static str,
        /// The columns that are there, separated by commas.
        found: String,
    },
    /// A column occurs twice in the header.
    #[error("{}: the column `{column}` occurs twice in the header", path.display())]
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
    #[error("{}:{line}: column `{column}`: `{value}` is not {expected}", path.display())]
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
    /// A folder holds no `runs.csv`, nor does any folder in it.
    #[error("{}: no results here: neither this folder nor one in it has a runs.csv", path.display())]
    NoResults {
        /// The folder.
        path: PathBuf,
    },
    /// A report on nothing was asked for.
    #[error("no results folder was given")]
    NoFolders,
    /// No configuration has the label that was asked for.
    #[error("no configuration with finished runs is labelled `{label}`; there are: {known}")]
    UnknownLabel {
        /// The label that was asked for.
        label: String,
        /// The labels that are there, separated by commas.
        known: String,
    },
}
