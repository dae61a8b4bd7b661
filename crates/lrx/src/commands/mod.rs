//! One file a command.

pub(crate) mod bench;
pub(crate) mod generate;
pub(crate) mod layers;
pub(crate) mod plan;
pub(crate) mod report;
pub(crate) mod run;
pub(crate) mod schema;
