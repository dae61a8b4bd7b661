//! The loss on held-out stories.

use lrx_data::{Stories, evaluation_batches};
use lrx_model::{Model, When};
use lrx_records::HeldOutRow;
use lrx_tensor::{Precision, Tape};

/// Tokens in a batch of an evaluation: enough to keep all cores busy.
const BATCH_TOKENS: usize = 4096;

/// What a model makes of some stories.
#[derive(Debug, Clone, PartialEq)]
pub struct Evaluation {
    /// The mean over all targets, in nats per token.
    pub loss: f64,
    /// The sum over the targets of each story, in nats, in their order.
    pub nats: Vec<f64>,
}

/// The loss of `stories`; `None` where it was `stopped`, which is asked between two batches.
pub fn evaluate(
    model: &Model,
    stories: &Stories,
    when: When,
    precision: Precision,
    stopped: &dyn Fn() -> bool,
) -> Option<Evaluation> {
    let tape = Tape::silent().with_precision(precision);
    let (mut sum, mut tokens, mut nats) = (0.0, 0, Vec::with_capacity(stories.len()));
    for batch in evaluation_batches(stories, model.context(), BATCH_TOKENS) {
        if tokens > 0 && stopped() {
            return None;
        }
        let (mean, losses) = model.losses(&batch.inputs, &batch.targets, &batch.offsets.as_slice().into(), when, &tape);
        sum += f64::from(mean.value()) * batch.tokens() as f64;
        tokens += batch.tokens();
        let of_story = |ends: &[usize]| losses[ends[0]..ends[1]].iter().copied().map(f64::from).sum::<f64>();
        nats.extend(batch.offsets.windows(2).map(of_story));
    }
    Some(Evaluation { loss: sum / tokens as f64, nats })
}

/// The rows of a run's `stories.csv`, to a millionth of a nat.
pub(crate) fn rows(stories: &Stories, context: usize, nats: &[f64]) -> Vec<HeldOutRow> {
    let row = |(story, nats): (usize, &f64)| HeldOutRow {
        story: story as u64,
        tokens: stories.story_tokens(story, context).saturating_sub(1) as u64,
        bytes: stories.story_text_bytes(story, context).map(|bytes| bytes as u64),
        nats: (nats * 1e6).round() / 1e6,
    };
    nats.iter().enumerate().map(row).collect()
}
