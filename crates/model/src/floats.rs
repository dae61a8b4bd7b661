//! Real numbers of other widths, as f32.

use safetensors::Dtype;

/// Numbers of a type that stands for real ones, from their bytes; `None` for any other type. Those of 16 bits are the same
/// numbers in f32, those of 64 are rounded.
pub(crate) fn reals(dtype: Dtype, bytes: &[u8]) -> Option<Vec<f32>> {
    let halves = || bytes.as_chunks::<2>().0.iter().map(|&bytes| u16::from_le_bytes(bytes));
    match dtype {
        Dtype::F32 => Some(bytes.as_chunks::<4>().0.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect()),
        Dtype::F16 => Some(halves().map(of_f16).collect()),
        Dtype::BF16 => Some(halves().map(|bits| f32::from_bits(u32::from(bits) << 16)).collect()),
        Dtype::F64 => Some(bytes.as_chunks::<8>().0.iter().map(|&bytes| f64::from_le_bytes(bytes) as f32).collect()),
        _ => None,
    }
}

/// The number of IEEE's binary16: a sign, five bits of exponent, ten of the fraction.
fn of_f16(bits: u16) -> f32 {
    let sign = u32::from(bits & 0x8000) << 16;
    let (exponent, fraction) = (u32::from(bits >> 10 & 0x1f), u32::from(bits & 0x3ff));
    match exponent {
        // Below the least exponent: fraction · 2⁻²⁴, which f32 has as a usual number.
        0 => f32::from_bits(sign | (fraction as f32 * 2_f32.powi(-24)).to_bits()),
        0x1f => f32::from_bits(sign | 0x7f80_0000 | fraction << 13),
        _ => f32::from_bits(sign | (exponent + 127 - 15) << 23 | fraction << 13),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// numpy 2: `np.array([0x0000, 0x8000, 0x0001, 0x03ff, 0x0400, 0x3555, 0x3c00, 0xc500, 0x7bff, 0xfc00], 'u2').view('f2').astype('f4')`
    #[test]
    fn halves_are_those_of_numpy() {
        let numpy =
            [0.0, -0.0, 5.9604645e-8, 6.097555e-5, 6.1035156e-5, 0.33325195, 1.0, -5.0, 65504.0, f32::NEG_INFINITY];
        let bits: [u16; 10] = [0x0000, 0x8000, 0x0001, 0x03ff, 0x0400, 0x3555, 0x3c00, 0xc500, 0x7bff, 0xfc00];
        let bytes: Vec<u8> = bits.into_iter().flat_map(u16::to_le_bytes).collect();
        let read = reals(Dtype::F16, &bytes).unwrap();
        assert_eq!(read.iter().map(|x| x.to_bits()).collect::<Vec<_>>(), numpy.map(f32::to_bits));
        assert!(of_f16(0x7e00).is_nan());
    }

    #[test]
    fn other_widths_by_hand() {
        // 1.5 is 1.1 in binary: a sign, eight bits of 127, and the fraction 1000…
        assert_eq!(reals(Dtype::BF16, &0x3fc0_u16.to_le_bytes()), Some(vec![1.5]));
        assert_eq!(reals(Dtype::F64, &(-0.1_f64).to_le_bytes()), Some(vec![-0.1]));
        assert_eq!(reals(Dtype::I32, &[0; 4]), None);
    }
}
