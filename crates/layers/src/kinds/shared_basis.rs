//! Low-rank products that have one of their two matrices in common.

use std::num::NonZeroUsize;

use lrx_tensor::{Activation, Matrix, ops};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::low_rank::checked_rank;
use crate::{
    About, Linear, LinearKind, LinearShape, OptionError, ParameterId, Parameters, Pass, Place, Plan, Progress,
    SharedFactor,
};

/// `y = B (A x) + b` with A, or B, shared.
pub struct SharedBasis;

/// The options of `shared-basis`.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SharedBasisOptions {
    /// The rank of each B·A: at most the smaller side of the matrix.
    pub rank: NonZeroUsize,
    /// Which of the two matrices is shared.
    #[serde(default)]
    pub shares: Shares,
    /// Among which slots.
    #[serde(default)]
    pub across: Across,
}

/// The matrix that is shared.
#[derive(Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Shares {
    /// A, by slots with as many inputs.
    #[default]
    Down,
    /// B, by slots with as many outputs.
    Up,
}

/// The slots that share.
#[derive(Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Across {
    /// Those of one block: q, k, v of a layer, say.
    #[default]
    Block,
    /// Those of the attention blocks of all layers, or of all MLPs.
    Layers,
}

struct SharedBasisLayer {
    down: ParameterId,
    up: ParameterId,
    bias: Option<ParameterId>,
    shares: Shares,
}

impl LinearKind for SharedBasis {
    type Options = SharedBasisOptions;

    fn about(&self) -> About {
        About {
            name: "shared-basis",
            version: 1,
            summary: "low-rank products that have one matrix in common",
            description: "y = B (A x) + b, A: rank × inputs, B: outputs × rank, where slots with as many inputs and one rank have one A \
                (shares = \"down\"), or those with as many outputs one B (shares = \"up\"): in one block, or across all layers. k \
                slots of m inputs and n outputs have rank · (m + k n) parameters. The shared matrix is counted once in the model, \
                in the slot that comes first, whose rules hold for it.\n\
                Each factor starts from N(0, 0.02²).",
            example: "rank = 3",
        }
    }

    fn layer(
        &self,
        options: &SharedBasisOptions,
        shape: &LinearShape,
        plan: &mut Plan,
    ) -> Result<Box<dyn Linear>, OptionError> {
        let rank = checked_rank(options.rank, shape)?;
        let depth = plan.depth();
        let block = match depth.place {
            Place::Attention => "attention",
            Place::Mlp => "mlp",
        };
        let among = match options.across {
            Across::Block => format!("basis.{}.{block}", depth.layer),
            Across::Layers => format!("basis.{block}"),
        };
        let (down, up) = match options.shares {
            Shares::Down => {
                let name = format!("{among}.down.{}.{rank}.weight", shape.inputs);
                (plan.shared_matrix(&name, rank, shape.inputs), plan.matrix("up.weight", shape.outputs, rank))
            }
            Shares::Up => {
                let down = plan.matrix("down.weight", rank, shape.inputs);
                (down, plan.shared_matrix(&format!("{among}.up.{}.{rank}.weight", shape.outputs), shape.outputs, rank))
            }
        };
        plan.product(&[down, up], rank as f64);
        plan.rank(rank);
        plan.flops(2 * rank * (shape.inputs + shape.outputs));
        Ok(Box::new(SharedBasisLayer { down, up, bias: plan.bias(shape), shares: options.shares }))
    }
}

impl Linear for SharedBasisLayer {
    fn forward(&self, pass: &Pass<'_>, x: Activation) -> Activation {
        let narrow = ops::linear(x, &pass[self.down], None); // tokens × rank
        ops::linear(narrow, &pass[self.up], self.bias.map(|bias| &pass[bias]))
    }

    fn dense_equivalent(&self, parameters: &Parameters, _: Progress) -> Option<Matrix> {
        Some(parameters[self.up].value().product(parameters[self.down].value()))
    }

    fn shared_factor(&self) -> Option<SharedFactor> {
        Some(match self.shares {
            Shares::Down => SharedFactor { shared: self.down, own: self.up, is_first: true },
            Shares::Up => SharedFactor { shared: self.up, own: self.down, is_first: false },
        })
    }
}
