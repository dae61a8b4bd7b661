//! Errors in a config, shown with the place.

use std::fmt;
use std::ops::Range;
use std::rc::Rc;

/// A text that configuration was read from.
#[derive(Debug)]
pub(crate) struct Document {
    /// The path as the user gave it, or `--set`.
    pub(crate) name: String,
    /// All of it.
    pub(crate) text: String,
}

/// A stretch of a document.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) document: Rc<Document>,
    pub(crate) span: Range<usize>,
}

/// Something wrong in a config, and where.
#[derive(Debug)]
pub struct ConfigError {
    pub(crate) message: String,
    pub(crate) place: Option<Place>,
}

/// Everything that was found wrong.
#[derive(Debug)]
pub struct ConfigErrors(pub Vec<ConfigError>);

impl ConfigError {
    pub(crate) fn new(message: impl Into<String>, place: Option<Place>) -> Self {
        Self { message: message.into(), place }
    }
}

impl From<ConfigError> for ConfigErrors {
    fn from(error: ConfigError) -> Self {
        Self(vec![error])
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, error) in self.0.iter().enumerate() {
            if i > 0 {
                writeln!(f)?;
            }
            write!(f, "{error}")?;
        }
        Ok(())
    }
}

/// ```text
/// error: unknown key `rnak`; did you mean `rank`?
///   --> configs/a.toml:12:1
///    |
/// 12 | rnak = 8
///    | ^^^^
/// ```
impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "error: {}", self.message)?;
        let Some(Place { document, span }) = &self.place else { return Ok(()) };
        let start = span.start.min(document.text.len());
        let before = &document.text[..start];
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let line = document.text[line_start..].lines().next().unwrap_or("");
        let number = before.matches('\n').count() + 1;
        let column = document.text[line_start..start].chars().count();
        let width = document.text[start..span.end.clamp(start, line_start + line.len()).max(start)].chars().count();
        let gutter = number.to_string().len();
        writeln!(f, "{:gutter$}--> {}:{number}:{}", "", document.name, column + 1)?;
        writeln!(f, "{:gutter$} |", "")?;
        writeln!(f, "{number} | {line}")?;
        writeln!(f, "{:gutter$} | {:column$}{}", "", "", "^".repeat(width.max(1)))
    }
}

impl ConfigError {
    /// The same error, to be told again.
    pub(crate) fn again(&self) -> Self {
        Self { message: self.message.clone(), place: self.place.clone() }
    }
}
