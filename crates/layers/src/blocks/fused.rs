//! Linear layers together with what stands beside them, where they are chains of matrices.

use lrx_tensor::{Activation, ops};

use crate::{Linear, Pass};

/// `layer.forward(pass, x)` for each of the layers: their first matrices are applied to x at once.
pub(super) fn linear_each<const N: usize>(layers: [&dyn Linear; N], pass: &Pass<'_>, x: Activation) -> [Activation; N] {
    let chains = layers.map(|layer| layer.chain().filter(|chain| chain.bias.is_none()));
    let firsts: Vec<_> = chains.iter().flatten().map(|chain| chain.first(pass)).collect();
    if firsts.len() < N {
        return layers.map(|layer| layer.forward(pass, x.clone()));
    }
    let mut ys = ops::linear_each(x, &firsts).into_iter();
    chains.map(|chain| {
        let y = ys.next().expect("an output of each matrix");
        chain.expect("all are chains").after_first(pass, y)
    })
}

/// `residual + layer.forward(pass, x)`: the bias is added with the residual.
pub(super) fn add_linear(layer: &dyn Linear, pass: &Pass<'_>, residual: Activation, x: Activation) -> Activation {
    let Some(chain) = layer.chain() else { return ops::add(residual, layer.forward(pass, x)) };
    let y = chain.after_first(pass, ops::linear(x, chain.first(pass), None));
    ops::add_with_bias(residual, y, chain.bias(pass))
}
