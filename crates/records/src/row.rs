//! What a row type is, and the macro that declares one.

use crate::{Cells, Error};

/// One row of a CSV file.
pub trait Row: Sized {
    /// The columns, in the order in which they are written.
    const COLUMNS: &'static [&'static str];
    /// The columns that a file must have to be read.
    const NEEDED: &'static [&'static str];

    /// The cells, a field for each column.
    fn cells(&self) -> Vec<String>;

    /// The row that these cells hold.
    ///
    /// # Errors
    /// The first cell that does not hold what its column does.
    fn read(cells: &Cells<'_>) -> Result<Self, Error>;
}

/// Declares a row type: every field is a column of its name, and what [`crate::Cell`] makes of its type.
macro_rules! row {
    (
        $(#[$meta:meta])*
        pub struct $name:ident, needs $needed:expr, {
            $($(#[$doc:meta])* $column:ident: $type:ty,)*
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq)]
        pub struct $name {
            $($(#[$doc])* pub $column: $type,)*
        }

        impl $crate::Row for $name {
            const COLUMNS: &'static [&'static str] = &[$(stringify!($column)),*];
            const NEEDED: &'static [&'static str] = &$needed;

            fn cells(&self) -> Vec<String> {
                vec![$($crate::Cell::write(&self.$column)),*]
            }

            fn read(cells: &$crate::Cells<'_>) -> Result<Self, $crate::Error> {
                Ok(Self { $($column: $crate::Cell::read(cells, stringify!($column))?),* })
            }
        }
    };
}

pub(crate) use row;
