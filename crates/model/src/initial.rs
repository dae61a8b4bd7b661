//! A model that starts from weights that are there already: another program's, or those of a run.

use std::collections::BTreeMap;
use std::sync::Arc;

use lrx_layers::{Fixed, NoApproximation, NoApproximationWhy, PlacedLinear, Role, approximations};
use lrx_tensor::{Matrix, matrix, values};

use crate::hugging_face::{differences, take_over};
use crate::init_from::{ConfigFile, TakenContext, TakenLayers, TakenVocabulary};
use crate::tensor_file::{TensorFile, TensorFileError};
use crate::weights::{EMBEDDING, HEAD, load_from, note_of, stored_shape};
use crate::{InitFrom, Model, checkpoint};

const POSITIONS: &str = "transformer.wpe.weight";
const LAYER: &str = "transformer.h.";
/// Names that are followed by a layer's number: of what it has, and of what its slots share.
const LAYERS: [&str; 2] = [LAYER, "basis."];

/// Sets every parameter to what the weights that the model starts from have: the very bytes that its config was resolved
/// with, by which its runs are known.
///
/// Names and orientation may be those of Hugging Face's GPT-Neo, GPT-2 or Llama. What is dense there and is not in the model
/// is approximated ([`approximations`]). A head of its own starts as the embedding where there is none. Of more positions, layers
/// and tokens than the model has, those are taken that the config names; `rows` has the row of each of the model's tokens, as
/// far as it is not its number.
///
/// # Errors
/// When the files cannot be read or have been changed since, lack a parameter, have one of another shape, or hold weights that
/// the model has no place for; when a `config.json` beside them says that they are of a model that computes otherwise. On an
/// error the model is as it was.
pub fn load_initial(model: &mut Model, from: &InitFrom, rows: Option<&[u32]>) -> Result<(), TensorFileError> {
    let path = &from.path;
    let (mut file, blake3) = checkpoint::read(&from.files)?;
    if blake3 != from.blake3 {
        let message =
            "was changed after the config had been read, and its runs are known by what was in it: start again";
        return Err(TensorFileError::new(path, message));
    }
    if from.config != Some(ConfigFile::Ignore)
        && let Some(difference) = differences(path, model.spec(), &from.taken).map_err(|e| file.error(e))?
    {
        return Err(TensorFileError::new(path, difference));
    }
    take_over(&mut file)?;
    let structures = note_of(&file).into_iter();
    let structures = take_layers(model, from, &mut file, structures.collect())?;
    take_positions(model, from, &mut file)?;
    take_tokens(model, from, &mut file, rows)?;
    approximate(model, from, &mut file)?;
    load_from(model, file, &structures, path)
}

/// Leaves the layers that are taken, under the numbers that they have in the model.
fn take_layers(
    model: &Model,
    from: &InitFrom,
    file: &mut TensorFile,
    structures: BTreeMap<String, String>,
) -> Result<BTreeMap<String, String>, TensorFileError> {
    let layer_of = |name: &str| {
        let behind = LAYERS.iter().find_map(|before| Some((*before, name.strip_prefix(before)?)));
        behind.and_then(|(before, rest)| Some((before, rest.split('.').next()?.parse::<usize>().ok()?)))
    };
    let of_layer = |name: &str| layer_of(name).filter(|(before, _)| *before == LAYER).map(|(_, layer)| layer);
    let count = file.names().filter_map(of_layer).max().map_or(0, |last| last + 1);
    let layers = model.spec().layers.len();
    let taken: Vec<usize> = match &from.taken.layers {
        Some(TakenLayers::These(these)) => these.clone(),
        Some(TakenLayers::First) => (0..layers).collect(),
        None if count > layers => {
            let message = format!(
                "it has {count} layers, the model has {layers}; `layers = \"first\"` beside its `path` takes the first of them, a \
                 list those that it names"
            );
            return Err(file.error(message));
        }
        None => return Ok(structures),
    };
    if let Some(missing) = taken.iter().find(|layer| **layer >= count) {
        return Err(file.error(format!("it has no layer {missing}, only {count}, counted from 0")));
    }
    let mut copies: Vec<(usize, usize)> = taken.iter().copied().zip(0..).collect();
    copies.sort_unstable();
    if let Some(twice) = copies.windows(2).find(|pair| pair[0].0 == pair[1].0) {
        return Err(file.error(format!("`layers` names layer {} twice", twice[0].0)));
    }
    let renumbered = |name: &str| -> Option<String> {
        let Some((before, layer)) = layer_of(name) else { return Some(name.to_string()) };
        let new = taken.iter().position(|taken| *taken == layer)?;
        Some(format!("{before}{new}{}", &name[before.len() + layer.to_string().len()..]))
    };
    file.keep(|name| renumbered(name).is_some());
    file.rename(|name| renumbered(name).unwrap_or_default())?;
    Ok(structures.into_iter().filter_map(|(place, structure)| Some((renumbered(&place)?, structure))).collect())
}

/// Leaves the positions that are taken.
fn take_positions(model: &Model, from: &InitFrom, file: &mut TensorFile) -> Result<(), TensorFileError> {
    let Some(&[count, hidden]) = file.shape(POSITIONS) else { return Ok(()) };
    let context = model.context();
    if count <= context {
        return Ok(());
    }
    match from.taken.context {
        None => Err(file.error(format!(
            "it has {count} positions, the model's context is {context}; `context = \"cut\"` beside its `path` takes the first of them"
        ))),
        Some(TakenContext::Cut) => {
            if let Some((_, mut values)) = file.take_real(POSITIONS) {
                values.truncate(context * hidden);
                file.put(POSITIONS, vec![context, hidden], values);
            }
            Ok(())
        }
    }
}

/// Leaves the tokens that are taken, in the order of the model's, and brings the head to what the model has.
fn take_tokens(
    model: &Model,
    from: &InitFrom,
    file: &mut TensorFile,
    rows: Option<&[u32]>,
) -> Result<(), TensorFileError> {
    let tied = model.spec().tied;
    if !tied
        && file.shape(HEAD).is_none()
        && let Some((shape, values)) = file.shape(EMBEDDING).map(<[usize]>::to_vec).zip(file.peek(EMBEDDING))
    {
        let values = values.to_vec();
        file.put(HEAD, shape, values);
    }
    let Some(&[count, hidden]) = file.shape(EMBEDDING) else { return Ok(()) };
    let size = model.vocabulary();
    match from.taken.vocabulary {
        None if count > size => {
            return Err(file.error(format!(
                "it has {count} tokens, the model has {size}; `vocabulary = \"select\"` beside its `path` takes those that the \
                 data's vocabulary has"
            )));
        }
        None => return Ok(()),
        Some(TakenVocabulary::Select) => {}
    }
    let own: Vec<u32> = (0..size as u32).collect();
    let rows = rows.unwrap_or(&own);
    if let Some(missing) = rows.iter().find(|row| **row as usize >= count) {
        return Err(file.error(format!(
            "it has {count} tokens; the data's tokenizer has one of the id {missing}: it is another's"
        )));
    }
    for table in [EMBEDDING, HEAD] {
        if file.shape(table) != Some(&[count, hidden]) {
            continue; // Its absence, or its shape, is told with the others'.
        }
        if let Some((_, values)) = file.take_real(table) {
            let taken = rows.iter().flat_map(|row| &values[*row as usize * hidden..][..hidden]).copied().collect();
            file.put(table, vec![rows.len(), hidden], taken);
        }
    }
    Ok(())
}

/// Puts the numbers of structured layers in the place of the dense matrices that stand for them in the file.
fn approximate(model: &Model, from: &InitFrom, file: &mut TensorFile) -> Result<(), TensorFileError> {
    let fresh = model.again();
    let parameters = fresh.parameters();
    let mut layers: Vec<(&PlacedLinear, Matrix)> = Vec::new();
    for (_, linear) in fresh.linears() {
        let name = format!("{}.weight", linear.prefix());
        let (rows, columns) = (linear.spec().shape.outputs, linear.spec().shape.inputs);
        let own = parameters.find(&name).map(|id| stored_shape(parameters.entry(id)));
        let dense = [rows, columns];
        if file.shape(&name) == Some(&dense)
            && own.as_deref() != Some(&dense)
            && let Some((_, values)) = file.take_real(&name)
        {
            layers.push((linear, matrix(values, rows, columns)));
        }
    }
    if layers.is_empty() {
        return Ok(());
    }
    let found = approximations(&layers, parameters).map_err(|NoApproximation { place, why }| {
        file.error(match why {
            NoApproximationWhy::NotFinite => format!("`{place}.weight` holds numbers that are not finite"),
            NoApproximationWhy::Kind(kind) => format!(
                "`{place}` is a dense matrix in it, and `{kind}` has no approximation of one; {} have",
                from.approximating.join(", ")
            ),
        })
    })?;
    for (id, value) in found {
        let entry = parameters.entry(id);
        file.put(&entry.name, stored_shape(entry), values(&value).to_vec());
    }
    // What an approximation leaves as it is: it starts as in any model.
    let is_own = |name: &str| {
        let of = |linear: &PlacedLinear| name.strip_prefix(linear.prefix()).is_some_and(|rest| rest.starts_with('.'));
        layers.iter().any(|(linear, _)| of(linear))
    };
    for entry in parameters.iter().filter(|entry| entry.role != Role::Bias && is_own(&entry.name)) {
        if file.shape(&entry.name).is_none() {
            file.put(&entry.name, stored_shape(entry), entry.parameter.values().to_vec());
        }
    }
    for entry in parameters.fixed().filter(|entry| is_own(&entry.name)) {
        match &entry.content {
            Fixed::Matrix(own) => {
                let (rows, columns) = lrx_tensor::dims(own);
                file.put(&entry.name, vec![rows, columns], values(own).to_vec());
            }
            Fixed::Integers(own) => file.put_whole(&entry.name, Arc::clone(own).to_vec()),
        }
    }
    Ok(())
}
