//! From config files to runs: reading with origins, overriding, sweeping, resolving.
//!
//! ```text
//! file, its `extends`, `--set`  →  Tree (values and where each was written)
//! Tree × [sweep] × seeds        →  RunSpec (every crate's section, resolved)
//! ```

mod error;
mod experiment;
mod files;
mod recover;
mod schema;
mod sweep;
mod tree;

pub use error::ConfigError;
pub use experiment::{DataState, Experiment, RunSpec, load_builtin, load_experiments, missing_files};
pub(crate) use files::hint;
pub(crate) use schema::schema;
