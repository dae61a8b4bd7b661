//! The functions and their derivatives, without branches and calls, so that loops over them become SIMD code.

use crate::simd::{exp, sigmoid};

/// A function of one number.
pub(super) trait Function {
    /// The value alone.
    fn value(x: f32) -> f32;

    /// The value and the derivative.
    fn value_and_derivative(x: f32) -> (f32, f32);
}

/// `$call`, compiled for each function, for the one that `$kind` names.
macro_rules! of_kind {
    ($kind:expr, $F:ident => $call:expr) => {{
        use $crate::ops::nonlinear::functions;
        match $kind {
            $crate::ops::Nonlinearity::GeluTanh => {
                type $F = functions::GeluTanh;
                $call
            }
            $crate::ops::Nonlinearity::Gelu => {
                type $F = functions::Gelu;
                $call
            }
            $crate::ops::Nonlinearity::Silu => {
                type $F = functions::Silu;
                $call
            }
            $crate::ops::Nonlinearity::Relu => {
                type $F = functions::Relu;
                $call
            }
            $crate::ops::Nonlinearity::Relu2 => {
                type $F = functions::Relu2;
                $call
            }
        }
    }};
}
pub(super) use of_kind;

/// √(2/π)
const SCALE: f32 = 0.797_884_6;
const CUBIC: f32 = 0.044_715;

pub(super) struct GeluTanh;

impl GeluTanh {
    /// ½ (1 + tanh u) = σ(2u), which unlike the left side keeps its precision where it is small.
    #[inline(always)]
    fn gate(x: f32) -> f32 {
        sigmoid(2.0 * SCALE * x * (CUBIC * x).mul_add(x, 1.0))
    }
}

impl Function for GeluTanh {
    #[inline(always)]
    fn value(x: f32) -> f32 {
        x * Self::gate(x)
    }

    #[inline(always)]
    fn value_and_derivative(x: f32) -> (f32, f32) {
        let gate = Self::gate(x);
        let inner_derivative = 2.0 * SCALE * (3.0 * CUBIC * x).mul_add(x, 1.0);
        (x * gate, (x * (1.0 - gate) * inner_derivative).mul_add(gate, gate))
    }
}

pub(super) struct Gelu;

impl Function for Gelu {
    #[inline(always)]
    fn value(x: f32) -> f32 {
        x * normal(x).0
    }

    #[inline(always)]
    fn value_and_derivative(x: f32) -> (f32, f32) {
        let (below, density) = normal(x);
        (x * below, x.mul_add(density, below))
    }
}

/// Φ(x) and φ(x), the distribution function and the density of the standard normal distribution, with a relative error
/// below 6e-7 for |x| ≤ 12.5; both are 0 (or 1) beyond 13.2.
///
/// Φ(−a) = e^(−a²/2) · p(s) / (a + 3.5) for a ≥ 0, with s = (a − 3.5) / (a + 3.5), which takes 0 … ∞ to −1 … 1, and p the
/// polynomial of degree 9 that is nearest in relative error (7e-9 for a ≤ 14).
#[inline(always)]
fn normal(x: f32) -> (f32, f32) {
    const CENTRE: f32 = 3.5;
    const INVERSE_SQRT_2PI: f32 = 0.398_942_3;
    let a = x.abs();
    let a = if a > 14.0 { 14.0 } else { a };
    // The exponent is up to 98, so that its rounding error would be up to 4e-6 of the exponential: it is made good.
    let half = 0.5 * a;
    let exponent = half * a;
    let error = half.mul_add(a, -exponent);
    let e = exp(-exponent);
    let e = e.mul_add(-error, e);
    let t = 1.0 / (a + CENTRE);
    let s = t.mul_add(-2.0 * CENTRE, 1.0);
    let mut p = 1.127_358_9e-4;
    p = s.mul_add(p, 4.256_593_6e-4);
    p = s.mul_add(p, -4.946_531e-4);
    p = s.mul_add(p, -3.177_796_7e-3);
    p = s.mul_add(p, 6.492_409e-3);
    p = s.mul_add(p, 1.740_690_9e-2);
    p = s.mul_add(p, -0.116_052_896);
    p = s.mul_add(p, 0.315_425);
    p = s.mul_add(p, -0.565_561_8);
    p = s.mul_add(p, 0.744_416_06);
    let tail = e * (p * t);
    (if x > 0.0 { 1.0 - tail } else { tail }, e * INVERSE_SQRT_2PI)
}

pub(super) struct Silu;

impl Function for Silu {
    #[inline(always)]
    fn value(x: f32) -> f32 {
        x * sigmoid(x)
    }

    #[inline(always)]
    fn value_and_derivative(x: f32) -> (f32, f32) {
        let gate = sigmoid(x);
        (x * gate, (x * (1.0 - gate)).mul_add(gate, gate))
    }
}

/// What is not below zero: NaN stays NaN.
#[inline(always)]
fn positive_part(x: f32) -> f32 {
    if x <= 0.0 { 0.0 } else { x }
}

pub(super) struct Relu;

impl Function for Relu {
    #[inline(always)]
    fn value(x: f32) -> f32 {
        positive_part(x)
    }

    #[inline(always)]
    fn value_and_derivative(x: f32) -> (f32, f32) {
        (positive_part(x), if x <= 0.0 { 0.0 } else { 1.0 })
    }
}

pub(super) struct Relu2;

impl Function for Relu2 {
    #[inline(always)]
    fn value(x: f32) -> f32 {
        positive_part(x) * positive_part(x)
    }

    #[inline(always)]
    fn value_and_derivative(x: f32) -> (f32, f32) {
        let positive = positive_part(x);
        (positive * positive, 2.0 * positive)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// x, and Φ(x) by Python's `0.5 * math.erfc(-x / math.sqrt(2))`, which keeps its precision where it is small.
    const NORMAL: [(f32, f64); 33] = [
        (-12.5, 3.73256429887781e-36),
        (-11.0, 1.910659574498683e-28),
        (-9.7, 1.5074959869118136e-22),
        (-8.3, 5.2055613875829153e-17),
        (-7.0, 1.279812543885835e-12),
        (-6.1, 5.303426427130741e-10),
        (-5.5, 1.8989562465887738e-08),
        (-4.9, 4.791830439929526e-07),
        (-4.2, 1.334576025840882e-05),
        (-3.7, 0.00010779971322228846),
        (-3.1, 0.0009676035247665475),
        (-2.6, 0.004661189319091802),
        (-2.2, 0.013903445821938304),
        (-1.7, 0.044565458273933774),
        (-1.3, 0.09680049275710184),
        (-0.9, 0.18406013169072627),
        (-0.6, 0.27425310980538),
        (-0.35, 0.3631693510609877),
        (-0.2, 0.42074028939549896),
        (-0.05, 0.4800611938647637),
        (-0.001, 0.4996010577671402),
        (0.0, 0.5),
        (0.001, 0.5003989422328597),
        (0.04, 0.5159534364964338),
        (0.3, 0.6179114267354496),
        (0.7, 0.75803634405457),
        (1.1, 0.8643339442476179),
        (1.6, 0.9452007109450007),
        (2.3, 0.9892758886275856),
        (3.4, 0.9996630708518367),
        (5.0, 0.9999997133484281),
        (8.0, 0.9999999999999993),
        (12.5, 1.0),
    ];

    #[test]
    fn the_normal_distribution_is_as_exact_as_said() {
        for (x, below) in NORMAL {
            let density = (-0.5 * f64::from(x) * f64::from(x)).exp() / std::f64::consts::TAU.sqrt();
            let (is_below, is_density) = normal(x);
            for (what, is, should) in [("Φ", is_below, below), ("φ", is_density, density)] {
                let error = ((f64::from(is) - should) / should).abs();
                assert!(error < 6e-7, "{what}({x}) = {is}, not {should}: {error:.1e}");
            }
        }
    }
}
