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
#[derive(Debug, Default)]
pub struct ConfigErrors(Vec<ConfigError>);

/// So many are told; who has more has one reason for them.
const MOST_TOLD: usize = 20;

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

impl ConfigErrors {
    /// Adds an error, unless it is known: the points of a sweep share most of their keys.
    pub(crate) fn add(&mut self, error: ConfigError) {
        let told = error.to_string();
        if !self.0.iter().any(|known| known.to_string() == told) {
            self.0.push(error);
        }
    }

    /// Adds each of `errors`.
    pub(crate) fn add_all(&mut self, errors: ConfigErrors) {
        errors.0.into_iter().for_each(|error| self.add(error));
    }

    /// The value of a result; of an error, the errors are kept.
    pub(crate) fn keep<T>(&mut self, result: Result<T, impl Into<ConfigErrors>>) -> Option<T> {
        result.map_err(|errors| self.add_all(errors.into())).ok()
    }

    /// `value`, where nothing was wrong.
    pub(crate) fn unless_any<T>(self, value: T) -> Result<T, Self> {
        if self.0.is_empty() { Ok(value) } else { Err(self) }
    }

    /// In the order of the text, document by document as they came.
    pub(crate) fn sorted(mut self) -> Self {
        let mut documents: Vec<String> = Vec::new();
        self.0.sort_by_cached_key(|error| {
            let name = error.place.as_ref().map_or("", |place| &place.document.name);
            let known = documents.iter().position(|document| document == name);
            let document = known.unwrap_or_else(|| {
                documents.push(name.to_string());
                documents.len() - 1
            });
            (document, error.place.as_ref().map(|place| place.span.start))
        });
        self
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &ConfigError> {
        self.0.iter()
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, error) in self.0.iter().take(MOST_TOLD).enumerate() {
            if i > 0 {
                writeln!(f)?;
            }
            write!(f, "{error}")?;
        }
        match self.0.len().saturating_sub(MOST_TOLD) {
            0 => Ok(()),
            more => writeln!(f, "\nand {more} more"),
        }
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
        // The parser may point behind the end of a line, at the line break or the end of the text.
        let boundary =
            |at: usize| (0..=at.min(document.text.len())).rev().find(|&at| document.text.is_char_boundary(at));
        let start = boundary(span.start).unwrap_or(0);
        let before = &document.text[..start];
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let line = document.text[line_start..].lines().next().unwrap_or("");
        let number = before.matches('\n').count() + 1;
        let column = document.text[line_start..start].chars().count();
        let end = boundary(span.end.min(line_start + line.len())).unwrap_or(0).max(start);
        let width = document.text[start..end].chars().count();
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
