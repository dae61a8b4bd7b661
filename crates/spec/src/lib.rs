//! From TOML files to resolved experiments.
//!
//! ```text
//! file, its `extends`, `--set`  →  Tree (values and where each was written)
//! Tree × [sweep] × seeds        →  RunSpec (every crate's section, resolved)
//! ```
//!
//! [`load_experiments`] is the way in: it gives each file's runs, or all that is wrong with them, each mistake at the
//! place where it was written. The sections themselves belong to the crates that use them (`lrx-data`, `lrx-model`,
//! `lrx-train`); this one composes them, gives runs their identities and labels, and describes the whole as a JSON
//! schema ([`schema`]).

mod error;
mod experiment;
mod files;
mod recover;
mod schema;
mod sweep;
mod tree;

pub use error::{ConfigError, ConfigErrors, ErrorKind, Place};
pub use experiment::{DataState, Experiment, RunSpec, load_builtin, load_experiments, missing_files};
pub use files::hint;
pub use schema::schema;
