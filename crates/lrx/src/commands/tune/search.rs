//! Successive halving for one configuration: which values are trained on, and which one is chosen. It knows no run.
//!
//! All values train to the first rung and are evaluated; half of them train on to the next, a quarter to the one after, and
//! so on, until one is left or the last rung is the whole run. A value whose interval lies apart from that of the best goes at
//! once, and makes room for others to be looked at for longer. While the best value is the lowest or the highest, the grid grows
//! by one beyond it, a few times, before anything is dropped.

use lrx_analysis::stats::{self, CONFIDENCE, Interval};

/// So often does the grid grow at each end.
const MOST_EXTENSIONS: usize = 4;

/// Where a value comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// The command line.
    Given,
    /// The grid around the value of the config.
    Default,
    /// The best value was at an end of the grid.
    Extended,
}

/// What was decided of a value at a rung.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Among the best: it trains on.
    Kept,
    /// Others are better.
    Dropped,
    /// Its interval lies apart from the best.
    Parted,
    /// A run of it diverged.
    Diverged,
    /// The best of the last that were left.
    Chosen,
}

/// A value that is searched.
#[derive(Clone, Debug, PartialEq)]
struct Candidate {
    value: f64,
    origin: Origin,
    is_left: bool,
}

/// A value at a rung.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Entry {
    pub(super) value: f64,
    pub(super) origin: Origin,
    /// From 0.
    pub(super) rung: usize,
    /// Of the seeds; none of runs that diverged.
    pub(super) losses: Vec<Option<f64>>,
    /// From the best value of the rung; no width where no spread is known.
    pub(super) difference: Option<f64>,
    pub(super) half_width: Option<f64>,
    pub(super) verdict: Verdict,
}

impl Entry {
    /// The mean loss, where no run diverged.
    pub(super) fn mean(&self) -> Option<f64> {
        stats::mean(&finite(&self.losses)?)
    }

    /// The sample standard deviation over the seeds.
    pub(super) fn sd(&self) -> Option<f64> {
        stats::sample_sd(&finite(&self.losses)?)
    }
}

/// An end of the grid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Edge {
    Lowest,
    Highest,
}

/// The search for the best value.
pub(super) struct Search {
    /// By rising value.
    grid: Vec<Candidate>,
    rungs: usize,
    rung: usize,
    /// At the low end and at the high one.
    extensions: [usize; 2],
    /// All that was decided, rung by rung.
    pub(super) entries: Vec<Entry>,
    is_over: bool,
}

/// The losses of a value's runs, a seed each; none of a run that diverged.
pub(super) type Losses = Vec<Option<f64>>;

impl Search {
    /// Among `values`, in so many rungs.
    pub(super) fn new(mut values: Vec<f64>, origin: Origin, rungs: usize) -> Self {
        values.sort_by(f64::total_cmp);
        values.dedup();
        let candidate = |value| Candidate { value, origin, is_left: true };
        let grid = values.into_iter().map(candidate).collect();
        Self { grid, rungs, rung: 0, extensions: [MOST_EXTENSIONS; 2], entries: Vec::new(), is_over: false }
    }

    /// The rung that is being trained for, from 0, and the values that have to reach it; none once the search is over.
    pub(super) fn wanted(&self) -> (usize, Vec<f64>) {
        let left = self.grid.iter().filter(|one| one.is_left && !self.is_over).map(|one| one.value);
        (self.rung, left.collect())
    }

    /// All values that were tried, rising.
    pub(super) fn values(&self) -> Vec<f64> {
        self.grid.iter().map(|one| one.value).collect()
    }

    /// The value that was chosen.
    pub(super) fn chosen(&self) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.verdict == Verdict::Chosen)
    }

    /// At which end of the grid the chosen value lies.
    pub(super) fn edge(&self) -> Option<Edge> {
        self.edge_of(self.chosen()?.value)
    }

    /// The value that should be tried before anything is decided, now that all wanted values have reached the rung with
    /// `losses`: the one beyond the best, where that is at an end of the grid that has not grown too often.
    pub(super) fn growth(&self, losses: &[Losses]) -> Option<f64> {
        let values = self.wanted().1;
        let means =
            values.iter().zip(losses).filter_map(|(&value, losses)| Some((value, stats::mean(&finite(losses)?)?)));
        let best = means.min_by(|(_, a), (_, b)| a.total_cmp(b)).map(|(value, _)| value);
        // Where all diverged, what is better lies below.
        self.beyond(best.or(values.first().copied())?)
    }

    /// Takes a value in, to be trained to this rung with the others.
    pub(super) fn extend(&mut self, value: f64) {
        let at_low_end = self.grid.first().is_none_or(|first| value < first.value);
        let candidate = Candidate { value, origin: Origin::Extended, is_left: true };
        let edge = if at_low_end { Edge::Lowest } else { Edge::Highest };
        self.extensions[edge as usize] = self.extensions[edge as usize].saturating_sub(1);
        self.grid.insert(if at_low_end { 0 } else { self.grid.len() }, candidate);
    }

    /// Chooses among the wanted values, which have reached the rung with `losses`, and goes on to the next rung or ends.
    pub(super) fn decide(&mut self, losses: Vec<Losses>) {
        let (rung, values) = self.wanted();
        let mut entries: Vec<Entry> =
            values.into_iter().zip(losses).map(|(value, losses)| self.entry(value, rung, losses)).collect();
        let keep = if rung + 1 == self.rungs { 1 } else { self.grid.len().div_ceil(1 << (rung + 1)) };
        decide(&mut entries, keep);
        for entry in &entries {
            let one = self.grid.iter_mut().find(|one| one.value == entry.value).expect("a value of the grid");
            one.is_left = entry.verdict == Verdict::Kept;
        }
        self.is_over = !entries.iter().any(|entry| entry.verdict == Verdict::Kept);
        self.entries.append(&mut entries);
        self.rung += 1;
    }

    fn entry(&self, value: f64, rung: usize, losses: Losses) -> Entry {
        let origin = self.grid.iter().find(|one| one.value == value).map_or(Origin::Given, |one| one.origin);
        Entry { value, origin, rung, losses, difference: None, half_width: None, verdict: Verdict::Diverged }
    }

    fn edge_of(&self, value: f64) -> Option<Edge> {
        match value {
            value if self.grid.first().is_some_and(|first| first.value == value) => Some(Edge::Lowest),
            value if self.grid.last().is_some_and(|last| last.value == value) => Some(Edge::Highest),
            _ => None,
        }
    }

    /// The next value beyond one that is at an end of the grid, as far from it as it is from its neighbour, by their ratio.
    fn beyond(&self, value: f64) -> Option<f64> {
        let edge = self.edge_of(value)?;
        let neighbour = match edge {
            Edge::Lowest => self.grid.get(1)?,
            Edge::Highest => self.grid.get(self.grid.len().checked_sub(2)?)?,
        };
        let next = rounded(value * (value / neighbour.value));
        let is_new = next.is_finite() && next > 0.0 && neighbour.value > 0.0 && next != value;
        (self.extensions[edge as usize] > 0 && is_new).then_some(next)
    }
}

/// Six digits: ratios of decimal numbers are decimal numbers.
pub(super) fn rounded(value: f64) -> f64 {
    format!("{value:.5e}").parse().unwrap_or(value)
}

/// `n` values, each `factor` times the one before, with `middle` in their middle.
pub(super) fn around(middle: f64, factor: f64, n: usize) -> Vec<f64> {
    let half = (n / 2) as i32;
    (0..n as i32).map(|i| if i == half { middle } else { rounded(middle * factor.powi(i - half)) }).collect()
}

fn finite(losses: &[Option<f64>]) -> Option<Vec<f64>> {
    losses.iter().map(|loss| loss.filter(|loss| loss.is_finite())).collect()
}

/// The entries that did not diverge, by rising loss; of equal ones the lower value first.
fn ranked(entries: &[Entry]) -> Vec<usize> {
    let means: Vec<Option<f64>> = entries.iter().map(Entry::mean).collect();
    let mut ranked: Vec<usize> = (0..entries.len()).filter(|&i| means[i].is_some()).collect();
    ranked.sort_by(|&a, &b| means[a].unwrap_or(f64::NAN).total_cmp(&means[b].unwrap_or(f64::NAN)));
    ranked
}

/// Which of these values has the lowest losses, all of whole runs: each with what it is beside the best.
pub(super) fn best_of(values: impl IntoIterator<Item = (f64, Losses)>, rung: usize) -> Vec<Entry> {
    let entry = |(value, losses)| {
        let (origin, verdict) = (Origin::Given, Verdict::Diverged);
        Entry { value, origin, rung, losses, difference: None, half_width: None, verdict }
    };
    let mut entries: Vec<Entry> = values.into_iter().map(entry).collect();
    decide(&mut entries, 1);
    entries
}

/// Decides of each entry: of those that did not diverge, the `keep` best go on, as far as their intervals are not apart from
/// the best. One that is left alone is chosen.
fn decide(entries: &mut [Entry], keep: usize) {
    let ranked = ranked(entries);
    let Some(&best) = ranked.first() else { return };
    let losses: Vec<Vec<f64>> = ranked.iter().filter_map(|&i| finite(&entries[i].losses)).collect();
    let half_width = stats::blocks(&losses.iter().map(Vec::as_slice).collect::<Vec<_>>(), CONFIDENCE);
    let lowest = entries[best].mean().unwrap_or(f64::NAN);
    for (place, &i) in ranked.iter().enumerate() {
        let estimate = entries[i].mean().unwrap_or(f64::NAN) - lowest;
        let is_apart = half_width.is_some_and(|half_width| Interval { estimate, half_width }.excludes_zero());
        entries[i].difference = Some(estimate);
        entries[i].half_width = half_width.filter(|_| i != best);
        entries[i].verdict = match () {
            () if i == best => Verdict::Kept,
            () if is_apart => Verdict::Parted,
            () if place >= keep => Verdict::Dropped,
            () => Verdict::Kept,
        };
    }
    let is_alone = entries.iter().filter(|entry| entry.verdict == Verdict::Kept).count() == 1;
    if is_alone {
        entries[best].verdict = Verdict::Chosen;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GRID: [f64; 7] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0];

    /// Goes on as far as the wanted values have losses, in a key that can have the values of which `possible` says so.
    fn advance(search: &mut Search, losses: impl Fn(f64) -> Losses, possible: impl Fn(f64) -> bool) {
        let losses: Vec<Losses> = search.wanted().1.into_iter().map(losses).collect();
        match search.growth(&losses) {
            Some(value) if possible(value) => search.extend(value),
            _ => search.decide(losses),
        }
    }

    /// Searches where the loss of a value is `loss`, the same at every rung, of one seed; what was trained at each.
    fn search(grid: &[f64], rungs: usize, loss: impl Fn(f64) -> Option<f64>) -> (Search, Vec<Vec<f64>>) {
        let mut search = Search::new(grid.to_vec(), Origin::Default, rungs);
        let mut trained: Vec<Vec<f64>> = vec![Vec::new(); rungs];
        while let (rung, values @ [_, ..]) = (search.wanted().0, &search.wanted().1[..]) {
            trained[rung] = values.to_vec();
            advance(&mut search, |value| vec![loss(value)], |_| true);
        }
        (search, trained)
    }

    fn distance(from: f64) -> impl Fn(f64) -> Option<f64> {
        move |value| Some((value / from).log2().abs())
    }

    #[test]
    fn half_goes_on_until_one_is_left() {
        let (found, trained) = search(&GRID, 4, distance(9.0));
        // By their distance from 9: 8, 16, 4, 32, 2, 64, 1.
        assert_eq!(trained, [GRID.to_vec(), vec![4.0, 8.0, 16.0, 32.0], vec![8.0, 16.0], vec![]]);
        assert_eq!((found.chosen().unwrap().value, found.chosen().unwrap().rung), (8.0, 2));
        assert_eq!(found.edge(), None);
        // Rungs at an eighth, a quarter, a half and the end: 7/8 + 4/8 + 2/4 of a run, in place of 7.
        let ends = [0.0, 0.125, 0.25, 0.5, 1.0];
        let cost: f64 =
            trained.iter().zip(ends.windows(2)).map(|(values, ends)| values.len() as f64 * (ends[1] - ends[0])).sum();
        assert_eq!(cost, 1.875);
    }

    #[test]
    fn the_last_rung_decides_among_all_that_are_left() {
        let (found, trained) = search(&GRID, 2, distance(9.0));
        assert_eq!(trained, [GRID.to_vec(), vec![4.0, 8.0, 16.0, 32.0]]);
        let verdict = |value: f64| found.entries.iter().rfind(|entry| entry.value == value).unwrap().verdict;
        assert_eq!([8.0, 16.0, 1.0].map(verdict), [Verdict::Chosen, Verdict::Dropped, Verdict::Dropped]);
    }

    /// Each value costs its part of the rungs' budget: at most a third of the full grid, for grids as people have them.
    #[test]
    fn a_search_costs_a_third_of_the_grid_at_most() {
        let ends = [0.125, 0.25, 0.5, 1.0];
        for n in 2..=8 {
            let grid: Vec<f64> = (0..n).map(|i| 2.0_f64.powi(i)).collect();
            let mut found = Search::new(grid.clone(), Origin::Given, 4);
            let mut cost = 0.0;
            while let (rung, values @ [_, ..]) = (found.wanted().0, &found.wanted().1[..]) {
                cost += values.len() as f64 * (ends[rung] - if rung == 0 { 0.0 } else { ends[rung - 1] });
                advance(&mut found, |value| vec![Some((value.log2() - 1.0).abs())], |_| false);
            }
            assert!(cost <= f64::from(n) / 3.0, "{n}: {cost}");
        }
    }

    #[test]
    fn the_grid_grows_at_the_end_where_the_best_is() {
        let (found, trained) = search(&[1.0, 2.0, 4.0], 3, distance(16.0));
        // 8, then 16, then 32, which is worse.
        assert_eq!(trained[0], [1.0, 2.0, 4.0, 8.0, 16.0, 32.0]);
        assert_eq!((found.chosen().unwrap().value, found.edge()), (16.0, None));
        assert_eq!(found.chosen().unwrap().origin, Origin::Extended);
        let (found, trained) = search(&[1.0, 2.0, 4.0], 3, distance(0.25));
        assert_eq!(trained[0], [0.125, 0.25, 0.5, 1.0, 2.0, 4.0]);
        assert_eq!(found.chosen().unwrap().value, 0.25);
    }

    #[test]
    fn what_stays_at_an_end_is_said_to_be_there() {
        let (found, trained) = search(&[1.0, 2.0, 4.0], 3, distance(1e9));
        assert_eq!(trained[0], [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0], "four times");
        assert_eq!((found.chosen().unwrap().value, found.edge()), (64.0, Some(Edge::Highest)));
        // Nothing lies below 0, and nothing is twice it.
        let (found, trained) = search(&[0.0, 0.1, 0.2], 3, Some);
        assert_eq!(trained[0], [0.0, 0.1, 0.2]);
        assert_eq!((found.chosen().unwrap().value, found.edge()), (0.0, Some(Edge::Lowest)));
        let mut bounded = Search::new(vec![0.2, 0.4, 0.8], Origin::Given, 2);
        advance(&mut bounded, |value| vec![Some(1.0 - value)], |value| value < 1.0);
        assert_eq!(bounded.wanted(), (1, vec![0.4, 0.8]), "the key cannot be 1.6");
    }

    #[test]
    fn what_diverges_is_out_whatever_else_it_lost() {
        let (found, trained) = search(&GRID, 4, |value| distance(20.0)(value).filter(|_| value < 16.0));
        assert_eq!(trained[1], [1.0, 2.0, 4.0, 8.0], "half of seven");
        assert_eq!(found.chosen().unwrap().value, 8.0);
        // All did: lower values are tried, and where these do as well, none is chosen.
        let (found, trained) = search(&[4.0, 8.0], 2, |value| distance(1.0)(value).filter(|_| value < 3.0));
        assert_eq!((trained[0][0], found.chosen().unwrap().value), (0.5, 1.0));
        let (found, trained) = search(&[4.0, 8.0], 2, |_| None);
        assert_eq!((trained[0].len(), found.chosen()), (6, None));
        // One of two seeds is enough.
        let mut found = Search::new(vec![1.0, 2.0, 4.0], Origin::Given, 2);
        advance(
            &mut found,
            |value| vec![Some(1.0), if value == 2.0 { None } else { Some((value - 2.0).abs()) }],
            |_| false,
        );
        assert_eq!(found.entries[1].verdict, Verdict::Diverged);
    }

    #[test]
    fn intervals_that_part_end_the_search_early() {
        // Of each seed the same differences but for hundredths: 0.5 is far outside, 0.01 within.
        let losses = |value: f64| match value {
            1.0 => vec![Some(3.50), Some(3.71)],
            2.0 => vec![Some(3.00), Some(3.20)],
            4.0 => vec![Some(3.02), Some(3.20)],
            _ => vec![Some(4.00), Some(4.19)],
        };
        let mut found = Search::new(vec![1.0, 2.0, 4.0, 8.0], Origin::Given, 4);
        advance(&mut found, losses, |_| true);
        let verdicts: Vec<Verdict> = found.entries.iter().map(|entry| entry.verdict).collect();
        assert_eq!(verdicts, [Verdict::Parted, Verdict::Kept, Verdict::Kept, Verdict::Parted]);
        let mut clear = Search::new(vec![1.0, 2.0, 8.0], Origin::Given, 4);
        advance(&mut clear, losses, |_| true);
        assert_eq!((clear.chosen().unwrap().value, clear.wanted().1), (2.0, vec![]), "at the first rung");
        // The room that they make is used: of eight values two go on to a half of the steps, parted or not.
        let near = |value: f64| match value {
            2.0 | 4.0 => losses(value),
            other => vec![Some(4.0), Some(4.19 + 0.02 * (other.log2() % 2.0))],
        };
        let mut roomy = Search::new((0..8).map(|i| 2.0_f64.powi(i)).collect(), Origin::Given, 4);
        (0..2).for_each(|_| advance(&mut roomy, near, |_| true));
        assert_eq!(roomy.wanted(), (2, vec![2.0, 4.0]));
    }

    #[test]
    fn grids_are_even_and_of_short_numbers() {
        assert_eq!(around(1e-3, 2.0, 5), [2.5e-4, 5e-4, 1e-3, 2e-3, 4e-3]);
        assert_eq!(around(0.3, 10.0, 3), [0.03, 0.3, 3.0]);
        assert_eq!(rounded(1e-3 * (1e-3 / 3e-4)), 0.00333333);
    }
}
