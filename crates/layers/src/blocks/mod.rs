//! The built-in blocks, one file each; a linear kind stands in each of their slots.

mod activation;
mod attend;
mod attention;
mod fused;
mod gated_mlp;
mod latent_attention;
mod mlp;

pub use activation::ActivationName;
pub use attention::{AttentionBias, AttentionOptions, StandardAttention};
pub use gated_mlp::{GatedMlp, GatedMlpOptions};
pub use latent_attention::{LatentAttention, LatentAttentionOptions};
pub use mlp::{MlpOptions, StandardMlp};
