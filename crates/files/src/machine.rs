//! Which machine this is, as far as that tells whether processes share a kernel.

use std::fs;
use std::sync::LazyLock;

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
