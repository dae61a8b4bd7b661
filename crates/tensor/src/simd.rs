//! Elementwise mathematics that the compiler can vectorise, compiled for the SIMD level of the machine.
//!
//! Functions marked `#[inline(always)]` here are written without branches and calls, so that a loop over them inside
//! [`vectorised`] becomes SIMD code. Sums are taken in [`LANES`] interleaved parts: the same order on every machine.

use std::sync::LazyLock;

use pulp::{Simd, WithSimd};

pub(crate) static ARCH: LazyLock<pulp::Arch> = LazyLock::new(pulp::Arch::new);

/// Runs `f`, whose inlined loops are compiled for the best SIMD level that the processor has.
#[inline(always)]
pub(crate) fn vectorised<R>(f: impl FnOnce() -> R) -> R {
    ARCH.dispatch(f)
}

/// Numbers in a vector of the processor.
pub(crate) fn vector_len() -> usize {
    struct Count;
    impl WithSimd for Count {
        type Output = usize;

        #[inline(always)]
        fn with_simd<S: Simd>(self, _: S) -> usize {
            S::F32_LANES
        }
    }
    ARCH.dispatch(Count)
}

/// Parts of a sum that are added up independently.
pub(crate) const LANES: usize = 16;

/// Σ f(x, y, z) over three slices of equal length.
#[inline(always)]
pub(crate) fn sum3(x: &[f32], y: &[f32], z: &[f32], f: impl Fn(f32, f32, f32) -> f32) -> f32 {
    let mut lanes = [0.0; LANES];
    let (xs, ys, zs) = (x.chunks_exact(LANES), y.chunks_exact(LANES), z.chunks_exact(LANES));
    let rests = xs.remainder().iter().zip(ys.remainder()).zip(zs.remainder());
    for (lane, ((&x, &y), &z)) in lanes.iter_mut().zip(rests) {
        *lane += f(x, y, z);
    }
    for ((x, y), z) in xs.zip(ys).zip(zs) {
        for i in 0..LANES {
            lanes[i] += f(x[i], y[i], z[i]);
        }
    }
    add_lanes(lanes)
}

/// Σ f(x, y).
#[inline(always)]
pub(crate) fn sum2(x: &[f32], y: &[f32], f: impl Fn(f32, f32) -> f32) -> f32 {
    sum3(x, y, y, |x, y, _| f(x, y))
}

/// Σ f(x).
#[inline(always)]
pub(crate) fn sum(x: &[f32], f: impl Fn(f32) -> f32) -> f32 {
    sum3(x, x, x, |x, _, _| f(x))
}

/// The largest of x, −∞ for none.
#[inline(always)]
pub(crate) fn max(x: &[f32]) -> f32 {
    let mut lanes = [f32::NEG_INFINITY; LANES];
    let xs = x.chunks_exact(LANES);
    let rest = xs.remainder();
    for x in xs {
        for i in 0..LANES {
            lanes[i] = if x[i] > lanes[i] { x[i] } else { lanes[i] };
        }
    }
    lanes.iter().chain(rest).fold(f32::NEG_INFINITY, |a, &b| if b > a { b } else { a })
}

/// Replaces each x by exp(x − shift); returns their sum.
#[inline(always)]
pub(crate) fn exponentials(x: &mut [f32], shift: f32) -> f32 {
    let mut lanes = [0.0; LANES];
    let (blocks, rest) = x.as_chunks_mut::<LANES>();
    for (lane, x) in lanes.iter_mut().zip(rest) {
        *x = exp(*x - shift);
        *lane += *x;
    }
    for block in blocks {
        for (lane, x) in lanes.iter_mut().zip(block) {
            *x = exp(*x - shift);
            *lane += *x;
        }
    }
    add_lanes(lanes)
}

#[inline(always)]
fn add_lanes(mut lanes: [f32; LANES]) -> f32 {
    let mut width = LANES / 2;
    while width > 0 {
        for i in 0..width {
            lanes[i] += lanes[i + width];
        }
        width /= 2;
    }
    lanes[0]
}

/// eˣ with a relative error below 2e-7 where the result is a normal number; 0 below −87.3, +∞ above 88.3. NaN stays NaN.
///
/// x = n·ln 2 + r with |r| ≤ ln 2 / 2; eʳ by its Taylor polynomial of degree 7, whose remainder is below 1e-8; 2ⁿ put
/// into the exponent. (Cody & Waite's two-part ln 2 keeps r exact.)
#[inline(always)]
pub(crate) fn exp(x: f32) -> f32 {
    const LOG2_E: f32 = std::f32::consts::LOG2_E;
    const LN2_HIGH: f32 = 0.693_359_4;
    const LN2_LOW: f32 = -2.121_944_4e-4;
    /// 1.5 · 2²³: what is added to it is rounded to an integer, which then stands in the lowest bits.
    const ROUND: f32 = 12_582_912.0;
    const SMALLEST: f32 = -87.336_54;
    let clamped = if x > 88.7 { 88.7 } else { x };
    let rounded = clamped.mul_add(LOG2_E, ROUND);
    let n = rounded - ROUND;
    let r = n.mul_add(-LN2_LOW, n.mul_add(-LN2_HIGH, clamped));
    let mut p = 1.0 / 5040.0;
    p = r.mul_add(p, 1.0 / 720.0);
    p = r.mul_add(p, 1.0 / 120.0);
    p = r.mul_add(p, 1.0 / 24.0);
    p = r.mul_add(p, 1.0 / 6.0);
    p = r.mul_add(p, 0.5);
    p = r.mul_add(p, 1.0);
    p = r.mul_add(p, 1.0);
    // The shift leaves n in the exponent and nothing of ROUND, to which the exponent of 1 is added.
    let scale = f32::from_bits((rounded.to_bits() << 23).wrapping_add(1.0_f32.to_bits()));
    let y = p * scale;
    if x < SMALLEST { 0.0 } else { y }
}

/// 1 / (1 + e⁻ˣ) with a relative error below 4e-7 for x ≥ −87.
#[inline(always)]
pub(crate) fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exp_and_sigmoid_are_as_exact_as_said() {
        // Against f64's own exp.
        for i in -88_000..88_300 {
            let x = i as f32 * 1e-3;
            let (is, should) = (f64::from(exp(x)), f64::from(x).exp());
            if x >= -87.3 {
                assert!(((is - should) / should).abs() < 2e-7, "exp({x}) = {is}, not {should}");
            }
            if x >= -87.0 {
                let (is, should) = (f64::from(sigmoid(x)), 1.0 / (1.0 + (-f64::from(x)).exp()));
                assert!(((is - should) / should).abs() < 4e-7, "sigmoid({x}) = {is}, not {should}");
            }
        }
        assert_eq!(exp(f32::NEG_INFINITY), 0.0);
        assert_eq!(exp(-1000.0), 0.0);
        assert!(exp(f32::NAN).is_nan() && sigmoid(f32::NAN).is_nan());
        assert_eq!(exp(f32::INFINITY), f32::INFINITY);
        assert_eq!((sigmoid(f32::NEG_INFINITY), sigmoid(f32::INFINITY)), (0.0, 1.0));
    }

    #[test]
    fn sums_and_maxima_hold_for_every_length() {
        for len in 0..70 {
            let x: Vec<f32> = (0..len).map(|i| (i * i % 17) as f32 - 5.0).collect();
            assert_eq!(sum(&x, |x| x), x.iter().sum::<f32>(), "small integers add up exactly");
            assert_eq!(max(&x), x.iter().copied().fold(f32::NEG_INFINITY, f32::max));
        }
    }
}
