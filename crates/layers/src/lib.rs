//! The layers of lrx: what a layer is, the registry of kinds and rules, and those that are built in, one file each.
//!
//! There are two levels, and both are pluggable:
//!
//! - a **linear kind** ([`LinearKind`]) stands in for one matrix and fits every slot of every block: q, k, v and out of
//!   the attention, c_fc and c_proj of the MLP. See [`kinds`];
//! - a **block kind** ([`BlockKind`]) stands in for the whole attention or the whole MLP of a layer, and has slots for linear
//!   kinds. See [`blocks`].
//!
//! A layer declares its parameters once, in a [`Plan`]; counts, weights, optimizer groups and ranks follow. How parameters
//! start, learn and decay are [`rules`], free of the kind. Layers may change while they are trained ([`Linear::on_step`]).
//!
//! A kind owns its options as a type; per-layer lists, help, errors and schema follow from it, and [`checks`] holds every
//! registered kind to what it says of itself.

pub mod blocks;
pub mod checks;
pub mod kinds;
pub mod rules;

mod about;
mod approximate;
mod block;
mod block_table;
mod budget;
mod builder;
mod change;
mod linear;
mod options;
mod parameters;
mod pass;
mod plan;
mod registry;
mod schema;
mod selection;
mod svd;
mod written;

pub use about::About;
pub use approximate::{NoApproximation, NoApproximationWhy, SharedFactor, Values, approximations};
pub use block::{
    Attends, Block, BlockKind, BlockPlan, BlockShape, BlockSpec, Place, PlacedBlock, Slot, SlotSpec, onto,
};
pub use builder::Builder;
pub use change::Change;
pub use linear::{Chain, Depth, Linear, LinearKind, LinearShape, LinearSpec, PlacedLinear};
pub use options::{OptionError, deserialize, known_names, nearest, to_table, without_defaults};
pub use parameters::{Fixed, FixedEntry, FixedId, ParameterEntry, ParameterId, Parameters, Role};
pub use pass::{Pass, Past, Progress};
pub use plan::{
    Computed, Cost, Declared, DeclaredFixed, Drawn, FixedStart, Following, GPT_NEO_STD, Plan, Product, Size, Start,
};
pub use registry::{DuplicateKind, Registry};
pub use schema::options_schema;
pub use selection::{layers_text, layers_words, selected_layers};
pub use written::blocks_table;

pub use lrx_tensor as tensor;
