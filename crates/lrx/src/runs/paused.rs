//! Runs that have paused, and of which no more is wanted.

use std::path::Path;

use lrx_train::{CHECKPOINT_FILES, remove_checkpoints};

use super::claim::{Claimed, claim, current_attempt};
use crate::lease::Watch;

/// Deletes the checkpoints of a run that nobody works on, which may be larger than all that is kept of it. Its curve stays;
/// whoever wants more of the run trains it anew, to the same numbers.
pub(crate) fn drop_checkpoints(folder: &Path) {
    let Ok(Some(attempt)) = current_attempt(folder) else { return };
    if CHECKPOINT_FILES.iter().any(|file| attempt.join(file).exists())
        && let Ok(Claimed::Mine(claim)) = claim(&mut Watch::default(), folder)
    {
        // What cannot be deleted is in nobody's way.
        let _ = remove_checkpoints(claim.folder());
        claim.release();
    }
}
