//! The memory that this process has used, as the system tells it.

/// Forgets the peak so far, where the system can (Linux), so that the next run's is its own.
pub fn reset_peak() {
    // Failure means that the peak also covers what came before: an upper bound, still true.
    let _ = std::fs::write("/proc/self/clear_refs", "5");
}

/// The peak of the resident set in MB (10⁶ bytes); `None` where the system does not tell.
pub fn peak_rss_mb() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: f64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kibibytes * 1024.0 / 1e6)
}

/// How often the process has touched a page of memory that the system had to provide first; `None` where it does not tell.
pub fn page_faults() -> Option<u64> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // Behind the name of the program, in parentheses: state, 6 numbers, minor faults.
    stat.rsplit_once(')')?.1.split_whitespace().nth(7)?.parse().ok()
}
