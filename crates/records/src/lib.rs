//! The rows of the CSV files, each declared once: [`RunRecord`] of `runs.csv`, [`CurveRow`] of `curves.csv`, [`RankRow`]
//! of `ranks.csv`, [`SummaryRecord`] of `summary.csv`, [`TwinRecord`] of `twins.csv`, [`TuneRecord`] of `tune.csv`,
//! [`ClaimRecord`] of `claims.csv`, [`PlannedRow`] of `planned.csv`, [`SampleRow`] of a run's `samples.csv`, [`HeldOutRow`] of its
//! `stories.csv`, [`BenchRow`] of what `lrx bench` prints, [`EvalRow`] and
//! [`StoryRow`] of what `lrx eval` does.
//!
//! A struct's fields are its file's columns, in their order ([`Row::COLUMNS`]). [`csv_text`] writes rows under their
//! header; [`read_rows`] reads them back by the names of the columns, whatever their order: unknown columns are skipped,
//! and one that is not there leaves its values out, unless it is among [`Row::NEEDED`]. `docs/csv.md` says what the columns
//! mean, and how text is written so that no spreadsheet runs it.

mod bench;
mod cell;
pub mod claim;
mod curve;
mod error;
mod evaluation;
mod held_out;
mod planned;
mod rank;
mod row;
mod run;
mod sample;
mod sheet;
mod summary;
mod text;
mod tune;
mod twin;
mod write;

pub use bench::BenchRow;
pub use cell::{Cell, Ranks};
pub use claim::ClaimRecord;
pub use curve::{CurveRow, Split};
pub use error::Error;
pub use evaluation::{EvalRow, StoryRow};
pub use held_out::{HeldOutRow, STORIES_FILE};
pub use planned::PlannedRow;
pub use rank::{Moment, RankRow};
pub use row::Row;
pub use run::{RunRecord, Status, read_runs};
pub use sample::SampleRow;
pub use sheet::{Cells, parse_rows, read_rows};
pub use summary::SummaryRecord;
pub use text::visible;
pub use tune::TuneRecord;
pub use twin::TwinRecord;
pub use write::{csv_header, csv_line, csv_text};
