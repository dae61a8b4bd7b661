//! How a file holds its stories: by its name, held against its first bytes.

use std::io::Read;
use std::path::Path;

use serde::Serialize;

/// The forms that files may have, as their names end.
pub(crate) const EXTENSIONS: [&str; 6] = ["txt", "jsonl", "ndjson", "json", "csv", "parquet"];

/// How a file holds its stories.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Format {
    /// Text with `<|endoftext|>` between stories.
    Text,
    /// A JSON object a line.
    Lines,
    /// The same, or an array of them. It was known as lines before arrays were read: runs keep their ids.
    #[serde(rename = "lines")]
    Json,
    /// A table with a line that names its columns.
    Csv,
    /// A table by columns.
    Parquet,
}

/// What a file was packed with as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Packing {
    None,
    Gzip,
    Zstd,
}

/// What the name of a file says about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Form {
    pub(crate) format: Format,
    pub(crate) packing: Packing,
}

/// What files begin with that are no text.
const PARQUET: &[u8] = b"PAR1";
const ENCRYPTED_PARQUET: &[u8] = b"PARE";
const GZIP: &[u8] = b"\x1f\x8b";
const ZSTD: &[u8] = b"\x28\xb5\x2f\xfd";

impl Form {
    /// That of a file with this name. `.gz` or `.zst` says what it is packed with, what stands before that how it holds
    /// its stories; any other name is that of text.
    ///
    /// # Errors
    /// A packed table: a message to stand behind the file's name.
    pub(crate) fn of(path: &Path) -> Result<Self, String> {
        let packing = match extension(path).as_str() {
            "gz" => Packing::Gzip,
            "zst" => Packing::Zstd,
            _ => Packing::None,
        };
        let name = if packing == Packing::None { path } else { Path::new(path.file_stem().unwrap_or_default()) };
        let format = match extension(name).as_str() {
            "jsonl" | "ndjson" => Format::Lines,
            "json" => Format::Json,
            "csv" => Format::Csv,
            "parquet" => Format::Parquet,
            _ => Format::Text,
        };
        if format == Format::Parquet && packing != Packing::None {
            return Err(": Parquet files are packed inside; unpack this one".to_owned());
        }
        Ok(Self { format, packing })
    }

    /// Whether the name of a file says that it holds stories.
    pub(crate) fn is_told_by(path: &Path) -> bool {
        let packed = ["gz", "zst"].contains(&extension(path).as_str());
        let name = if packed { Path::new(path.file_stem().unwrap_or_default()) } else { path };
        EXTENSIONS.contains(&extension(name).as_str())
    }

    /// Whether stories stand under a key.
    pub(crate) fn is_keyed(self) -> bool {
        self.format != Format::Text
    }

    /// Holds the file at `path` against its name. What cannot be read is no lie yet.
    ///
    /// # Errors
    /// A message to stand behind the file's name.
    pub(crate) fn check_file(self, path: &Path) -> Result<(), String> {
        let mut first = Vec::new();
        match lrx_files::open_regular(path).and_then(|file| file.take(1 << 12).read_to_end(&mut first)) {
            Ok(_) => self.check(path, &first),
            Err(_) => Ok(()),
        }
    }

    /// Holds the first bytes of the file at `path` against its name.
    ///
    /// # Errors
    /// A message to stand behind the file's name.
    pub(super) fn check(self, path: &Path, first: &[u8]) -> Result<(), String> {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let (found, named) = found(first);
        let lies = |expected: &str| {
            let found = if first.is_empty() { "it is empty" } else { found };
            Err(format!(" is no {expected}, though its name says so: {found}"))
        };
        match self {
            Self { packing: Packing::Gzip, .. } if !first.starts_with(GZIP) => lies("gzip file"),
            Self { packing: Packing::Zstd, .. } if !first.starts_with(ZSTD) && !is_skippable(first) => {
                lies("zstd file")
            }
            Self { packing: Packing::None, format: Format::Parquet } if !first.starts_with(PARQUET) => {
                lies("Parquet file")
            }
            Self { packing: Packing::None, format } if format != Format::Parquet && !named.is_empty() => {
                let stem = path.file_stem().unwrap_or_default().to_string_lossy();
                let better = if named == "parquet" { format!("{stem}.parquet") } else { format!("{name}.{named}") };
                Err(format!(": {found}, which its name does not say; call it {better}"))
            }
            _ => Ok(()),
        }
    }
}

/// What a file seems to be by its first bytes, and how its name would end if it is one of those that are read as such.
fn found(first: &[u8]) -> (&'static str, &'static str) {
    // A text may begin with the letters of a magic number, but no packed data goes on like text.
    let is_text = first.utf8_chunks().next().is_none_or(|chunk| {
        let whole = chunk.invalid().is_empty() || chunk.valid().len() + chunk.invalid().len() == first.len();
        whole && !chunk.valid().contains(|char: char| char.is_control() && !char.is_whitespace())
    });
    match first {
        _ if first.starts_with(PARQUET) && !is_text => ("it is a Parquet file", "parquet"),
        _ if first.starts_with(ENCRYPTED_PARQUET) && !is_text => ("it is an encrypted Parquet file", ""),
        _ if first.starts_with(GZIP) => ("it is packed with gzip", "gz"),
        _ if first.starts_with(ZSTD) => ("it is packed with zstd", "zst"),
        _ if is_text => ("it seems to be plain text", ""),
        _ => ("its first bytes are of another kind", ""),
    }
}

/// Whether zstd data begins with a frame that holds something else.
fn is_skippable(first: &[u8]) -> bool {
    matches!(first, [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..])
}

/// The extension of a name in small letters.
fn extension(path: &Path) -> String {
    path.extension().and_then(|extension| extension.to_str()).unwrap_or_default().to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_tells_the_form() {
        for (name, format, packing) in [
            ("a.txt", Format::Text, Packing::None),
            ("a", Format::Text, Packing::None),
            ("json", Format::Text, Packing::None),
            ("a.JSONL", Format::Lines, Packing::None),
            ("a.ndjson.gz", Format::Lines, Packing::Gzip),
            ("a.json.ZST", Format::Json, Packing::Zstd),
            ("a.b.csv.gz", Format::Csv, Packing::Gzip),
            ("a.gz", Format::Text, Packing::Gzip),
            ("d.csv/a.gz", Format::Text, Packing::Gzip),
            ("a.parquet", Format::Parquet, Packing::None),
        ] {
            assert_eq!(Form::of(Path::new(name)), Ok(Form { format, packing }), "{name}");
        }
        assert!(Form::of(Path::new("a.parquet.gz")).unwrap_err().contains("packed inside"));
    }

    #[test]
    fn names_of_stories_are_known() {
        for (name, known) in [
            ("a.txt", true),
            ("a.CSV", true),
            ("a.jsonl.zst", true),
            ("a.gz", false),
            ("README.md", false),
            (".gitattributes", false),
            ("a.md.gz", false),
        ] {
            assert_eq!(Form::is_told_by(Path::new(name)), known, "{name}");
        }
    }
}
