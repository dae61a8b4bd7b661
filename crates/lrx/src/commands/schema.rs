//! `lrx schema`

use std::process::ExitCode;

use lrx_layers::Registry;

use crate::cli::Failure;
use crate::terminal::say;
use lrx_spec::schema;

pub(crate) fn schema_of_configs(registry: &Registry) -> Result<ExitCode, Failure> {
    say!("{:#}", schema(registry));
    Ok(ExitCode::SUCCESS)
}
