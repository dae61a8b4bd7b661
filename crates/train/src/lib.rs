//! Training: the `[train]` section, the loop, evaluation, checkpoints and curves.
//!
//! Start at [`train`]: the loop, readable from top to bottom.

mod checkpoint;
mod clock;
mod config;
mod curve;
mod evaluate;
mod flops;
pub mod memory;
pub mod optimizer;
mod precision;
mod processors;
mod report;
mod samples;
mod schedule;
mod step;
mod trainer;

pub use checkpoint::{CHECKPOINT_FILES, remove_checkpoints};
pub use clock::Checkpoints;
pub use config::{Length, TrainConfig, TrainSpec};
pub use curve::CURVE_FILE;
pub use evaluate::{Evaluation, evaluate};
pub use flops::EpochFlops;
pub use optimizer::{Moment, Optimizer, OptimizerKind, OptimizerSpec, Optimizers, ParameterStep, RegisterOptimizer};
pub use precision::PrecisionName;
pub use processors::ProcessorTime;
pub use report::{Observer, Order, Outcome, Report, TrainError};
pub use samples::Samples;
pub use schedule::Schedule;
pub use step::{Stepped, Update, step};
pub use trainer::{Job, train};

/// The finished weights in a run's folder.
pub const WEIGHTS_FILE: &str = "model.safetensors";
