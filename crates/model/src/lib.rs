//! A decoder assembled from registered layers: the `[model]` section, parameter accounting, weights and generation.

mod checkpoint;
mod config;
mod floats;
mod generate;
mod hugging_face;
mod init_from;
mod initial;
mod known;
mod label;
mod model;
mod spectrum;
mod tensor_file;
mod weights;
mod words;

pub use config::{LayerSpec, ModelConfig, ModelSpec, Norm, Positions};
pub use generate::{Sampling, generate, generate_at};
pub use hugging_face::{Exported, Family, Tokens, export};
pub use init_from::{ConfigFile, InitFrom, InitFromConfig, RUN, Taken, TakenContext, TakenLayers, TakenVocabulary};
pub use initial::load_initial;
pub use known::Known;
pub use model::{Continuation, Model, Part, When};
pub use spectrum::{EffectiveRank, effective_ranks};
pub use tensor_file::{NamedTensor, Numbers, TensorFile, TensorFileError, write_tensors};
pub use weights::{load_state, load_weights, model_tensors, save_weights, stored_shape};
pub use words::{BlockWords, OtherWords};
