//! Time over interruptions.

use std::time::{Duration, Instant};

use crate::checkpoint::Position;
use crate::{ProcessorTime, memory};

/// When checkpoints are written.
#[derive(Clone, Copy, Debug)]
pub struct Checkpoints {
    /// Time between two; longer where writing one takes more than a hundredth of it, so that it costs less than 1 %.
    pub every: Duration,
    /// Also after every so many steps.
    pub steps: Option<usize>,
}

/// Wall time over interruptions, and when the next checkpoint is due.
pub(crate) struct Clock {
    began: Instant,
    before: f64,
    /// Processor time at the beginning, and before it.
    processors: Option<(ProcessorTime, ProcessorTime)>,
    last_checkpoint: Instant,
    checkpoint_cost: Duration,
}

impl Clock {
    pub(crate) fn start(position: &Position) -> Self {
        let now = Instant::now();
        // Of a part of a run nothing is said.
        let known = if position.step == 0 { Some(ProcessorTime::default()) } else { position.processors };
        Self {
            began: now,
            before: position.wall_seconds,
            processors: ProcessorTime::now().zip(known),
            last_checkpoint: now,
            checkpoint_cost: Duration::ZERO,
        }
    }

    pub(crate) fn read(&self, position: &mut Position) {
        position.wall_seconds = self.before + self.began.elapsed().as_secs_f64();
        let peaks = [position.peak_rss_mb, memory::peak_rss_mb()];
        position.peak_rss_mb = peaks.into_iter().flatten().reduce(f64::max);
    }

    /// Reads how the processors were used as well: not at every step, as on a machine of many that takes longer than a small one.
    pub(crate) fn read_all(&self, position: &mut Position) {
        self.read(position);
        let passed = |(began, before): (ProcessorTime, ProcessorTime)| {
            ProcessorTime::now().map(|now| now.since(began).and(before))
        };
        position.processors = self.processors.and_then(passed);
    }

    pub(crate) fn checkpoint_is_due(&self, checkpoints: &Checkpoints, step: usize) -> bool {
        let by_steps = checkpoints.steps.is_some_and(|steps| step.is_multiple_of(steps));
        let every = if checkpoints.every.is_zero() {
            Duration::ZERO // Asked for after every step, whatever it costs.
        } else {
            checkpoints.every.max(100 * self.checkpoint_cost)
        };
        by_steps || self.last_checkpoint.elapsed() >= every
    }

    pub(crate) fn checkpoint_took(&mut self, time: Duration) {
        (self.last_checkpoint, self.checkpoint_cost) = (Instant::now(), time);
    }
}
