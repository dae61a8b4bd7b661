//! A Hugging Face tokenizer, parsed when it is first needed: with the data in the cache, training never does.

mod bpe;
mod encoder;
mod pieces;
mod words;

use std::fs;
use std::sync::OnceLock;

use serde::{Deserialize, Serialize};

pub(crate) use self::bpe::train;
use self::encoder::Encoder;
use crate::error::DataError;
use crate::spec::FileSpec;

/// What the end-of-text token is called, the most telling first.
const END_OF_TEXT: [&str; 5] = ["<|endoftext|>", "<|end_of_text|>", "</s>", "<eos>", "[EOS]"];

/// A tokenizer as text, and parsed once it is used.
#[derive(Debug)]
pub(crate) struct Tokenizer {
    /// Where it comes from, for messages.
    name: String,
    json: String,
    hash: String,
    parsed: OnceLock<tokenizers::Tokenizer>,
}

/// What training needs to know of a tokenizer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Facts {
    /// One more than the largest id.
    pub(crate) size: usize,
    pub(crate) end_of_text: Option<u32>,
    /// The ids that any text can be written with, ascending.
    pub(crate) alphabet: Vec<u32>,
}

impl Tokenizer {
    /// Reads a tokenizer file, whose content has to be that of the spec.
    pub(crate) fn read(file: &FileSpec) -> Result<Self, DataError> {
        let bytes = fs::read(&file.path).map_err(|error| file.error(format!(": {error}")))?;
        let json = String::from_utf8(bytes).map_err(|_| file.error(" is no tokenizer: it is not UTF-8"))?;
        let tokenizer = Self::new(file.path.display().to_string(), json);
        if tokenizer.hash == file.blake3 { Ok(tokenizer) } else { Err(file.changed()) }
    }

    pub(crate) fn new(name: String, json: String) -> Self {
        let hash = blake3::hash(json.as_bytes()).to_string();
        Self { name, json, hash, parsed: OnceLock::new() }
    }

    /// The tokenizer as the JSON of a tokenizer file.
    pub(crate) fn json(&self) -> &str {
        &self.json
    }

    /// BLAKE3 of [`json`](Self::json), in hexadecimal.
    pub(crate) fn hash(&self) -> &str {
        &self.hash
    }

    pub(crate) fn facts(&self) -> Result<Facts, DataError> {
        let parsed = self.parsed()?;
        let vocabulary = parsed.get_vocab(true);
        let size = vocabulary.values().max().map_or(0, |largest| *largest as usize + 1);
        let end_of_text = END_OF_TEXT.iter().find_map(|name| vocabulary.get(*name).copied());
        let mut alphabet = pieces::alphabet(parsed, &vocabulary);
        alphabet.extend(end_of_text);
        alphabet.sort_unstable();
        alphabet.dedup();
        Ok(Facts { size, end_of_text, alphabet })
    }

    /// The ids of a text, with no token added.
    pub(crate) fn encode(&self, text: &str) -> Result<Vec<u32>, DataError> {
        self.encoder()?(text)
    }

    /// What gives the ids of many texts, each as [`encode`](Self::encode) does, from any thread.
    pub(crate) fn encoder(&self) -> Result<impl Fn(&str) -> Result<Vec<u32>, DataError> + Sync, DataError> {
        let encoder = Encoder::new(self.parsed()?);
        Ok(move |text: &str| {
            encoder.encode(text).map_err(|error| self.error(&format!("cannot encode a text: {error}")))
        })
    }

    /// The text of some ids.
    pub(crate) fn decode(&self, ids: &[u32]) -> Result<String, DataError> {
        self.parsed()?.decode(ids, false).map_err(|error| self.error(&format!("cannot decode its ids: {error}")))
    }

    /// The token `id` in smaller tokens, of which `number` has to know each: the longest it knows, from the left.
    pub(crate) fn pieces(&self, id: u32, number: impl Fn(u32) -> Option<u32>) -> Result<Vec<u32>, DataError> {
        let pieces = pieces::split(self.parsed()?, id, number);
        pieces.ok_or_else(|| self.error(&format!("token {id} is not in the vocabulary, nor are its pieces")))
    }

    fn parsed(&self) -> Result<&tokenizers::Tokenizer, DataError> {
        if let Some(parsed) = self.parsed.get() {
            return Ok(parsed);
        }
        let parse = || {
            let mut parsed = tokenizers::Tokenizer::from_bytes(&self.json)?;
            // A file may ask for either, but a story is all of its tokens and nothing else.
            parsed.with_truncation(None)?.with_padding(None);
            Ok(parsed)
        };
        let parsed = parse().map_err(|error: tokenizers::Error| self.error(&format!("is no tokenizer: {error}")))?;
        Ok(self.parsed.get_or_init(|| parsed))
    }

    fn error(&self, message: &str) -> DataError {
        DataError::at("tokenizer", format!("{} {message}", self.name))
    }
}
