//! How often the tables of an experiment are assembled while its runs go on.
//!
//! Assembling reads every run of the experiment: after each of them, the work of a sweep would grow with the square of its
//! runs. So it is done once a quarter as many have ended here as the tables hold, which reads each run some five times in
//! all, however many there are; and, for runs that take their time, every half minute, as long as that is at most a
//! twentieth of the time.

use std::time::{Duration, Instant};

/// The tables are due when this part of what they hold has ended since, as a divisor.
const PART: usize = 4;
/// Tables of fewer runs are due after each.
const FEW: usize = 16;
/// Or after so long.
const SELDOM: Duration = Duration::from_secs(30);
/// Then at most so much of the time is spent on them, as a divisor.
const SHARE: u32 = 20;

/// When the tables of an experiment are due.
#[derive(Default)]
pub(super) struct Pace {
    /// Runs that the tables held when they were last assembled.
    held: usize,
    /// Runs that have ended here since.
    ended: usize,
    /// When that was, and how long it took.
    last: Option<(Instant, Duration)>,
}

impl Pace {
    /// Whether the tables are due at a run's end.
    pub(super) fn is_due_after_run(&mut self, now: Instant) -> bool {
        self.ended += 1;
        self.held < FEW || self.ended * PART >= self.held || self.is_due(now)
    }

    /// Whether the tables are due in the midst of a run.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        self.last.is_none_or(|(at, took)| now.saturating_duration_since(at) >= SELDOM.max(took * SHARE))
    }

    /// Assembling begins: until it is done, nobody else need begin.
    pub(super) fn begin(&mut self, now: Instant) {
        let took = self.last.map_or(Duration::ZERO, |(_, took)| took);
        (self.ended, self.last) = (0, Some((now, took)));
    }

    /// Tables of so many runs have been assembled.
    pub(super) fn done(&mut self, held: usize, now: Instant) {
        let took = self.last.map_or(Duration::ZERO, |(began, _)| now.saturating_duration_since(began));
        (self.held, self.last) = (held, Some((now, took)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How often a run is read while so many end one after the other, each after so long, and how often tables are
    /// assembled, where reading one takes so long.
    fn reads(runs: usize, each: Duration, read: Duration) -> (usize, usize) {
        let (mut pace, mut now) = (Pace::default(), Instant::now());
        let (mut reads, mut times) = (0, 0);
        for ended in 1..=runs {
            now += each;
            if pace.is_due_after_run(now) {
                pace.begin(now);
                now += read * ended as u32;
                pace.done(ended, now);
                (reads, times) = (reads + ended, times + 1);
            }
        }
        (reads, times)
    }

    #[test]
    fn the_work_of_a_run_does_not_grow_with_the_sweep() {
        let read = Duration::from_micros(200);
        for runs in [100, 1_000, 10_000, 100_000] {
            let (reads, times) = reads(runs, Duration::ZERO, read);
            // The geometric series 1 + 4/5 + (4/5)² + …, and the first few, each of which is due.
            assert!(reads <= 5 * runs + FEW * FEW, "{runs}: {reads}");
            assert!(times >= 10, "{runs}: {times}");
        }
        // Runs of a second each, and folders that are slow to read: a twentieth of the time beside that.
        let (runs, each, slow) = (20_000, Duration::from_secs(1), Duration::from_millis(10));
        let (reads, _) = reads(runs, each, slow);
        let spent = slow * reads as u32;
        assert!(spent <= each * runs as u32 / SHARE + slow * (5 * runs as u32 + 256), "{spent:?}");
    }

    #[test]
    fn tables_of_runs_that_take_their_time_are_never_old() {
        assert_eq!(reads(500, Duration::from_secs(31), Duration::from_micros(200)).1, 500);
        // Of a small sweep each run shows at once.
        assert_eq!(reads(16, Duration::from_millis(60), Duration::from_micros(200)).1, 16);
        let now = Instant::now();
        let mut pace = Pace::default();
        assert!(pace.is_due(now), "of a run that goes on");
        pace.begin(now);
        assert!(!pace.is_due(now + SELDOM / 2), "somebody is at it");
        pace.done(1_000, now + Duration::from_secs(2));
        assert!(!pace.is_due(now + SELDOM) && pace.is_due(now + Duration::from_secs(42)));
    }
}
