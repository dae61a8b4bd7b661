//! The rows of a run's curve, appended as they come.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use lrx_files::{folder_of, temporary_in};
use serde::Serialize;

/// The curve in a run's folder.
pub const CURVE_FILE: &str = "curve.csv";

/// One measurement, a row of `curves.csv`.
#[derive(Clone, Debug, Serialize)]
pub struct CurveRow<'a> {
    /// The run.
    pub run_id: &'a str,
    /// Updates done.
    pub step: usize,
    /// `train` or `eval`.
    pub split: &'static str,
    /// Mean nats per target token: for `train` the mean over the steps since the last row, each loss taken before its
    /// update; for `eval` over all held-out stories.
    pub loss: f64,
    /// Targets trained on so far.
    pub tokens: u64,
    /// Of the last update.
    pub learning_rate: f64,
    /// Of the last update, before clipping.
    pub grad_norm: f64,
    /// Of this run so far, interruptions left out.
    pub elapsed_seconds: f64,
}

/// Appends whole rows to a run's curve.
pub(crate) struct CurveWriter {
    path: PathBuf,
    file: File,
    rows: usize,
    hasher: blake3::Hasher,
}

impl CurveWriter {
    /// A curve with nothing but its header.
    pub(crate) fn create(path: &Path) -> io::Result<Self> {
        let empty = CurveRow {
            run_id: "",
            step: 0,
            split: "",
            loss: 0.0,
            tokens: 0,
            learning_rate: 0.0,
            grad_norm: 0.0,
            elapsed_seconds: 0.0,
        };
        Self::with(path, csv_lines(&empty)?.0.as_bytes(), 0)
    }

    /// Opens the curve and keeps its first `rows` rows: what came after the checkpoint will come again.
    ///
    /// # Errors
    /// When the file cannot be read, or those rows are not the ones whose `blake3` the checkpoint has.
    pub(crate) fn reopen(path: &Path, rows: usize, blake3: &str) -> io::Result<Self> {
        let content = std::fs::read(path)?;
        let kept = length_of_lines(&content, rows + 1).map(|length| &content[..length]);
        match kept.filter(|kept| blake3::hash(kept).to_hex().as_str() == blake3) {
            Some(kept) => Self::with(path, kept, rows),
            None => {
                let message = format!("its first {rows} rows are not those that the checkpoint knows of");
                Err(io::Error::new(io::ErrorKind::InvalidData, message))
            }
        }
    }

    /// A new file in the place of the old: should another process believe that it still trains this run, its rows go
    /// to a file that has no name any more.
    fn with(path: &Path, content: &[u8], rows: usize) -> io::Result<Self> {
        let mut file = temporary_in(folder_of(path))?;
        file.write_all(content)?;
        let file = file.persist(path).map_err(|error| error.error)?;
        let mut hasher = blake3::Hasher::new();
        hasher.update(content);
        Ok(Self { path: path.to_path_buf(), file, rows, hasher })
    }

    /// Rows in the file.
    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    /// BLAKE3 of all that was written.
    pub(crate) fn blake3(&self) -> String {
        self.hasher.finalize().to_hex().to_string()
    }

    /// Flushes what was appended to the disk.
    pub(crate) fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    /// Appends a row in one write.
    pub(crate) fn append(&mut self, row: &CurveRow<'_>) -> io::Result<()> {
        let line = csv_lines(row)?.1;
        self.file.write_all(line.as_bytes())?;
        self.hasher.update(line.as_bytes());
        self.rows += 1;
        Ok(())
    }

    /// Flushes the curve to the disk and reads it back.
    ///
    /// # Errors
    /// When what is there is not what was written.
    pub(crate) fn finish(self) -> io::Result<()> {
        self.sync()?;
        if blake3::hash(&std::fs::read(&self.path)?) == self.hasher.finalize() {
            return Ok(());
        }
        Err(io::Error::new(io::ErrorKind::InvalidData, "something else has changed the file while the run went on"))
    }
}

/// The bytes of the first `lines` whole lines; `None` when there are fewer.
fn length_of_lines(content: &[u8], lines: usize) -> Option<usize> {
    content.iter().enumerate().filter(|(_, byte)| **byte == b'\n').nth(lines - 1).map(|(at, _)| at + 1)
}

/// The header and the row.
fn csv_lines(row: &CurveRow<'_>) -> io::Result<(String, String)> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.serialize(row)?;
    let text =
        String::from_utf8(writer.into_inner().map_err(|error| error.into_error())?).expect("CSV of UTF-8 is UTF-8");
    let header = text.find('\n').expect("a header line") + 1;
    Ok((text[..header].to_string(), text[header..].to_string()))
}
