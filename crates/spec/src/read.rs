//! The text of a config file: of a regular file, of a size that somebody may have written, in UTF-8.

use std::path::Path;
use std::rc::Rc;

use lrx_files::read_regular;

use crate::error::{ConfigError, Document, ErrorKind, Place};
use crate::files::hint;

/// A sweep of ten thousand cases fits; what is larger is no config.
const MOST_BYTES: u64 = 4 << 20;

/// The text of the file at `path`, which was named at `named_at`: without a byte-order mark, with `\n` at the end of
/// lines.
pub(crate) fn read(path: &Path, named_at: Option<&Place>) -> Result<String, ConfigError> {
    let bytes = read_regular(path, MOST_BYTES).map_err(|error| {
        let message = format!("cannot read the config {}: {error}{}", path.display(), hint(path));
        ConfigError::new(ErrorKind::Unreadable, message, named_at.cloned())
    })?;
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        let message = format!("the config {} is UTF-16 text; save it as UTF-8", path.display());
        return Err(ConfigError::new(ErrorKind::Syntax, message, named_at.cloned()));
    }
    let text = String::from_utf8(bytes).map_err(|error| not_utf8(path, &error))?;
    Ok(text.strip_prefix('\u{feff}').unwrap_or(&text).replace("\r\n", "\n"))
}

/// The error of a config that is not text, at the first byte that is not.
fn not_utf8(path: &Path, error: &std::string::FromUtf8Error) -> ConfigError {
    let at = error.utf8_error().valid_up_to();
    let text = String::from_utf8_lossy(error.as_bytes()).into_owned();
    let document = Rc::new(Document { name: path.display().to_string(), text });
    let end = at + char::REPLACEMENT_CHARACTER.len_utf8();
    let message = format!("the config is not UTF-8 text: the byte {:#04x} here", error.as_bytes()[at]);
    ConfigError::new(ErrorKind::Syntax, message, Some(Place { document, span: at..end }))
}
