//! Checkpoints: everything that the rest of a run depends on, in one file that is written whole or not at all.

use std::path::Path;

use lrx_layers::Parameters;
use lrx_model::{NamedTensor, TensorFile, TensorFileError, named_tensor, stored_shape, write_tensors};
use serde::{Deserialize, Serialize};

use crate::AdamW;

/// The checkpoint in a run's folder.
pub const CHECKPOINT_FILE: &str = "checkpoint.safetensors";

/// Where a run stands, beside its weights and moments. The order of the stories needs no more than the step.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Position {
    pub run_id: String,
    /// Updates done.
    pub step: usize,
    /// Targets trained on.
    pub tokens: u64,
    /// Rows of the curve.
    pub curve_rows: usize,
    /// The losses since the last row of the training curve: their sum, as bits, and their number.
    pub window_sum_bits: u64,
    pub window_count: usize,
    /// The last row of the training curve and the last evaluation, as bits.
    pub train_loss_bits: Option<u64>,
    pub eval_loss_bits: Option<u64>,
    /// Time spent on steps, and in all.
    pub train_seconds: f64,
    pub wall_seconds: f64,
    pub peak_rss_mb: Option<f64>,
}

const FIRST: &str = "adamw.first.";
const SECOND: &str = "adamw.second.";

/// Writes a checkpoint.
pub(crate) fn save(
    path: &Path,
    position: &Position,
    parameters: &Parameters,
    optimizer: &AdamW,
) -> Result<(), TensorFileError> {
    let mut tensors: Vec<NamedTensor<'_>> = parameters.iter().map(named_tensor).collect();
    for (prefix, moments) in [(FIRST, &optimizer.first), (SECOND, &optimizer.second)] {
        for (entry, values) in parameters.iter().zip(moments) {
            let name = format!("{prefix}{}", entry.name);
            tensors.push(NamedTensor { name, shape: stored_shape(entry), values });
        }
    }
    let note = serde_json::to_string(position).expect("numbers and strings");
    write_tensors(path, &tensors, Some(note))
}

/// Reads a checkpoint of the run `run_id` into `parameters` and `optimizer`.
///
/// # Errors
/// When the file is damaged or of another run; `parameters` and `optimizer` are then as they were.
pub(crate) fn load(
    path: &Path,
    run_id: &str,
    parameters: &mut Parameters,
    optimizer: &mut AdamW,
) -> Result<Position, TensorFileError> {
    let error = |message: String| TensorFileError { file: path.display().to_string(), message };
    let mut file = TensorFile::read(path)?;
    let note = file.note().ok_or_else(|| error("not a checkpoint".into()))?;
    let position: Position = serde_json::from_str(note).map_err(|e| error(format!("not a checkpoint: {e}")))?;
    if position.run_id != run_id {
        return Err(error(format!("a checkpoint of the run {}, not of {run_id}", position.run_id)));
    }
    let mut take = |prefix: &str| -> Result<Vec<Vec<f32>>, TensorFileError> {
        parameters.iter().map(|entry| file.take(&format!("{prefix}{}", entry.name), &stored_shape(entry))).collect()
    };
    let (weights, first, second) = (take("")?, take(FIRST)?, take(SECOND)?);
    for (entry, values) in parameters.iter_mut().zip(weights) {
        entry.parameter.values_mut().copy_from_slice(&values);
    }
    (optimizer.first, optimizer.second) = (first, second);
    Ok(position)
}
