//! What is known of a tokenizer without it.

use serde::{Deserialize, Serialize};

/// Ids lie below this. The largest vocabularies in use have some hundred thousand tokens; a model has a row of its embedding
/// for each id, and so do tables here, whether a token has it or not.
pub(crate) const MOST_TOKENS: usize = 1 << 24;

/// What training needs to know of a tokenizer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Facts {
    /// One more than the largest id.
    pub(crate) size: usize,
    pub(crate) end_of_text: Option<u32>,
    /// The ids that any text can be written with, ascending.
    pub(crate) alphabet: Vec<u32>,
    /// What its file asks for and is not done: a sentence each.
    pub(crate) notes: Vec<String>,
}

impl Facts {
    /// Whether they can be those of a tokenizer: what is read from a file may be anything.
    pub(crate) fn are_whole(&self) -> bool {
        let within = |id: &u32| (*id as usize) < self.size;
        (1..=MOST_TOKENS).contains(&self.size)
            && self.end_of_text.as_ref().is_none_or(within)
            && self.alphabet.iter().all(within)
            && self.alphabet.is_sorted_by(|a, b| a < b)
    }
}
