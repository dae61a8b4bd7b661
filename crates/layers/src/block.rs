//! The upper of the two levels: what stands in for the whole attention or the whole MLP of a layer.

use std::sync::Arc;

use lrx_tensor::{Activation, Matrix, ops};
use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{About, Builder, Cost, OptionError, Parameters, Pass};

/// Where a block stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Place {
    /// `[model.attention]`
    Attention,
    /// `[model.mlp]`
    Mlp,
}

/// The sizes a block must fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockShape {
    /// Features in and out.
    pub hidden: usize,
    /// Attention heads.
    pub heads: usize,
    /// Attention window; `None` is global.
    pub window: Option<usize>,
    /// Features inside the MLP.
    pub inner: usize,
}

/// A kind of block. The residual connection and the LayerNorm before the block belong to the model.
pub trait BlockKind: Send + Sync + 'static {
    /// As for [`LinearKind::Options`](crate::LinearKind::Options).
    type Options: Serialize + DeserializeOwned + JsonSchema + Send + Sync + 'static;

    /// How the kind presents itself.
    fn about(&self) -> About;

    /// Which of the two blocks it can stand in for.
    fn place(&self) -> Place;

    /// Whether these options fit the sizes.
    ///
    /// # Errors
    /// When they do not: which option is wrong, and what was expected.
    fn check(&self, _options: &Self::Options, _shape: &BlockShape) -> Result<(), OptionError> {
        Ok(())
    }

    /// What a block of this shape costs.
    fn cost(&self, options: &Self::Options, shape: &BlockShape) -> Cost;

    /// The rank, for kinds that have one: it goes into the tables.
    fn rank(&self, _options: &Self::Options) -> Option<usize> {
        None
    }

    /// Makes a block with its initial parameters.
    fn build(&self, options: &Self::Options, shape: &BlockShape, builder: &mut Builder<'_>) -> Box<dyn Block>;
}

/// The attention or the MLP of a layer.
pub trait Block {
    /// tokens × hidden → tokens × hidden. A token's output depends on tokens of its own story only, none after it.
    fn forward(&self, pass: &Pass<'_>, x: Activation) -> Activation;

    /// `residual + forward(x)`, for blocks that can compute it in fewer passes over memory. Equal up to rounding.
    fn forward_onto(&self, pass: &Pass<'_>, residual: Activation, x: Activation) -> Activation {
        ops::add(residual, self.forward(pass, x))
    }

    /// As [`forward`](Self::forward), for the tokens of one story that follow those of earlier calls with the same `past`:
    /// new tokens × hidden → new tokens × hidden, for generation. `None` where a block cannot: all tokens are then
    /// computed anew for each that is added.
    fn extend(&self, _pass: &Pass<'_>, _x: Activation, _past: &mut Past) -> Option<Activation> {
        None
    }

    /// The matrices that it is made of: the slot's name in the weights, and the dense equivalent. For the
    /// report's effective ranks; none where a block has nothing of the kind.
    fn matrices(&self, _parameters: &Parameters) -> Vec<(&'static str, Matrix)> {
        Vec::new()
    }
}

/// What a block keeps of the tokens that it has seen, as long as a text is generated.
#[derive(Clone, Debug, Default)]
pub struct Past {
    /// Keys, or whatever takes their place: one row a token.
    pub keys: Vec<f32>,
    /// Values, or whatever takes their place: one row a token.
    pub values: Vec<f32>,
}

type BuildBlock = dyn Fn(&mut Builder<'_>) -> Box<dyn Block> + Send + Sync;

/// A block with validated options: everything that can be said of it before it exists.
#[derive(Clone)]
pub struct BlockSpec {
    /// The kind as the tables show it: the kind's name, with slots of their own kind added (`dense q=low-rank`).
    pub kind: String,
    /// The rank as the tables show it: empty for a kind without rank, `q=8` where only some slots have one.
    pub rank: String,
    /// The `[model.attention]` or `[model.mlp]` table of this layer, every default filled in.
    pub options: toml::Table,
    /// What the block costs.
    pub cost: Cost,
    pub(crate) build: Arc<BuildBlock>,
}

impl BlockSpec {
    /// Makes the block.
    pub fn build(&self, builder: &mut Builder<'_>) -> Box<dyn Block> {
        (self.build)(builder)
    }
}
