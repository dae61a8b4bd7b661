//! Muon for matrices, AdamW for the rest.

use lrx_layers::{About, OptionError, ParameterEntry, ParameterId, Parameters};
use lrx_tensor::muon::{self, UpdateSize};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::adamw::AdamWOptions;
use super::{Moment, OptimizerKind, ParameterStep, check_not_negative, check_share};

/// `muon`
pub struct Muon;

/// The options of `muon`.
#[derive(Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct MuonOptions {
    /// μ: how much of a matrix's momentum is kept.
    pub momentum: f64,
    /// Looks ahead by one step of the momentum (Nesterov 1983).
    pub nesterov: bool,
    /// Newton–Schulz iterations.
    pub ns_steps: usize,
    /// The least norm that a matrix's update is divided by.
    pub eps: f64,
    /// How large the update of a matrix of some shape is.
    pub adjust_lr: AdjustLr,
    /// The learning rate of what is not a matrix is that of the matrices times this.
    pub adamw_lr: f64,
    /// β₁ of AdamW.
    pub beta1: f64,
    /// β₂ of AdamW.
    pub beta2: f64,
    /// ε of AdamW.
    pub adamw_eps: f64,
}

/// How large an update is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum AdjustLr {
    /// √max(1, rows / columns) times the orthogonal matrix (Jordan et al. 2024).
    #[default]
    Original,
    /// 0.2 √max(rows, columns) times it: entries about as large as AdamW's, so that learning rates carry over (Liu et al. 2025).
    MatchRmsAdamw,
}

impl Default for MuonOptions {
    fn default() -> Self {
        let AdamWOptions { beta1, beta2, eps: adamw_eps } = AdamWOptions::default();
        Self {
            momentum: 0.95,
            nesterov: true,
            ns_steps: 5,
            eps: 1e-7,
            adjust_lr: AdjustLr::Original,
            adamw_lr: 1.0,
            beta1,
            beta2,
            adamw_eps,
        }
    }
}

impl MuonOptions {
    fn adamw(&self) -> AdamWOptions {
        AdamWOptions { beta1: self.beta1, beta2: self.beta2, eps: self.adamw_eps }
    }
}

/// Whether a parameter is a matrix that is multiplied with.
fn is_matrix(entry: &ParameterEntry) -> bool {
    entry.role.is_factor() && !entry.is_vector
}

impl OptimizerKind for Muon {
    type Options = MuonOptions;

    fn about(&self) -> About {
        About {
            name: "muon",
            version: 1,
            summary: "orthogonalised momentum for matrices, AdamW for embeddings, head and vectors",
            description: "b ← μ b + (1 − μ) g, u = b, or with Nesterov's momentum (1 − μ) g + μ b,\n\
                w ← (1 − η λ) w − η · size(rows, columns) · U Vᵀ, where u = U Σ Vᵀ: nearly, by Newton–Schulz iterations.\n\
                As torch.optim.Muon (Jordan et al. 2024), which computes the orthogonal matrix in bfloat16; here it is f32.\n\
                Everything that is not a matrix of a layer is AdamW's, with η times `adamw_lr`.",
            example: "momentum = 0.9\nadamw_lr = 0.1",
        }
    }

    fn check(&self, options: &MuonOptions) -> Result<(), OptionError> {
        check_share("momentum", options.momentum)?;
        if !(1..=100).contains(&options.ns_steps) {
            let message = format!("`ns_steps` is {}; expected 1 to 100", options.ns_steps);
            return Err(OptionError::new("ns_steps", message));
        }
        check_not_negative("eps", options.eps)?;
        check_not_negative("adamw_lr", options.adamw_lr)?;
        check_not_negative("adamw_eps", options.adamw_eps)?;
        options.adamw().check()
    }

    fn moments(&self, _: &MuonOptions, parameter: &ParameterEntry) -> Vec<Moment> {
        if is_matrix(parameter) { vec![Moment::of("momentum", parameter)] } else { AdamWOptions::moments(parameter) }
    }

    fn update(
        &self,
        options: &MuonOptions,
        parameters: &mut Parameters,
        id: ParameterId,
        moments: &mut [Vec<f32>],
        step: &ParameterStep,
    ) {
        let entry = parameters.entry_mut(id);
        if !is_matrix(entry) {
            let step = ParameterStep { learning_rate: step.learning_rate * options.adamw_lr, ..*step };
            return options.adamw().update(entry, moments, &step);
        }
        let settings = muon::Step {
            learning_rate: step.learning_rate as f32,
            momentum: options.momentum as f32,
            nesterov: options.nesterov,
            weight_decay: step.weight_decay as f32,
            iterations: options.ns_steps,
            epsilon: options.eps as f32,
            size: match options.adjust_lr {
                AdjustLr::Original => UpdateSize::Original,
                AdjustLr::MatchRmsAdamw => UpdateSize::MatchRmsAdamw,
            },
            gradient_scale: step.gradient_scale as f32,
        };
        muon::update_blocks(&mut entry.parameter, &mut moments[0], entry.blocks, &settings);
    }
}
