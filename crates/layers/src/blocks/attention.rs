//! GPT-Neo's causal self-attention.

use std::sync::Arc;

use lrx_tensor::{Activation, Matrix, activation, ops, values};
use toml::Table;

use super::fused::{add_linear, linear_each};
use super::{Slot, Slots, resolve_slots};
use crate::{
    Block, BlockShape, BlockSpec, Builder, Linear, LinearShape, OptionError, Parameters, Pass, Past, Registry,
};

/// `out(attention(q(x), k(x), v(x)))`; q, k and v have no bias, out has one; scores are not divided by √head size.
struct Attention {
    q: Box<dyn Linear>,
    k: Box<dyn Linear>,
    v: Box<dyn Linear>,
    out: Box<dyn Linear>,
    shape: ops::AttentionShape,
}

impl Attention {
    fn attended(&self, pass: &Pass<'_>, x: Activation) -> Activation {
        let [q, k, v] = linear_each([&*self.q, &*self.k, &*self.v], pass, x);
        ops::attention(q, k, v, pass.offsets, &self.shape)
    }
}

impl Block for Attention {
    fn forward(&self, pass: &Pass<'_>, x: Activation) -> Activation {
        self.out.forward(pass, self.attended(pass, x))
    }

    fn forward_onto(&self, pass: &Pass<'_>, residual: Activation, x: Activation) -> Activation {
        let y = self.attended(pass, x);
        add_linear(&*self.out, pass, residual, y)
    }

    fn extend(&self, pass: &Pass<'_>, x: Activation, past: &mut Past) -> Option<Activation> {
        let [q, k, v] = linear_each([&*self.q, &*self.k, &*self.v], pass, x);
        past.keys.extend_from_slice(values(&k));
        past.values.extend_from_slice(values(&v));
        let (q, tape) = q.split_tape();
        let y = ops::attention_continued(&q, &past.keys, &past.values, &self.shape);
        Some(self.out.forward(pass, activation(y, &tape)))
    }

    fn matrices(&self, parameters: &Parameters) -> Vec<(&'static str, Matrix)> {
        let slots = [("q_proj", &self.q), ("k_proj", &self.k), ("v_proj", &self.v), ("out_proj", &self.out)];
        slots.map(|(name, linear)| (name, linear.dense_equivalent(parameters))).into()
    }
}

/// The slots of the standard attention, as a config names them.
pub(crate) const ATTENTION_SLOTS: [&str; 4] = ["q", "k", "v", "out"];

/// Standard attention whose four matrices are of a linear kind.
pub(crate) fn standard_attention(
    registry: &Registry,
    kind: &str,
    options: Table,
    shape: &BlockShape,
) -> Result<BlockSpec, OptionError> {
    let &BlockShape { hidden, heads, window, .. } = shape;
    let [q, k, v, out] = ATTENTION_SLOTS;
    let slot = |key, weights, bias| {
        let shape = LinearShape { inputs: hidden, outputs: hidden, bias };
        Slot { key, weights, shape }
    };
    let slots =
        [slot(q, "q_proj", false), slot(k, "k_proj", false), slot(v, "v_proj", false), slot(out, "out_proj", true)];
    let Slots { specs, kind, rank, options, cost } = resolve_slots(registry, kind, options, &slots)?;
    let build = move |builder: &mut Builder<'_>| -> Box<dyn Block> {
        let mut layers = specs.iter().zip(&slots).map(|(spec, slot)| spec.build(&mut builder.scope(slot.weights)));
        let mut next = || layers.next().expect("four slots");
        let shape = ops::AttentionShape { window, ..ops::AttentionShape::new(heads) };
        Box::new(Attention { q: next(), k: next(), v: next(), out: next(), shape })
    };
    Ok(BlockSpec { kind, rank, options, cost, build: Arc::new(build) })
}
