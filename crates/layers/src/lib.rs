//! The layers of lrx: what a layer is, the registry of kinds, and the built-in kinds, one file each.
//!
//! There are two levels, and both are pluggable:
//!
//! - a **linear kind** ([`LinearKind`]) stands in for one matrix and fits every slot of the model: q, k, v and out of
//!   the attention, c_fc and c_proj of the MLP. See [`kinds`];
//! - a **block kind** ([`BlockKind`]) stands in for the whole attention or the whole MLP of a layer. Naming a linear
//!   kind where a block is asked for means the standard block with that kind in its slots. See [`blocks`].
//!
//! A kind owns its options as a type; everything else (per-layer lists, help, plan, weights, optimizer, plots) follows
//! from what the trait asks for, and [`checks`] holds every registered kind to what it says of itself.

pub mod blocks;
pub mod checks;
pub mod kinds;

mod block;
mod linear;
mod options;
mod parameters;
mod registry;
mod schema;

pub use block::{Block, BlockKind, BlockShape, BlockSpec, Past, Place};
pub use linear::{About, Chain, Cost, Linear, LinearKind, LinearShape, LinearSpec};
pub use options::{OptionError, deserialize, known_names, layer_table, nearest};
pub use parameters::{Builder, ParameterEntry, ParameterId, Parameters, Pass};
pub use registry::{DuplicateKind, Registry};

pub use lrx_tensor as tensor;
