//! The `lrx` binary: the library with the built-in layer kinds.

use std::process::ExitCode;

fn main() -> ExitCode {
    lrx::main_with(|_| Ok(()))
}
