//! A structured layer that a dense one guides for a while.

use std::f64::consts::PI;
use std::num::NonZeroUsize;
use std::sync::Arc;

use lrx_tensor::{Activation, Matrix, matrix, ops, values};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use toml::Table;

use super::block_dense::{BlockDense, block_dense};
use super::block_shuffle::{BlockShuffle, block_shuffle};
use super::low_rank::{LowRank, checked_rank};
use super::stages::{Stage, Stages};
use crate::{
    About, Change, Linear, LinearKind, LinearShape, OptionError, ParameterId, Parameters, Pass, Plan, Progress, Role,
    Size, Start, Values,
};

/// `y = α(t) W x + (1 − α(t)) S x + b`
pub struct SelfGuided;

/// The options of `self-guided`.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SelfGuidedOptions {
    /// What stays.
    #[serde(default)]
    pub structure: GuidedStructure,
    /// The rank of `low-rank` and `block-dense`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rank: Option<NonZeroUsize>,
    /// The blocks of `block-dense` and `block-shuffle`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blocks: Option<NonZeroUsize>,
    /// The part of training over which the dense matrix fades, from 0 (never there) to 1.
    #[serde(default = "half")]
    pub until: f64,
}

/// The layer that is guided.
#[derive(Clone, Copy, Default, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum GuidedStructure {
    /// B A
    #[default]
    LowRank,
    /// U blkdiag(V)
    BlockDense,
    /// P⁻¹ U P V
    BlockShuffle,
}

fn half() -> f64 {
    0.5
}

struct SelfGuidedLayer {
    structured: Stages,
    /// W, as long as it is there.
    guide: Option<ParameterId>,
    until: f64,
}

/// The name of W.
const GUIDE: &str = "guide.weight";
/// What a layer without its W says of its structure.
const ALONE: &str = "alone";

impl LinearKind for SelfGuided {
    type Options = SelfGuidedOptions;

    fn about(&self) -> About {
        About {
            name: "self-guided",
            version: 1,
            summary: "a structured layer that a dense one guides for a part of training",
            description: "y = α W x + (1 − α) S x + b with S of low rank, `block-dense` or `block-shuffle`, and α = ½ (1 + cos(π t / \
                until)) over the part t of training, 0 from `until` on: then W (`guide`) is given up and S stays. W starts as the \
                matrix that S starts as, so the first output does not depend on α. Parameters: inputs · outputs + those of S in \
                training; those of S at its end.\n\
                Source: Wei, Moalla, Pascanu & Gulcehre, \"Building on Efficient Foundations: Effectively Training LLMs with \
                Structured Feedforward Layers\", NeurIPS 2024.",
            example: "rank = 3\nuntil = 0.5",
        }
    }

    fn layer(
        &self,
        options: &SelfGuidedOptions,
        shape: &LinearShape,
        plan: &mut Plan,
    ) -> Result<Box<dyn Linear>, OptionError> {
        if !(0.0..=1.0).contains(&options.until) {
            let message = format!("`until` is {}; expected a part of training, from 0 to 1", options.until);
            return Err(OptionError::new("until", message));
        }
        let structured = Self::structured(options, shape, plan)?;
        let bias = plan.bias(shape);
        if let Some(rank) = options.rank {
            plan.rank(rank.get());
        }
        let deployed = plan.cost();
        let of_guide = structured.clone();
        let start = move |parameters: &Parameters| values(&of_guide.product(parameters)).to_vec();
        let size = Size::Matrix(shape.outputs, shape.inputs);
        let guide = plan.parameter(GUIDE, size, Role::Factor, Start::Follows(Arc::new(start)));
        plan.deploy(deployed.parameters, deployed.flops);
        let structured = Stages { bias, ..structured };
        Ok(Box::new(SelfGuidedLayer { structured, guide: Some(guide), until: options.until }))
    }

    /// Those of every structure: the one that stands in the config refuses those of the others.
    fn sizes(&self, shape: &LinearShape) -> Vec<Table> {
        [LowRank.sizes(shape), BlockDense.sizes(shape), BlockShuffle.sizes(shape)].concat()
    }
}

impl SelfGuided {
    /// S, without a bias.
    fn structured(options: &SelfGuidedOptions, shape: &LinearShape, plan: &mut Plan) -> Result<Stages, OptionError> {
        let needed = |key: &str, value: Option<NonZeroUsize>| {
            value.ok_or_else(|| OptionError::new(key, format!("`{key}` is missing; this structure needs it")))
        };
        let unused = |key: &str, value: Option<NonZeroUsize>| match value {
            Some(_) => Err(OptionError::new(key, format!("`{key}` is nothing that this structure has"))),
            None => Ok(()),
        };
        match options.structure {
            GuidedStructure::LowRank => {
                unused("blocks", options.blocks)?;
                let rank = checked_rank(needed("rank", options.rank)?, shape)?;
                let down = plan.matrix("down.weight", rank, shape.inputs);
                let up = plan.matrix("up.weight", shape.outputs, rank);
                plan.product(&[down, up], rank as f64);
                Ok(Stages { stages: vec![Stage::together(down, 1), Stage::together(up, 1)], bias: None })
            }
            GuidedStructure::BlockDense => {
                block_dense(needed("rank", options.rank)?, needed("blocks", options.blocks)?, shape, plan)
            }
            GuidedStructure::BlockShuffle => {
                unused("rank", options.rank)?;
                block_shuffle(needed("blocks", options.blocks)?, shape, plan)
            }
        }
    }
}

impl SelfGuidedLayer {
    /// How much W counts.
    fn alpha(&self, progress: Progress) -> f64 {
        let part = progress.part();
        if part < self.until { 0.5 * (1.0 + (PI * part / self.until).cos()) } else { 0.0 }
    }

    /// W and how much it counts, as long as it is there.
    fn guide(&self, progress: Progress) -> Option<(ParameterId, f32)> {
        Some((self.guide?, self.alpha(progress) as f32))
    }
}

impl Linear for SelfGuidedLayer {
    fn forward(&self, pass: &Pass<'_>, x: Activation) -> Activation {
        let Some((guide, alpha)) = self.guide(pass.progress) else { return self.structured.forward(pass, x) };
        let of_guide = ops::scale(ops::linear(x.clone(), &pass[guide], None), alpha);
        let structured = ops::scale(self.structured.apply(pass, x), 1.0 - alpha);
        ops::add_with_bias(of_guide, structured, self.structured.bias.map(|bias| &pass[bias]))
    }

    fn dense_equivalent(&self, parameters: &Parameters, progress: Progress) -> Option<Matrix> {
        let structured = self.structured.product(parameters);
        let Some((guide, alpha)) = self.guide(progress) else { return Some(structured) };
        let guide = &parameters[guide];
        let pairs = guide.values().iter().zip(values(&structured));
        let whole = pairs.map(|(w, s)| alpha * w + (1.0 - alpha) * s).collect();
        Some(matrix(whole, guide.dims().0, guide.dims().1))
    }

    fn approximation(&self, dense: &Matrix, parameters: &Parameters) -> Option<Values> {
        // W alone counts at first; S is to take its place.
        let guide = self.guide.map(|guide| (guide, dense.clone()));
        Some(self.structured.nearest(dense, parameters)?.into_iter().chain(guide).collect())
    }

    fn on_step(&mut self, progress: Progress, change: &mut Change<'_>) {
        if let Some(guide) = self.guide.filter(|_| progress.part() >= self.until) {
            change.remove(guide);
            self.guide = None;
        }
    }

    fn structure(&self) -> Option<String> {
        self.guide.is_none().then(|| ALONE.to_string())
    }

    fn restore(&mut self, structure: &str, change: &mut Change<'_>) -> Result<(), String> {
        match (structure, self.guide.take()) {
            (ALONE, Some(guide)) => {
                change.remove(guide);
                Ok(())
            }
            _ => Err(format!("{structure:?} is no structure of `self-guided`; expected {ALONE:?}")),
        }
    }
}
