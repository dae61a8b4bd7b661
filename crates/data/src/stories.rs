//! The stories of a split, as the ids of the model's vocabulary.

use std::fmt;
use std::sync::Arc;

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
}

impl Stories {
    /// The stories at `positions` of the store.
    pub(crate) fn new(store: Store, positions: Vec<u32>, renumbered: Option<Arc<[u32]>>) -> Self {
        let positions = positions.into_iter().filter(|position| store.tokens(*position as usize) >= 2).collect();
        Self { store, positions, renumbered }
    }

    /// Stories held in memory, given by their ids.
    pub fn from_ids<I: AsRef<[u32]>>(stories: impl IntoIterator<Item = I>) -> Self {
        let store = Store::from_ids(stories);
        let positions = (0..).take(store.len()).collect();
        Self::new(store, positions, None)
    }

    /// The number of stories.
    pub fn len(&self) -> usize {
        self.positions.len()
    }

    /// Whether there is no story.
    pub fn is_empty(&self) -> bool {
        self.positions.is_empty()
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
        let position = self.positions[i] as usize;
        match &self.renumbered {
            None => self.store.append(position, context, |id| id, ids),
            Some(table) => self.store.append(position, context, |id| table[id as usize], ids),
        }
    }

    /// The number of tokens of story `i`, `context` at most.
    ///
    /// # Panics
    /// If there is no story `i`.
    pub fn story_tokens(&self, i: usize, context: usize) -> usize {
        self.store.tokens(self.positions[i] as usize).min(context)
    }

    /// The number of tokens of all stories, each `context` at most.
    pub fn tokens(&self, context: usize) -> u64 {
        (0..self.len()).map(|i| self.story_tokens(i, context) as u64).sum()
    }

    /// The number of tokens to be predicted in all stories: of each story all but the first of its `context` tokens.
    pub fn targets(&self, context: usize) -> u64 {
        (0..self.len()).map(|i| self.story_tokens(i, context).saturating_sub(1) as u64).sum()
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
    fn ids_are_renumbered() {
        let store = Store::from_ids([[0, 2], [3, 0]]);
        let stories = Stories::new(store, vec![1], Some(Arc::new([7, 8, 9, 10])));
        assert_eq!(stories.get(0, 9), [10, 7]);
    }
}
