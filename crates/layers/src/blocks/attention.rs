//! Causal self-attention.

use std::num::NonZeroUsize;

use lrx_tensor::Activation;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::attend::Attend;
use super::fused::{linear_each, linear_onto};
use crate::{About, Block, BlockKind, BlockPlan, BlockShape, LinearShape, OptionError, Pass, Place, Slot};

/// `out(attention(q(x), k(x), v(x)))`
pub struct StandardAttention;

/// The options of `attention`. The defaults are GPT-Neo's.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AttentionOptions {
    /// How many tokens one sees at most, itself included; 0: all before it.
    #[serde(default)]
    pub window: usize,
    /// Heads of keys and values, each for as many heads of queries (Ainslie et al. 2023); unless given, as many as queries.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kv_heads: Option<NonZeroUsize>,
    /// Whether scores are divided by √head size, as in most models but GPT-Neo.
    #[serde(default)]
    pub scaled: bool,
    /// Which matrices have a bias.
    #[serde(default)]
    pub bias: AttentionBias,
}

/// Which matrices of attention have a bias.
#[derive(Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum AttentionBias {
    /// The output's only, as in GPT-Neo.
    #[default]
    Out,
    /// All, as in GPT-2.
    All,
    /// None, as in Llama.
    None,
}

struct Attention {
    q: Slot,
    k: Slot,
    v: Slot,
    out: Slot,
    attend: Attend,
}

impl BlockKind for StandardAttention {
    type Options = AttentionOptions;

    fn about(&self) -> About {
        About {
            name: "attention",
            version: 1,
            summary: "causal self-attention with a matrix each for queries, keys, values and output",
            description: "out(softmax(q kᵀ) v), head by head, each token over itself and those before it.\n\
                As it stands, GPT-Neo's: only `out` has a bias, and scores are not divided by √head size. GPT-2's has \
                scaled = true and bias = \"all\"; Llama's scaled = true, bias = \"none\", and often fewer kv_heads, in a model \
                with positions = \"rotary\".",
            example: "scaled = true\nkv_heads = 1",
        }
    }

    fn place(&self) -> Place {
        Place::Attention
    }

    fn slots(&self) -> &'static [&'static str] {
        &["q", "k", "v", "out"]
    }

    fn settle(&self, options: &mut AttentionOptions, shape: &BlockShape) {
        options.kv_heads = options.kv_heads.or(NonZeroUsize::new(shape.heads));
    }

    fn block(
        &self,
        options: &AttentionOptions,
        shape: &BlockShape,
        plan: &mut BlockPlan<'_>,
    ) -> Result<Box<dyn Block>, OptionError> {
        let attend = Attend::new(shape, options.kv_heads, options.scaled, options.window)?;
        let (hidden, kv) = (shape.hidden, attend.kv_features());
        let (inner, last) = match options.bias {
            AttentionBias::Out => (false, true),
            AttentionBias::All => (true, true),
            AttentionBias::None => (false, false),
        };
        plan.attends(attend.cost());
        Ok(Box::new(Attention {
            q: plan.slot("q", "q_proj", LinearShape { inputs: hidden, outputs: hidden, bias: inner })?,
            k: plan.slot("k", "k_proj", LinearShape { inputs: hidden, outputs: kv, bias: inner })?,
            v: plan.slot("v", "v_proj", LinearShape { inputs: hidden, outputs: kv, bias: inner })?,
            out: plan.last_slot("out", "out_proj", LinearShape { inputs: hidden, outputs: hidden, bias: last })?,
            attend,
        }))
    }
}

impl Block for Attention {
    fn forward(&self, pass: &Pass<'_>, x: Activation, residual: Option<Activation>) -> Activation {
        let [q, k, v] = linear_each([&self.q, &self.k, &self.v], pass, x);
        linear_onto(&self.out, pass, self.attend.forward(pass, q, k, v), residual)
    }

    fn continues(&self) -> bool {
        true
    }
}
