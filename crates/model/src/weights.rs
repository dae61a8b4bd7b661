//! A model's weights under GPT-Neo's own names.

use std::path::Path;

use lrx_layers::{ParameterEntry, Parameters};

use crate::tensor_file::{NamedTensor, TensorFile, TensorFileError, write_tensors};

/// Writes `parameters` to `path`, whole or not at all.
///
/// # Errors
/// When the file cannot be written.
pub fn save_weights(parameters: &Parameters, path: &Path) -> Result<(), TensorFileError> {
    let tensors: Vec<NamedTensor<'_>> = parameters.iter().map(named_tensor).collect();
    write_tensors(path, &tensors, None)
}

/// A parameter as its file has it.
pub fn named_tensor(entry: &ParameterEntry) -> NamedTensor<'_> {
    NamedTensor { name: entry.name.clone(), shape: stored_shape(entry), values: entry.parameter.values() }
}

/// Sets every parameter to what the file at `path` holds under its name.
///
/// # Errors
/// When the file cannot be read, lacks a parameter, has one of another shape, or holds weights that the model has no
/// place for. GPT-Neo's constant buffers and a stored copy of the tied head are passed over. On an error the parameters
/// are as they were.
pub fn load_weights(parameters: &mut Parameters, path: &Path) -> Result<(), TensorFileError> {
    let mut file = TensorFile::read(path)?;
    let new =
        parameters.iter().map(|entry| file.take(&entry.name, &stored_shape(entry))).collect::<Result<Vec<_>, _>>()?;
    let mut unknown: Vec<&str> = file.names().filter(|name| !is_redundant(name)).collect();
    unknown.sort_unstable();
    if let Some(name) = unknown.first() {
        let more = if unknown.len() > 1 { format!(" (and {} more)", unknown.len() - 1) } else { String::new() };
        return Err(TensorFileError::new(path, format!("the model has no place for `{name}`{more}")));
    }
    for (entry, values) in parameters.iter_mut().zip(new) {
        entry.parameter.values_mut().copy_from_slice(&values);
    }
    Ok(())
}

/// The dimensions of a parameter in a file.
pub fn stored_shape(entry: &ParameterEntry) -> Vec<usize> {
    let (rows, columns) = entry.parameter.dims();
    if entry.is_vector { vec![columns] } else { vec![rows, columns] }
}

fn is_redundant(name: &str) -> bool {
    name == "lm_head.weight" || name.ends_with(".attn.attention.bias") || name.ends_with(".attn.attention.masked_bias")
}
