//! From TOML files to resolved experiments.
//!
//! ```text
//! file, its `extends`, `--set`  →  Tree     values and where each was written
//! Tree × [sweep]                →  Point    what all share, and the few keys that this one sets
//! Point, section by section     →  specs    resolved by the crates that own them, each different one once
//! specs × seeds                 →  RunSpec  with identity and label
//! ```
//!
//! [`load_experiments`] is the way in: it gives each file's runs, or all that is wrong with them, each mistake at the
//! place where it was written. [`load_tuning`] gives the same configurations as `lrx tune` takes them: without the key that it
//! finds a value for. The sections themselves belong to the crates that use them (`lrx-data`, `lrx-model`,
//! `lrx-train`); this one composes them, gives runs their identities and labels, and describes the whole as a JSON
//! schema ([`schema`]).

mod claim;
mod compare;
mod corpora;
mod error;
mod experiment;
mod files;
mod identity;
mod label;
mod log;
mod names;
mod point;
mod read;
mod recover;
mod repeats;
mod schema;
mod sections;
mod solve;
mod sources;
mod sweep;
mod tree;
mod tuned;
mod tuning;

pub use claim::Claim;
pub use compare::Solved;
pub use corpora::{CorpusSource, NoCorpora, NoCorpus};
pub use error::{ConfigError, ConfigErrors, ErrorKind, Place};
pub use experiment::{
    Beside, Experiment, RunSpec, load_builtin, load_experiments, load_experiments_beside, missing_files,
};
pub use files::hint;
pub use identity::NUMERICS;
pub use log::LogConfig;
pub use schema::schema;
pub use sections::DataState;
pub use sources::sources;
pub use tuned::{LEARNING_RATE, NothingTuned, Tuned, TunedValues};
pub use tuning::{Alternatives, Tuning, Untuned, Variant, load_tuning};
