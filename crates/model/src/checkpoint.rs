//! Where weights lie: a file, or the folder of a checkpoint as Hugging Face's programs write it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::tensor_file::{TensorFile, TensorFileError};

/// The weights in one file, and the file that says in which of several they are.
const WHOLE: &str = "model.safetensors";
const INDEX: &str = "model.safetensors.index.json";
/// An index has no more bytes.
const MOST_BYTES: u64 = 64 << 20;

#[derive(Deserialize)]
struct Index {
    weight_map: BTreeMap<String, String>,
}

/// The files that the weights at `path` are in: of a folder its `model.safetensors`, or those that its index names, by name.
pub(crate) fn files(path: &Path) -> Result<Vec<PathBuf>, String> {
    let is_index = path.to_string_lossy().ends_with(".index.json");
    if !path.is_dir() && !is_index {
        return Ok(vec![path.to_path_buf()]);
    }
    let index = if is_index { path.to_path_buf() } else { path.join(INDEX) };
    let folder = lrx_files::folder_of(&index);
    if !is_index && folder.join(WHOLE).exists() {
        return Ok(vec![folder.join(WHOLE)]);
    }
    if !index.exists() {
        let other = ["pytorch_model.bin", "pytorch_model.bin.index.json"].iter().find(|name| path.join(name).exists());
        return Err(match other {
            Some(other) => format!(
                "the folder has {other}, which only PyTorch can read; load it there and save it anew with \
                 `save_pretrained`, which writes {WHOLE}"
            ),
            None => format!("the folder has neither {WHOLE} nor {INDEX}"),
        });
    }
    let wrong = |what: String| format!("{}: {what}", index.file_name().unwrap_or_default().display());
    let text = lrx_files::read_regular(&index, MOST_BYTES).map_err(|error| wrong(error.to_string()))?;
    let Index { weight_map } =
        serde_json::from_slice(&text).map_err(|error| wrong(format!("not an index of weights: {error}")))?;
    let names: BTreeSet<String> = weight_map.into_values().collect();
    let is_plain = |name: &&String| Path::new(name).file_name().is_some_and(|plain| plain == name.as_str());
    if let Some(elsewhere) = names.iter().find(|name| !is_plain(name)) {
        return Err(wrong(format!("it names {elsewhere:?}; expected files of its own folder")));
    }
    if names.is_empty() {
        return Err(wrong("it names no file".to_owned()));
    }
    Ok(names.into_iter().map(|name| folder.join(name)).collect())
}

/// The hash of the content of several files, from those of each; of one file its own.
pub(crate) fn hash_of(hashes: Vec<String>) -> String {
    match hashes.as_slice() {
        [one] => one.clone(),
        several => blake3::hash(several.concat().as_bytes()).to_hex().to_string(),
    }
}

/// All tensors of `files`, and the hash of what was read.
pub(crate) fn read(files: &[PathBuf]) -> Result<(TensorFile, String), TensorFileError> {
    let mut whole: Option<TensorFile> = None;
    let mut hashes = Vec::with_capacity(files.len());
    for path in files {
        let bytes = lrx_files::read(path).map_err(|e| TensorFileError::new(path, format!("cannot read: {e}")))?;
        hashes.push(blake3::hash(&bytes).to_hex().to_string());
        let part = TensorFile::parse(&bytes, path)?;
        match &mut whole {
            None => whole = Some(part),
            Some(whole) => whole.join(part)?,
        }
    }
    Ok((whole.expect("at least one file"), hash_of(hashes)))
}
