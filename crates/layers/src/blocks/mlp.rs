//! The MLP of two matrices.

use std::num::NonZeroUsize;

use lrx_tensor::{Activation, ops};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ActivationName;
use super::fused::linear_onto;
use crate::{About, Block, BlockKind, BlockPlan, BlockShape, LinearShape, OptionError, Pass, Place, Slot};

/// `c_proj(activation(c_fc(x)))`
pub struct StandardMlp;

/// The options of `mlp`. The defaults are GPT-Neo's.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MlpOptions {
    /// Features between the two matrices; 4 · hidden unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inner: Option<NonZeroUsize>,
    /// The function between the two matrices.
    #[serde(default = "gelu_tanh")]
    pub activation: ActivationName,
    /// Whether the matrices have a bias.
    #[serde(default = "yes")]
    pub bias: bool,
}

fn gelu_tanh() -> ActivationName {
    ActivationName::GeluTanh
}

fn yes() -> bool {
    true
}

struct Mlp {
    c_fc: Slot,
    c_proj: Slot,
    activation: ops::Nonlinearity,
}

impl BlockKind for StandardMlp {
    type Options = MlpOptions;

    fn about(&self) -> About {
        About {
            name: "mlp",
            version: 1,
            summary: "two matrices with an activation between them",
            description: "c_proj(activation(c_fc(x))), c_fc: hidden → inner, c_proj: inner → hidden.",
            example: "inner = 12\nactivation = \"silu\"",
        }
    }

    fn place(&self) -> Place {
        Place::Mlp
    }

    fn slots(&self) -> &'static [&'static str] {
        &["c_fc", "c_proj"]
    }

    fn settle(&self, options: &mut MlpOptions, shape: &BlockShape) {
        options.inner = options.inner.or(NonZeroUsize::new(4 * shape.hidden));
    }

    fn block(
        &self,
        options: &MlpOptions,
        shape: &BlockShape,
        plan: &mut BlockPlan<'_>,
    ) -> Result<Box<dyn Block>, OptionError> {
        let (hidden, bias) = (shape.hidden, options.bias);
        let inner = options.inner.map_or(4 * hidden, NonZeroUsize::get);
        let c_fc = plan.slot("c_fc", "c_fc", LinearShape { inputs: hidden, outputs: inner, bias })?;
        let c_proj = plan.last_slot("c_proj", "c_proj", LinearShape { inputs: inner, outputs: hidden, bias })?;
        Ok(Box::new(Mlp { c_fc, c_proj, activation: options.activation.into() }))
    }
}

impl Block for Mlp {
    fn forward(&self, pass: &Pass<'_>, x: Activation, residual: Option<Activation>) -> Activation {
        match (residual, self.c_fc.chain(pass), self.c_proj.chain(pass)) {
            (Some(residual), Some(c_fc), Some(c_proj)) => {
                let h = c_fc.after_first(pass, ops::linear(x, c_fc.first(pass), None));
                let h = ops::nonlinear_linear(h, c_fc.bias(pass), c_proj.first(pass), self.activation);
                ops::add_with_bias(residual, c_proj.after_first(pass, h), c_proj.bias(pass))
            }
            (residual, ..) => {
                let h = ops::nonlinear(self.c_fc.forward(pass, x), self.activation);
                linear_onto(&self.c_proj, pass, h, residual)
            }
        }
    }

    fn continues(&self) -> bool {
        true // Token by token anyway.
    }
}
