//! Linear layers together with what stands beside them, where they are chains of matrices.

use lrx_tensor::{Activation, ops};

use crate::{Pass, Slot};

/// `slot.forward(pass, x)` for each of the slots: their first matrices are applied to x at once.
pub(super) fn linear_each<const N: usize>(slots: [&Slot; N], pass: &Pass<'_>, x: Activation) -> [Activation; N] {
    let chains = slots.map(|slot| slot.chain(pass).filter(|chain| chain.bias.is_none()));
    let firsts: Vec<_> = chains.iter().flatten().map(|chain| chain.first(pass)).collect();
    if firsts.len() < N {
        return slots.map(|slot| slot.forward(pass, x.clone()));
    }
    let mut ys = ops::linear_each(x, &firsts).into_iter();
    chains.map(|chain| {
        let y = ys.next().expect("an output of each matrix");
        chain.expect("all are chains").after_first(pass, y)
    })
}

/// `slot.forward(pass, x)`, added to `residual` where there is one: the bias is added with it.
pub(super) fn linear_onto(slot: &Slot, pass: &Pass<'_>, x: Activation, residual: Option<Activation>) -> Activation {
    match (residual, slot.chain(pass)) {
        (Some(residual), Some(chain)) => {
            let y = chain.after_first(pass, ops::linear(x, chain.first(pass), None));
            ops::add_with_bias(residual, y, chain.bias(pass))
        }
        (Some(residual), None) => ops::add(residual, slot.forward(pass, x)),
        (None, _) => slot.forward(pass, x),
    }
}
