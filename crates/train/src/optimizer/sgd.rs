//! Stochastic gradient descent.

use lrx_layers::{About, OptionError, ParameterEntry, ParameterId, Parameters};
use lrx_tensor::sgd;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Moment, OptimizerKind, ParameterStep, check_share};

/// `sgd`
pub struct Sgd;

/// The options of `sgd`.
#[derive(Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SgdOptions {
    /// μ: how much of the momentum is kept.
    pub momentum: f64,
    /// Looks ahead by one step of the momentum (Nesterov 1983); needs momentum.
    pub nesterov: bool,
}

impl OptimizerKind for Sgd {
    type Options = SgdOptions;

    fn about(&self) -> About {
        About {
            name: "sgd",
            version: 1,
            summary: "stochastic gradient descent, with momentum if wanted",
            description: "g ← g + λ w, b ← μ b + g, w ← w − η b, or with Nesterov's momentum w ← w − η (g + μ b).\n\
                Weight decay is coupled: a part of the gradient. As torch.optim.SGD.",
            example: "momentum = 0.9\nnesterov = true",
        }
    }

    fn check(&self, options: &SgdOptions) -> Result<(), OptionError> {
        check_share("momentum", options.momentum)?;
        if options.nesterov && options.momentum == 0.0 {
            let message = "`nesterov` is true, but `momentum` is 0; expected a momentum above 0";
            return Err(OptionError::new("nesterov", message));
        }
        Ok(())
    }

    fn moments(&self, options: &SgdOptions, parameter: &ParameterEntry) -> Vec<Moment> {
        if options.momentum == 0.0 { vec![] } else { vec![Moment::of("momentum", parameter)] }
    }

    fn update(
        &self,
        options: &SgdOptions,
        parameters: &mut Parameters,
        id: ParameterId,
        moments: &mut [Vec<f32>],
        step: &ParameterStep,
    ) {
        let settings = sgd::Step {
            learning_rate: step.learning_rate as f32,
            momentum: options.momentum as f32,
            nesterov: options.nesterov,
            weight_decay: step.weight_decay as f32,
            gradient_scale: step.gradient_scale as f32,
        };
        let momentum = moments.first_mut().map_or(&mut [][..], Vec::as_mut_slice);
        sgd::update(&mut parameters.entry_mut(id).parameter, momentum, &settings);
    }
}
