//! What becomes of stories that are longer than the context, or much shorter: sequences of tokens that a model is given.
//!
//! Sequences follow each other in a stream of tokens: a story, or all stories with the end-of-text token behind each. The last
//! token of a sequence is also the first of the next, so that each token but the stream's first is a target once, and none is
//! lost.

use std::ops::Range;
use std::sync::Arc;

use crate::config::LongKind;

/// Sequences of stories. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Arrangement {
    /// Where each story begins in the tokens of all, end to end, each with what stands behind it; behind the last, their number.
    starts: Arc<[u64]>,
    /// The first token of each sequence in these, and how many it has.
    sequences: Arc<[(u64, u32)]>,
    /// What stands behind each story.
    pub(crate) separator: Option<u32>,
}

/// A part of a sequence: which tokens of which story. Behind those of the story comes what separates it from the next.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Part {
    pub(crate) story: usize,
    pub(crate) tokens: Range<usize>,
}

impl Arrangement {
    /// Stories of so many tokens, in sequences of `context` at most; none where they stay as they are.
    pub(crate) fn new(
        lengths: impl Iterator<Item = usize>,
        long: LongKind,
        context: usize,
        separator: Option<u32>,
    ) -> Option<Self> {
        let separator = separator.filter(|_| long == LongKind::Pack);
        let mut starts = vec![0];
        let mut end = 0;
        for length in lengths {
            end += (length + usize::from(separator.is_some())) as u64;
            starts.push(end);
        }
        let mut sequences = Vec::new();
        match long {
            LongKind::Cut => return None,
            LongKind::Split => starts.windows(2).for_each(|story| divide(story[0]..story[1], context, &mut sequences)),
            LongKind::Pack => divide(0..end, context, &mut sequences),
        }
        Some(Self { starts: starts.into(), sequences: sequences.into(), separator })
    }

    /// The number of sequences.
    pub(crate) fn len(&self) -> usize {
        self.sequences.len()
    }

    /// The number of tokens of a sequence.
    pub(crate) fn tokens(&self, sequence: usize) -> usize {
        self.sequences[sequence].1 as usize
    }

    /// What the tokens of a sequence from the one at `from` up to the one before `to` are, each story's in turn.
    pub(crate) fn parts(&self, sequence: usize, from: usize, to: usize) -> impl Iterator<Item = Part> {
        let start = self.sequences[sequence].0;
        let (mut at, end) = (start + from as u64, start + to as u64);
        let mut story = self.starts.partition_point(|start| *start <= at) - 1;
        std::iter::from_fn(move || {
            if at >= end {
                return None;
            }
            let (first, behind) = (self.starts[story], self.starts[story + 1]);
            let part = Part { story, tokens: (at - first) as usize..(behind.min(end) - first) as usize };
            (at, story) = (behind, story + 1);
            Some(part)
        })
    }
}

/// Appends the sequences of a stream.
fn divide(stream: Range<u64>, context: usize, sequences: &mut Vec<(u64, u32)>) {
    let most = u64::from(u32::try_from(context).unwrap_or(u32::MAX)).max(2);
    let mut start = stream.start;
    while stream.end - start >= 2 {
        let length = most.min(stream.end - start);
        sequences.push((start, length as u32));
        start += length - 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sequences(lengths: &[usize], long: LongKind, context: usize) -> Vec<Vec<(usize, Range<usize>)>> {
        let arrangement = Arrangement::new(lengths.iter().copied(), long, context, Some(0)).unwrap();
        let parts = |i| arrangement.parts(i, 0, arrangement.tokens(i)).map(|part| (part.story, part.tokens)).collect();
        (0..arrangement.len()).map(parts).collect()
    }

    #[test]
    fn a_split_story_goes_on_where_it_was_left() {
        assert_eq!(
            sequences(&[3, 8, 4, 2], LongKind::Split, 4),
            [vec![(0, 0..3)], vec![(1, 0..4)], vec![(1, 3..7)], vec![(1, 6..8)], vec![(2, 0..4)], vec![(3, 0..2)]]
        );
        assert_eq!(sequences(&[3], LongKind::Split, 2), [vec![(0, 0..2)], vec![(0, 1..3)]]);
        assert!(Arrangement::new([9].into_iter(), LongKind::Cut, 4, None).is_none());
    }

    /// Each story has a token behind its own.
    #[test]
    fn packed_stories_fill_their_blocks() {
        assert_eq!(
            sequences(&[3, 2, 5], LongKind::Pack, 5),
            [vec![(0, 0..4), (1, 0..1)], vec![(1, 0..3), (2, 0..2)], vec![(2, 1..6)]]
        );
        assert_eq!(sequences(&[3], LongKind::Pack, 9), [vec![(0, 0..4)]]);
    }

    #[test]
    fn every_token_but_the_first_is_a_target_once() {
        for context in 2..9 {
            for long in [LongKind::Split, LongKind::Pack] {
                let lengths = [2, 9, 3, 17, 2, 2];
                let arrangement = Arrangement::new(lengths.into_iter(), long, context, Some(0)).unwrap();
                let mut targets = Vec::new();
                for i in 0..arrangement.len() {
                    assert!((2..=context).contains(&arrangement.tokens(i)));
                    for part in arrangement.parts(i, 1, arrangement.tokens(i)) {
                        targets.extend(part.tokens.map(|token| (part.story, token)));
                    }
                }
                let behind = usize::from(long == LongKind::Pack);
                let tokens = |story: usize| (0..lengths[story] + behind).map(move |token| (story, token));
                let first = |at: &(usize, usize)| at.1 == 0 && (long == LongKind::Split || at.0 == 0);
                let expected: Vec<_> = (0..lengths.len()).flat_map(tokens).filter(|at| !first(at)).collect();
                assert_eq!(targets, expected, "{long:?} {context}");
            }
        }
    }
}
