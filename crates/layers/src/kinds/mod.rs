//! The built-in linear kinds, one file each. To add one: copy the shortest, and register it in
//! [`Registry::builtin`](crate::Registry::builtin) or in a crate of your own.

mod blast;
mod block_dense;
mod block_diagonal;
mod block_shuffle;
mod dense;
mod dense_then_svd;
mod diagonal_low_rank;
mod divide;
mod kronecker;
mod low_rank;
mod places;
mod self_guided;
mod shared_basis;
mod silu_low_rank;
mod sparse_low_rank;
mod stages;
mod tensor_train;

pub use blast::{Blast, BlastOptions};
pub use block_dense::{BlockDense, BlockDenseOptions};
pub use block_diagonal::{BlockDiagonal, BlockDiagonalOptions};
pub use block_shuffle::{BlockShuffle, BlockShuffleOptions};
pub use dense::{Dense, DenseOptions};
pub use dense_then_svd::{DenseThenSvd, DenseThenSvdOptions};
pub use diagonal_low_rank::{DiagonalLowRank, DiagonalLowRankOptions};
pub use kronecker::{Kronecker, KroneckerOptions};
pub use low_rank::{LowRank, LowRankOptions};
pub use self_guided::{GuidedStructure, SelfGuided, SelfGuidedOptions};
pub use shared_basis::{Across, SharedBasis, SharedBasisOptions, Shares};
pub use silu_low_rank::{SiluLowRank, SiluLowRankOptions};
pub use sparse_low_rank::{SparseLowRank, SparseLowRankOptions};
pub use tensor_train::{TensorTrain, TensorTrainOptions};
