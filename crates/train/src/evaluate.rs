//! The loss on held-out stories.

use lrx_data::{Stories, evaluation_batches};
use lrx_model::{Model, When};
use lrx_tensor::{Precision, Tape};

/// Tokens in a batch of an evaluation: enough to keep all cores busy.
const BATCH_TOKENS: usize = 4096;

/// The mean loss over all targets of `stories`, in nats per token.
pub fn evaluate(model: &Model, stories: &Stories, when: When, precision: Precision) -> f64 {
    let tape = Tape::silent().with_precision(precision);
    let (mut sum, mut tokens) = (0.0, 0);
    for batch in evaluation_batches(stories, model.context(), BATCH_TOKENS) {
        let loss = model.loss(&batch.inputs, &batch.targets, &batch.offsets.as_slice().into(), when, &tape);
        sum += f64::from(loss.value()) * batch.tokens() as f64;
        tokens += batch.tokens();
    }
    sum / tokens as f64
}
