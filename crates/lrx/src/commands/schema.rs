//! `lrx schema`

use std::process::ExitCode;

use lrx_layers::Registry;

use crate::cli::Failure;
use crate::config::schema;
use crate::terminal::say;

pub(crate) fn schema_of_configs(registry: &Registry) -> Result<ExitCode, Failure> {
    say!("{:#}", schema(registry));
    Ok(ExitCode::SUCCESS)
}
