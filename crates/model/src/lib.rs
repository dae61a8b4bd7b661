//! GPT-Neo assembled from registered layers: the `[model]` section, parameter accounting, weights and generation.

mod config;
mod generate;
mod gpt_neo;
mod identity;
mod label;
mod spectrum;
mod tensor_file;
mod weights;

pub use config::{InitFrom, LayerSpec, ModelConfig, ModelSpec};
pub use generate::{Sampling, generate};
pub use gpt_neo::{Continuation, GptNeo};
pub use spectrum::{EffectiveRank, effective_ranks};
pub use tensor_file::{NamedTensor, TensorFile, TensorFileError, write_tensors};
pub use weights::{load_weights, named_tensor, save_weights, stored_shape};
