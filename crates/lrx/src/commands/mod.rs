//! One file a command: its arguments, and what it does.

pub(crate) mod bench;
pub(crate) mod common;
pub(crate) mod completions;
pub(crate) mod generate;
pub(crate) mod layers;
pub(crate) mod plan;
pub(crate) mod report;
pub(crate) mod run;
pub(crate) mod schema;
