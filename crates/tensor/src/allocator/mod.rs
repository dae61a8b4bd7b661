//! The memory allocator: buffers that are freed in one step are there for the next.

use std::ffi::c_long;
use std::sync::Mutex;

use libmimalloc_sys::{mi_collect, mi_option_get, mi_option_set, mi_option_t};

/// The allocator of a program that trains: make it the global one with
/// `#[global_allocator] static ALLOCATOR: Allocator = Allocator;`
pub use mimalloc::MiMalloc as Allocator;

/// `mi_option_purge_delay`: milliseconds after which freed memory is given back to the system. The crate does not name it.
const PURGE_DELAY: mi_option_t = 15;
/// Ten minutes: far longer than a step. Never (−1) would not give back anything when asked to, either.
const LONG: c_long = 600_000;

/// As long as it lives, freed memory is kept: memory that comes fresh from the system must be cleared by it, page by page
/// as it is touched, which in a training step took a tenth of the time. When it is dropped, freed memory is given back.
///
/// Has no effect where the global allocator is not [`Allocator`].
pub struct KeepFreedMemory(());

/// How many guards there are, and the delay before the first.
static KEPT: Mutex<(usize, c_long)> = Mutex::new((0, 0));

impl KeepFreedMemory {
    /// From now on.
    #[expect(clippy::new_without_default, reason = "it is a guard, not a value")]
    pub fn new() -> Self {
        let mut kept = KEPT.lock().expect("no panic while it is held");
        if kept.0 == 0 {
            // SAFETY: both only read and write one number of mimalloc's table of options, atomically.
            unsafe {
                kept.1 = mi_option_get(PURGE_DELAY);
                mi_option_set(PURGE_DELAY, LONG);
            }
        }
        kept.0 += 1;
        Self(())
    }
}

impl Drop for KeepFreedMemory {
    fn drop(&mut self) {
        let mut kept = KEPT.lock().expect("no panic while it is held");
        kept.0 -= 1;
        if kept.0 == 0 {
            // SAFETY: as above.
            unsafe { mi_option_set(PURGE_DELAY, kept.1) };
            give_back();
        }
    }
}

/// Gives all freed memory back to the system.
pub fn give_back() {
    // SAFETY: it may be called at any time.
    unsafe { mi_collect(true) };
}
