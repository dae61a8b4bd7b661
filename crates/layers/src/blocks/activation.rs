//! The activations of MLPs as configs name them.

use lrx_tensor::ops::Nonlinearity;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The function between the matrices of an MLP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ActivationName {
    /// GELU by its approximation with tanh, as in GPT-2 and GPT-Neo.
    GeluTanh,
    /// x Φ(x), with the normal distribution's Φ (Hendrycks & Gimpel 2016).
    Gelu,
    /// x σ(x), also called swish.
    Silu,
    /// max(x, 0).
    Relu,
    /// max(x, 0)² (So et al. 2021).
    Relu2,
}

impl From<ActivationName> for Nonlinearity {
    fn from(name: ActivationName) -> Self {
        match name {
            ActivationName::GeluTanh => Nonlinearity::GeluTanh,
            ActivationName::Gelu => Nonlinearity::Gelu,
            ActivationName::Silu => Nonlinearity::Silu,
            ActivationName::Relu => Nonlinearity::Relu,
            ActivationName::Relu2 => Nonlinearity::Relu2,
        }
    }
}
