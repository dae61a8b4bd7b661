//! A model's weights under GPT-Neo's own names.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use lrx_layers::{Fixed, ParameterEntry, Parameters};
use lrx_tensor::{dims, matrix, values};
use serde::{Deserialize, Serialize};

use crate::Model;
use crate::tensor_file::{NamedTensor, Numbers, TensorFile, TensorFileError, write_tensors};

/// What a weights file tells beside its tensors.
#[derive(Default, Serialize, Deserialize)]
struct Note {
    /// What layers have become during training.
    structures: BTreeMap<String, String>,
}

/// Writes the weights of `model` to `path`, whole or not at all.
///
/// # Errors
/// When the file cannot be written.
pub fn save_weights(model: &Model, path: &Path) -> Result<(), TensorFileError> {
    let structures = model.structures();
    let note = (!structures.is_empty()).then(|| serde_json::to_string(&Note { structures }).expect("text"));
    write_tensors(path, &model_tensors(model), note)
}

/// All numbers of a model, trained or fixed, as its file has them.
pub fn model_tensors(model: &Model) -> Vec<NamedTensor<'_>> {
    let trained = model.parameters().iter().map(|entry| NamedTensor {
        name: entry.name.clone(),
        shape: stored_shape(entry),
        numbers: Numbers::Real(entry.parameter.values()),
    });
    let fixed = model.parameters().fixed().map(|entry| {
        let (shape, numbers) = match &entry.content {
            Fixed::Matrix(matrix) => (dims_of(matrix), Numbers::Real(values(matrix))),
            Fixed::Integers(integers) => (vec![integers.len()], Numbers::Whole(integers)),
        };
        NamedTensor { name: entry.name.clone(), shape, numbers }
    });
    trained.chain(fixed).collect()
}

/// Sets every parameter to what the file at `path` holds under its name.
///
/// # Errors
/// When the file cannot be read, lacks a parameter, has one of another shape, or holds weights that the model has no
/// place for. GPT-Neo's constant buffers and a stored copy of a tied head are passed over; a head that differs from the
/// embedding is not. On an error the model is as it was.
pub fn load_weights(model: &mut Model, path: &Path) -> Result<(), TensorFileError> {
    let file = TensorFile::read(path)?;
    let structures = note_of(&file);
    load_from(model, file, &structures, path)
}

/// What layers have become during training, as the file says; another program's file has no note of ours.
pub(crate) fn note_of(file: &TensorFile) -> BTreeMap<String, String> {
    let note: Note = file.note().and_then(|note| serde_json::from_str(note).ok()).unwrap_or_default();
    note.structures
}

/// Sets every parameter to what `file`, which was read from `path`, holds for a model of these structures.
pub(crate) fn load_from(
    model: &mut Model,
    mut file: TensorFile,
    structures: &BTreeMap<String, String>,
    path: &Path,
) -> Result<(), TensorFileError> {
    let no_place = |name: &str, more: usize| {
        let more = if more > 0 { format!(" (and {more} more)") } else { String::new() };
        let hint = if is_inner_bias(name) { "; `bias = \"all\"` in [model.attention] is one for it" } else { "" };
        TensorFileError::new(path, format!("the model has no place for `{name}`{more}{hint}"))
    };
    let tied = model.spec().tied;
    let differs = tied && file.peek(HEAD).is_some_and(|head| file.peek(EMBEDDING) != Some(head));
    if differs {
        let message = format!(
            "`{HEAD}` differs from `{EMBEDDING}`, but the head of this model is tied to its embedding; \
            set `tied = false` in [model] to use both"
        );
        return Err(TensorFileError::new(path, message));
    }
    load_state(model, &mut file, structures, |_, file| {
        let mut unknown: Vec<&str> = file.names().filter(|name| !is_redundant(name, tied)).collect();
        unknown.sort_unstable();
        unknown.first().map_or(Ok(()), |name| Err(no_place(name, unknown.len() - 1)))
    })
}

/// Brings a model to the structures and numbers of a file; `accept` sees what the file holds besides, and may refuse it.
///
/// # Errors
/// What does not fit, or what `accept` says. The model is then as it was.
pub fn load_state<T>(
    model: &mut Model,
    file: &mut TensorFile,
    structures: &BTreeMap<String, String>,
    accept: impl FnOnce(&Parameters, &mut TensorFile) -> Result<T, TensorFileError>,
) -> Result<T, TensorFileError> {
    // A model of another structure is made apart, and takes the place of this one when all fits.
    let mut other = (*structures != model.structures()).then(|| model.again());
    if let Some(other) = &mut other {
        other.restore(structures).map_err(|message| file.error(message))?;
    }
    let target = other.as_ref().unwrap_or(model).parameters();
    let trained =
        target.iter().map(|entry| file.take(&entry.name, &stored_shape(entry))).collect::<Result<Vec<_>, _>>()?;
    let fixed = target
        .fixed()
        .map(|entry| match &entry.content {
            Fixed::Matrix(old) => {
                let (rows, columns) = dims(old);
                Ok(Fixed::Matrix(matrix(file.take(&entry.name, &[rows, columns])?, rows, columns)))
            }
            Fixed::Integers(old) => Ok(Fixed::Integers(Arc::from(file.take_whole(&entry.name, &[old.len()])?))),
        })
        .collect::<Result<Vec<_>, TensorFileError>>()?;
    let accepted = accept(target, file)?;
    if let Some(other) = other {
        *model = other;
    }
    for (entry, values) in model.parameters_mut().iter_mut().zip(trained) {
        entry.parameter.values_mut().copy_from_slice(&values);
    }
    for (entry, content) in model.parameters_mut().fixed_mut().zip(fixed) {
        entry.content = content;
    }
    Ok(accepted)
}

/// The dimensions of a parameter in a file.
pub fn stored_shape(entry: &ParameterEntry) -> Vec<usize> {
    let (rows, columns) = entry.parameter.dims();
    if entry.is_vector { vec![columns] } else { vec![rows, columns] }
}

fn dims_of(matrix: &lrx_tensor::Matrix) -> Vec<usize> {
    let (rows, columns) = dims(matrix);
    vec![rows, columns]
}

pub(crate) const HEAD: &str = "lm_head.weight";
pub(crate) const EMBEDDING: &str = "transformer.wte.weight";

/// The ends of names of constants that other programs store with their weights: masks, and the frequencies of rotary positions.
const CONSTANTS: [&str; 7] = [
    ".attn.attention.bias",
    ".attn.attention.masked_bias",
    ".attn.bias",
    ".attn.masked_bias",
    "rotary_emb.inv_freq",
    "rotary_emb.cos_cached",
    "rotary_emb.sin_cached",
];

fn is_redundant(name: &str, tied: bool) -> bool {
    (tied && name == HEAD) || CONSTANTS.iter().any(|constant| name.ends_with(constant))
}

fn is_inner_bias(name: &str) -> bool {
    ["q_proj.bias", "k_proj.bias", "v_proj.bias"].iter().any(|bias| name.ends_with(bias))
}

#[cfg(test)]
mod tests {
    use safetensors::tensor::TensorView;
    use safetensors::{Dtype, SafeTensors};

    use super::*;

    fn model(lines: &str) -> Model {
        let config = format!("hidden = 8\nlayers = 1\nheads = 2\ncontext = 4\n{lines}");
        let config: crate::ModelConfig = toml::from_str(&config).expect("a config");
        let spec = config.resolve(&lrx_layers::Registry::builtin(), &|_, path| Ok(path.into())).expect("a model");
        Model::new(&spec, 6, 3)
    }

    /// The weights of `model` as another program would write them, with tensors of its own.
    fn file_of(model: &Model, others: Vec<(&str, TensorView<'_>)>) -> tempfile::NamedTempFile {
        let tensors = model_tensors(model);
        let own = tensors.iter().map(|tensor| {
            let Numbers::Real(values) = tensor.numbers else { panic!("real numbers") };
            let view = TensorView::new(Dtype::F32, tensor.shape.clone(), bytemuck::cast_slice(values));
            (tensor.name.as_str(), view.expect("a tensor"))
        });
        let bytes = safetensors::serialize(own.chain(others), None).expect("a file");
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), bytes).expect("room");
        file
    }

    #[test]
    fn constant_buffers_of_any_type_are_passed_over() {
        let mut loaded = model("");
        let mask = TensorView::new(Dtype::BOOL, vec![1, 1, 4, 4], &[1; 16]).expect("a mask");
        let file = file_of(&model(""), vec![("transformer.h.0.attn.attention.bias", mask)]);
        load_weights(&mut loaded, file.path()).expect("weights");
        let other = TensorView::new(Dtype::BOOL, vec![2], &[1; 2]).expect("a tensor");
        let file = file_of(&model(""), vec![("transformer.other", other)]);
        let error = load_weights(&mut loaded, file.path()).expect_err("an unknown tensor");
        assert!(error.message.contains("no place for `transformer.other`"), "{error}");
    }

    #[test]
    fn a_head_that_differs_from_a_tied_embedding_is_not_dropped() {
        let mut tied = model("");
        let embedding = tied.parameters().iter().next().expect("the embedding").parameter.values().to_vec();
        let head = |values: &[f32], target: &mut Model| {
            let bytes = bytemuck::cast_slice(values);
            let view = TensorView::new(Dtype::F32, vec![6, 8], bytes).expect("a head");
            let file = file_of(&model(""), vec![(HEAD, view)]);
            load_weights(target, file.path())
        };
        head(&embedding, &mut tied).expect("a copy of the embedding");
        let other: Vec<f32> = embedding.iter().map(|x| x + 1.0).collect();
        let error = head(&other, &mut tied).expect_err("another head");
        assert!(error.message.contains("set `tied = false`"), "{error}");
        let mut untied = model("tied = false");
        head(&other, &mut untied).expect("a head of its own");
        let found = untied.parameters().find(HEAD).expect("the head");
        assert_eq!(untied.parameters()[found].values(), other);
    }

    #[test]
    fn weights_say_that_they_are_for_pytorch() {
        let (file, model) = (tempfile::NamedTempFile::new().expect("a file"), model(""));
        save_weights(&model, file.path()).expect("room");
        let bytes = std::fs::read(file.path()).expect("a file");
        let (_, metadata) = SafeTensors::read_metadata(&bytes).expect("safetensors");
        assert_eq!(metadata.metadata().as_ref().and_then(|m| m.get("format")).map(String::as_str), Some("pt"));
        save_weights(&model, file.path()).expect("room");
        assert_eq!(bytes, std::fs::read(file.path()).expect("a file"), "the same file for the same weights");
    }
}
