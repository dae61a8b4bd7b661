//! A file mapped into memory: here because mapping takes `unsafe`.

use std::fs::File;
use std::io;

/// Maps `file` for reading.
///
/// The caller must not let anybody change the file while it is mapped: lrx maps only files of its own cache, which are
/// written under a temporary name, renamed, and never written again.
///
/// # Errors
/// When the operating system cannot map it.
pub fn map_file(file: &File) -> io::Result<Box<dyn AsRef<[u8]> + Send + Sync>> {
    // SAFETY: see above. A file that is deleted stays mapped; the cache checks its content by a checksum after mapping.
    let mapped = unsafe { memmap2::Mmap::map(file)? };
    Ok(Box::new(mapped))
}
