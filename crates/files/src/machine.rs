//! Which machine this is, as far as that tells whether processes share a kernel.

use std::fs;
use std::sync::LazyLock;

/// What computes here: the processor's name and how many of it there are, `AMD EPYC 7B13 × 2`; speeds of other machines say
/// nothing of this one. Where the system does not tell its name, that of its architecture.
pub fn processors() -> &'static str {
    static PROCESSORS: LazyLock<String> = LazyLock::new(|| {
        let count = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let named = info.lines().find_map(|line| Some(line.strip_prefix("model name")?.split_once(':')?.1.trim()));
        let name = named.filter(|name| !name.is_empty()).unwrap_or(std::env::consts::ARCH);
        format!("{name} × {count}")
    });
    &PROCESSORS
}

/// A word for the kernel that this process runs on, another after each start of the machine: processes that give the same
/// word see each other's locks on files, in whatever container or name space they are. `None` where the system does not
/// tell.
pub fn machine() -> Option<&'static str> {
    static MACHINE: LazyLock<Option<String>> = LazyLock::new(|| {
        let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
        let boot = boot.trim();
        (!boot.is_empty()).then(|| blake3::hash(boot.as_bytes()).to_hex()[..8].to_string())
    });
    MACHINE.as_deref()
}
