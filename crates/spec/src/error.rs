//! Errors in a config, shown with the place.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;
use std::ops::Range;
use std::rc::Rc;

use crate::names::is_invisible;

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
pub struct Place {
    pub(crate) document: Rc<Document>,
    pub(crate) span: Range<usize>,
}

/// What an error is about, for programs that treat some unlike others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A config that cannot be read, is no file, is too large, or extends itself.
    Unreadable,
    /// What is not text, or not TOML.
    Syntax,
    /// A key that nobody knows.
    UnknownKey,
    /// A value that cannot be, or a key that is missing.
    Value,
    /// A file of data or weights that a key names and that is not there.
    MissingFile,
    /// `[sweep]` itself: what it sets is wrong in a way of its own.
    Sweep,
    /// The form of a `--set`.
    Set,
}

/// Something wrong in a config, and where. Displays as a sentence, the line, and a mark under what is wrong in it.
#[derive(Clone, Debug)]
pub struct ConfigError {
    pub(crate) kind: ErrorKind,
    pub(crate) message: String,
    pub(crate) place: Option<Place>,
}

impl std::error::Error for ConfigError {}

/// Everything that was found wrong.
#[derive(Debug, Default)]
pub struct ConfigErrors {
    found: Vec<ConfigError>,
    /// As they are told: the points of a sweep share most of their keys.
    known: HashSet<String>,
}

impl std::error::Error for ConfigErrors {}

/// So many are told; who has more has one reason for them.
const MOST_TOLD: usize = 20;

impl Place {
    /// The file as the user named it, or `--set`.
    pub fn document(&self) -> &str {
        &self.document.name
    }

    /// The line, from 1.
    pub fn line(&self) -> usize {
        self.document.text[..self.start()].matches('\n').count() + 1
    }

    /// The column in characters, from 1.
    pub fn column(&self) -> usize {
        self.document.text[self.line_start()..self.start()].chars().count() + 1
    }

    /// Where it begins: the parser may point behind the end of a line, at the line break or the end of the text.
    fn start(&self) -> usize {
        boundary(&self.document.text, self.span.start)
    }

    fn line_start(&self) -> usize {
        self.document.text[..self.start()].rfind('\n').map_or(0, |newline| newline + 1)
    }
}

/// The last boundary between characters that does not lie behind `at`.
fn boundary(text: &str, at: usize) -> usize {
    (0..=at.min(text.len())).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0)
}

impl ConfigError {
    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>, place: Option<Place>) -> Self {
        Self { kind, message: message.into(), place }
    }

    /// What it is about.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The sentence alone, without the place.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Where what is wrong was written, if anywhere.
    pub fn place(&self) -> Option<&Place> {
        self.place.as_ref()
    }
}

impl From<ConfigError> for ConfigErrors {
    fn from(error: ConfigError) -> Self {
        let mut errors = Self::default();
        errors.add(error);
        errors
    }
}

impl ConfigErrors {
    /// Adds an error, unless it is known.
    pub(crate) fn add(&mut self, error: ConfigError) {
        if self.known.insert(error.to_string()) {
            self.found.push(error);
        }
    }

    /// Adds each of `errors`.
    pub(crate) fn add_all(&mut self, errors: ConfigErrors) {
        errors.found.into_iter().for_each(|error| self.add(error));
    }

    /// The value of a result; of an error, the errors are kept.
    pub(crate) fn keep<T>(&mut self, result: Result<T, impl Into<ConfigErrors>>) -> Option<T> {
        result.map_err(|errors| self.add_all(errors.into())).ok()
    }

    /// `value`, where nothing was wrong.
    pub(crate) fn unless_any<T>(self, value: T) -> Result<T, Self> {
        if self.found.is_empty() { Ok(value) } else { Err(self) }
    }

    /// In the order of the text, document by document as they came.
    pub(crate) fn sorted(mut self) -> Self {
        let mut documents: Vec<String> = Vec::new();
        self.found.sort_by_cached_key(|error| {
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

    /// Each of them, in the order of the text.
    pub fn iter(&self) -> impl Iterator<Item = &ConfigError> {
        self.found.iter()
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, error) in self.found.iter().take(MOST_TOLD).enumerate() {
            if i > 0 {
                writeln!(f)?;
            }
            write!(f, "{error}")?;
        }
        match self.found.len().saturating_sub(MOST_TOLD) {
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
        writeln!(f, "error: {}", shown(&elided(&self.message)))?;
        let Some(place) = &self.place else { return Ok(()) };
        let text = &place.document.text;
        let (start, line_start) = (place.start(), place.line_start());
        let line = text[line_start..].lines().next().unwrap_or("");
        let end = boundary(text, place.span.end.min(line_start + line.len())).max(start);
        let gutter = place.line().to_string().len();
        // Of a line longer than a screen, what is wrong in it and what stands around it.
        let marked = text[start..end].chars().count().clamp(1, LONGEST_MARK);
        let skipped = (place.column() - 1).saturating_sub(if line.len() > LONGEST_LINE { 40 } else { usize::MAX });
        let before = place.column() - 1 - skipped;
        let part: String = line.chars().skip(skipped).take(LONGEST_LINE).collect();
        writeln!(f, "{:gutter$}--> {}:{}:{}", "", place.document.name, place.line(), place.column())?;
        writeln!(f, "{:gutter$} |", "")?;
        writeln!(f, "{} | {}", place.line(), shown(&part))?;
        writeln!(f, "{:gutter$} | {:before$}{}", "", "", "^".repeat(marked))
    }
}

/// A line of a config that is longer is shown in part.
const LONGEST_LINE: usize = 240;
/// So long is the mark under a part of a line at most.
const LONGEST_MARK: usize = 120;
/// A message that is longer quotes a value in full, and is told without its middle.
const LONGEST_MESSAGE: usize = 2000;

fn elided(message: &str) -> Cow<'_, str> {
    if message.len() <= LONGEST_MESSAGE {
        return message.into();
    }
    let (head, tail) = (boundary(message, LONGEST_MESSAGE / 2), boundary(message, message.len() - LONGEST_MESSAGE / 4));
    format!("{} … {}", &message[..head], &message[tail..]).into()
}

/// Text of a config as a terminal shows it: what would move the cursor or ring the bell is one blank.
fn shown(text: &str) -> String {
    text.chars().map(|c| if is_invisible(c) { ' ' } else { c }).collect()
}
