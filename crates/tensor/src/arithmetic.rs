//! The name of the arithmetic that this process computes with.

use std::sync::LazyLock;

use crate::simd::vector_len;
use crate::{Precision, bf16};

/// Which instructions this process computes with: `avx512`, `avx2`, `neon` or `portable`; two of them, as in
/// `avx2/portable`, where matrix products (by `gemm`) and everything else (by `pulp`) are of different kinds. Both choose what
/// the processor has when they first compute.
///
/// Two processes of one program give the same bits when this name is the same; where it differs, products of few rows or
/// columns are added up in another order, and without fused multiply-adds every product is rounded in another way.
///
/// Products of [`Precision::Bf16`] are noted as `+bf16` where pairs are added up, which all processors do alike (but for numbers
/// below 1.2e-38), and as `+amx` where tiles are, in an order of their own.
pub fn arithmetic(precision: Precision) -> &'static str {
    static F32: LazyLock<String> = LazyLock::new(|| match (of_products(), of_loops()) {
        (products, loops) if products == loops => products.into(),
        (products, loops) => format!("{products}/{loops}"),
    });
    // By itself: who asks for it asks the system for tiles.
    static BF16: LazyLock<String> =
        LazyLock::new(|| format!("{}+{}", *F32, if bf16::is_of_tiles() { "amx" } else { "bf16" }));
    match precision {
        Precision::F32 => &F32,
        Precision::Bf16 => &BF16,
    }
}

/// As `gemm` chooses (`init_gemm_fn` in gemm-common 0.19): by the same tests, in the same order.
fn of_products() -> &'static str {
    #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
    {
        if cfg!(not(lrx_without_avx512)) && std::arch::is_x86_feature_detected!("avx512f") {
            return "avx512";
        }
        if std::arch::is_x86_feature_detected!("fma") {
            return "avx2";
        }
    }
    #[cfg(target_arch = "aarch64")]
    if std::arch::is_aarch64_feature_detected!("neon") {
        return "neon";
    }
    "portable"
}

/// By the width of the vectors that `pulp` has chosen, which differs between the instructions of one kind of processor.
fn of_loops() -> &'static str {
    match vector_len() {
        16 => "avx512",
        8 => "avx2",
        4 => "neon",
        _ => "portable",
    }
}

#[cfg(test)]
mod tests {
    /// The system knows the processor, too.
    #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
    #[test]
    fn the_name_is_of_what_the_processor_has() {
        let all = std::fs::read_to_string("/proc/cpuinfo").expect("Linux tells of its processors");
        let flags = all.lines().find(|line| line.starts_with("flags")).expect("flags of the first");
        let has = |names: &[&str]| names.iter().all(|name| flags.split_whitespace().any(|flag| flag == *name));
        let should =
            if cfg!(not(lrx_without_avx512)) && has(&["avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"]) {
                "avx512"
            } else if has(&["avx2", "fma", "bmi1", "bmi2", "f16c"]) {
                "avx2"
            } else if has(&["avx512f"]) || has(&["fma"]) {
                return; // A processor between the levels: names of two.
            } else {
                "portable"
            };
        let tiles = cfg!(not(lrx_without_avx512)) && has(&["amx_tile", "amx_bf16", "avx512_bf16"]);
        assert_eq!(super::arithmetic(super::Precision::F32), should);
        let of_bf16 = super::arithmetic(super::Precision::Bf16);
        assert!(of_bf16 == format!("{should}+bf16") || tiles && of_bf16 == format!("{should}+amx"), "{of_bf16}");
    }
}
