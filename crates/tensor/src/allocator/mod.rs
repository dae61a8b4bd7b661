//! The memory allocator: buffers that are freed in one step are there for the next, and lie side by side.

#[cfg(any(test, all(target_os = "linux", target_pointer_width = "64")))]
mod free_ranges;
#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
mod region;

#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
use std::alloc::{GlobalAlloc, Layout};
use std::ffi::c_long;
use std::sync::Mutex;

use libmimalloc_sys::{mi_collect, mi_option_get, mi_option_set, mi_option_t};
#[cfg(not(all(target_os = "linux", target_pointer_width = "64")))]
pub use mimalloc::MiMalloc as Allocator;

#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
use {mimalloc::MiMalloc, region::Region};

/// The allocator of a program that trains: make it the global one with
/// `#[global_allocator] static ALLOCATOR: Allocator = Allocator;`
///
/// Buffers from 64 KiB on share one range of addresses, each in the smallest gap that it fits into, so that a step's peak is
/// what lives then and hardly more. (mimalloc left a ninth of a step's memory between them.) Smaller ones are mimalloc's;
/// on systems other than 64-bit Linux all are.
#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
pub struct Allocator;

#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
static LARGE: Region = Region::new();

// SAFETY: a buffer is `LARGE`'s exactly if it lies there, and goes back to where it came from; both keep to the contract.
#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
unsafe impl GlobalAlloc for Allocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise.
        LARGE.allocate(layout).unwrap_or_else(|| unsafe { MiMalloc.alloc(layout) })
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as above.
        LARGE.allocate_zeroed(layout).unwrap_or_else(|| unsafe { MiMalloc.alloc_zeroed(layout) })
    }

    unsafe fn dealloc(&self, buffer: *mut u8, layout: Layout) {
        if LARGE.contains(buffer) {
            // SAFETY: it came from there, with this layout.
            unsafe { LARGE.free(buffer, layout) }
        } else {
            // SAFETY: as above.
            unsafe { MiMalloc.dealloc(buffer, layout) }
        }
    }

    unsafe fn realloc(&self, buffer: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        let is_large = LARGE.contains(buffer);
        // SAFETY: it came from there, with this layout.
        if is_large && unsafe { LARGE.resize(buffer, layout, new_size) } {
            return buffer;
        }
        // SAFETY: the caller promises that it is valid.
        let new_layout = unsafe { Layout::from_size_align_unchecked(new_size, layout.align()) };
        if !is_large && !Region::is_for(new_layout) {
            // SAFETY: as above.
            return unsafe { MiMalloc.realloc(buffer, layout, new_size) };
        }
        // SAFETY: both are at least as long as what is copied, and the new one is nobody else's.
        unsafe {
            let new = self.alloc(new_layout);
            if !new.is_null() {
                new.copy_from_nonoverlapping(buffer, layout.size().min(new_size));
                self.dealloc(buffer, layout);
            }
            new
        }
    }
}

/// `mi_option_purge_delay`: milliseconds after which freed memory is given back to the system. The crate does not name it.
const PURGE_DELAY: mi_option_t = 15;
/// Ten minutes: far longer than a step. Never (−1) would not give back anything when asked to, either.
const LONG: c_long = 600_000;

/// As long as it lives, freed memory is kept: memory that comes fresh from the system must be cleared by it, page by page
/// as it is touched, which in a training step took a tenth of the time. What was freed before the first, and before it is
/// dropped, is given back.
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
            give_back();
            // SAFETY: both only read and write one number of mimalloc's table of options, atomically.
            unsafe {
                kept.1 = mi_option_get(PURGE_DELAY);
                mi_option_set(PURGE_DELAY, LONG);
            }
            #[cfg(all(target_os = "linux", target_pointer_width = "64"))]
            LARGE.keep_freed(true);
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
            #[cfg(all(target_os = "linux", target_pointer_width = "64"))]
            LARGE.keep_freed(false);
            give_back();
        }
    }
}

/// Gives all freed memory back to the system.
fn give_back() {
    #[cfg(all(target_os = "linux", target_pointer_width = "64"))]
    LARGE.give_back();
    // SAFETY: it may be called at any time.
    unsafe { mi_collect(true) };
}
