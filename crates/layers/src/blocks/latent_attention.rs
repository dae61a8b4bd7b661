//! Attention whose keys and values come of one narrow vector a token.

use std::num::NonZeroUsize;

use lrx_tensor::Activation;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::attend::Attend;
use super::fused::{linear_each, linear_onto};
use crate::{About, Block, BlockKind, BlockPlan, BlockShape, LinearShape, OptionError, Pass, Place, Slot};

/// `out(attention(q(x), k_up(c), v_up(c)))` with `c = kv_down(x)`
pub struct LatentAttention;

/// The options of `latent-attention`.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LatentAttentionOptions {
    /// Features of the latent vector that keys and values are made of.
    pub latent: NonZeroUsize,
    /// How many tokens one sees at most, itself included; 0: all before it.
    #[serde(default)]
    pub window: usize,
    /// Whether scores are divided by √head size.
    #[serde(default)]
    pub scaled: bool,
    /// Whether the output has a bias.
    #[serde(default = "yes")]
    pub bias: bool,
}

fn yes() -> bool {
    true
}

struct Latent {
    q: Slot,
    kv_down: Slot,
    k_up: Slot,
    v_up: Slot,
    out: Slot,
    attend: Attend,
}

impl BlockKind for LatentAttention {
    type Options = LatentAttentionOptions;

    fn about(&self) -> About {
        About {
            name: "latent-attention",
            version: 1,
            summary: "causal self-attention whose keys and values share one narrow vector a token",
            description: "c = D x (`kv_down`: hidden → latent), k = U_k c, v = U_v c (`k_up`, `v_up`: latent → hidden), then as \
                `attention`: 3 · hidden · latent numbers in place of 2 · hidden².\n\
                Source: DeepSeek-AI, \"DeepSeek-V2\", 2024 (its joint compression of keys and values; rotary positions, where \
                the model has them, turn the whole key).",
            example: "latent = 4",
        }
    }

    fn place(&self) -> Place {
        Place::Attention
    }

    fn slots(&self) -> &'static [&'static str] {
        &["q", "kv_down", "k_up", "v_up", "out"]
    }

    fn block(
        &self,
        options: &LatentAttentionOptions,
        shape: &BlockShape,
        plan: &mut BlockPlan<'_>,
    ) -> Result<Box<dyn Block>, OptionError> {
        let attend = Attend::new(shape, None, options.scaled, options.window)?;
        let (hidden, latent) = (shape.hidden, options.latent.get());
        let linear = |inputs, outputs| LinearShape { inputs, outputs, bias: false };
        plan.attends(attend.cost());
        Ok(Box::new(Latent {
            q: plan.slot("q", "q_proj", linear(hidden, hidden))?,
            kv_down: plan.slot("kv_down", "kv_down_proj", linear(hidden, latent))?,
            k_up: plan.slot("k_up", "k_up_proj", linear(latent, hidden))?,
            v_up: plan.slot("v_up", "v_up_proj", linear(latent, hidden))?,
            out: plan.last_slot("out", "out_proj", LinearShape { bias: options.bias, ..linear(hidden, hidden) })?,
            attend,
        }))
    }
}

impl Block for Latent {
    fn forward(&self, pass: &Pass<'_>, x: Activation, residual: Option<Activation>) -> Activation {
        let [q, latent] = linear_each([&self.q, &self.kv_down], pass, x);
        let [k, v] = linear_each([&self.k_up, &self.v_up], pass, latent);
        linear_onto(&self.out, pass, self.attend.forward(pass, q, k, v), residual)
    }

    fn continues(&self) -> bool {
        true
    }
}
