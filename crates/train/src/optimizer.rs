//! AdamW over all parameters of a model, with clipping by the global norm.

use lrx_layers::Parameters;
use lrx_tensor::adamw;

use crate::Update;

const BETA1: f32 = 0.9;
const BETA2: f32 = 0.999;
const EPSILON: f32 = 1e-8;

/// The optimizer's state: two moments for every number that is trained.
pub struct AdamW {
    /// First moments, in the order of the parameters.
    pub first: Vec<Vec<f32>>,
    /// Second moments.
    pub second: Vec<Vec<f32>>,
}

impl AdamW {
    /// Moments of zero, and room for the gradients.
    pub fn new(parameters: &Parameters) -> Self {
        parameters.iter().for_each(|entry| entry.parameter.allocate_gradient());
        let zeros: Vec<Vec<f32>> = parameters.iter().map(|entry| vec![0.0; entry.parameter.values().len()]).collect();
        Self { first: zeros.clone(), second: zeros }
    }

    /// The norm of all gradients together: √Σ g².
    pub fn gradient_norm(parameters: &Parameters) -> f64 {
        parameters.iter().map(|entry| adamw::squared_norm(&entry.parameter)).sum::<f64>().sqrt()
    }

    /// One step on every parameter. `norm` is the gradients' [`gradient_norm`](Self::gradient_norm).
    pub fn step(&mut self, parameters: &mut Parameters, update: &Update, norm: f64) {
        let &Update { number: step, learning_rate, weight_decay, clip_norm, .. } = update;
        // PyTorch's clip_grad_norm_ adds the same 1e-6.
        let scale = if clip_norm > 0.0 { (clip_norm / (norm + 1e-6)).min(1.0) } else { 1.0 };
        let moments = self.first.iter_mut().zip(&mut self.second);
        for (entry, (first, second)) in parameters.iter_mut().zip(moments) {
            let settings = adamw::Step {
                learning_rate: (learning_rate * entry.learning_rate) as f32,
                beta1: BETA1,
                beta2: BETA2,
                epsilon: EPSILON,
                weight_decay: (weight_decay * entry.decay) as f32,
                step: step - entry.born,
                gradient_scale: scale as f32,
            };
            adamw::update(&mut entry.parameter, first, second, &settings);
        }
    }
}
