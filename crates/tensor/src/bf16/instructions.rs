//! Which instructions products of bfloat16 are computed with.

use std::sync::LazyLock;

/// The instructions that products of bfloat16 are computed with, the fastest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Instructions {
    /// Of tiles, by `AMX-BF16`.
    #[cfg(all(target_arch = "x86_64", target_os = "linux", not(lrx_without_avx512)))]
    Amx,
    /// Of pairs, by `AVX512_BF16`.
    #[cfg(all(target_arch = "x86_64", not(lrx_without_avx512)))]
    Avx512Bf16,
    /// Of f32 numbers, as whatever vectors the processor has; the same numbers as of pairs.
    Widened,
}

impl Instructions {
    /// Those of this processor, as far as the system lets us use them.
    pub(crate) fn of_this_processor() -> Self {
        static FOUND: LazyLock<Instructions> = LazyLock::new(|| {
            #[cfg(all(target_arch = "x86_64", not(lrx_without_avx512)))]
            if std::arch::is_x86_feature_detected!("avx512bf16") && std::arch::is_x86_feature_detected!("avx512bw") {
                #[cfg(target_os = "linux")]
                if tiles_are_there() && tiles_are_granted() {
                    return Instructions::Amx;
                }
                return Instructions::Avx512Bf16;
            }
            Instructions::Widened
        });
        *FOUND
    }

    /// Whether they multiply tiles, whose sums are taken in an order of their own.
    pub(crate) fn are_of_tiles(self) -> bool {
        #[cfg(all(target_arch = "x86_64", target_os = "linux", not(lrx_without_avx512)))]
        return self == Self::Amx;
        #[cfg(not(all(target_arch = "x86_64", target_os = "linux", not(lrx_without_avx512))))]
        return false;
    }
}

/// Whether the processor has `AMX-TILE` and `AMX-BF16`.
#[cfg(all(target_arch = "x86_64", target_os = "linux", not(lrx_without_avx512)))]
fn tiles_are_there() -> bool {
    const BF16: u32 = 1 << 22;
    const TILE: u32 = 1 << 24;
    // SAFETY: every processor with AVX-512 has the instruction and this leaf. (Newer compilers know that it is safe.)
    #[allow(unused_unsafe)]
    let features = unsafe { std::arch::x86_64::__cpuid_count(7, 0) }.edx;
    features & BF16 != 0 && features & TILE != 0
}

/// Asks Linux for the use of tiles, whose 8 KiB it then keeps for each thread that has used them. It grants them to all
/// threads of the process, those to come included, and refuses where it is too old or told not to.
#[cfg(all(target_arch = "x86_64", target_os = "linux", not(lrx_without_avx512)))]
fn tiles_are_granted() -> bool {
    const ARCH_REQ_XCOMP_PERM: libc::c_ulong = 0x1023;
    const XFEATURE_XTILEDATA: libc::c_ulong = 18;
    // SAFETY: a call that takes two numbers and changes nothing but what the process may use.
    unsafe { libc::syscall(libc::SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA) == 0 }
}
