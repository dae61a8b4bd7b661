//! One update of the weights.

use lrx_data::Batch;
use lrx_model::{Model, When};
use lrx_tensor::{Offsets, Tape};

use crate::AdamW;

/// The settings of one update.
#[derive(Clone, Copy, Debug)]
pub struct Update {
    /// 1 for the first.
    pub number: u64,
    /// Updates in all.
    pub steps: u64,
    /// The learning rate at this update.
    pub learning_rate: f64,
    /// Decoupled weight decay; vectors have none.
    pub weight_decay: f64,
    /// Gradients longer than this are scaled down to it; 0 for no limit.
    pub clip_norm: f64,
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

/// Forward and backward pass over `batch` on a new recording `tape`, clipping, AdamW.
pub fn step(model: &mut Model, optimizer: &mut AdamW, batch: &Batch, update: &Update, tape: &Tape) -> Stepped {
    let offsets: Offsets = batch.offsets.as_slice().into();
    let when = When::training(update.number - 1, update.steps);
    let loss = model.loss(&batch.inputs, &batch.targets, &offsets, when, tape);
    let loss_value = f64::from(loss.value());
    Tape::backward(loss);
    model.add_gradients(when.progress, update.weight_decay);
    let grad_norm = AdamW::gradient_norm(model.parameters());
    let stepped = Stepped { loss: loss_value, grad_norm };
    if stepped.not_finite().is_none() {
        optimizer.step(model.parameters_mut(), update, grad_norm);
    }
    stepped
}
