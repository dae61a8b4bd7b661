//! How long it will still take: one run, and all of them.

use std::time::Instant;

/// Seconds in words, as exact as one wants to know them: `42 s`, `3 min 20 s`, `1 h 05 min`, `3 d 4 h`.
pub(crate) fn duration(seconds: f64) -> String {
    if !seconds.is_finite() || seconds < 0.0 {
        return "?".into();
    }
    let whole = |seconds: f64| seconds.round() as u64;
    let (s, min, h) = (whole(seconds), whole(seconds / 60.0), whole(seconds / 3600.0));
    match () {
        () if seconds < 0.95 => format!("{seconds:.1} s"),
        () if s < 60 => format!("{s} s"),
        () if s < 600 => format!("{} min {:02} s", s / 60, s % 60),
        () if min < 60 => format!("{min} min"),
        () if min < 48 * 60 => format!("{} h {:02} min", min / 60, min % 60),
        () if h < 100 * 24 => format!("{} d {} h", h / 24, h % 24),
        () => format!("{} d", h / 24),
    }
}

/// Work that is to be done in all, and how fast it goes. Its unit is the caller's.
#[derive(Default)]
pub(super) struct Work {
    remaining: f64,
    done: f64,
    began: Option<Instant>,
}

impl Work {
    /// So much is to be done.
    pub(super) fn expect(&mut self, work: f64) {
        self.remaining += work;
    }

    /// So much need not be done: somebody has done it.
    pub(super) fn skip(&mut self, work: f64) {
        self.remaining -= work;
    }

    /// So much was just done.
    pub(super) fn advance(&mut self, work: f64) {
        // The clock begins with the first that is done: what came before was not work.
        if self.began.is_none() {
            self.began = Some(Instant::now());
        } else {
            self.done += work;
        }
        self.remaining -= work;
    }

    /// Seconds until all is done, at the speed so far; `None` where nothing is known of that.
    pub(super) fn left(&self) -> Option<f64> {
        self.left_after(self.began?.elapsed().as_secs_f64())
    }

    fn left_after(&self, seconds: f64) -> Option<f64> {
        (self.done > 0.0).then(|| self.remaining.max(0.0) * seconds / self.done)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_short_and_of_any_length() {
        let said = [0.04, 0.5, 0.97, 42.4, 59.6, 200.0, 599.6, 3540.0, 3900.0, 86_400.0, 4.0 * 86_400.0, 1e9, 1e300]
            .map(duration);
        let expected = [
            "0.0 s",
            "0.5 s",
            "1 s",
            "42 s",
            "1 min 00 s",
            "3 min 20 s",
            "10 min",
            "59 min",
            "1 h 05 min",
            "24 h 00 min",
            "4 d 0 h",
            "11574 d",
        ];
        assert_eq!(said[..12], expected);
        assert!(said[12].ends_with(" d"));
        assert_eq!([f64::NAN, f64::INFINITY, -1.0].map(duration), ["?", "?", "?"]);
    }

    #[test]
    fn all_that_is_left_is_counted_at_the_speed_so_far() {
        let mut work = Work::default();
        [10.0, 10.0, 20.0].into_iter().for_each(|run| work.expect(run));
        assert_eq!(work.left(), None);
        work.skip(10.0); // Finished before.
        (0..=4).for_each(|_| work.advance(1.0));
        // Of 30, 5 are done, 4 of them since the clock began.
        assert_eq!(work.left_after(8.0), Some(50.0));
        work.skip(25.0);
        assert_eq!(work.left_after(9.0), Some(0.0));
    }
}
