//! Models as Hugging Face's `transformers` has them: GPT-Neo, GPT-2 and Llama, under their names and with their orientation.

mod compare;
mod config;
mod export;
mod express;
mod names;

pub(crate) use compare::differences;
pub use config::Tokens;
pub use export::{Exported, export};
pub use express::Family;
pub(crate) use names::take_over;
