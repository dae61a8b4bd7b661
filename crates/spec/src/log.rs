//! `[log]`: what is written of a run beside its curve, for other programs. It is no part of what a run is known by.

use schemars::JsonSchema;
use serde::Deserialize;

/// `[log]`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LogConfig {
    /// Also write what the curve has as TensorBoard's events, into the run's folder. Default false.
    pub tensorboard: bool,
}
