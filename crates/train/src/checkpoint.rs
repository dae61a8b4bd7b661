//! Checkpoints: everything that the rest of a run depends on, in one file that is written whole or not at all and carries
//! a checksum. The one before it is kept until the next.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use lrx_model::{Model, NamedTensor, Numbers, TensorFile, TensorFileError, load_state, model_tensors, write_tensors};
use serde::{Deserialize, Serialize};

use crate::Optimizer;
use crate::ProcessorTime;
use crate::optimizer::StoredMoment;

/// The checkpoints in a run's folder, the newest first.
pub const CHECKPOINT_FILES: [&str; 2] = ["checkpoint.safetensors", "checkpoint-before.safetensors"];

/// Where a run stands, beside its weights and moments. The order of the stories needs no more than the step.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Position {
    pub run_id: String,
    /// Updates done.
    pub step: usize,
    /// Targets trained on.
    pub tokens: u64,
    /// Rows of the curve, and BLAKE3 of the file up to there.
    pub curve_rows: usize,
    pub curve_blake3: String,
    /// The losses since the last row of the training curve: their sum, as bits, and their number.
    pub window_sum_bits: u64,
    pub window_count: usize,
    /// The last row of the training curve and the last evaluation, as bits.
    pub train_loss_bits: Option<u64>,
    pub eval_loss_bits: Option<u64>,
    /// Where the evaluation after the last update was cut short: the norm of that update's gradient, as bits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evaluation_due: Option<u64>,
    /// Time spent on steps, and in all.
    pub train_seconds: f64,
    pub wall_seconds: f64,
    pub peak_rss_mb: Option<f64>,
    /// Processor time of the machine meanwhile; none of an earlier lrx, or where the system does not tell.
    #[serde(default)]
    pub processors: Option<ProcessorTime>,
    /// What layers have become, and the update at which parameters came that were not there from the beginning.
    #[serde(default)]
    pub structures: BTreeMap<String, String>,
    #[serde(default)]
    pub born: BTreeMap<String, u64>,
    /// The parameters' names in the order in which they came.
    pub order: Vec<String>,
    /// The arithmetic that the run was computed with, in the order of its processors.
    pub arithmetic: Vec<String>,
}

impl Position {
    pub(crate) fn add_to_window(&mut self, loss: f64) {
        self.window_sum_bits = (f64::from_bits(self.window_sum_bits) + loss).to_bits();
        self.window_count += 1;
    }

    pub(crate) fn window_mean(&self) -> Option<f64> {
        (self.window_count > 0).then(|| f64::from_bits(self.window_sum_bits) / self.window_count as f64)
    }

    pub(crate) fn close_window(&mut self) -> f64 {
        let mean = self.window_mean().expect("a step since the last row");
        (self.window_sum_bits, self.window_count) = (0, 0);
        self.train_loss_bits = Some(mean.to_bits());
        mean
    }

    /// Notes the arithmetic of this processor; all those before, if the last was another.
    pub(crate) fn goes_on_with(&mut self, arithmetic: &str) -> Option<String> {
        let before = self.arithmetic.join(", then ");
        if self.arithmetic.last().is_some_and(|last| last == arithmetic) {
            return None;
        }
        self.arithmetic.push(arithmetic.to_string());
        (!before.is_empty()).then_some(before)
    }
}

/// The checkpoints that are in `folder`, the newest first.
pub(crate) fn present(folder: &Path) -> Vec<PathBuf> {
    CHECKPOINT_FILES.iter().map(|file| folder.join(file)).filter(|path| path.exists()).collect()
}

/// Deletes the checkpoints of a run that has ended.
///
/// # Errors
/// When one is there and cannot be deleted.
pub fn remove_checkpoints(folder: &Path) -> io::Result<()> {
    present(folder).iter().try_for_each(std::fs::remove_file)
}

/// Writes a checkpoint into `folder`.
pub(crate) fn save(
    folder: &Path,
    position: &mut Position,
    model: &Model,
    optimizer: &Optimizer,
) -> Result<(), TensorFileError> {
    let parameters = model.parameters();
    position.structures = model.structures();
    let late = parameters.iter().filter(|entry| entry.born > 0);
    position.born = late.map(|entry| (entry.name.clone(), entry.born)).collect();
    position.order = optimizer.order();
    let mut tensors = model_tensors(model);
    tensors.extend(optimizer.stored(parameters).map(|StoredMoment { name, values }| NamedTensor {
        name,
        shape: vec![values.len()],
        numbers: Numbers::Real(values),
    }));
    let note = serde_json::to_string(position).expect("numbers and strings");
    let [newest, before] = CHECKPOINT_FILES.map(|file| folder.join(file));
    if newest.exists() {
        let error = |e: io::Error| TensorFileError { file: before.display().to_string(), message: e.to_string() };
        std::fs::rename(&newest, &before).map_err(error)?;
    }
    // Until the new one has its name, the one before is there to be used.
    write_tensors(&newest, &tensors, Some(note))
}

/// Reads a checkpoint of the run `run_id` into `model` and `optimizer`, if `accept` has nothing against where it
/// stands.
///
/// # Errors
/// When the file is damaged or of another run, or `accept` says so; `model` and `optimizer` are then as they were.
pub(crate) fn load<T>(
    path: &Path,
    run_id: &str,
    model: &mut Model,
    optimizer: &mut Optimizer,
    accept: impl FnOnce(&Position) -> Result<T, String>,
) -> Result<(Position, T), TensorFileError> {
    let error = |message: String| TensorFileError { file: path.display().to_string(), message };
    let mut file = TensorFile::read(path)?;
    let note = file.note().ok_or_else(|| error("not a checkpoint".into()))?;
    let position: Position = serde_json::from_str(note).map_err(|e| error(format!("not a checkpoint: {e}")))?;
    if position.run_id != run_id {
        return Err(error(format!("a checkpoint of the run {}, not of {run_id}", position.run_id)));
    }
    let (stored, accepted) = load_state(model, &mut file, &position.structures, |parameters, file| {
        let take = |name: &str, count: usize| file.take(name, &[count]);
        let stored = optimizer.stored_as(parameters, &position.order, take, error)?;
        Ok((stored, accept(&position).map_err(error)?))
    })?;
    *optimizer = stored;
    for entry in model.parameters_mut().iter_mut() {
        entry.born = position.born.get(&entry.name).copied().unwrap_or(0);
    }
    Ok((position, accepted))
}

#[cfg(test)]
mod tests {
    use super::Position;

    #[test]
    fn all_that_a_run_was_computed_with_before_is_told() {
        let mut position = Position::default();
        let told = ["tiles", "tiles", "pairs", "tiles"].map(|arithmetic| position.goes_on_with(arithmetic));
        assert_eq!(told, [None, None, Some("tiles".into()), Some("tiles, then pairs".into())]);
        assert_eq!(position.arithmetic, ["tiles", "pairs", "tiles"]);
    }
}
