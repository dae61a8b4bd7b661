//! What a cell of each type looks like.

use std::fmt;
use std::ops::Deref;

use crate::text::{cell_of_text, text_of_cell};
use crate::{Cells, Error};

/// A value that stands in a cell. What is not known is an empty cell.
pub trait Cell: Sized {
    /// The cell.
    fn write(&self) -> String;

    /// The value in `column`.
    ///
    /// # Errors
    /// When the cell holds something else.
    fn read(cells: &Cells<'_>, column: &'static str) -> Result<Self, Error>;
}

/// Text reads back as it was, but for surrounding white space and control characters.
impl Cell for String {
    fn write(&self) -> String {
        cell_of_text(self)
    }

    fn read(cells: &Cells<'_>, column: &'static str) -> Result<Self, Error> {
        Ok(text_of_cell(cells.text(column)))
    }
}

/// Ranks of the layers of a model, or `-` for a layer without, with single spaces between them; empty where no layer has
/// one. Where the slots of a layer differ, each slot's with `/` between them: `8 8/8/-/- -`. Those of an earlier lrx name
/// slots: `8/q=4`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ranks(String);

impl From<String> for Ranks {
    fn from(text: String) -> Self {
        Self(text.split_whitespace().collect::<Vec<_>>().join(" "))
    }
}

impl Deref for Ranks {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Ranks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// Numbers, spaces, dashes and slashes stand as they are: no spreadsheet runs them.
impl Cell for Ranks {
    fn write(&self) -> String {
        if self.0.chars().all(|c| c.is_ascii_digit() || " -/".contains(c)) { self.0.clone() } else { self.0.write() }
    }

    fn read(cells: &Cells<'_>, column: &'static str) -> Result<Self, Error> {
        String::read(cells, column).map(Self::from)
    }
}

impl Cell for Option<u64> {
    fn write(&self) -> String {
        self.map_or(String::new(), |value| value.to_string())
    }

    /// Also `384.0`, which is how pandas writes a whole-number column with gaps.
    fn read(cells: &Cells<'_>, column: &'static str) -> Result<Self, Error> {
        const EXACT: f64 = 9_007_199_254_740_992.0; // 2⁵³: all whole floats below are exact
        let text = cells.text(column);
        if text.is_empty() {
            return Ok(None);
        }
        if let Ok(whole) = text.parse::<u64>() {
            return Ok(Some(whole));
        }
        match text.parse::<f64>() {
            Ok(float) if float.fract() == 0.0 && (0.0..EXACT).contains(&float) => Ok(Some(float as u64)),
            _ => Err(cells.bad(column, "a whole number from 0")),
        }
    }
}

impl Cell for u64 {
    fn write(&self) -> String {
        self.to_string()
    }

    fn read(cells: &Cells<'_>, column: &'static str) -> Result<Self, Error> {
        Option::read(cells, column)?.ok_or_else(|| cells.bad(column, "a whole number from 0"))
    }
}

impl Cell for Option<f64> {
    fn write(&self) -> String {
        self.map_or(String::new(), |value| value.write())
    }

    fn read(cells: &Cells<'_>, column: &'static str) -> Result<Self, Error> {
        match cells.text(column) {
            "" => Ok(None),
            text => text.parse().map(Some).map_err(|_| cells.bad(column, "a number")),
        }
    }
}

/// The shortest digits that read back to the same number; with an exponent where there would be many zeros.
impl Cell for f64 {
    fn write(&self) -> String {
        match self.abs() {
            size if size != 0.0 && size.is_finite() && !(1e-5..1e16).contains(&size) => format!("{self:e}"),
            _ if self.is_finite() && self.fract() == 0.0 => format!("{self:.1}"),
            _ => self.to_string(),
        }
    }

    fn read(cells: &Cells<'_>, column: &'static str) -> Result<Self, Error> {
        Option::read(cells, column)?.ok_or_else(|| cells.bad(column, "a number"))
    }
}
