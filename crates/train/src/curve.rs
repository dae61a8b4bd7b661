//! The rows of a run's curve, appended as they come.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use lrx_files::{folder_of, temporary_in};
use lrx_records::{CurveRow, csv_header, csv_line};

/// The curve in a run's folder.
pub const CURVE_FILE: &str = "curve.csv";

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
        Self::with(path, csv_header::<CurveRow>().as_bytes(), 0)
    }

    /// Opens the curve and keeps its first `rows` rows: what came after the checkpoint will come again.
    ///
    /// # Errors
    /// When the file cannot be read, or those rows are not the ones whose `blake3` the checkpoint has.
    pub(crate) fn reopen(path: &Path, rows: usize, blake3: &str) -> io::Result<Self> {
        let content = lrx_files::read(path)?;
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
    pub(crate) fn append(&mut self, row: &CurveRow) -> io::Result<()> {
        let line = csv_line(row);
        self.file.write_all(line.as_bytes())?;
        self.hasher.update(line.as_bytes());
        self.rows += 1;
        Ok(())
    }

    /// Flushes the curve to the disk and reads it back.
    ///
    /// # Errors
    /// When what is there is not what was written.
    pub(crate) fn finish(&self) -> io::Result<()> {
        self.sync()?;
        if blake3::hash(&lrx_files::read(&self.path)?) == self.hasher.finalize() {
            return Ok(());
        }
        Err(io::Error::new(io::ErrorKind::InvalidData, "something else has changed the file while the run went on"))
    }
}

/// The bytes of the first `lines` whole lines; `None` when there are fewer.
fn length_of_lines(content: &[u8], lines: usize) -> Option<usize> {
    content.iter().enumerate().filter(|(_, byte)| **byte == b'\n').nth(lines - 1).map(|(at, _)| at + 1)
}
