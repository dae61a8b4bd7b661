//! How a run stands, for people: what its row says, and whose it is just now.

use std::fmt;
use std::path::Path;

use lrx_records::{RunRecord, Status};
use lrx_train::CHECKPOINT_FILES;

use super::claim::{current_attempt, owner_of};
use crate::lease::Glance;
use crate::results::TUNE_FOLDER;

/// How a run stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Condition {
    /// Trained to its end.
    Finished,
    /// A process that lives has claimed it: which.
    Running(String),
    /// Its process has stopped it in order, at a signal say, with a checkpoint: it goes on from there.
    Paused,
    /// `lrx tune` has seen enough of it.
    Stopped,
    /// Its process is gone without that: it goes on from its last checkpoint, if it has one, else from the beginning.
    Interrupted,
    /// Its numbers stopped being finite.
    Diverged,
    /// It ended with an error.
    Failed,
    /// As a table of other origin says.
    Other(String),
}

/// All words for these, but for those of other tables.
pub(crate) const CONDITIONS: [&str; 7] =
    ["finished", "running", "paused", "stopped", "interrupted", "diverged", "failed"];

impl Condition {
    /// What a table without the run's folder says.
    pub(crate) fn of_row(status: &Status) -> Self {
        match status {
            Status::Finished => Self::Finished,
            Status::Diverged => Self::Diverged,
            Status::Failed => Self::Failed,
            Status::Running => Self::Interrupted,
            other => Self::Other(other.to_string()),
        }
    }

    /// Whether the run has begun and not ended: its row does not say how far it is.
    pub(crate) fn is_open(&self) -> bool {
        matches!(self, Self::Running(_) | Self::Paused | Self::Stopped | Self::Interrupted)
    }

    pub(crate) fn word(&self) -> &str {
        match self {
            Self::Finished => CONDITIONS[0],
            Self::Running(_) => CONDITIONS[1],
            Self::Paused => CONDITIONS[2],
            Self::Stopped => CONDITIONS[3],
            Self::Interrupted => CONDITIONS[4],
            Self::Diverged => CONDITIONS[5],
            Self::Failed => CONDITIONS[6],
            Self::Other(word) => word,
        }
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Running(by) => write!(f, "{} by {by}", self.word()),
            _ => f.write_str(self.word()),
        }
    }
}

/// How the run in `folder` stands, whose row is `record`, as `look` has it. No other file is read, so that a finished run may be
/// damaged.
pub(crate) fn condition(folder: &Path, record: &RunRecord) -> Condition {
    if record.status != Status::Running {
        return Condition::of_row(&record.status);
    }
    let Ok(Some(attempt)) = current_attempt(folder) else { return Condition::Interrupted };
    match owner_of(&attempt) {
        Glance::Held(by) | Glance::Signed(by) => Condition::Running(by),
        Glance::Released if CHECKPOINT_FILES.iter().any(|file| attempt.join(file).exists()) => Condition::Paused,
        // Once all is known, the checkpoints of all are deleted: see `paused`.
        Glance::Released if folder.parent().is_some_and(|parent| parent.ends_with(TUNE_FOLDER)) => Condition::Stopped,
        Glance::Released | Glance::Left | Glance::Nothing => Condition::Interrupted,
    }
}
