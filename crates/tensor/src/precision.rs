//! In what precision matrix products take their operands.

/// How the operands of matrix products are rounded; everything else is f32 in any case: weights, activations, gradients,
/// the sums of the products themselves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Precision {
    /// Not at all.
    #[default]
    F32,
    /// To bfloat16, the nearest of numbers with 8 bits: faster where the processor has instructions for it.
    Bf16,
}

impl Precision {
    /// Its name in configs.
    pub fn name(self) -> &'static str {
        match self {
            Precision::F32 => "f32",
            Precision::Bf16 => "bf16",
        }
    }
}
