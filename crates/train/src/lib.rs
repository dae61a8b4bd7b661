//! Training: the `[train]` section, the loop, evaluation, checkpoints and curves.
//!
//! Start at [`train`]: the loop, readable from top to bottom.

mod checkpoint;
mod config;
mod curve;
mod evaluate;
pub mod memory;
mod optimizer;
mod schedule;
mod step;
mod trainer;

pub use checkpoint::{CHECKPOINT_FILES, remove_checkpoints};
pub use config::{Length, TrainConfig, TrainSpec};
pub use curve::CURVE_FILE;
pub use evaluate::evaluate;
pub use optimizer::AdamW;
pub use schedule::Schedule;
pub use step::{Stepped, Update, step};
pub use trainer::{Checkpoints, Job, Observer, Order, Outcome, Report, TrainError, train};

/// The finished weights in a run's folder.
pub const WEIGHTS_FILE: &str = "model.safetensors";
