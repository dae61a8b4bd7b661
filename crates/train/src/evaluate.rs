//! The loss on held-out stories.

use lrx_data::{Stories, evaluation_batches};
use lrx_model::{Model, When};
use lrx_tensor::{Precision, Tape};

/// Tokens in a batch of an evaluation: enough to keep all cores busy.
const BATCH_TOKENS: usize = 4096;

/// The mean loss over all targets of `stories`, in nats per token; `None` where it was `stopped`, which is asked between
/// two batches.
pub fn evaluate(
    model: &Model,
    stories: &Stories,
    when: When,
    precision: Precision,
    stopped: &dyn Fn() -> bool,
) -> Option<f64> {
    let tape = Tape::silent().with_precision(precision);
    let (mut sum, mut tokens) = (0.0, 0);
    for batch in evaluation_batches(stories, model.context(), BATCH_TOKENS) {
        if tokens > 0 && stopped() {
            return None;
        }
        let loss = model.loss(&batch.inputs, &batch.targets, &batch.offsets.as_slice().into(), when, &tape);
        sum += f64::from(loss.value()) * batch.tokens() as f64;
        tokens += batch.tokens();
    }
    Some(sum / tokens as f64)
}
