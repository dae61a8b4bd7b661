//! GPT-Neo's MLP.

use std::sync::Arc;

use lrx_tensor::{Activation, Matrix, ops};
use toml::Table;

use super::{Slot, Slots, resolve_slots};
use crate::{
    Block, BlockShape, BlockSpec, Builder, Linear, LinearShape, OptionError, Parameters, Pass, Past, Registry,
};

/// `c_proj(gelu(c_fc(x)))`, both with bias.
struct Mlp {
    c_fc: Box<dyn Linear>,
    c_proj: Box<dyn Linear>,
}

impl Block for Mlp {
    fn forward(&self, pass: &Pass<'_>, x: Activation) -> Activation {
        self.c_proj.forward(pass, ops::gelu(self.c_fc.forward(pass, x)))
    }

    fn forward_onto(&self, pass: &Pass<'_>, residual: Activation, x: Activation) -> Activation {
        let (Some(c_fc), Some(c_proj)) = (self.c_fc.chain(), self.c_proj.chain()) else {
            return ops::add(residual, self.forward(pass, x));
        };
        let h = c_fc.after_first(pass, ops::linear(x, c_fc.first(pass), None));
        let y = c_proj.after_first(pass, ops::gelu_linear(h, c_fc.bias(pass), c_proj.first(pass)));
        ops::add_with_bias(residual, y, c_proj.bias(pass))
    }

    fn extend(&self, pass: &Pass<'_>, x: Activation, _: &mut Past) -> Option<Activation> {
        Some(self.forward(pass, x)) // Token by token anyway.
    }

    fn matrices(&self, parameters: &Parameters) -> Vec<(&'static str, Matrix)> {
        [("c_fc", &self.c_fc), ("c_proj", &self.c_proj)]
            .map(|(name, linear)| (name, linear.dense_equivalent(parameters)))
            .into()
    }
}

/// The slots of the standard MLP, as a config names them.
pub(crate) const MLP_SLOTS: [&str; 2] = ["c_fc", "c_proj"];

/// The standard MLP whose two matrices are of a linear kind.
pub(crate) fn standard_mlp(
    registry: &Registry,
    kind: &str,
    options: Table,
    shape: &BlockShape,
) -> Result<BlockSpec, OptionError> {
    let &BlockShape { hidden, inner, .. } = shape;
    let [c_fc, c_proj] = MLP_SLOTS;
    let slots = [
        Slot { key: c_fc, weights: c_fc, shape: LinearShape { inputs: hidden, outputs: inner, bias: true } },
        Slot { key: c_proj, weights: c_proj, shape: LinearShape { inputs: inner, outputs: hidden, bias: true } },
    ];
    let Slots { specs, kind, rank, options, cost } = resolve_slots(registry, kind, options, &slots)?;
    let build = move |builder: &mut Builder<'_>| -> Box<dyn Block> {
        let [c_fc, c_proj] = [0, 1].map(|i| specs[i].build(&mut builder.scope(slots[i].weights)));
        Box::new(Mlp { c_fc, c_proj })
    };
    Ok(BlockSpec { kind, rank, options, cost, build: Arc::new(build) })
}
