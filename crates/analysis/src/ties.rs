//! Letters that show which configurations cannot be told apart.

use std::collections::BTreeSet;

use crate::stats::holm;
use crate::{Configuration, ErrorModel, Verdict, compare};

/// More letters than these would not be read.
const LETTERS: &str = "abcdefghijklmnopqrst";
/// Nor would the pairs of more configurations, whose number grows with the square of theirs.
const MOST: usize = 100;

/// For each configuration its letters: two share one exactly if their difference is not distinguishable from zero, all pairs
/// looked at together (Holm).
///
/// Insert and absorb (Piepho 2004, "An algorithm for a letter-based representation of all-pairwise comparisons"): begin
/// with one group of all, and for each pair that can be told apart split every group that holds both; groups within
/// others are dropped. All empty if a pair has no interval, if the alphabet is too short, or of many configurations.
pub(crate) fn ties(configurations: &[&Configuration], errors: &ErrorModel) -> Vec<String> {
    let none = vec![String::new(); configurations.len()];
    if !(2..=MOST).contains(&configurations.len()) {
        return none;
    }
    let indices = 0..configurations.len();
    let pairs: Vec<(usize, usize)> =
        indices.clone().flat_map(|i| (i + 1..configurations.len()).map(move |j| (i, j))).collect();
    let comparisons = pairs.iter().map(|&(i, j)| compare(configurations[i], configurations[j], errors));
    let contrasts: Option<Vec<_>> = comparisons.map(|comparison| comparison.contrast).collect();
    let Some(contrasts) = contrasts else { return none };
    let adjusted = holm(&contrasts.iter().map(|contrast| contrast.p).collect::<Vec<_>>());
    let mut groups = vec![indices.collect::<BTreeSet<_>>()];
    for (((i, j), contrast), p) in pairs.into_iter().zip(&contrasts).zip(adjusted) {
        if Verdict::of(contrast.interval.estimate, p) != Verdict::NotDistinguishable {
            groups = split(groups, i, j);
        }
        if groups.len() > LETTERS.len() {
            return none;
        }
    }
    groups.sort();
    let mut letters = none;
    for (group, letter) in groups.iter().zip(LETTERS.chars()) {
        for &member in group {
            letters[member].push(letter);
        }
    }
    letters
}

/// Groups in which `i` and `j` do not meet.
fn split(groups: Vec<BTreeSet<usize>>, i: usize, j: usize) -> Vec<BTreeSet<usize>> {
    let (both, mut kept): (Vec<_>, Vec<_>) =
        groups.into_iter().partition(|group| group.contains(&i) && group.contains(&j));
    for group in both {
        for one in [i, j] {
            let mut part = group.clone();
            part.remove(&one);
            if !kept.iter().any(|other| part.is_subset(other)) {
                kept.push(part);
            }
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chain_of_neighbours_needs_a_letter_for_each_link() {
        // 0 ~ 1 ~ 2, but 0 and 2 differ: {0, 1} and {1, 2}.
        let groups = split(vec![BTreeSet::from([0, 1, 2])], 0, 2);
        assert_eq!(groups, [BTreeSet::from([1, 2]), BTreeSet::from([0, 1])]);
    }

    #[test]
    fn a_part_of_another_group_is_dropped() {
        let groups = split(vec![BTreeSet::from([0, 1]), BTreeSet::from([1, 2])], 1, 2);
        assert_eq!(groups, [BTreeSet::from([0, 1]), BTreeSet::from([2])]);
    }
}
