//! What of a sweep is shown: in which order, which runs, which one the cursor is on.

use std::cmp::Ordering;

use super::sweep::{Shown, Sweep, place};
use crate::commands::list::{Filter, columns_known};

/// What runs are sorted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum By {
    /// What goes on first, then what has stopped, what is to come, and what is done.
    State,
    Label,
    Seed,
    Done,
    Loss,
    EvalLoss,
    Speed,
    Left,
    Memory,
    Experiment,
}

impl By {
    const ALL: [Self; 10] = [
        Self::State,
        Self::Label,
        Self::Seed,
        Self::Done,
        Self::Loss,
        Self::EvalLoss,
        Self::Speed,
        Self::Left,
        Self::Memory,
        Self::Experiment,
    ];

    /// The heading of its column.
    pub(super) fn heading(self) -> &'static str {
        match self {
            Self::State => "state",
            Self::Label => "run",
            Self::Seed => "seed",
            Self::Done => "done",
            Self::Loss => "loss",
            Self::EvalLoss => "eval",
            Self::Speed => "tokens/s",
            Self::Left => "left",
            Self::Memory => "memory",
            Self::Experiment => "experiment",
        }
    }

    /// What numbers are sorted by; none of a column of text, and of a run without a value.
    fn number(self, run: &Shown) -> Option<f64> {
        let record = &run.run.record;
        let number = match self {
            Self::State | Self::Label | Self::Experiment => None,
            Self::Seed => record.seed.map(|seed| seed as f64),
            Self::Done => run.share,
            Self::Loss => record.train_loss,
            Self::EvalLoss => record.eval_loss,
            Self::Speed => run.rate,
            Self::Left => run.left,
            Self::Memory => run.memory,
        };
        number.filter(|number| !number.is_nan())
    }

    /// Two runs in their order; those without a value come last either way round.
    fn compare(self, a: &Shown, b: &Shown, is_reversed: bool) -> Ordering {
        let (one, other) = (self.number(a), self.number(b));
        let order = match self {
            Self::State => place(a.run.condition.word()).cmp(&place(b.run.condition.word())),
            Self::Label => a.run.record.label.to_lowercase().cmp(&b.run.record.label.to_lowercase()),
            Self::Experiment => a.run.experiment.to_lowercase().cmp(&b.run.experiment.to_lowercase()),
            _ => one.partial_cmp(&other).unwrap_or(Ordering::Equal),
        };
        other.is_some().cmp(&one.is_some()).then(if is_reversed { order.reverse() } else { order })
    }
}

/// What of the sweep is on the screen.
pub(super) struct Choice {
    pub(super) by: By,
    pub(super) is_reversed: bool,
    /// What was typed behind `/`.
    pub(super) filter: String,
    /// Whether it is being typed.
    pub(super) is_typing: bool,
    /// Whether the run that the cursor is on is open.
    pub(super) is_open: bool,
    pub(super) shows_keys: bool,
    /// Where the cursor is among the runs that are shown.
    pub(super) cursor: usize,
    /// The run that it was put on, which it follows; none while it stays on the first, whichever that is.
    pub(super) on: Option<String>,
    /// The runs that are shown, in their order, by their places in the sweep.
    pub(super) shown: Vec<usize>,
    /// How many of them have room on the screen, for a page up or down.
    pub(super) page: usize,
}

impl Default for Choice {
    fn default() -> Self {
        Self {
            by: By::State,
            is_reversed: false,
            filter: String::new(),
            is_typing: false,
            is_open: false,
            shows_keys: false,
            cursor: 0,
            on: None,
            shown: Vec::new(),
            page: 1,
        }
    }
}

impl Choice {
    /// Filters and sorts anew: the runs, or what is wanted of them, have changed. The cursor stays on its run.
    pub(super) fn apply(&mut self, sweep: &Sweep) {
        let condition = self.condition();
        let text = self.filter.trim().to_lowercase();
        let holds = |run: &Shown| match &condition {
            Some(condition) => condition.holds(&run.run),
            None => {
                let record = &run.run.record;
                let kinds = [&record.attention, &record.mlp, &record.slots];
                let names = [&record.label, &record.run_id, &run.run.experiment];
                let cells = names.into_iter().chain(kinds).map(String::as_str).chain([run.run.condition.word()]);
                text.is_empty() || cells.into_iter().any(|cell| cell.to_lowercase().contains(&text))
            }
        };
        self.shown = (0..sweep.runs.len()).filter(|&index| holds(&sweep.runs[index])).collect();
        let (by, is_reversed) = (self.by, self.is_reversed);
        // Stable: among equals, the order of the sweep stays.
        self.shown.sort_by(|&a, &b| by.compare(&sweep.runs[a], &sweep.runs[b], is_reversed));
        let Some(on) = &self.on else {
            self.cursor = 0;
            self.is_open &= !self.shown.is_empty();
            return;
        };
        match self.shown.iter().position(|&index| sweep.runs[index].run.record.run_id == *on) {
            Some(at) => self.cursor = at,
            None => {
                self.move_to_first();
                self.is_open = false;
            }
        }
    }

    /// What was typed, where it is a condition of a column.
    fn condition(&self) -> Option<Filter> {
        Filter::parse(&self.filter, &columns_known()).ok()
    }

    /// Why what was typed is no condition, where it looks like one.
    pub(super) fn trouble(&self) -> Option<String> {
        let looks_like_one = self.filter.contains(['=', '<', '>', '~']);
        let error = Filter::parse(&self.filter, &columns_known()).err().filter(|_| looks_like_one && !self.is_typing);
        error.map(|error| error.trim_start_matches("--where ").to_owned())
    }

    /// Puts the cursor on another run, which it then follows.
    pub(super) fn move_to(&mut self, place: usize, sweep: &Sweep) {
        self.cursor = place.min(self.shown.len().saturating_sub(1));
        self.on = self.current(sweep).map(|run| run.run.record.run_id.clone());
    }

    /// Puts the cursor on the first run, and lets it stay there.
    pub(super) fn move_to_first(&mut self) {
        (self.cursor, self.on) = (0, None);
    }

    /// Opens the run that the cursor is on, or closes it.
    pub(super) fn open_or_close(&mut self, sweep: &Sweep) {
        self.is_open = !self.is_open && self.current(sweep).is_some();
        if self.is_open {
            self.move_to(self.cursor, sweep);
        }
    }

    /// The run that the cursor is on.
    pub(super) fn current<'a>(&self, sweep: &'a Sweep) -> Option<&'a Shown> {
        self.shown.get(self.cursor).map(|&index| &sweep.runs[index])
    }

    /// Sorts by the column that is `step` further.
    pub(super) fn sort_by_next(&mut self, step: isize) {
        let count = By::ALL.len() as isize;
        let at = By::ALL.iter().position(|by| *by == self.by).unwrap_or(0) as isize;
        self.by = By::ALL[(at + step).rem_euclid(count) as usize];
    }
}

#[cfg(test)]
mod tests {
    use super::super::sweep::tests::{planned, running, shown, sweep};
    use super::*;
    use crate::runs::Condition;

    fn seeds(choice: &Choice, sweep: &Sweep) -> Vec<u64> {
        choice.shown.iter().filter_map(|&index| sweep.runs[index].run.record.seed).collect()
    }

    fn some() -> Sweep {
        sweep(vec![
            shown(0, Condition::Finished, 100),
            planned(1, None),
            shown(2, running(), 30),
            shown(3, Condition::Paused, 60),
            shown(4, running(), 70),
        ])
    }

    #[test]
    fn what_goes_on_comes_first_and_every_column_sorts_both_ways() {
        let (sweep, mut choice) = (some(), Choice::default());
        choice.apply(&sweep);
        assert_eq!(seeds(&choice, &sweep), [2, 4, 3, 1, 0]);
        choice.by = By::EvalLoss;
        choice.apply(&sweep);
        // 4.0 + seed / 10; what has no loss comes last either way.
        assert_eq!(seeds(&choice, &sweep), [0, 2, 3, 4, 1]);
        choice.is_reversed = true;
        choice.apply(&sweep);
        assert_eq!(seeds(&choice, &sweep), [4, 3, 2, 0, 1]);
        choice.by = By::State;
        for _ in 0..By::ALL.len() {
            choice.sort_by_next(1);
            choice.apply(&sweep);
            assert_eq!(choice.shown.len(), 5);
        }
        assert_eq!(choice.by, By::State, "once round");
        choice.sort_by_next(-1);
        assert_eq!(choice.by, By::Experiment);
    }

    #[test]
    fn text_and_conditions_filter() {
        let (mut sweep, mut choice) = (some(), Choice::default());
        sweep.runs[3].run.record.mlp = "block-diagonal".into();
        for (filter, expected) in [
            ("running", vec![2, 4]),
            ("RUN-S3", vec![3]),
            ("eval_loss<4.25", vec![2, 0]),
            (" seed >= 3", vec![4, 3]),
            ("state=planned", vec![1]),
            ("no such", vec![]),
            // Half a condition is text, of which there is none; the kinds are text, too.
            ("seed>=", vec![]),
            ("Block-Diag", vec![3]),
            ("nosuch<4", vec![]),
            ("", vec![2, 4, 3, 1, 0]),
        ] {
            choice.filter = filter.into();
            choice.apply(&sweep);
            let is_told = ["seed>=", "nosuch<4"].contains(&filter);
            assert_eq!(choice.trouble().is_some(), is_told, "{filter}: {:?}", choice.trouble());
            assert_eq!(seeds(&choice, &sweep), expected, "{filter}");
        }
    }

    #[test]
    fn the_cursor_follows_its_run() {
        let (mut sweep, mut choice) = (some(), Choice::default());
        choice.apply(&sweep);
        choice.move_to(1, &sweep);
        assert_eq!(choice.current(&sweep).and_then(|run| run.run.record.seed), Some(4));
        choice.is_reversed = true;
        choice.apply(&sweep);
        assert_eq!(choice.current(&sweep).and_then(|run| run.run.record.seed), Some(4));
        // It is finished: elsewhere in the table, and the cursor with it, open as it was.
        choice.is_open = true;
        sweep.runs[4] = shown(4, Condition::Finished, 100);
        choice.apply(&sweep);
        assert_eq!(choice.current(&sweep).and_then(|run| run.run.record.seed), Some(4));
        assert!(choice.is_open);
        // It is gone: the cursor is on the first, which nobody has opened.
        sweep.runs.pop();
        choice.apply(&sweep);
        assert!(choice.cursor == 0 && !choice.is_open);
        // Nobody has put it there: it stays on the first, whichever that is.
        choice.is_reversed = false;
        choice.apply(&sweep);
        assert_eq!(choice.current(&sweep).and_then(|run| run.run.record.seed), Some(2));
        sweep.runs[2] = shown(2, Condition::Finished, 100);
        choice.apply(&sweep);
        assert_eq!(choice.current(&sweep).and_then(|run| run.run.record.seed), Some(3));
        choice.open_or_close(&sweep);
        sweep.runs[3] = shown(3, Condition::Finished, 100);
        choice.apply(&sweep);
        assert_eq!(choice.current(&sweep).and_then(|run| run.run.record.seed), Some(3), "the one that was opened");
        sweep.runs.clear();
        choice.apply(&sweep);
        choice.move_to(99, &sweep);
        assert!(choice.current(&sweep).is_none());
    }
}
