//! What is free of a range of addresses.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

/// Free ranges, none of which touches another.
#[derive(Debug, Default)]
pub(super) struct FreeRanges {
    /// From the start of each to its end.
    ends: BTreeMap<usize, usize>,
    /// Length and start of each.
    by_length: BTreeSet<(usize, usize)>,
}

impl FreeRanges {
    pub(super) const fn new() -> Self {
        Self { ends: BTreeMap::new(), by_length: BTreeSet::new() }
    }

    /// The free ranges, the lowest first.
    pub(super) fn iter(&self) -> impl Iterator<Item = Range<usize>> {
        self.ends.iter().map(|(&start, &end)| start..end)
    }

    /// Takes the first `len` of the smallest range that is long enough, the lowest of those, and says where it starts.
    pub(super) fn take(&mut self, len: usize) -> Option<usize> {
        let &(_, start) = self.by_length.range((len, 0)..).next()?;
        self.take_first(start, len);
        Some(start)
    }

    /// Takes the first `len` of the range that starts at `start`, if there is one that is long enough.
    pub(super) fn take_at(&mut self, start: usize, len: usize) -> bool {
        let fits = self.ends.get(&start).is_some_and(|end| end - start >= len);
        if fits {
            self.take_first(start, len);
        }
        fits
    }

    fn take_first(&mut self, start: usize, len: usize) {
        let end = self.remove(start);
        if start + len < end {
            self.insert(start + len..end);
        }
    }

    /// Frees what was taken, and says whether it was.
    #[must_use]
    pub(super) fn give(&mut self, taken: Range<usize>) -> bool {
        let Range { mut start, mut end } = taken;
        let before = self.ends.range(..end).next_back().map(|(&start, &end)| (start, end));
        if before.is_some_and(|(_, before)| before > start) {
            return false;
        }
        if self.ends.contains_key(&end) {
            end = self.remove(end);
        }
        if let Some((before, _)) = before.filter(|&(_, before)| before == start) {
            self.remove(before);
            start = before;
        }
        self.insert(start..end);
        true
    }

    fn insert(&mut self, Range { start, end }: Range<usize>) {
        self.ends.insert(start, end);
        self.by_length.insert((end - start, start));
    }

    fn remove(&mut self, start: usize) -> usize {
        let end = self.ends.remove(&start).expect("a free range starts there");
        self.by_length.remove(&(end - start, start));
        end
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn takes_the_smallest_that_fits_and_the_lowest_of_those() {
        let mut free = FreeRanges::new();
        for range in [0..30, 40..50, 60..70, 80..100] {
            assert!(free.give(range));
        }
        assert_eq!(free.take(10), Some(40));
        assert_eq!(free.take(10), Some(60));
        assert_eq!(free.take(15), Some(80));
        assert_eq!(free.take(31), None);
        assert_eq!(free.iter().collect::<Vec<_>>(), [0..30, 95..100]);
        assert!(!free.take_at(95, 6) && !free.take_at(96, 1) && free.take_at(95, 5) && free.take_at(0, 29));
        assert!(free.iter().eq(std::iter::once(29..30)));
    }

    #[test]
    fn refuses_to_free_what_is_free() {
        let mut free = FreeRanges::new();
        assert!(free.give(1..3));
        assert!(!free.give(0..2) && !free.give(2..4) && !free.give(0..4) && !free.give(1..3));
        assert!(free.iter().eq(std::iter::once(1..3)));
    }

    proptest! {
        /// Against a plain list of which unit is taken by whom.
        #[test]
        fn what_is_taken_is_disjoint_and_what_is_free_is_whole(
            steps in prop::collection::vec((any::<bool>(), 1..12_usize, any::<prop::sample::Index>()), 1..200)
        ) {
            const UNITS: usize = 60;
            let mut free = FreeRanges::new();
            prop_assert!(free.give(0..UNITS));
            let mut is_free = [true; UNITS];
            let mut taken: Vec<Range<usize>> = Vec::new();
            let runs = |is_free: &[bool; UNITS]| {
                let mut runs: Vec<Range<usize>> = Vec::new();
                for unit in (0..UNITS).filter(|&unit| is_free[unit]) {
                    match runs.last_mut().filter(|run| run.end == unit) {
                        Some(run) => run.end += 1,
                        None => runs.push(unit..unit + 1),
                    }
                }
                runs
            };
            for (take, len, which) in steps {
                if take || taken.is_empty() {
                    let best = runs(&is_free).into_iter().filter(|run| run.len() >= len).min_by_key(|run| run.len());
                    let start = free.take(len);
                    prop_assert_eq!(start, best.map(|run| run.start));
                    if let Some(start) = start {
                        is_free[start..start + len].fill(false);
                        taken.push(start..start + len);
                    }
                } else {
                    let range = taken.swap_remove(which.index(taken.len()));
                    is_free[range.clone()].fill(true);
                    prop_assert!(free.give(range));
                }
                prop_assert_eq!(free.iter().collect::<Vec<_>>(), runs(&is_free));
            }
        }
    }
}
