//! The stories of a split, as the ids of the model's vocabulary.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use crate::arrange::Arrangement;
use crate::config::LongKind;
use crate::ends::Ends;
use crate::store::Store;

/// Some stories in a fixed order, each as the ids of the model's vocabulary. Cheap to clone: clones share the tokens.
///
/// A story of fewer than two tokens has none to predict and is left out.
#[derive(Clone)]
pub struct Stories {
    store: Store,
    /// The positions of the stories in the store.
    positions: Arc<[u32]>,
    /// The model's id of each id in the store, where they differ.
    renumbered: Option<Arc<[u32]>>,
    /// Where in their text the tokens end, where that was measured.
    ends: Option<Ends>,
    /// What they were split or packed into, if they were.
    arrangement: Option<Arrangement>,
}

impl Stories {
    /// The stories at `positions` of the store that have a target.
    pub(crate) fn new(store: Store, positions: Vec<u32>, renumbered: Option<Arc<[u32]>>) -> Self {
        let positions = positions.into_iter().filter(|position| store.tokens(*position as usize) >= 2).collect();
        Self { store, positions, renumbered, ends: None, arrangement: None }
    }

    /// The same stories, with where the tokens of each end in its text.
    pub(crate) fn with_ends(self, ends: Ends) -> Self {
        Self { ends: Some(ends), ..self }
    }

    /// Stories held in memory, given by their ids.
    pub fn from_ids<I: AsRef<[u32]>>(stories: impl IntoIterator<Item = I>) -> Self {
        let store = Store::from_ids(stories);
        let positions = (0..).take(store.len()).collect();
        Self::new(store, positions, None)
    }

    /// The same stories in sequences of `context` tokens at most, which are stories like others from here on. `separator` is
    /// the model's id of what stands between packed ones, unless they end with it already.
    pub(crate) fn arranged(&self, long: LongKind, context: usize, separator: Option<u32>) -> Self {
        let lengths = self.positions.iter().map(|position| self.store.tokens(*position as usize));
        Self { arrangement: Arrangement::new(lengths, long, context, separator), ..self.clone() }
    }

    /// Text `i` alone, as it was before texts were split or packed.
    pub(crate) fn text(&self, i: usize) -> Self {
        Self {
            positions: Arc::new([self.positions[i]]),
            ends: self.ends.as_ref().map(|ends| ends.only(std::iter::once(i))),
            arrangement: None,
            ..self.clone()
        }
    }

    /// The number of texts, whatever they were split or packed into.
    pub(crate) fn texts(&self) -> usize {
        self.positions.len()
    }

    /// How many texts have more than `context` tokens.
    pub(crate) fn longer_than(&self, context: usize) -> usize {
        self.positions.iter().filter(|position| self.store.tokens(**position as usize) > context).count()
    }

    /// Where in the store the stories are.
    pub(crate) fn positions(&self) -> &[u32] {
        &self.positions
    }

    /// The number of stories.
    pub fn len(&self) -> usize {
        self.arrangement.as_ref().map_or(self.positions.len(), Arrangement::len)
    }

    /// Whether there is no story.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The ids of story `i`, `context` of them at most.
    ///
    /// # Panics
    /// If there is no story `i`.
    pub fn get(&self, i: usize, context: usize) -> Vec<u32> {
        let mut ids = Vec::with_capacity(self.story_tokens(i, context));
        self.append(i, context, &mut ids);
        ids
    }

    /// Appends to `ids` what [`get`](Self::get) returns.
    ///
    /// # Panics
    /// If there is no story `i`.
    pub fn append(&self, i: usize, context: usize, ids: &mut Vec<u32>) {
        let Some(arrangement) = &self.arrangement else { return self.append_text(i, 0..context, ids) };
        for part in arrangement.parts(i, 0, arrangement.tokens(i).min(context)) {
            let wanted = ids.len() + part.tokens.len();
            self.append_text(part.story, part.tokens, ids);
            if ids.len() < wanted {
                ids.extend(arrangement.separator);
            }
        }
    }

    fn append_text(&self, text: usize, tokens: Range<usize>, ids: &mut Vec<u32>) {
        let position = self.positions[text] as usize;
        match &self.renumbered {
            None => self.store.append(position, tokens, |id| id, ids),
            Some(table) => self.store.append(position, tokens, |id| table[id as usize], ids),
        }
    }

    /// The number of tokens of story `i`, `context` at most.
    ///
    /// # Panics
    /// If there is no story `i`.
    pub fn story_tokens(&self, i: usize, context: usize) -> usize {
        let tokens = match &self.arrangement {
            Some(arrangement) => arrangement.tokens(i),
            None => self.store.tokens(self.positions[i] as usize),
        };
        tokens.min(context)
    }

    /// The number of tokens of all stories, each `context` at most.
    pub fn tokens(&self, context: usize) -> u64 {
        (0..self.len()).map(|i| self.story_tokens(i, context) as u64).sum()
    }

    /// The bytes of text that the [targets](Self::targets) of story `i` stand for: of its first `context` tokens all but the
    /// first. A character whose bytes are in several tokens counts with the first of these; the token that ends a text
    /// stands for none. None where the stories were not measured: those to evaluate on are.
    ///
    /// # Panics
    /// If there is no story `i`.
    pub fn story_text_bytes(&self, i: usize, context: usize) -> Option<usize> {
        let (ends, tokens) = (self.ends.as_ref()?, self.story_tokens(i, context));
        Some(match &self.arrangement {
            None => ends.bytes(i, 1, tokens),
            Some(arrangement) => arrangement
                .parts(i, 1, tokens)
                .map(|part| ends.bytes(part.story, part.tokens.start, part.tokens.end))
                .sum(),
        })
    }

    /// The bytes of text that the targets of all stories stand for.
    pub fn text_bytes(&self, context: usize) -> Option<u64> {
        (0..self.len()).map(|i| self.story_text_bytes(i, context).map(|bytes| bytes as u64)).sum()
    }

    /// Bits per byte of text, which models of different vocabularies can be compared by, of a mean `loss` in nats for each
    /// target: `loss · targets / (ln 2 · bytes)`. None where the stories were not measured or have no text.
    pub fn bits_per_byte(&self, context: usize, loss: f64) -> Option<f64> {
        let bytes = self.text_bytes(context).filter(|bytes| *bytes > 0)?;
        Some(loss * self.targets(context) as f64 / (std::f64::consts::LN_2 * bytes as f64))
    }

    /// How many different ids occur among all tokens but the last of each text.
    pub(crate) fn different_inputs(&self) -> usize {
        let (mut seen, mut ids) = (Vec::new(), Vec::new());
        for text in 0..self.texts() {
            ids.clear();
            self.append_text(text, 0..usize::MAX, &mut ids);
            for &id in ids.iter().rev().skip(1) {
                let id = id as usize;
                if id >= seen.len() {
                    seen.resize(id + 1, false);
                }
                seen[id] = true;
            }
        }
        seen.into_iter().filter(|seen| *seen).count()
    }

    /// What is lost of the stories in a context of so many tokens.
    pub fn cut(&self, context: usize) -> Cut {
        let mut cut = Cut { stories: self.len() as u64, targets: self.targets(usize::MAX), ..Cut::default() };
        for i in 0..self.len() {
            let beyond = self.story_tokens(i, usize::MAX).saturating_sub(context);
            cut.stories_cut += u64::from(beyond > 0);
            cut.tokens_cut += beyond as u64;
        }
        cut
    }

    /// The number of tokens to be predicted in all stories: of each story all but the first of its `context` tokens.
    pub fn targets(&self, context: usize) -> u64 {
        (0..self.len()).map(|i| self.story_tokens(i, context).saturating_sub(1) as u64).sum()
    }
}

/// What a context takes from stories, counted exactly.
///
/// A story of `n` tokens has `n - 1` targets. In a context of `c` tokens it keeps `c - 1` of them at most, so that each token
/// beyond the context is a target less.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Cut {
    /// The stories.
    pub stories: u64,
    /// Those that are longer than the context.
    pub stories_cut: u64,
    /// The targets of all stories if none were cut.
    pub targets: u64,
    /// Tokens beyond the context: targets that are neither trained on nor evaluated.
    pub tokens_cut: u64,
}

impl Cut {
    /// The part of the targets that is lost, from 0 to 1.
    pub fn share(&self) -> f64 {
        self.tokens_cut as f64 / self.targets.max(1) as f64
    }
}

impl fmt::Debug for Stories {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.debug_struct("Stories").field("len", &self.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stories_are_cut_at_the_context_and_those_without_a_target_left_out() {
        let stories = Stories::from_ids([&[1, 2, 3][..], &[4], &[], &[70_000, 5]]);
        assert_eq!(stories.len(), 2);
        assert_eq!(stories.get(0, 9), [1, 2, 3]);
        assert_eq!(stories.get(0, 2), [1, 2]);
        assert_eq!(stories.get(1, usize::MAX), [70_000, 5]);
        assert_eq!((stories.tokens(9), stories.targets(9)), (5, 3));
        assert_eq!((stories.tokens(2), stories.targets(2)), (4, 2));
    }

    #[test]
    fn what_a_context_takes_is_counted() {
        let stories = Stories::from_ids([&[1, 2, 3, 4][..], &[4], &[5, 6], &[7, 8, 9]]);
        for (context, stories_cut, tokens_cut) in [(9, 0, 0), (4, 0, 0), (3, 1, 1), (2, 2, 3)] {
            let cut = stories.cut(context);
            assert_eq!(cut, Cut { stories: 3, stories_cut, targets: 6, tokens_cut });
            assert_eq!(cut.targets - cut.tokens_cut, stories.targets(context));
            assert_eq!(cut.share(), tokens_cut as f64 / 6.0);
        }
        assert_eq!(Stories::from_ids([[0; 0]]).cut(2).share(), 0.0);
    }

    #[test]
    fn split_and_packed_stories_are_sequences_of_their_tokens() {
        let stories = Stories::from_ids([&[1, 2, 3, 4, 5][..], &[6, 7], &[8, 9, 10]]);
        let of = |long, separator| {
            let arranged = stories.arranged(long, 4, separator);
            assert_eq!(arranged.cut(4).tokens_cut, u64::from(long == LongKind::Cut));
            (0..arranged.len()).map(|i| arranged.get(i, 4)).collect::<Vec<_>>()
        };
        assert_eq!(of(LongKind::Cut, Some(0)), [&[1, 2, 3, 4][..], &[6, 7], &[8, 9, 10]]);
        assert_eq!(of(LongKind::Split, Some(0)), [&[1, 2, 3, 4][..], &[4, 5], &[6, 7], &[8, 9, 10]]);
        assert_eq!(of(LongKind::Pack, Some(0)), [[1, 2, 3, 4], [4, 5, 0, 6], [6, 7, 0, 8], [8, 9, 10, 0]]);
        assert_eq!(of(LongKind::Pack, None), [[1, 2, 3, 4], [4, 5, 6, 7], [7, 8, 9, 10]]);
        assert_eq!((stories.targets(usize::MAX), stories.arranged(LongKind::Split, 4, None).targets(4)), (7, 7));
    }

    #[test]
    fn ids_are_renumbered() {
        let store = Store::from_ids([[0, 2], [3, 0]]);
        let stories = Stories::new(store, vec![1], Some(Arc::new([7, 8, 9, 10])));
        assert_eq!(stories.get(0, 9), [10, 7]);
    }
}
