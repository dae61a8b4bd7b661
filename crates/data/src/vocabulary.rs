//! The tokens that a model knows, and the text behind them.

use std::path::Path;
use std::sync::Arc;

use lrx_files::{read_regular, write_whole};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::error::DataError;
use crate::fingerprint::Fingerprint;
use crate::tokenizer::{Encoder, Facts, MOST_TOKENS, Tokenizer, TokenizerFile};

/// What a saved vocabulary calls its format.
const FORMAT: &str = "lrx-vocabulary-1";
/// The number of a token that is not in the vocabulary.
const ABSENT: u32 = u32::MAX;
/// A saved vocabulary has no more bytes.
const MOST_BYTES: u64 = 1 << 30;

/// The tokens that a model knows: text to ids and back. Cheap to clone.
///
/// Ids run from 0 up to [`size`](Self::size). In a compact vocabulary they are the tokenizer's renumbered in its order.
#[derive(Debug, Clone)]
pub struct Vocabulary {
    tokenizer: Arc<Tokenizer>,
    /// The size and the end-of-text token of the full vocabulary.
    size: usize,
    end_of_text: Option<u32>,
    compact: Option<Compact>,
}

/// How the ids of a compact vocabulary and those of the tokenizer belong together.
#[derive(Debug, Clone)]
struct Compact {
    /// The tokenizer's id of each id of the vocabulary, ascending.
    full: Arc<[u32]>,
    /// The vocabulary's id of each id of the tokenizer, or [`ABSENT`].
    numbers: Arc<[u32]>,
}

impl Compact {
    fn new(full: Vec<u32>, size: usize) -> Self {
        let mut numbers = vec![ABSENT; size];
        for (number, id) in (0..).zip(&full) {
            numbers[*id as usize] = number;
        }
        Self { full: full.into(), numbers: numbers.into() }
    }

    fn number(&self, id: u32) -> Option<u32> {
        self.numbers.get(id as usize).copied().filter(|number| *number != ABSENT)
    }
}

/// A vocabulary in a file of its own.
#[derive(Serialize, Deserialize)]
struct Saved {
    format: String,
    size: usize,
    end_of_text: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    compact: Option<Vec<u32>>,
    tokenizer: Box<RawValue>,
}

impl Vocabulary {
    /// All tokens of the tokenizer.
    pub(crate) fn full(tokenizer: Tokenizer, facts: &Facts) -> Self {
        let Facts { size, end_of_text, .. } = facts;
        Self { tokenizer: Arc::new(tokenizer), size: *size, end_of_text: *end_of_text, compact: None }
    }

    /// The tokens that are used or belong to the alphabet of the tokenizer.
    pub(crate) fn compact(tokenizer: Tokenizer, facts: &Facts, used: &[&[u32]]) -> Self {
        let mut full = used.concat();
        full.extend(&facts.alphabet);
        full.sort_unstable();
        full.dedup();
        let compact = Some(Compact::new(full, facts.size));
        Self { compact, ..Self::full(tokenizer, facts) }
    }

    /// The vocabulary's id of each id of the tokenizer, where they differ. Ids that are not in it have no meaning.
    pub(crate) fn numbers(&self) -> Option<Arc<[u32]>> {
        self.compact.as_ref().map(|compact| Arc::clone(&compact.numbers))
    }

    pub(crate) fn tokenizer(&self) -> &Tokenizer {
        &self.tokenizer
    }

    /// The number of tokens: every id lies below it.
    pub fn size(&self) -> usize {
        self.compact.as_ref().map_or(self.size, |compact| compact.full.len())
    }

    /// The token that ends a text, if the tokenizer has one.
    pub fn end_of_text(&self) -> Option<u32> {
        match &self.compact {
            Some(compact) => self.end_of_text.and_then(|id| compact.number(id)),
            None => self.end_of_text,
        }
    }

    /// What the token that ends a text is called, if the tokenizer has one.
    ///
    /// # Errors
    /// If the tokenizer is broken.
    pub fn end_of_text_name(&self) -> Result<Option<String>, DataError> {
        let id = self.end_of_text.filter(|_| self.end_of_text().is_some());
        id.map_or(Ok(None), |id| self.tokenizer.token_name(id))
    }

    /// The tokenizer's ids of a compact vocabulary's tokens, in the order of its own; none of a full one's.
    pub fn full_ids(&self) -> Option<&[u32]> {
        self.compact.as_ref().map(|compact| &*compact.full)
    }

    /// The ids that the tokens of this vocabulary have in `other`, in their order; none where `other` has another tokenizer, or
    /// lacks one of them.
    pub fn numbers_in(&self, other: &Self) -> Option<Vec<u32>> {
        if self.tokenizer.hash() != other.tokenizer.hash() {
            return None;
        }
        let number = |id: u32| match &other.compact {
            Some(compact) => compact.number(id),
            None => Some(id).filter(|id| (*id as usize) < other.size),
        };
        match &self.compact {
            Some(compact) => compact.full.iter().map(|id| number(*id)).collect(),
            None => (0..self.size as u32).map(number).collect(),
        }
    }

    /// The ids that the tokens of this vocabulary have in a tokenizer file, by their names, in their order; none where the file
    /// lacks one of them.
    ///
    /// # Errors
    /// If the file is no tokenizer.
    pub fn numbers_in_file(&self, path: &Path) -> Result<Option<Vec<u32>>, DataError> {
        let other = Tokenizer::open(path)?;
        let same = self.tokenizer.hash() == other.hash();
        let mut numbers = Vec::with_capacity(self.size());
        for id in 0..self.size() as u32 {
            let full = self.compact.as_ref().map_or(id, |compact| compact.full[id as usize]);
            let name = if same { None } else { self.tokenizer.token_name(full)? };
            // An id that no token has is its own.
            match name.map_or(Ok(Some(full)), |name| other.token_id(&name))? {
                Some(number) => numbers.push(number),
                None => return Ok(None),
            }
        }
        Ok(Some(numbers))
    }

    /// The vocabulary as a tokenizer file that other programs read: a text of its tokens has the same ids as
    /// [`encode`](Self::encode) gives it. What a compact vocabulary lacks is written with other pieces there than here.
    ///
    /// # Errors
    /// If the tokenizer is broken, or its tokens cannot have other ids.
    pub fn tokenizer_file(&self) -> Result<TokenizerFile, DataError> {
        self.tokenizer.file(self.full_ids())
    }

    /// What tells this vocabulary from others, in short: `v` and ten hexadecimal digits.
    pub fn hash(&self) -> String {
        let mut fingerprint = Fingerprint::new('v');
        fingerprint.add(self.tokenizer.hash().as_bytes());
        for id in self.compact.iter().flat_map(|compact| compact.full.iter()) {
            fingerprint.add(&id.to_le_bytes());
        }
        fingerprint.finish()
    }

    /// The ids of a text, with no token added. What a compact vocabulary lacks is written with smaller tokens, at
    /// worst with bytes.
    ///
    /// # Errors
    /// If the tokenizer is broken, or neither byte-level nor with byte fallback and so unable to write the text.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>, DataError> {
        let ids = self.tokenizer.encode(text)?;
        let Some(compact) = &self.compact else {
            return match ids.iter().find(|id| **id as usize >= self.size) {
                None => Ok(ids),
                Some(id) => Err(DataError::new(format!("token {id} is not in a vocabulary of {}", self.size))),
            };
        };
        let mut numbers = Vec::with_capacity(ids.len());
        for id in ids {
            match compact.number(id) {
                Some(number) => numbers.push(number),
                None => numbers.extend(self.tokenizer.pieces(id, |id| compact.number(id))?),
            }
        }
        Ok(numbers)
    }

    /// As [`encode`](Self::encode), with an encoder of its tokenizer, and where the text of each token ends, in bytes. What a
    /// token that is not in a compact vocabulary stands for counts with the first of those that it is written with.
    pub(crate) fn measured(&self, encoder: &Encoder<'_>, text: &str) -> Result<(Vec<u32>, Vec<u32>), DataError> {
        let (ids, mut ends) = (encoder.encode(text)?, encoder.ends(text)?);
        ends.last_mut().into_iter().for_each(|last| *last = text.len());
        if ids.len() != ends.len() {
            let message = format!("a text has {} tokens, {} of which have a place in it", ids.len(), ends.len());
            return Err(DataError::at("tokenizer", message));
        }
        // No story is so long that its end would not fit.
        let ends = ends.into_iter().map(|end| end as u32);
        let Some(compact) = &self.compact else { return Ok((ids, ends.collect())) };
        let (mut numbers, mut places) = (Vec::with_capacity(ids.len()), Vec::with_capacity(ids.len()));
        for (id, end) in ids.into_iter().zip(ends) {
            match compact.number(id) {
                Some(number) => numbers.push(number),
                None => numbers.extend(self.tokenizer.pieces(id, |id| compact.number(id))?),
            }
            places.resize(numbers.len(), end);
        }
        Ok((numbers, places))
    }

    /// The text of some ids. Bytes that are no UTF-8, as where a character is cut, become U+FFFD.
    ///
    /// # Errors
    /// If an id is not below [`size`](Self::size), or the tokenizer is broken.
    pub fn decode(&self, ids: &[u32]) -> Result<String, DataError> {
        if let Some(id) = ids.iter().find(|id| **id as usize >= self.size()) {
            return Err(DataError::new(format!("token {id} is not in a vocabulary of {}", self.size())));
        }
        match &self.compact {
            None => self.tokenizer.decode(ids),
            Some(compact) => {
                let full: Vec<u32> = ids.iter().map(|id| compact.full[*id as usize]).collect();
                self.tokenizer.decode(&full)
            }
        }
    }

    /// Writes all there is to the vocabulary, with the tokenizer, into one file, which [`load`](Self::load) reads. The
    /// file appears as a whole or not at all.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn save(&self, path: &Path) -> Result<(), DataError> {
        let cannot = |error: &dyn std::fmt::Display| {
            DataError::new(format!("the vocabulary cannot be written: {}: {error}", path.display()))
        };
        let saved = Saved {
            format: FORMAT.to_owned(),
            size: self.size,
            end_of_text: self.end_of_text,
            compact: self.compact.as_ref().map(|compact| compact.full.to_vec()),
            tokenizer: RawValue::from_string(self.tokenizer.json().to_owned()).map_err(|error| cannot(&error))?,
        };
        let json = serde_json::to_vec(&saved).map_err(|error| cannot(&error))?;
        write_whole(path, &json).map_err(|error| cannot(&error))
    }

    /// Reads what [`save`](Self::save) wrote.
    ///
    /// # Errors
    /// If the file cannot be read or is not a saved vocabulary.
    pub fn load(path: &Path) -> Result<Self, DataError> {
        let error = |message: &dyn std::fmt::Display| DataError::new(format!("{}: {message}", path.display()));
        let text = read_regular(path, MOST_BYTES).map_err(|cause| error(&cause))?;
        let saved: Saved =
            serde_json::from_slice(&text).map_err(|cause| error(&format_args!("not a vocabulary: {cause}")))?;
        if saved.format != FORMAT {
            return Err(error(&format_args!("format \"{}\" where \"{FORMAT}\" is expected", saved.format)));
        }
        if !(1..=MOST_TOKENS).contains(&saved.size) || saved.end_of_text.is_some_and(|id| id as usize >= saved.size) {
            return Err(error(&format_args!("not a vocabulary: it cannot have {} tokens", saved.size)));
        }
        let whole = |ids: &[u32]| ids.iter().all(|id| (*id as usize) < saved.size) && ids.is_sorted_by(|a, b| a < b);
        if !saved.compact.as_deref().is_none_or(whole) {
            return Err(error(&"the ids of the compact vocabulary do not ascend within the full one"));
        }
        Ok(Self {
            tokenizer: Arc::new(Tokenizer::new(path.display().to_string(), saved.tokenizer.get().to_owned())),
            size: saved.size,
            end_of_text: saved.end_of_text,
            compact: saved.compact.map(|full| Compact::new(full, saved.size)),
        })
    }
}
