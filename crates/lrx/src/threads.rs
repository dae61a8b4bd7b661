//! How many threads a process computes on.

use std::thread::available_parallelism;

use crate::failure::Failure;
use crate::terminal::tell;

/// Rayon's own variable, for those who cannot reach the command line.
const VARIABLE: &str = "RAYON_NUM_THREADS";

/// Sets the number of threads of the whole process: what is asked for, else as many as this process may run on at once by
/// its affinity and the limits of its container.
///
/// # Errors
/// When 0 are asked for, or the system does not let them start.
pub(crate) fn use_threads(asked: Option<usize>) -> Result<(), Failure> {
    if asked == Some(0) {
        return Err(Failure::Usage("--threads 0: expected at least 1".into()));
    }
    let cores = available_parallelism().map_or(1, |cores| cores.get());
    let given = std::env::var(VARIABLE).ok().and_then(|text| text.trim().parse().ok()).filter(|&count| count > 0);
    let (source, wanted) = match (asked, given) {
        (Some(count), _) => ("--threads", count),
        (None, Some(count)) => (VARIABLE, count),
        (None, None) => ("", cores),
    };
    let count = wanted.min(most(cores));
    if count < wanted {
        tell!("warning: {source} {wanted}: this process may use {cores} cores; it computes on {count} threads");
    }
    rayon::ThreadPoolBuilder::new()
        .num_threads(count)
        // This thread computes, too, instead of waking others for each operation and sleeping until they are done.
        .use_current_thread()
        .build_global()
        .map_err(|error| Failure::Failed(cannot_start(count, &error)))
}

/// More threads than this are of no use to anybody; some more than cores show that numbers do not depend on them.
fn most(cores: usize) -> usize {
    (4 * cores).max(64)
}

/// Why `count` threads are not there.
pub(crate) fn cannot_start(count: usize, error: &dyn std::error::Error) -> String {
    format!("cannot start {count} threads: {error}; `--threads` takes fewer")
}
