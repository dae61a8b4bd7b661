//! One update of the weights.

use lrx_data::Batch;
use lrx_model::{Model, Part, When};
use lrx_tensor::{Offsets, Tape};

use crate::Optimizer;

/// The settings of one update.
#[derive(Clone, Copy, Debug)]
pub struct Update {
    /// 1 for the first.
    pub number: u64,
    /// Updates in all.
    pub steps: u64,
    /// The learning rate at this update.
    pub learning_rate: f64,
    /// The weight decay, which vectors have none of.
    pub weight_decay: f64,
    /// Gradients longer than this are scaled down to it; 0 for no limit.
    pub clip_norm: f64,
    /// Parts of the batch that go through the model one after the other.
    pub micro_batches: usize,
}

/// What an update saw.
#[derive(Clone, Copy, Debug)]
pub struct Stepped {
    /// The mean loss over the batch, before the update.
    pub loss: f64,
    /// The norm of all gradients together, before clipping.
    pub grad_norm: f64,
}

impl Stepped {
    /// What is not finite, and its value, if anything is. The weights are as they were then.
    pub fn not_finite(&self) -> Option<String> {
        let values = [("loss", self.loss), ("gradient norm", self.grad_norm)];
        values.into_iter().find(|(_, value)| !value.is_finite()).map(|(what, value)| format!("{what} {value}"))
    }
}

/// Forward and backward pass over `batch`, in so many parts, on a recording `tape`; clipping; the optimizer's step.
pub fn step(model: &mut Model, optimizer: &mut Optimizer, batch: &Batch, update: &Update, tape: &Tape) -> Stepped {
    let when = When::training(update.number - 1, update.steps);
    let mut loss = 0.0;
    for stories in parts(&batch.offsets, update.micro_batches) {
        let first = batch.offsets[stories.start];
        let tokens = first..batch.offsets[stories.end];
        let offsets: Offsets = batch.offsets[stories.start..=stories.end].iter().map(|offset| offset - first).collect();
        let (inputs, targets) = (&batch.inputs[tokens.clone()], &batch.targets[tokens]);
        let part = Part { before: first, batch: batch.tokens() };
        let share = model.loss_of_part(part, inputs, targets, &offsets, when, tape);
        loss += f64::from(share.value());
        Tape::backward(share);
    }
    model.add_gradients(when.progress, update.weight_decay);
    let grad_norm = optimizer.gradient_norm(model.parameters());
    let stepped = Stepped { loss, grad_norm };
    if stepped.not_finite().is_none() {
        optimizer.step(model.parameters_mut(), update, grad_norm);
    }
    stepped
}

/// The stories of a batch in at most `count` parts, in their order: about as many tokens in each, and at least one story.
fn parts(offsets: &[usize], count: usize) -> Vec<std::ops::Range<usize>> {
    let stories = offsets.len() - 1;
    let count = count.min(stories);
    let mut start = 0;
    let part = |i: usize| {
        // The story behind which the part ends that has its share of the tokens, as far as others have a story then.
        let share = offsets[stories] * (i + 1) / count;
        let end = offsets.partition_point(|&offset| offset < share).clamp(start + 1, stories - (count - 1 - i));
        std::mem::replace(&mut start, end)..end
    };
    (0..count).map(part).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[allow(clippy::single_range_in_vec_init)] // One part is a range, not its numbers.
    fn parts_have_about_as_many_tokens_and_a_story_at_least() {
        assert_eq!(parts(&[0, 5], 4), [0..1]);
        assert_eq!(parts(&[0, 5, 9, 12], 1), [0..3]);
        assert_eq!(parts(&[0, 5, 9, 12], 3), [0..1, 1..2, 2..3]);
        assert_eq!(parts(&[0, 5, 10, 15, 20], 2), [0..2, 2..4]);
        assert_eq!(parts(&[0, 90, 91, 92], 3), [0..1, 1..2, 2..3]);
        assert_eq!(parts(&[0, 1, 2, 92], 3), [0..1, 1..2, 2..3]);
        assert_eq!(parts(&[0, 1, 2, 3, 4, 60], 2), [0..4, 4..5]);
    }
}
