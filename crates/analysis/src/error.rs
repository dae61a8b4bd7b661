//! What can go wrong between a folder of CSV files and a report.

use std::io;
use std::path::PathBuf;

/// An error of this crate. Every message names the file, and the line, column and value where there is one.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A folder could not be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The folder.
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
    /// A CSV file cannot be used.
    #[error(transparent)]
    Records(#[from] lrx_records::Error),
    /// A folder holds no `runs.csv`, nor does any folder in it.
    #[error("{}: no results here: neither this folder nor one in it has a runs.csv", path.display())]
    NoResults {
        /// The folder.
        path: PathBuf,
    },
    /// A report on nothing was asked for.
    #[error("no results folder was given")]
    NoFolders,
    /// Several configurations have the label that was asked for.
    #[error("several configurations are labelled `{label}`; name one of them: {known}")]
    AmbiguousLabel {
        /// The label that was asked for.
        label: String,
        /// The names of those that have it, separated by commas.
        known: String,
    },
    /// No configuration has the label that was asked for.
    #[error("no configuration with finished runs is labelled `{label}`; there are: {known}")]
    UnknownLabel {
        /// The label that was asked for.
        label: String,
        /// The labels that are there, separated by commas.
        known: String,
    },
}
