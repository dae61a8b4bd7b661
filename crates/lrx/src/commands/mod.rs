//! One file a command: its arguments, and what it does.

mod about;
pub(crate) mod bench;
mod best;
pub(crate) mod common;
pub(crate) mod completions;
pub(crate) mod eval;
pub(crate) mod export;
pub(crate) mod generate;
pub(crate) mod layers;
pub(crate) mod list;
pub(crate) mod man;
pub(crate) mod optimizers;
pub(crate) mod plan;
pub(crate) mod prepare;
pub(crate) mod report;
pub(crate) mod rm;
pub(crate) mod rules;
pub(crate) mod run;
pub(crate) mod schema;
pub(crate) mod show;
pub(crate) mod submit;
pub(crate) mod tune;
pub(crate) mod watch;
