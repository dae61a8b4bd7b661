//! A model before its first step.

use std::path::Path;

use lrx_data::Vocabulary;
use lrx_model::{InitFrom, Model, ModelSpec, load_initial};

use crate::results::VOCABULARY_FILE;

/// A model of `size` tokens before its first step: those of `vocabulary`, where that is known.
///
/// # Errors
/// When the weights that it starts from cannot be used.
pub(crate) fn initial_model(
    spec: &ModelSpec,
    size: usize,
    vocabulary: Option<&Vocabulary>,
    seed: u64,
) -> Result<Model, String> {
    let mut model = Model::new(spec, size, seed);
    if let Some(from) = &spec.init_from {
        match vocabulary {
            Some(vocabulary) => {
                let rows = rows(from, vocabulary)?;
                load_initial(&mut model, from, rows.as_deref()).map_err(|error| error.to_string())?;
            }
            // Which tokens are taken is known when the data is there.
            None if from.taken.vocabulary.is_some() => {}
            None => load_initial(&mut model, from, None).map_err(|error| error.to_string())?,
        }
    }
    Ok(model)
}

/// The rows of the weights for each token of `vocabulary`, where these are not its own numbers: of a checkpoint they are its
/// tokenizer's, of a run those that the run's vocabulary gives them.
fn rows(from: &InitFrom, vocabulary: &Vocabulary) -> Result<Option<Vec<u32>>, String> {
    let folder = if from.path.is_dir() { Some(from.path.as_path()) } else { from.path.parent() };
    let file = folder.unwrap_or(Path::new("")).join(VOCABULARY_FILE);
    if !file.is_file() {
        return Ok(vocabulary.full_ids().map(<[u32]>::to_vec));
    }
    let theirs = Vocabulary::load(&file).map_err(|error| error.to_string())?;
    if theirs.hash() == vocabulary.hash() {
        return Ok(Some((0..vocabulary.size() as u32).collect()));
    }
    let message = |what: &str| {
        format!("{}: the weights are of a run whose vocabulary is another than the data's: {what}", file.display())
    };
    match vocabulary.numbers_in(&theirs) {
        None => Err(message("it has another tokenizer, or lacks tokens of it")),
        Some(_) if from.taken.vocabulary.is_none() => {
            Err(message("`vocabulary = \"select\"` beside the `path` takes the data's tokens out of it"))
        }
        Some(rows) => Ok(Some(rows)),
    }
}
