//! Tokenising many texts.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use tokenizers::Tokenizer;
use tokenizers::pre_tokenizers::PreTokenizerWrapper;

use super::words::words;

/// How many words a thread remembers before it forgets them all.
const MOST_WORDS: usize = 1 << 19;

/// Tokenises texts as the tokenizer does, and faster where it is GPT-2's kind: such a tokenizer treats each word alone,
/// so that the ids of a word met before need not be computed again.
pub(super) struct Encoder<'a> {
    tokenizer: &'a Tokenizer,
    /// Names of tokens that are found in a text before it is divided into words; none if words are not all that counts.
    added: Option<Vec<String>>,
    /// The words that each thread has met.
    met: Vec<Mutex<Words>>,
}

type Words = HashMap<Box<str>, Box<[u32]>>;

impl<'a> Encoder<'a> {
    /// An encoder for the threads of the current pool.
    pub(super) fn new(tokenizer: &'a Tokenizer) -> Self {
        let by_word = matches!(
            tokenizer.get_pre_tokenizer(),
            Some(PreTokenizerWrapper::ByteLevel(bytes)) if bytes.use_regex && !bytes.add_prefix_space
        ) && tokenizer.get_normalizer().is_none();
        let added = || tokenizer.get_added_vocabulary().get_vocab().keys().cloned().collect();
        let met = (0..rayon::current_num_threads()).map(|_| Mutex::default()).collect();
        Self { tokenizer, added: by_word.then(added), met }
    }

    /// The ids of a text, with no token added.
    pub(super) fn encode(&self, text: &str) -> tokenizers::Result<Vec<u32>> {
        let by_word = self.added.as_ref().is_some_and(|added| !added.iter().any(|name| text.contains(name.as_str())));
        match by_word.then(|| words(text)).flatten() {
            Some(words) => self.encode_words(words, text.len()),
            None => self.encode_whole(text),
        }
    }

    fn encode_words<'t>(&self, words: impl Iterator<Item = &'t str>, length: usize) -> tokenizers::Result<Vec<u32>> {
        let thread = rayon::current_thread_index().unwrap_or(0) % self.met.len();
        let mut met = self.met[thread].lock().unwrap_or_else(PoisonError::into_inner);
        let mut ids = Vec::with_capacity(length / 3);
        for word in words {
            if let Some(known) = met.get(word) {
                ids.extend_from_slice(known);
                continue;
            }
            let new = self.encode_whole(word)?;
            ids.extend_from_slice(&new);
            if met.len() >= MOST_WORDS {
                met.clear();
            }
            met.insert(word.into(), new.into());
        }
        Ok(ids)
    }

    fn encode_whole(&self, text: &str) -> tokenizers::Result<Vec<u32>> {
        Ok(self.tokenizer.encode_fast(text, false)?.get_ids().to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::synthetic::story;

    fn check(tokenizer: &Tokenizer, by_word: bool) {
        let encoder = Encoder::new(tokenizer);
        assert_eq!(encoder.added.is_some(), by_word);
        let odd = ["", " a", "a<|endoftext|> b", "日本 cats'll", "<|endoftext|>", "the the <|endoftext|>the"];
        for text in (0..50).map(|index| story(0, index)).chain(odd.map(str::to_owned)) {
            let expected = tokenizer.encode(text.as_str(), false).unwrap().get_ids().to_vec();
            assert_eq!(encoder.encode(&text).unwrap(), expected, "{text:?}");
        }
    }

    #[test]
    fn ids_are_those_of_the_tokenizer() {
        let json = super::super::train(600, (0..100).map(|index| Ok(story(0, index)))).unwrap();
        check(&json.parse().unwrap(), true);
        // Where the first word is treated as if a space stood before it, words alone are not what counts.
        assert!(json.contains(r#""add_prefix_space":false"#));
        check(&json.replace(r#""add_prefix_space":false"#, r#""add_prefix_space":true"#).parse().unwrap(), false);
        let lowercase = json.replace(r#""normalizer":null"#, r#""normalizer":{"type":"Lowercase"}"#);
        assert_ne!(lowercase, json);
        check(&lowercase.parse().unwrap(), false);
    }
}
