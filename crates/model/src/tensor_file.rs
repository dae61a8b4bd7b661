//! Named tensors in a safetensors file, written whole or not at all, with a checksum of all that it says.

use std::collections::HashMap;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use lrx_files::{folder_of, temporary_in, without_path};
use safetensors::tensor::{Metadata, TensorInfo};
use safetensors::{Dtype, SafeTensorError, SafeTensors};
use serde::{Deserialize, Serialize};

use crate::floats::reals;

/// Why a tensor file could not be read or written.
#[derive(Debug, thiserror::Error)]
#[error("{file}: {message}")]
pub struct TensorFileError {
    /// Which file.
    pub file: String,
    /// What is wrong.
    pub message: String,
}

impl TensorFileError {
    pub(crate) fn new(path: &Path, message: impl ToString) -> Self {
        Self { file: path.display().to_string(), message: message.to_string() }
    }
}

/// A tensor to be written.
pub struct NamedTensor<'a> {
    /// Its name in the file.
    pub name: String,
    /// Its dimensions.
    pub shape: Vec<usize>,
    /// Its numbers, row-major.
    pub numbers: Numbers<'a>,
}

/// The numbers of a tensor.
#[derive(Clone, Copy, Debug)]
pub enum Numbers<'a> {
    /// f32.
    Real(&'a [f32]),
    /// Whole numbers below 2³¹, as i32, which every reader of the format knows.
    Whole(&'a [u32]),
}

impl Numbers<'_> {
    fn bytes(&self) -> &[u8] {
        match self {
            Numbers::Real(values) => bytemuck::cast_slice(values),
            Numbers::Whole(values) => bytemuck::cast_slice(values),
        }
    }

    fn dtype(&self) -> Dtype {
        match self {
            Numbers::Real(_) => Dtype::F32,
            Numbers::Whole(_) => Dtype::I32,
        }
    }
}

/// The numbers of a tensor that has been read.
enum Read {
    Real(Vec<f32>),
    Whole(Vec<u32>),
    /// Of a type that no parameter has: constant buffers of other programs.
    Other(Dtype),
}

/// What lrx keeps in a file beside the tensors, in one entry of its metadata.
#[derive(Serialize, Deserialize)]
struct Seal {
    /// BLAKE3 of the note and of every tensor by name: its name, its shape, its bytes.
    blake3: String,
    note: Option<String>,
}

/// The metadata entry that holds the [`Seal`].
const SEAL: &str = "lrx";

/// Writes `tensors` to a temporary file beside `path`, flushes it to the disk and renames it; `note` is kept with them.
///
/// # Errors
/// When the file cannot be written; what stood at `path` before is then untouched.
pub fn write_tensors(path: &Path, tensors: &[NamedTensor<'_>], note: Option<String>) -> Result<(), TensorFileError> {
    let error = |message: &dyn std::fmt::Display| TensorFileError::new(path, format!("cannot write: {message}"));
    let parts = tensors.iter().map(|t| (t.name.as_str(), t.shape.as_slice(), t.numbers.bytes()));
    let seal = Seal { blake3: checksum(note.as_deref(), parts.collect()), note };
    let seal = serde_json::to_string(&seal).expect("text");
    // Readers that load into PyTorch ask for the format.
    let seal = HashMap::from([(SEAL.to_string(), seal), ("format".to_string(), "pt".to_string())]);
    let header = header(tensors, seal).map_err(|e| error(&e))?;
    // The library's own way to a file neither flushes it to the disk nor lets others read it.
    let write = || -> io::Result<()> {
        let mut file = BufWriter::with_capacity(1 << 20, temporary_in(folder_of(path))?);
        file.write_all(&(header.len() as u64).to_le_bytes())?;
        file.write_all(&header)?;
        for tensor in by_name(tensors) {
            file.write_all(tensor.numbers.bytes())?;
        }
        let file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.as_file().sync_all()?;
        file.persist(path).map(drop).map_err(|error| error.error)
    };
    write().map_err(|e| error(&without_path(e)))
}

fn by_name<'t>(tensors: &'t [NamedTensor<'t>]) -> Vec<&'t NamedTensor<'t>> {
    let mut sorted: Vec<&NamedTensor<'_>> = tensors.iter().collect();
    sorted.sort_by_key(|tensor| &tensor.name);
    sorted
}

/// The header of a safetensors file: where each tensor lies behind it, padded so that the first begins at a multiple of 8.
fn header(tensors: &[NamedTensor<'_>], metadata: HashMap<String, String>) -> Result<Vec<u8>, SafeTensorError> {
    let mut end = 0;
    let entries = by_name(tensors).into_iter().map(|tensor| {
        let start = end;
        end += tensor.numbers.bytes().len();
        let info =
            TensorInfo { dtype: tensor.numbers.dtype(), shape: tensor.shape.clone(), data_offsets: (start, end) };
        (tensor.name.clone(), info)
    });
    let metadata = Metadata::new(Some(metadata), entries.collect())?;
    // Through a value, whose keys are sorted: the same file for the same tensors.
    let header = serde_json::to_value(&metadata).expect("names and numbers");
    let mut header = serde_json::to_vec(&header).expect("names and numbers");
    header.resize(header.len().next_multiple_of(8), b' ');
    Ok(header)
}

/// See [`Seal`].
fn checksum(note: Option<&str>, mut tensors: Vec<(&str, &[usize], &[u8])>) -> String {
    tensors.sort_unstable();
    let mut hasher = blake3::Hasher::new();
    let mut part = |bytes: &[u8]| {
        hasher.update(&(bytes.len() as u64).to_le_bytes());
        hasher.update(bytes);
    };
    part(note.unwrap_or_default().as_bytes());
    for (name, shape, bytes) in tensors {
        part(name.as_bytes());
        shape.iter().for_each(|&size| part(&(size as u64).to_le_bytes()));
        part(bytes);
    }
    hasher.finalize().to_hex().to_string()
}

fn damaged(path: &Path) -> TensorFileError {
    TensorFileError::new(path, "damaged: its content does not have the checksum that was written with it")
}

/// A tensor file in memory.
pub struct TensorFile {
    file: String,
    tensors: HashMap<String, (Vec<usize>, Read)>,
    note: Option<String>,
}

impl TensorFile {
    /// Reads a file.
    ///
    /// # Errors
    /// When it cannot be read, is not a whole safetensors file, or does not have the checksum that lrx wrote into it. A file of
    /// another program has none, and is taken as it is: numbers of 16 bits (f16, bf16) become the same in f32.
    pub fn read(path: &Path) -> Result<Self, TensorFileError> {
        let bytes = lrx_files::read(path).map_err(|e| TensorFileError::new(path, format!("cannot read: {e}")))?;
        Self::parse(&bytes, path)
    }

    /// The content of a file, given by its bytes; errors call it `path`.
    ///
    /// # Errors
    /// As for [`read`](Self::read).
    pub fn parse(bytes: &[u8], path: &Path) -> Result<Self, TensorFileError> {
        let not_tensors = |e| TensorFileError::new(path, format!("not a safetensors file: {e}"));
        let content = SafeTensors::deserialize(bytes).map_err(not_tensors)?;
        let (_, metadata) = SafeTensors::read_metadata(bytes).map_err(not_tensors)?;
        let seal = match metadata.metadata().as_ref().and_then(|entries| entries.get(SEAL)) {
            None => None,
            Some(seal) => Some(serde_json::from_str::<Seal>(seal).map_err(|_| damaged(path))?),
        };
        if let Some(seal) = &seal {
            let tensors =
                content.iter().map(|(name, view)| (name, view.shape().to_vec(), view.data())).collect::<Vec<_>>();
            let parts = tensors.iter().map(|(name, shape, bytes)| (*name, shape.as_slice(), *bytes)).collect();
            if checksum(seal.note.as_deref(), parts) != seal.blake3 {
                return Err(damaged(path));
            }
        }
        let note = seal.and_then(|seal| seal.note);
        let mut tensors = HashMap::new();
        for (name, view) in content.iter() {
            let words = || view.data().as_chunks::<4>().0.iter();
            let values = match (view.dtype(), reals(view.dtype(), view.data())) {
                (_, Some(reals)) => Read::Real(reals),
                (Dtype::I32, None) => Read::Whole(words().map(|&bytes| u32::from_le_bytes(bytes)).collect()),
                (other, None) => Read::Other(other),
            };
            tensors.insert(name.to_string(), (view.shape().to_vec(), values));
        }
        Ok(Self { file: path.display().to_string(), tensors, note })
    }

    /// The note written with the tensors.
    pub fn note(&self) -> Option<&str> {
        self.note.as_deref()
    }

    /// How many numbers the tensors that have not been taken hold.
    pub fn numbers(&self) -> usize {
        self.tensors.values().map(|(shape, _)| shape.iter().product::<usize>()).sum()
    }

    /// The names of the tensors that have not been taken.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.tensors.keys().map(String::as_str)
    }

    /// The names and shapes of the tensors that have not been taken.
    pub fn shapes(&self) -> impl Iterator<Item = (&str, &[usize])> {
        self.tensors.iter().map(|(name, (shape, _))| (name.as_str(), shape.as_slice()))
    }

    /// Takes the real numbers of the tensor `name` out.
    ///
    /// # Errors
    /// When it is not there (with the nearest name that is), or has another shape, or numbers of another type.
    pub fn take(&mut self, name: &str, shape: &[usize]) -> Result<Vec<f32>, TensorFileError> {
        match self.take_any(name, shape)? {
            Read::Real(values) => Ok(values),
            Read::Whole(_) => Err(self.wrong_type(name, Dtype::I32, Dtype::F32)),
            Read::Other(dtype) => Err(self.wrong_type(name, dtype, Dtype::F32)),
        }
    }

    /// Takes the whole numbers of the tensor `name` out.
    ///
    /// # Errors
    /// As for [`take`](Self::take).
    pub fn take_whole(&mut self, name: &str, shape: &[usize]) -> Result<Vec<u32>, TensorFileError> {
        match self.take_any(name, shape)? {
            Read::Whole(values) => Ok(values),
            Read::Real(_) => Err(self.wrong_type(name, Dtype::F32, Dtype::I32)),
            Read::Other(dtype) => Err(self.wrong_type(name, dtype, Dtype::I32)),
        }
    }

    /// The real numbers of the tensor `name`, if it is there and has some.
    pub fn peek(&self, name: &str) -> Option<&[f32]> {
        match self.tensors.get(name) {
            Some((_, Read::Real(values))) => Some(values),
            _ => None,
        }
    }

    /// The dimensions of the tensor `name`, if it is there.
    pub(crate) fn shape(&self, name: &str) -> Option<&[usize]> {
        self.tensors.get(name).map(|(shape, _)| shape.as_slice())
    }

    /// Puts a tensor of real numbers in, in the place of one of its name.
    pub(crate) fn put(&mut self, name: &str, shape: Vec<usize>, values: Vec<f32>) {
        self.tensors.insert(name.to_string(), (shape, Read::Real(values)));
    }

    /// Puts a tensor of whole numbers in, in the place of one of its name.
    pub(crate) fn put_whole(&mut self, name: &str, values: Vec<u32>) {
        self.tensors.insert(name.to_string(), (vec![values.len()], Read::Whole(values)));
    }

    /// Takes a tensor of real numbers out, whatever its shape; `None` where there is none.
    pub(crate) fn take_real(&mut self, name: &str) -> Option<(Vec<usize>, Vec<f32>)> {
        match self.tensors.remove(name)? {
            (shape, Read::Real(values)) => Some((shape, values)),
            other => {
                self.tensors.insert(name.to_string(), other);
                None
            }
        }
    }

    /// Leaves out tensors, by name.
    pub(crate) fn keep(&mut self, is_kept: impl Fn(&str) -> bool) {
        self.tensors.retain(|name, _| is_kept(name));
    }

    /// Gives every tensor another name, or its own again.
    ///
    /// # Errors
    /// When two would have one name.
    pub(crate) fn rename(&mut self, new: impl Fn(&str) -> String) -> Result<(), TensorFileError> {
        let mut renamed = HashMap::with_capacity(self.tensors.len());
        for (name, tensor) in std::mem::take(&mut self.tensors) {
            let new = new(&name);
            if renamed.insert(new.clone(), tensor).is_some() {
                return Err(self.error(format!("two tensors are `{new}`, one of them under the name `{name}`")));
            }
        }
        self.tensors = renamed;
        Ok(())
    }

    /// Adds the tensors of another part of the same checkpoint.
    ///
    /// # Errors
    /// When both have a tensor of one name.
    pub(crate) fn join(&mut self, other: Self) -> Result<(), TensorFileError> {
        for (name, tensor) in other.tensors {
            if self.tensors.contains_key(&name) {
                return Err(TensorFileError { file: other.file, message: format!("another part has `{name}`, too") });
            }
            self.tensors.insert(name, tensor);
        }
        Ok(())
    }

    fn take_any(&mut self, name: &str, shape: &[usize]) -> Result<Read, TensorFileError> {
        let error = |message| self.error(message);
        match self.tensors.get(name) {
            None => {
                let nearest = lrx_layers::nearest(name, self.names());
                let nearest = nearest.map(|name| format!("; the nearest name in it is `{name}`")).unwrap_or_default();
                Err(error(format!("the model needs `{name}`, which is not in the file{nearest}")))
            }
            Some((is, _)) if is != shape => {
                Err(error(format!("`{name}` has the shape {is:?}; the model needs {shape:?}")))
            }
            Some(_) => Ok(self.tensors.remove(name).expect("present").1),
        }
    }

    pub(crate) fn error(&self, message: impl Into<String>) -> TensorFileError {
        TensorFileError { file: self.file.clone(), message: message.into() }
    }

    fn wrong_type(&self, name: &str, is: Dtype, expected: Dtype) -> TensorFileError {
        self.error(format!("`{name}` holds {is:?} numbers; expected {expected:?}"))
    }
}
