//! The MLP whose inner features are gated.

use std::num::NonZeroUsize;

use lrx_tensor::{Activation, ops};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ActivationName;
use super::fused::{linear_each, linear_onto};
use crate::{About, Block, BlockKind, BlockPlan, BlockShape, LinearShape, OptionError, Pass, Place, Slot};

/// `c_proj(activation(gate(x)) ∘ c_fc(x))`
pub struct GatedMlp;

/// The options of `gated-mlp`.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GatedMlpOptions {
    /// Features inside; unless given ⌊8 · hidden / 3⌋, with which its three matrices are as large as the two of `mlp`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inner: Option<NonZeroUsize>,
    /// The function of the gate.
    #[serde(default = "silu")]
    pub activation: ActivationName,
    /// Whether the matrices have a bias.
    #[serde(default)]
    pub bias: bool,
}

fn silu() -> ActivationName {
    ActivationName::Silu
}

struct Gated {
    gate: Slot,
    c_fc: Slot,
    c_proj: Slot,
    activation: ops::Nonlinearity,
}

impl BlockKind for GatedMlp {
    type Options = GatedMlpOptions;

    fn about(&self) -> About {
        About {
            name: "gated-mlp",
            version: 1,
            summary: "three matrices, one of which gates another",
            description: "c_proj(activation(gate(x)) ∘ c_fc(x)), gate, c_fc: hidden → inner, c_proj: inner → hidden. With silu it \
                is SwiGLU, as in Llama; with gelu GEGLU.\n\
                Source: Shazeer, \"GLU Variants Improve Transformer\", 2020.",
            example: "inner = 12",
        }
    }

    fn place(&self) -> Place {
        Place::Mlp
    }

    fn slots(&self) -> &'static [&'static str] {
        &["gate", "c_fc", "c_proj"]
    }

    fn settle(&self, options: &mut GatedMlpOptions, shape: &BlockShape) {
        options.inner = options.inner.or(NonZeroUsize::new((8 * shape.hidden / 3).max(1)));
    }

    fn block(
        &self,
        options: &GatedMlpOptions,
        shape: &BlockShape,
        plan: &mut BlockPlan<'_>,
    ) -> Result<Box<dyn Block>, OptionError> {
        let (hidden, bias) = (shape.hidden, options.bias);
        let inner = options.inner.map_or((8 * hidden / 3).max(1), NonZeroUsize::get);
        let into = LinearShape { inputs: hidden, outputs: inner, bias };
        Ok(Box::new(Gated {
            gate: plan.slot("gate", "gate", into)?,
            c_fc: plan.slot("c_fc", "c_fc", into)?,
            c_proj: plan.last_slot("c_proj", "c_proj", LinearShape { inputs: inner, outputs: hidden, bias })?,
            activation: options.activation.into(),
        }))
    }
}

impl Block for Gated {
    fn forward(&self, pass: &Pass<'_>, x: Activation, residual: Option<Activation>) -> Activation {
        let [gate, value] = linear_each([&self.gate, &self.c_fc], pass, x);
        linear_onto(&self.c_proj, pass, ops::gated(gate, value, self.activation), residual)
    }

    fn continues(&self) -> bool {
        true
    }
}
