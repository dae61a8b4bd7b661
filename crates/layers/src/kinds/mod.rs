//! The built-in linear kinds, one file each. To add one: copy the shortest, and register it in
//! [`Registry::builtin`](crate::Registry::builtin) or in a crate of your own.

mod dense;
mod low_rank;

pub use dense::{Dense, DenseOptions};
pub use low_rank::{LowRank, LowRankOptions};
