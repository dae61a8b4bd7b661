//! The upper of the two levels: what stands in for the whole attention or the whole MLP of a layer.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;

use lrx_tensor::{Activation, ops};
use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{
    About, Builder, Chain, Cost, Depth, LinearShape, LinearSpec, OptionError, Parameters, Pass, Past, PlacedLinear,
    Plan, Progress,
};

/// Where a block stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Place {
    /// `[model.attention]`
    Attention,
    /// `[model.mlp]`
    Mlp,
}

impl Place {
    /// The key of its table in `[model]`.
    pub fn key(self) -> &'static str {
        match self {
            Place::Attention => "attention",
            Place::Mlp => "mlp",
        }
    }

    /// The block kind that stands there unless the config says otherwise.
    pub fn standard(self) -> &'static str {
        self.key()
    }
}

/// What a block must fit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BlockShape {
    /// Features in and out.
    pub hidden: usize,
    /// Attention heads.
    pub heads: usize,
    /// The base of rotary positions (Su et al. 2021), where the model has them.
    pub rotary: Option<f64>,
    /// The layer of the model, from 0.
    pub layer: usize,
    /// Layers in all.
    pub layers: usize,
}

/// A kind of block. The residual connection and the norm before the block belong to the model.
pub trait BlockKind: Send + Sync + 'static {
    /// As for [`LinearKind::Options`](crate::LinearKind::Options).
    type Options: Serialize + DeserializeOwned + JsonSchema + Send + Sync + 'static;

    /// How the kind presents itself.
    fn about(&self) -> About;

    /// Which of the two blocks it can stand in for.
    fn place(&self) -> Place;

    /// Its slots as a config names them: a linear kind stands in each.
    fn slots(&self) -> &'static [&'static str] {
        &[]
    }

    /// Fills in options that follow from the sizes where they are not given, such as 4 · hidden: so that a value that is
    /// given and the same one that follows are one config, and known as one run.
    fn settle(&self, _options: &mut Self::Options, _shape: &BlockShape) {}

    /// The block with these options. Its slots and what parameters it has besides are declared in `plan`.
    ///
    /// It is called more than once for one block, and must declare the same each time.
    ///
    /// # Errors
    /// When the options do not fit the sizes: which option is wrong, and what was expected.
    fn block(
        &self,
        options: &Self::Options,
        shape: &BlockShape,
        plan: &mut BlockPlan<'_>,
    ) -> Result<Box<dyn Block>, OptionError>;
}

/// The attention or the MLP of a layer.
pub trait Block {
    /// tokens × hidden → tokens × hidden, added to `residual` where there is one. A token's output depends on tokens of its
    /// own story only, none after it.
    ///
    /// In a generation (`pass.past`) x holds the tokens that follow those of earlier passes; see
    /// [`continues`](Self::continues).
    fn forward(&self, pass: &Pass<'_>, x: Activation, residual: Option<Activation>) -> Activation;

    /// Whether the block can go on from `pass.past`; token by token, or by keeping what it needs there. Where a block of the
    /// model cannot, all tokens are computed anew for each that is added.
    fn continues(&self) -> bool {
        false
    }
}

/// `y`, added to a residual where there is one.
pub fn onto(residual: Option<Activation>, y: Activation) -> Activation {
    match residual {
        Some(residual) => ops::add(residual, y),
        None => y,
    }
}

/// A slot of a block: the linear layer that stands there.
#[derive(Clone, Copy, Debug)]
pub struct Slot(usize);

impl Slot {
    /// tokens × inputs → tokens × outputs.
    pub fn forward(&self, pass: &Pass<'_>, x: Activation) -> Activation {
        pass.linears[self.0].linear.forward(pass, x)
    }

    /// The matrices that the layer is a chain of, if it is nothing else.
    pub fn chain(&self, pass: &Pass<'_>) -> Option<Chain> {
        pass.linears[self.0].linear.chain()
    }
}

/// Resolves what a config says of a slot.
pub(crate) type ResolveSlot<'a> = dyn FnMut(&'static str, LinearShape, Depth) -> Result<LinearSpec, OptionError> + 'a;

/// What a slot may have at most on each side: far more than anybody trains, and few enough for every sum of sizes.
const MOST_FEATURES: usize = 1 << 24;

/// Where a block declares what it is made of.
pub struct BlockPlan<'a> {
    shape: BlockShape,
    place: Place,
    resolve: &'a mut ResolveSlot<'a>,
    pub(crate) slots: Vec<SlotSpec>,
    pub(crate) attends: Option<Attends>,
    /// Parameters of the block itself.
    pub own: &'a mut Plan,
}

/// The products of attention itself: scores, and weights times values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attends {
    /// Floating-point operations for each pair of a token and one that it sees.
    pub flops: usize,
    /// How many tokens one sees at most; `None`: all before it.
    pub window: Option<usize>,
}

impl<'a> BlockPlan<'a> {
    pub(crate) fn new(shape: BlockShape, place: Place, resolve: &'a mut ResolveSlot<'a>, own: &'a mut Plan) -> Self {
        Self { shape, place, resolve, slots: Vec::new(), attends: None, own }
    }

    /// A slot: its name in the config (one of [`BlockKind::slots`]), its name in the weights file, and its shape.
    ///
    /// # Errors
    /// When what the config wants there does not fit.
    pub fn slot(&mut self, key: &'static str, weights: &'static str, shape: LinearShape) -> Result<Slot, OptionError> {
        self.any_slot(key, weights, shape, false)
    }

    /// A slot whose output is what the block adds to the residual.
    ///
    /// # Errors
    /// When what the config wants there does not fit.
    pub fn last_slot(
        &mut self,
        key: &'static str,
        weights: &'static str,
        shape: LinearShape,
    ) -> Result<Slot, OptionError> {
        self.any_slot(key, weights, shape, true)
    }

    /// Says what attention itself costs, for the sums of `lrx plan`.
    pub fn attends(&mut self, attends: Attends) {
        self.attends = Some(attends);
    }

    fn any_slot(
        &mut self,
        key: &'static str,
        weights: &'static str,
        shape: LinearShape,
        ends_branch: bool,
    ) -> Result<Slot, OptionError> {
        let most = shape.inputs.max(shape.outputs);
        if most > MOST_FEATURES {
            let message = format!("`{key}` would have {most} features; expected at most {MOST_FEATURES}");
            return Err(OptionError::new("", message));
        }
        let depth = Depth { place: self.place, layer: self.shape.layer, layers: self.shape.layers, ends_branch };
        let linear = (self.resolve)(key, shape, depth)?;
        self.slots.push(SlotSpec { key, weights, linear });
        Ok(Slot(self.slots.len() - 1))
    }
}

/// A slot with what stands in it.
#[derive(Clone)]
pub struct SlotSpec {
    /// Its name in the config.
    pub key: &'static str,
    /// Its name in the weights file.
    pub weights: &'static str,
    /// What stands in it.
    pub linear: LinearSpec,
}

pub(crate) type MakeBlock = dyn Fn(&mut BlockPlan<'_>) -> Box<dyn Block> + Send + Sync;

/// A block with validated options: everything that can be said of it before it exists.
#[derive(Clone)]
pub struct BlockSpec {
    /// The block kind's name.
    pub kind: &'static str,
    /// The version of its mathematics.
    pub version: u32,
    /// The block that it stands in for.
    pub place: Place,
    /// Its slots, each with the linear layer in it.
    pub slots: Vec<SlotSpec>,
    /// Its own options, every default filled in.
    pub options: toml::Table,
    /// Those of them that are not at their default.
    pub identity: toml::Table,
    /// What it costs, slots included.
    pub cost: Cost,
    /// What attention itself costs.
    pub attends: Option<Attends>,
    pub(crate) shape: BlockShape,
    pub(crate) make: Arc<MakeBlock>,
}

impl BlockSpec {
    /// Makes the block and its parameters.
    pub fn build(&self, builder: &mut Builder<'_>) -> PlacedBlock {
        let mut linears = Vec::with_capacity(self.slots.len());
        for slot in &self.slots {
            linears.push(slot.linear.build(slot.key, &mut builder.scope(slot.weights)));
        }
        let mut own = builder.plan();
        let specs: BTreeMap<&str, &LinearSpec> = self.slots.iter().map(|slot| (slot.key, &slot.linear)).collect();
        let mut resolve = |key: &'static str, _: LinearShape, _: Depth| Ok(specs[key].clone());
        let block = (self.make)(&mut BlockPlan::new(self.shape, self.place, &mut resolve, &mut own));
        builder.make(&own);
        PlacedBlock { block, linears }
    }
}

/// A block at its place in the model, with what stands in its slots.
pub struct PlacedBlock {
    block: Box<dyn Block>,
    linears: Vec<PlacedLinear>,
}

impl PlacedBlock {
    /// See [`Block::forward`].
    pub fn forward(&self, pass: &Pass<'_>, x: Activation, residual: Option<Activation>) -> Activation {
        self.block.forward(&Pass { linears: &self.linears, ..*pass }, x, residual)
    }

    /// See [`Block::continues`].
    pub fn continues(&self) -> bool {
        self.block.continues()
    }

    /// [`forward`](Self::forward) on tokens that follow those that `past` keeps.
    pub fn continue_from(
        &self,
        pass: &Pass<'_>,
        past: &RefCell<Past>,
        x: Activation,
        residual: Option<Activation>,
    ) -> Activation {
        self.block.forward(&Pass { linears: &self.linears, past: Some(past), ..*pass }, x, residual)
    }

    /// What stands in its slots.
    pub fn linears(&self) -> &[PlacedLinear] {
        &self.linears
    }

    /// Tells its layers how far training is.
    ///
    /// # Errors
    /// When a layer has changed and its rules do not fit what it is now.
    pub fn on_step(&mut self, parameters: &mut Parameters, progress: Progress) -> Result<(), OptionError> {
        self.linears.iter_mut().try_for_each(|linear| linear.on_step(parameters, progress))
    }

    /// Its layers, to be brought to another structure.
    pub fn linears_mut(&mut self) -> &mut [PlacedLinear] {
        &mut self.linears
    }
}
