//! An optimizer of our own: Lion (Chen et al. 2023), which moves every number by the same amount.

use lrx::layers::{About, OptionError, ParameterEntry, ParameterId, Parameters};
use lrx::train::{Moment, OptimizerKind, ParameterStep};

/// The optimizer, as the registry knows it.
pub struct Lion;

/// What stands beside `kind = "lion"` in `[train.optimizer]`.
#[derive(serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Options {
    /// How much of the momentum is in the direction.
    beta1: f64,
    /// How much of the momentum is kept.
    beta2: f64,
}

impl Default for Options {
    fn default() -> Self {
        Self { beta1: 0.9, beta2: 0.99 }
    }
}

impl OptimizerKind for Lion {
    type Options = Options;

    fn about(&self) -> About {
        About {
            name: "lion",
            version: 1,
            summary: "the sign of a momentum",
            description: "w ← (1 − η λ) w − η sign(β₁ m + (1 − β₁) g), then m ← β₂ m + (1 − β₂) g. Every number moves by η, so η \
                is about a tenth of AdamW's. Source: Chen et al., \"Symbolic Discovery of Optimization Algorithms\", 2023.",
            example: "beta1 = 0.95",
        }
    }

    fn check(&self, options: &Options) -> Result<(), OptionError> {
        for (key, beta) in [("beta1", options.beta1), ("beta2", options.beta2)] {
            if !(0.0..1.0).contains(&beta) {
                return Err(OptionError::new(key, format!("`{key}` is {beta}; expected a number from 0, below 1")));
            }
        }
        Ok(())
    }

    fn moments(&self, _: &Options, parameter: &ParameterEntry) -> Vec<Moment> {
        vec![Moment::of("momentum", parameter)]
    }

    fn update(
        &self,
        options: &Options,
        parameters: &mut Parameters,
        id: ParameterId,
        moments: &mut [Vec<f32>],
        step: &ParameterStep,
    ) {
        let (beta1, beta2) = (options.beta1 as f32, options.beta2 as f32);
        let (rate, scale) = (step.learning_rate as f32, step.gradient_scale as f32);
        let keep = (1.0 - step.learning_rate * step.weight_decay) as f32;
        let parameter = &mut parameters.entry_mut(id).parameter;
        let (values, gradient) = parameter.values_and_gradient_mut();
        for ((w, g), m) in values.iter_mut().zip(gradient.iter()).zip(&mut moments[0]) {
            let direction = beta1 * *m + (1.0 - beta1) * scale * g;
            *w = keep * *w - if direction == 0.0 { 0.0 } else { rate * direction.signum() };
            *m = beta2 * *m + (1.0 - beta2) * scale * g;
        }
        drop(gradient);
        parameter.clear_gradient();
    }
}
