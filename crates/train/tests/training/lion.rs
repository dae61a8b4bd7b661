//! A stranger's optimizer: Lion (Chen et al. 2023), an update of signs.

use lrx_layers::{About, ParameterEntry, ParameterId, Parameters};
use lrx_train::{Moment, OptimizerKind, ParameterStep};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub struct Lion;

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LionOptions {
    /// How much of the momentum is in the update.
    beta1: f64,
    /// How much of the momentum is kept.
    beta2: f64,
}

impl Default for LionOptions {
    fn default() -> Self {
        Self { beta1: 0.9, beta2: 0.99 }
    }
}

impl OptimizerKind for Lion {
    type Options = LionOptions;

    fn about(&self) -> About {
        About { name: "lion", version: 3, summary: "signs of the momentum", description: "", example: "beta1 = 0.8" }
    }

    fn moments(&self, _: &LionOptions, parameter: &ParameterEntry) -> Vec<Moment> {
        vec![Moment::of("momentum", parameter)]
    }

    fn update(
        &self,
        options: &LionOptions,
        parameters: &mut Parameters,
        id: ParameterId,
        moments: &mut [Vec<f32>],
        step: &ParameterStep,
    ) {
        let parameter = &mut parameters.entry_mut(id).parameter;
        let [beta1, beta2] = [options.beta1, options.beta2].map(|beta| beta as f32);
        let (rate, keep) = (step.learning_rate as f32, (1.0 - step.learning_rate * step.weight_decay) as f32);
        let (values, gradient) = parameter.values_and_gradient_mut();
        for ((w, g), m) in values.iter_mut().zip(gradient.iter()).zip(&mut moments[0]) {
            let g = g * step.gradient_scale as f32;
            let direction = beta1 * *m + (1.0 - beta1) * g;
            *m = beta2 * *m + (1.0 - beta2) * g;
            *w = keep * *w - if direction == 0.0 { 0.0 } else { rate * direction.signum() };
        }
        drop(gradient);
        parameter.clear_gradient();
    }
}
