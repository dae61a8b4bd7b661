//! Stories put together for one pass through the model.

use crate::stories::Stories;

/// Stories end to end, without padding. Story `s` has its tokens `t₀ … tₙ` as inputs `t₀ … tₙ₋₁` and targets
/// `t₁ … tₙ` at `offsets[s]..offsets[s + 1]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// The tokens that the model sees.
    pub inputs: Vec<u32>,
    /// The tokens that it has to predict: `targets[i]` follows `inputs[i]` in its story.
    pub targets: Vec<u32>,
    /// Where each story begins, and behind the last the length of `inputs`.
    pub offsets: Vec<usize>,
}

impl Batch {
    /// The given stories, each cut after `context` tokens.
    pub(crate) fn new(stories: &Stories, members: impl IntoIterator<Item = usize>, context: usize) -> Self {
        let mut batch = Self { inputs: Vec::new(), targets: Vec::new(), offsets: vec![0] };
        let mut ids = Vec::new();
        for member in members {
            ids.clear();
            stories.append(member, context, &mut ids);
            batch.inputs.extend(&ids[..ids.len() - 1]);
            batch.targets.extend(&ids[1..]);
            batch.offsets.push(batch.inputs.len());
        }
        batch
    }

    /// The number of stories.
    pub fn stories(&self) -> usize {
        self.offsets.len() - 1
    }

    /// The number of targets, which is that of the inputs.
    pub fn tokens(&self) -> usize {
        self.targets.len()
    }
}

/// All stories once, in their order, in batches of `max_tokens` targets at most; a longer story is a batch of its own.
///
/// # Panics
/// If `context` is below 2: no story would have a target.
pub fn evaluation_batches(stories: &Stories, context: usize, max_tokens: usize) -> impl Iterator<Item = Batch> {
    let targets = targets_at(stories, context);
    let mut start = 0;
    std::iter::from_fn(move || {
        let end = start + fitting((start..stories.len()).map(&targets), max_tokens);
        let members = start..end;
        start = end;
        (!members.is_empty()).then(|| Batch::new(stories, members, context))
    })
}

/// The number of targets of a story.
///
/// # Panics
/// If `context` is below 2.
pub(crate) fn targets_at(stories: &Stories, context: usize) -> impl Fn(usize) -> usize {
    assert!(context >= 2, "a context of {context} leaves no token to predict");
    move |story| stories.story_tokens(story, context) - 1
}

/// How many of the next stories, given by their sizes, fit into `most` together: at least one, if there is one.
pub(crate) fn fitting(sizes: impl Iterator<Item = usize>, most: usize) -> usize {
    let mut sum = 0_usize;
    let within = |&size: &usize| {
        let first = sum == 0;
        sum += size;
        first || sum <= most
    };
    sizes.take_while(within).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stories() -> Stories {
        Stories::from_ids([&[1, 2, 3][..], &[4, 5], &[6, 7, 8, 9]])
    }

    #[test]
    fn targets_are_the_inputs_one_on() {
        let batch = Batch::new(&stories(), [2, 0], 3);
        let expected = Batch { inputs: vec![6, 7, 1, 2], targets: vec![7, 8, 2, 3], offsets: vec![0, 2, 4] };
        assert_eq!(batch, expected);
        assert_eq!((batch.stories(), batch.tokens()), (2, 4));
    }

    #[test]
    fn evaluation_takes_each_story_once_in_order() {
        for (most, sizes) in [(1, vec![2, 1, 3]), (3, vec![3, 3]), (5, vec![3, 3]), (6, vec![6]), (99, vec![6])] {
            let batches: Vec<Batch> = evaluation_batches(&stories(), 9, most).collect();
            assert_eq!(batches.iter().map(Batch::tokens).collect::<Vec<_>>(), sizes, "{most}");
            let inputs: Vec<u32> = batches.iter().flat_map(|batch| batch.inputs.clone()).collect();
            assert_eq!(inputs, [1, 2, 4, 6, 7, 8]);
        }
    }

    #[test]
    fn no_stories_make_no_batch() {
        assert_eq!(evaluation_batches(&Stories::from_ids([[0; 0]]), 9, 9).count(), 0);
    }
}
