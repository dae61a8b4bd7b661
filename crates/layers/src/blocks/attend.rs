//! What every attention block does with its queries, keys and values.

use std::num::NonZeroUsize;

use lrx_tensor::ops::AttentionShape;
use lrx_tensor::{Activation, activation, ops, values};

use crate::{Attends, BlockShape, OptionError, Pass};

/// Heads that attend, with rotary positions where the model has them.
pub(super) struct Attend {
    shape: AttentionShape,
    rotary: Option<f64>,
    pub(super) head_size: usize,
}

impl Attend {
    /// `kv_heads` heads of keys and values, as many as queries unless given; `window` 0 is none.
    pub(super) fn new(
        shape: &BlockShape,
        kv_heads: Option<NonZeroUsize>,
        scaled: bool,
        window: usize,
    ) -> Result<Self, OptionError> {
        let &BlockShape { hidden, heads, rotary, .. } = shape;
        let (head_size, kv_heads) = (hidden / heads, kv_heads.map_or(heads, NonZeroUsize::get));
        if heads % kv_heads != 0 {
            let message = format!("{kv_heads} heads of keys and values do not divide the {heads} heads of queries");
            return Err(OptionError::new("kv_heads", message).about_sizes());
        }
        if rotary.is_some() && head_size % 2 != 0 {
            let message = format!("rotary positions turn pairs of features; the head size {head_size} is odd");
            return Err(OptionError::new("", message).about_sizes());
        }
        let scale = if scaled { 1.0 / (head_size as f32).sqrt() } else { 1.0 };
        let window = (window > 0).then_some(window);
        let shape = AttentionShape { heads, key_value_heads: kv_heads, scale, window };
        Ok(Self { shape, rotary, head_size })
    }

    /// Features of the keys, and of the values.
    pub(super) fn kv_features(&self) -> usize {
        self.shape.key_value_heads * self.head_size
    }

    /// What it costs: two products of the head size in every head, for each pair.
    pub(super) fn cost(&self) -> Attends {
        Attends { flops: 4 * self.shape.heads * self.head_size, window: self.shape.window }
    }

    /// tokens × (heads · head size) from q, k and v.
    pub(super) fn forward(&self, pass: &Pass<'_>, q: Activation, k: Activation, v: Activation) -> Activation {
        let (q, k) = match self.rotary {
            None => (q, k),
            Some(theta) => {
                let AttentionShape { heads, key_value_heads, .. } = self.shape;
                let turn = |x, heads| ops::rotary(x, pass.offsets, heads, theta, pass.first_position);
                (turn(q, heads), turn(k, key_value_heads))
            }
        };
        let Some(past) = pass.past else { return ops::attention(q, k, v, pass.offsets, &self.shape) };
        let mut past = past.borrow_mut();
        past.keys.extend_from_slice(values(&k));
        past.values.extend_from_slice(values(&v));
        let (q, tape) = q.split_tape();
        activation(ops::attention_continued(&q, &past.keys, &past.values, &self.shape), &tape)
    }
}
