//! From a resolved config to finished run folders, whatever comes between.
//!
//! ```text
//! task    what one run needs, in one value that a thread can take
//! start   its model before the first step
//! queue   which run comes next, on how many workers; waits for runs that other processes have
//! claim   whose run it is, among processes and machines: who may work in the run's current attempt
//! worker  trains a claimed run, and moves what is finished from the attempt into the run's folder
//! elsewhere  runs that another experiment of the same results has finished
//! agreement  whether what lies in a run's folder is of the config that asks for it
//! condition  what to tell a person of how a run stands
//! folder  how a run's folder stands, and checksums that tell a whole one from a damaged one
//! recorder  what is written of a run beside its curve: sample texts, TensorBoard's events
//! paused  runs of which no more is wanted
//! remove  runs that are not wanted any more
//! panics  a panic in one run is that run's failure
//! ```

mod agreement;
mod claim;
mod condition;
mod elsewhere;
mod folder;
mod panics;
mod paused;
mod queue;
mod recorder;
mod remove;
mod start;
mod task;
mod worker;

pub(crate) use claim::{current_attempt, process_of};
pub(crate) use condition::{CONDITIONS, Condition, condition};
pub(crate) use folder::{Checked, Run, State, check_files, glance, look, read_run};
pub(crate) use paused::drop_checkpoints;
pub(crate) use queue::{Policy, Totals, work};
pub(crate) use remove::{Refused, is_claimed, remove, remove_weights};
pub(crate) use start::initial_model;
pub(crate) use task::{Place, Task};
