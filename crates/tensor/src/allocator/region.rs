//! A range of addresses for large buffers.

use std::alloc::Layout;
use std::ffi::c_void;
use std::ops::Range;
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::mm::{Advice, MapFlags, ProtFlags, madvise, mmap_anonymous};

use rustix::param::page_size;

use super::free_ranges::FreeRanges;

/// Bytes of a large buffer at least.
const LARGE: usize = 64 << 10;
/// Addresses of the region: more than a machine has memory, which it takes only as it is touched.
const ADDRESSES: usize = 1 << 38;
/// Buffers start at multiples of it.
const UNIT: usize = 4 << 10;
/// What is given back starts and ends at multiples of it, which every system's pages divide.
const PAGES: usize = 64 << 10;
/// Bytes that are freed before they are given back, where they are not to be kept: what comes and goes need not come from the
/// system each time.
const FREED_AT_MOST: usize = 64 << 20;

/// Where there is no region, because the system refused it, nothing is allocated.
pub(super) struct Region {
    /// Its first address, or null.
    start: AtomicPtr<u8>,
    state: Mutex<State>,
}

struct State {
    reserved: bool,
    free: FreeRanges,
    /// From here on nothing has been touched since it came from the system: it is zero.
    untouched: usize,
    keeps_freed: bool,
    /// Bytes that were freed since all was given back.
    freed: usize,
}

impl Region {
    pub(super) const fn new() -> Self {
        let state = State { reserved: false, free: FreeRanges::new(), untouched: 0, keeps_freed: false, freed: 0 };
        Self { start: AtomicPtr::new(ptr::null_mut()), state: Mutex::new(state) }
    }

    /// Whether buffers of this layout belong there.
    pub(super) fn is_for(layout: Layout) -> bool {
        (LARGE..=ADDRESSES).contains(&layout.size()) && layout.align() <= UNIT
    }

    /// Whether `buffer` lies there.
    pub(super) fn contains(&self, buffer: *mut u8) -> bool {
        // What lies there came from there, so that its start was known before.
        let start = self.start.load(Ordering::Relaxed);
        !start.is_null() && buffer.addr().wrapping_sub(start.addr()) < ADDRESSES
    }

    /// A buffer, where there is a place for one of this layout.
    pub(super) fn allocate(&self, layout: Layout) -> Option<*mut u8> {
        self.take(layout).map(|(buffer, _)| buffer)
    }

    /// A buffer of zeros, where there is a place for one of this layout.
    pub(super) fn allocate_zeroed(&self, layout: Layout) -> Option<*mut u8> {
        let (buffer, touched) = self.take(layout)?;
        // SAFETY: it is nobody else's, and so long.
        unsafe { buffer.write_bytes(0, touched.min(layout.size())) };
        Some(buffer)
    }

    /// A buffer, and how much of it need not be zero.
    fn take(&self, layout: Layout) -> Option<(*mut u8, usize)> {
        if !Self::is_for(layout) {
            return None;
        }
        let mut state = self.state();
        let len = units(layout.size());
        let offset = state.free.take(len)?;
        let touched = state.untouched.saturating_sub(offset).min(len);
        state.untouched = state.untouched.max(offset + len);
        // SAFETY: the region is there, as something of it was free, and the offset lies inside.
        Some((unsafe { self.start.load(Ordering::Relaxed).add(offset) }, touched))
    }

    /// # Safety
    /// `buffer` lies in the region, and came from there with this layout.
    pub(super) unsafe fn free(&self, buffer: *mut u8, layout: Layout) {
        let mut state = self.state();
        let taken = self.range(buffer, layout);
        self.give(&mut state, taken);
    }

    /// Makes a buffer longer or shorter where it is, if it can.
    ///
    /// # Safety
    /// As for [`Self::free`].
    pub(super) unsafe fn resize(&self, buffer: *mut u8, layout: Layout, new_size: usize) -> bool {
        if !(LARGE..=ADDRESSES).contains(&new_size) {
            return false; // A small one has no place here.
        }
        let mut state = self.state();
        let Range { start, end } = self.range(buffer, layout);
        let new_end = start + units(new_size);
        if new_end < end {
            self.give(&mut state, new_end..end);
        }
        let fits = new_end <= end || state.free.take_at(end, new_end - end);
        if fits {
            state.untouched = state.untouched.max(new_end);
        }
        fits
    }

    /// Whether freed memory is kept from now on.
    pub(super) fn keep_freed(&self, keeps: bool) {
        self.state().keeps_freed = keeps;
    }

    /// Gives all that is free back to the system.
    pub(super) fn give_back(&self) {
        self.give_back_of(&mut self.state());
    }

    fn give(&self, state: &mut State, taken: Range<usize>) {
        state.freed += taken.len();
        if !state.free.give(taken) {
            std::process::abort(); // It was free: memory is in disorder, and a panic would allocate.
        }
        if !state.keeps_freed && state.freed >= FREED_AT_MOST {
            self.give_back_of(state);
        }
    }

    fn give_back_of(&self, state: &mut State) {
        let touched = state.untouched.next_multiple_of(PAGES);
        for free in state.free.iter().take_while(|free| free.start < touched) {
            let (start, end) = (free.start.next_multiple_of(PAGES), free.end.min(touched) / PAGES * PAGES);
            if start >= end {
                continue;
            }
            // SAFETY: it lies in the region, whose start is a multiple of a page, and nobody has it. On Linux it reads as zero then.
            let done = unsafe {
                let pages: *mut c_void = self.start.load(Ordering::Relaxed).add(start).cast();
                madvise(pages, end - start, Advice::LinuxDontNeed)
            };
            if done.is_ok() && end == touched {
                state.untouched = start;
            }
        }
        state.freed = 0;
    }

    /// Where in the region a buffer lies.
    fn range(&self, buffer: *mut u8, layout: Layout) -> Range<usize> {
        let start = buffer.addr() - self.start.load(Ordering::Relaxed).addr();
        start..start + units(layout.size())
    }

    /// The state, once the region has been asked for.
    fn state(&self) -> MutexGuard<'_, State> {
        // A panic while it was held would have been one inside an allocation.
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if !state.reserved {
            state.reserved = true;
            let flags = MapFlags::PRIVATE | MapFlags::NORESERVE;
            // SAFETY: the system chooses where, so that it covers nothing.
            let start =
                unsafe { mmap_anonymous(ptr::null_mut(), ADDRESSES, ProtFlags::READ | ProtFlags::WRITE, flags) };
            if let Ok(start) = start {
                // Matrices of many megabytes are read all over. Where pages are larger, huge ones are too large: 512 MiB. It may
                // be refused.
                if page_size() == 4096 {
                    // SAFETY: it changes how the system keeps the region, not what it holds.
                    let _ = unsafe { madvise(start, ADDRESSES, Advice::LinuxHugepage) };
                }
                self.start.store(start.cast(), Ordering::Relaxed);
                let _ = state.free.give(0..ADDRESSES);
            }
        }
        state
    }
}

/// So many bytes in whole units.
fn units(bytes: usize) -> usize {
    bytes.next_multiple_of(UNIT)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(size: usize) -> Layout {
        Layout::from_size_align(size, 64).expect("a layout")
    }

    /// A buffer that a test writes to, and that checks what it wrote when it goes.
    struct Buffer<'a> {
        region: &'a Region,
        start: *mut u8,
        size: usize,
        value: u8,
    }

    impl<'a> Buffer<'a> {
        fn new(region: &'a Region, size: usize, value: u8) -> Self {
            let start = region.allocate(layout(size)).expect("addresses");
            let mut buffer = Self { region, start, size, value };
            buffer.bytes().fill(value);
            buffer
        }

        fn bytes(&mut self) -> &mut [u8] {
            // SAFETY: the buffer is so long, and nobody else's.
            unsafe { std::slice::from_raw_parts_mut(self.start, self.size) }
        }

        fn resize(&mut self, size: usize) -> bool {
            // SAFETY: it is the region's, and so long.
            let done = unsafe { self.region.resize(self.start, layout(self.size), size) };
            if done {
                let old = std::mem::replace(&mut self.size, size);
                let value = self.value;
                self.bytes()[old.min(size)..].fill(value);
            }
            done
        }
    }

    impl Drop for Buffer<'_> {
        fn drop(&mut self) {
            let value = self.value;
            assert!(self.bytes().iter().all(|&byte| byte == value), "nobody else has written there");
            // SAFETY: it is the region's, and so long.
            unsafe { self.region.free(self.start, layout(self.size)) }
        }
    }

    #[test]
    fn what_is_freed_is_the_place_of_the_next_that_fits() {
        let region = Region::new();
        region.keep_freed(true);
        let [first, second, third] = [2, 1, 3].map(|size| Buffer::new(&region, size * LARGE, size as u8));
        let (of_first, of_second) = (first.start, second.start);
        drop((first, third));
        let again = Buffer::new(&region, 2 * LARGE - 5, 4);
        assert_eq!(again.start, of_first, "the smallest gap");
        drop((again, second));
        assert_eq!(Buffer::new(&region, 7 * LARGE, 5).start, of_first, "gaps side by side are one");
        assert_eq!(of_second.addr() - of_first.addr(), 2 * LARGE);
    }

    #[test]
    fn small_buffers_and_odd_ones_have_no_place() {
        let region = Region::new();
        assert!(region.allocate(layout(LARGE - 1)).is_none());
        assert!(region.allocate(layout(ADDRESSES + 1)).is_none());
        assert!(region.allocate(Layout::from_size_align(LARGE, 2 * UNIT).expect("a layout")).is_none());
        let buffer = Buffer::new(&region, LARGE, 1);
        assert!(region.contains(buffer.start) && region.contains(buffer.start.wrapping_add(LARGE)));
        assert!(!region.contains((&raw const region).cast_mut().cast()));
        assert!(region.allocate(layout(ADDRESSES)).is_none(), "not beside the other");
    }

    #[test]
    fn buffers_of_zeros_are_zero_wherever_they_lie() {
        for keeps in [true, false] {
            let region = Region::new();
            region.keep_freed(keeps);
            let between = [1, 2, 3].map(|value| Buffer::new(&region, 3 * LARGE + 5000, value));
            let [first, second, third] = between;
            drop(first);
            for (size, freed) in [(LARGE + 1, Some(third)), (9 * LARGE, Some(second)), (4 * LARGE, None)] {
                let start = region.allocate_zeroed(layout(size)).expect("addresses");
                let mut buffer = Buffer { region: &region, start, size, value: 0 };
                assert!(buffer.bytes().iter().all(|&byte| byte == 0), "{size} bytes");
                buffer.value = 9;
                buffer.bytes().fill(9);
                drop(freed);
                region.give_back();
            }
        }
    }

    #[test]
    fn grows_and_shrinks_in_place_where_there_is_room() {
        let region = Region::new();
        let mut first = Buffer::new(&region, LARGE, 1);
        assert!(first.resize(5 * LARGE), "nothing lies behind it");
        let second = Buffer::new(&region, LARGE, 2);
        assert!(!first.resize(5 * LARGE + 1));
        assert!(first.resize(2 * LARGE) && first.resize(4 * LARGE - 7));
        assert!(!first.resize(LARGE - 1), "too small to stay");
        let between = Buffer::new(&region, LARGE, 3);
        assert!(between.start > first.start && between.start < second.start, "what it left is free");
    }

    #[test]
    fn what_is_given_back_is_no_longer_resident() {
        let resident = || {
            let pages = std::fs::read_to_string("/proc/self/statm").expect("the system tells");
            pages.split_whitespace().nth(1).and_then(|pages| pages.parse::<usize>().ok()).expect("a number")
                * page_size()
        };
        const SIZE: usize = 400 << 20;
        let region = Region::new();
        for keeps in [false, true] {
            region.keep_freed(keeps);
            let before = resident();
            let buffer = Buffer::new(&region, SIZE, 1);
            let behind = Buffer::new(&region, LARGE, 2);
            drop(buffer);
            if keeps {
                assert!(resident() > before + SIZE / 2, "kept");
                region.give_back();
            }
            assert!(resident() < before + SIZE / 2, "given back");
            drop(behind);
        }
    }

    #[test]
    fn threads_do_not_get_into_each_others_way() {
        let region = Region::new();
        region.keep_freed(true);
        std::thread::scope(|threads| {
            for thread in 0..4 {
                let region = &region;
                threads.spawn(move || {
                    let mut held: Vec<Buffer<'_>> = Vec::new();
                    for turn in 0..150_usize {
                        let of_any_size = LARGE + (turn * 7919 + thread * 104_729) % (2 * LARGE);
                        held.push(Buffer::new(region, of_any_size, (4 * turn + thread) as u8));
                        if turn % 3 == 2 {
                            held.swap_remove(turn * 31 % held.len());
                            let last = held.last_mut().expect("some are held");
                            last.resize(of_any_size + LARGE / 2);
                        }
                        if held.len() > 12 {
                            held.drain(..5);
                        }
                    }
                });
            }
        });
        let free: Vec<Range<usize>> = region.state().free.iter().collect();
        assert!(matches!(&free[..], [Range { start: 0, end: ADDRESSES }]), "all is free again: {free:?}");
    }
}
