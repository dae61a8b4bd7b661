//! lrx: train small language models whose attention and MLP matrices are low-rank or otherwise structured.
//!
//! This crate wires the others together: it parses the command line and configs, and prints. A binary of your own that
//! knows your layer kinds is three lines:
//!
//! ```no_run
//! fn main() -> std::process::ExitCode {
//!     lrx::main_with(|registry| registry.register(lrx::layers::kinds::Dense)) // your kind here
//! }
//! ```

mod claims;
mod cli;
mod commands;
mod corpus;
mod events;
mod failure;
mod find;
mod lease;
mod listed;
mod manifest;
mod memory;
mod outlook;
mod planned;
mod progress;
mod results;
mod runs;
mod share;
mod shell;
mod signals;
mod tables;
mod terminal;
mod threads;
mod trained;
mod tuned;
mod turn;

use std::process::ExitCode;

use lrx_layers::{DuplicateKind, Registry};
use lrx_tensor::allocator::Allocator;

use crate::terminal::tell;
pub use lrx_layers as layers;
pub use lrx_tensor as tensor;
pub use lrx_train as train;

#[global_allocator]
static ALLOCATOR: Allocator = Allocator;

/// How many runs a config with the built-in kinds describes, given as text; files that it names are looked for in the
/// current folder.
///
/// # Errors
/// All that is wrong with it, as `lrx plan` would say.
pub fn check_config(text: &str) -> Result<usize, String> {
    let experiment = lrx_spec::load_builtin("config", text, &[], &Registry::builtin());
    experiment.map(|experiment| experiment.runs.len()).map_err(|errors| errors.to_string())
}

/// The `lrx` command with the built-in kinds and those that `register` adds.
pub fn main_with(register: impl FnOnce(&mut Registry) -> Result<(), DuplicateKind>) -> ExitCode {
    signals::survive_the_limit_of_file_sizes();
    let mut registry = Registry::builtin();
    if let Err(error) = register(&mut registry) {
        tell!("error: {error}");
        return ExitCode::from(2);
    }
    cli::main(&registry)
}
