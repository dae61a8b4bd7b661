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

/// The rows of the weights for each token of `vocabulary`: those of a run are numbered as its vocabulary says, those of a
/// checkpoint as its `tokenizer.json` says, or the data's tokenizer where there is none. Where no tokens are to be selected, all
/// have to have their own numbers there.
fn rows(from: &InitFrom, vocabulary: &Vocabulary) -> Result<Option<Vec<u32>>, String> {
    let folder = if from.path.is_dir() { Some(from.path.as_path()) } else { from.path.parent() };
    let file = |name: &str| Some(folder.unwrap_or(Path::new("")).join(name)).filter(|file| file.is_file());
    let (rows, file) = if let Some(file) = file(VOCABULARY_FILE) {
        let theirs = Vocabulary::load(&file).map_err(|error| error.to_string())?;
        let is_same = theirs.hash() == vocabulary.hash();
        (if is_same { Some(own(vocabulary)) } else { vocabulary.numbers_in(&theirs) }, file)
    } else if let Some(file) = file(TOKENIZER_FILE) {
        (vocabulary.numbers_in_file(&file).map_err(|error| error.to_string())?, file)
    } else {
        return Ok(vocabulary.full_ids().map(<[u32]>::to_vec));
    };
    let wrong =
        |what: &str| Err(format!("{}: the weights are for another vocabulary than the data's: {what}", file.display()));
    match rows {
        None => wrong("it lacks tokens of the data's, or has another tokenizer"),
        Some(rows) if from.taken.vocabulary.is_none() && rows != own(vocabulary) => wrong(
            "its tokens have other numbers; `vocabulary = \"select\"` beside the `path` takes the data's out of it",
        ),
        rows => Ok(rows),
    }
}

/// The tokenizer of a checkpoint, as Hugging Face's programs call it.
const TOKENIZER_FILE: &str = "tokenizer.json";

fn own(vocabulary: &Vocabulary) -> Vec<u32> {
    (0..vocabulary.size() as u32).collect()
}
