//! From a resolved config to finished run folders, whatever comes between.
//!
//! ```text
//! task    what one run needs, in one value that a thread can take
//! queue   which run comes next, on how many workers; waits for runs that other processes have
//! claim   whose run it is, among processes and machines
//! worker  trains a claimed run and leaves its folder in one of four states
//! folder  those states, and checksums that tell a whole folder from a damaged one
//! ```

mod claim;
mod folder;
mod queue;
mod task;
mod worker;

pub(crate) use folder::{State, checksum_lines, read_state, verify_checksums};
pub(crate) use queue::{Policy, Totals, work};
pub(crate) use task::{Task, initial_model};
