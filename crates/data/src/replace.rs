//! Files that appear as a whole or not at all.

use std::io;
use std::path::Path;

use tempfile::{Builder, NamedTempFile};

/// A temporary file in `dir`, to be given its name once it is written. It is gone if that does not happen. Whoever may
/// read a file that is written in place may read it: temporary files by themselves are for their owner only.
pub(crate) fn temporary_in(dir: &Path, prefix: &str) -> io::Result<NamedTempFile> {
    let mut builder = Builder::new();
    builder.prefix(prefix);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(std::fs::Permissions::from_mode(0o666));
    }
    builder.tempfile_in(dir)
}
