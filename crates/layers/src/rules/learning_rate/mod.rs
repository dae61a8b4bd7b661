//! How fast parameters learn: one rule a file.

mod flat;
mod structure_aware;

pub use flat::{Flat, FlatOptions};
pub use structure_aware::{StructureAware, StructureAwareOptions};
