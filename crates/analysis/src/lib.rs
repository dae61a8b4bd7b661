//! From the CSV files of experiments to statistics, tables, plots and reports.
//!
//! This crate knows no tensor: it reads `runs.csv` and `curves.csv` of one or more results folders ([`read_results`]),
//! groups runs that differ only in their seed ([`Configuration`]), says which configurations can be told apart
//! ([`compare`], [`Summary`], [`Frontier`]), and writes that down: [`text_table`] for a terminal, [`summary_csv`] and [`twins_csv`] for
//! scripts, [`plot`] for the eye, and [`report`] for all of it in one page.

mod claims;
mod comparable;
mod compare;
mod configuration;
mod error;
mod error_model;
mod experiment;
mod file;
mod format;
mod frontier;
mod held_out;
mod html;
mod naming;
mod notes;
pub mod plot;
mod power;
mod prose;
mod ranks;
mod references;
mod report;
mod runs_section;
pub mod scaling;
mod settings;
mod shown;
pub mod stats;
mod summary;
mod summary_csv;
mod sweep;
mod table;
mod tables;
mod text;
mod ties;
mod tuning;
mod twins_csv;

pub use claims::{Answer, Outcome};
pub use comparable::Part;
pub use compare::{Comparison, Judged, Method, Verdict, compare};
pub use configuration::{Configuration, tell_labels_apart};
pub use error::Error;
pub use error_model::ErrorModel;
pub use experiment::{Experiment, merged, read_experiment, read_results};
pub use frontier::{Frontier, Point, Size, Twin, Way, pareto_front};
pub use held_out::HeldOut;
pub use power::{detectable, power, seeds_for};
pub use report::{Format, Report, ReportOptions, report};
pub use summary::{Summary, SummaryRow};
pub use summary_csv::{summary_csv, write_summary_csv};
pub use sweep::{Sweep, SweepLine, sweeps};
pub use text::text_table;
pub use tuning::Withheld;
pub use twins_csv::twins_csv;
