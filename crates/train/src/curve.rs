//! The rows of a run's curve, appended as they come.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

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
    file: File,
    rows: usize,
}

impl CurveWriter {
    /// Opens the curve and keeps its first `rows` rows: what came after the checkpoint will come again.
    pub(crate) fn open(path: &Path, rows: usize) -> io::Result<Self> {
        let content = match std::fs::read(path) {
            Ok(content) => content,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(error),
        };
        let kept = length_of_lines(&content, rows + 1);
        let mut file = OpenOptions::new().create(true).append(true).open(path)?;
        match kept {
            Some(length) => file.set_len(length as u64)?,
            None if rows == 0 => {
                file.set_len(0)?;
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
                let header = csv_lines(&empty)?.0;
                file.write_all(header.as_bytes())?;
            }
            None => {
                let message = format!("the curve has fewer than the {rows} rows that the checkpoint knows of");
                return Err(io::Error::new(io::ErrorKind::InvalidData, message));
            }
        }
        Ok(Self { file, rows })
    }

    /// Rows in the file.
    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    /// Flushes what was appended to the disk.
    pub(crate) fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    /// Appends a row in one write.
    pub(crate) fn append(&mut self, row: &CurveRow<'_>) -> io::Result<()> {
        self.file.write_all(csv_lines(row)?.1.as_bytes())?;
        self.rows += 1;
        Ok(())
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
