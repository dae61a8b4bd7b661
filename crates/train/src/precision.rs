//! The precision of matrix products as configs name it.

use lrx_tensor::Precision;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How the operands of matrix products are rounded, in training and in evaluation. Weights, activations, gradients, the
/// optimizer's moments, attention's own products, norms, softmax and losses are f32 in any case, and so are all sums.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PrecisionName {
    /// Not at all.
    #[default]
    F32,
    /// To bfloat16: about twice as fast where the processor has AMX-BF16 or a fast AVX512_BF16; slower than f32 where not.
    Bf16,
}

impl PrecisionName {
    /// The word that configs and `runs.csv` have for it.
    pub fn name(self) -> &'static str {
        Precision::from(self).name()
    }
}

impl From<PrecisionName> for Precision {
    fn from(name: PrecisionName) -> Self {
        match name {
            PrecisionName::F32 => Precision::F32,
            PrecisionName::Bf16 => Precision::Bf16,
        }
    }
}
