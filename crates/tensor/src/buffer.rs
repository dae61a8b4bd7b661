//! New buffers that are written once, on all threads, rather than set to zero first on one.

use std::mem::MaybeUninit;

use rayon::prelude::*;

/// Numbers that one thread copies at a time.
const BLOCK: usize = 1 << 14;

/// A buffer of `len` numbers that `fill` writes.
///
/// # Safety
/// `fill` writes every number.
pub(crate) unsafe fn filled(len: usize, fill: impl FnOnce(&mut [MaybeUninit<f32>])) -> Vec<f32> {
    let mut buffer = Vec::with_capacity(len);
    fill(&mut buffer.spare_capacity_mut()[..len]);
    // SAFETY: the capacity is at least `len`, and the caller vouches for the first `len` numbers.
    unsafe { buffer.set_len(len) };
    buffer
}

/// A buffer whose blocks of `block` numbers are written by `f` from those of `x`, on all threads.
///
/// # Safety
/// `f` writes every number of its first argument, which is as long as its second.
pub(crate) unsafe fn mapped(x: &[f32], block: usize, f: impl Fn(&mut [MaybeUninit<f32>], &[f32]) + Sync) -> Vec<f32> {
    // SAFETY: the blocks cover the buffer, and the caller vouches for each.
    unsafe { filled(x.len(), |y| y.par_chunks_mut(block).zip(x.par_chunks(block)).for_each(|(y, x)| f(y, x))) }
}

/// A copy, made on all threads.
pub(crate) fn copied(x: &[f32]) -> Vec<f32> {
    // SAFETY: `write_copy` writes all of `y`.
    unsafe {
        mapped(x, BLOCK, |y, x| {
            write_copy(y, x);
        })
    }
}

/// Writes a copy of `x`, which is as long, into `y`; returns it.
pub(crate) fn write_copy<'y>(y: &'y mut [MaybeUninit<f32>], x: &[f32]) -> &'y mut [f32] {
    assert_eq!(y.len(), x.len(), "a copy of the same length");
    // SAFETY: `MaybeUninit<f32>` has the layout of `f32`, the lengths are equal, and `y` is borrowed mutably, so the two do
    // not overlap; after the copy every number of `y` is initialised.
    unsafe {
        std::ptr::copy_nonoverlapping(x.as_ptr(), y.as_mut_ptr().cast(), x.len());
        std::slice::from_raw_parts_mut(y.as_mut_ptr().cast(), y.len())
    }
}
