//! `lrx schema`

use std::process::ExitCode;

use lrx_layers::Registry;
use lrx_spec::schema;

use crate::failure::Failure;
use crate::terminal::write_data;

pub(crate) fn schema_of_configs(registry: &Registry) -> Result<ExitCode, Failure> {
    write_data(&format!("{:#}\n", schema(registry)));
    Ok(ExitCode::SUCCESS)
}
