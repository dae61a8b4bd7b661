//! Nonlinearities, element by element, alone and together with their neighbours.

mod functions;
mod gated;
mod linear;

use std::fmt;

use rayon::prelude::*;

use crate::buffer::mapped;
use crate::simd::vectorised;
use crate::{Activation, ActivationId, Node, dims, values};
use functions::{Function, of_kind};
pub use gated::gated;
pub use linear::nonlinear_linear;

/// Numbers that one thread works on at a time.
const BLOCK: usize = 1 << 13;

/// A function of one number, between two matrices.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Nonlinearity {
    /// `½ x (1 + tanh(√(2/π) (x + 0.044715 x³)))`: GPT-2's and GPT-Neo's `gelu_new` (Hendrycks & Gimpel 2016).
    #[default]
    GeluTanh,
    /// `x Φ(x) = ½ x (1 + erf(x / √2))`: the exact GELU (Hendrycks & Gimpel 2016).
    Gelu,
    /// `x / (1 + e⁻ˣ)`: SiLU, also Swish (Hendrycks & Gimpel 2016, Ramachandran et al. 2017); gated, SwiGLU.
    Silu,
    /// `max(x, 0)`; its derivative at 0 is 0.
    Relu,
    /// `max(x, 0)²` (So et al. 2021).
    Relu2,
}

impl Nonlinearity {
    /// Every one there is.
    pub const ALL: [Self; 5] = [Self::GeluTanh, Self::Gelu, Self::Silu, Self::Relu, Self::Relu2];

    /// Its name in a config.
    pub fn name(self) -> &'static str {
        match self {
            Self::GeluTanh => "gelu-tanh",
            Self::Gelu => "gelu",
            Self::Silu => "silu",
            Self::Relu => "relu",
            Self::Relu2 => "relu2",
        }
    }

    /// The one of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

impl fmt::Display for Nonlinearity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// `f(x)`, element by element.
///
/// Gradient: dx = dy ∘ f′(x).
pub fn nonlinear(x: Activation, kind: Nonlinearity) -> Activation {
    let (x, mut tape) = x.split_tape();
    let (tokens, features) = dims(&x);
    let y = Node::new(of_kind!(kind, F => applied::<F>(values(&x))), tokens, features);

    if tape.is_recording() {
        let output = ActivationId::from(&y);
        tape.record(move |gradients| {
            let mut dx = gradients.take(output);
            of_kind!(kind, F => multiply_by_derivative::<F>(&mut dx, values(&x)));
            gradients.of(&x).add(dx);
        });
    }
    y.put_tape(tape)
}

/// [`nonlinear`] of [`Nonlinearity::GeluTanh`].
pub fn gelu(x: Activation) -> Activation {
    nonlinear(x, Nonlinearity::GeluTanh)
}

fn applied<F: Function>(x: &[f32]) -> Vec<f32> {
    // SAFETY: every number of a block is written.
    unsafe {
        mapped(x, BLOCK, |y, x| {
            vectorised(
                #[inline(always)]
                || {
                    for (y, &x) in y.iter_mut().zip(x) {
                        y.write(F::value(x));
                    }
                },
            );
        })
    }
}

/// dy becomes dx.
fn multiply_by_derivative<F: Function>(dy: &mut [f32], x: &[f32]) {
    dy.par_chunks_mut(BLOCK).zip(x.par_chunks(BLOCK)).for_each(|(dy, x)| {
        vectorised(
            #[inline(always)]
            || {
                for (dy, &x) in dy.iter_mut().zip(x) {
                    *dy *= F::value_and_derivative(x).1;
                }
            },
        );
    });
}
