//! A block of our own with slots that any linear kind fits: `c_proj(σ(gate(x)) ∘ c_fc(x))`, the first of the gated MLPs
//! (Dauphin et al. 2017), written with dfdx's operations where lrx has none.

use lrx::layers::{About, Block, BlockKind, BlockPlan, BlockShape, LinearShape, OptionError, Pass, Place, Slot, onto};
use lrx::tensor::{Activation, ops};

/// The block, as the registry knows it.
pub struct GatedMlpOfAny;

/// What stands beside `block = "sigmoid-gated-mlp"` in a config.
#[derive(serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Options {
    /// Features inside.
    inner: usize,
}

struct Gated {
    gate: Slot,
    c_fc: Slot,
    c_proj: Slot,
}

impl BlockKind for GatedMlpOfAny {
    type Options = Options;

    fn about(&self) -> About {
        About {
            name: "sigmoid-gated-mlp",
            version: 1,
            summary: "an MLP whose features are gated by a sigmoid",
            description: "c_proj(σ(gate(x)) ∘ c_fc(x)), gate, c_fc: hidden → inner, c_proj: inner → hidden, with bias.",
            example: "inner = 12",
        }
    }

    fn place(&self) -> Place {
        Place::Mlp
    }

    fn slots(&self) -> &'static [&'static str] {
        &["gate", "c_fc", "c_proj"]
    }

    fn block(&self, o: &Options, shape: &BlockShape, plan: &mut BlockPlan<'_>) -> Result<Box<dyn Block>, OptionError> {
        if o.inner == 0 {
            return Err(OptionError::new("inner", "`inner` is 0; expected a whole number of at least 1"));
        }
        let into = LinearShape { inputs: shape.hidden, outputs: o.inner, bias: true };
        let out = LinearShape { inputs: o.inner, outputs: shape.hidden, bias: true };
        Ok(Box::new(Gated {
            gate: plan.slot("gate", "gate", into)?,
            c_fc: plan.slot("c_fc", "c_fc", into)?,
            c_proj: plan.last_slot("c_proj", "c_proj", out)?,
        }))
    }
}

impl Block for Gated {
    fn forward(&self, pass: &Pass<'_>, x: Activation, residual: Option<Activation>) -> Activation {
        let (gate, value) = (self.gate.forward(pass, x.clone()), self.c_fc.forward(pass, x));
        let gated = ops::with_dfdx([gate, value], [], |[gate, value], []| gate.sigmoid() * value);
        onto(residual, self.c_proj.forward(pass, gated))
    }

    fn continues(&self) -> bool {
        true // Token by token.
    }
}
