//! AdamW.

use lrx_layers::{About, OptionError, ParameterEntry, ParameterId, Parameters};
use lrx_tensor::adamw;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Moment, OptimizerKind, ParameterStep, check_not_negative, check_share};

/// `adamw`
pub struct AdamW;

/// The options of `adamw`.
#[derive(Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AdamWOptions {
    /// β₁: how much is kept of the mean gradient.
    pub beta1: f64,
    /// β₂: how much is kept of the mean square.
    pub beta2: f64,
    /// ε: is added to the root of the mean square.
    pub eps: f64,
}

impl Default for AdamWOptions {
    fn default() -> Self {
        Self { beta1: 0.9, beta2: 0.999, eps: 1e-8 }
    }
}

impl AdamWOptions {
    pub(super) fn check(&self) -> Result<(), OptionError> {
        check_share("beta1", self.beta1)?;
        check_share("beta2", self.beta2)?;
        check_not_negative("eps", self.eps)
    }

    pub(super) fn moments(entry: &ParameterEntry) -> Vec<Moment> {
        ["first", "second"].map(|name| Moment::of(name, entry)).to_vec()
    }

    pub(super) fn update(&self, entry: &mut ParameterEntry, moments: &mut [Vec<f32>], step: &ParameterStep) {
        let [first, second] = moments else { unreachable!("the two moments") };
        let settings = adamw::Step {
            learning_rate: step.learning_rate as f32,
            beta1: self.beta1 as f32,
            beta2: self.beta2 as f32,
            epsilon: self.eps as f32,
            weight_decay: step.weight_decay as f32,
            step: step.number,
            gradient_scale: step.gradient_scale as f32,
        };
        adamw::update(&mut entry.parameter, first, second, &settings);
    }
}

impl OptimizerKind for AdamW {
    type Options = AdamWOptions;

    fn about(&self) -> About {
        About {
            name: "adamw",
            version: 1,
            summary: "Adam with decoupled weight decay",
            description: "m ← β₁ m + (1 − β₁) g, v ← β₂ v + (1 − β₂) g²,\n\
                w ← (1 − η λ) w − η · m / (1 − β₁ᵗ) / (√(v / (1 − β₂ᵗ)) + ε),\n\
                t: updates since the parameter is there. As torch.optim.AdamW (Loshchilov & Hutter 2019).",
            example: "beta2 = 0.95",
        }
    }

    fn check(&self, options: &AdamWOptions) -> Result<(), OptionError> {
        options.check()
    }

    fn moments(&self, _: &AdamWOptions, parameter: &ParameterEntry) -> Vec<Moment> {
        AdamWOptions::moments(parameter)
    }

    fn update(
        &self,
        options: &AdamWOptions,
        parameters: &mut Parameters,
        id: ParameterId,
        moments: &mut [Vec<f32>],
        step: &ParameterStep,
    ) {
        options.update(parameters.entry_mut(id), moments, step);
    }
}
