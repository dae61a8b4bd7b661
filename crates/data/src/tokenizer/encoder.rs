//! Tokenising many texts.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use tokenizers::pre_tokenizers::PreTokenizerWrapper;

use super::words::words;
use super::{Parsed, Tokenizer};
use crate::error::DataError;
use crate::guard::guarded;
use crate::source::DIVIDE;

/// How many words a thread remembers before it forgets them all.
const MOST_WORDS: usize = 1 << 19;
/// Longer words hardly come twice.
const LONGEST_REMEMBERED: usize = 256;

/// Tokenises texts as the tokenizer does, and faster where it is GPT-2's kind: such a tokenizer treats each word alone,
/// so that the ids of a word met before need not be computed again.
pub(crate) struct Encoder<'a> {
    tokenizer: &'a Tokenizer,
    parsed: &'a Parsed,
    /// Names of tokens that are found in a text before it is divided into words; none if words are not all that counts.
    added: Option<Vec<String>>,
    /// The words that each thread has met.
    met: Vec<Mutex<Words>>,
}

type Words = HashMap<Box<str>, Box<[u32]>>;

impl<'a> Encoder<'a> {
    /// An encoder for the threads of the current pool.
    pub(super) fn new(tokenizer: &'a Tokenizer, parsed: &'a Parsed) -> Self {
        let library = &parsed.library;
        let by_word = matches!(
            library.get_pre_tokenizer(),
            Some(PreTokenizerWrapper::ByteLevel(bytes)) if bytes.use_regex && !bytes.add_prefix_space
        ) && library.get_normalizer().is_none();
        let added = || library.get_added_vocabulary().get_vocab().keys().cloned().collect();
        let met = (0..rayon::current_num_threads()).map(|_| Mutex::default()).collect();
        Self { tokenizer, parsed, added: by_word.then(added), met }
    }

    /// The ids of a text, with no token added.
    ///
    /// # Errors
    /// Where the tokenizer fails, or the text (for GPT-2's kind: a word of it) is too long for it.
    pub(crate) fn encode(&self, text: &str) -> Result<Vec<u32>, DataError> {
        match self.words(text) {
            Some(words) => self.encode_words(words, text.len()),
            None => self.encode_whole(text),
        }
    }

    /// The words of a text that may be encoded each alone, if it may.
    fn words<'t>(&self, text: &'t str) -> Option<impl Iterator<Item = &'t str> + use<'t>> {
        let by_word = self.added.as_ref().is_some_and(|added| !added.iter().any(|name| text.contains(name.as_str())));
        by_word.then(|| words(text)).flatten()
    }

    fn encode_words<'t>(&self, words: impl Iterator<Item = &'t str>, length: usize) -> Result<Vec<u32>, DataError> {
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
            if word.len() > LONGEST_REMEMBERED {
                continue;
            }
            if met.len() >= MOST_WORDS {
                met.clear();
            }
            met.insert(word.into(), new.into());
        }
        Ok(ids)
    }

    fn encode_whole(&self, text: &str) -> Result<Vec<u32>, DataError> {
        let Parsed { library, facts, .. } = self.parsed;
        self.check_length(text)?;
        let ids = guarded("tokenizers", || Ok(library.encode_fast(text, false)?.get_ids().to_vec()));
        let ids = ids.map_err(|why| self.cannot(text, &why))?;
        match ids.iter().find(|id| **id as usize >= facts.size) {
            Some(id) => Err(self.cannot(text, &format!("it has the token {id}, which is not in the vocabulary"))),
            None => Ok(ids),
        }
    }

    /// Where the text of each of its tokens ends, in bytes: what comes before is that of this token and those before it. A
    /// character that is cut between tokens counts with the first of them.
    ///
    /// # Errors
    /// As [`encode`](Self::encode).
    pub(crate) fn ends(&self, text: &str) -> Result<Vec<usize>, DataError> {
        let mut ends = Vec::new();
        match self.words(text) {
            None => self.ends_of_whole(text, 0, &mut ends)?,
            Some(words) => {
                let mut start = 0;
                for word in words {
                    self.ends_of_whole(word, start, &mut ends)?;
                    start += word.len();
                }
            }
        }
        // What a normalizer moves or leaves out has no place of its own.
        let mut furthest = 0;
        for end in &mut ends {
            furthest = furthest.max(*end).min(text.len());
            *end = furthest;
        }
        Ok(ends)
    }

    /// Appends where the tokens of a text end that begins at `start`.
    fn ends_of_whole(&self, text: &str, start: usize, ends: &mut Vec<usize>) -> Result<(), DataError> {
        self.check_length(text)?;
        let encoding =
            guarded("tokenizers", || self.parsed.library.encode(text, false)).map_err(|why| self.cannot(text, &why))?;
        ends.extend(encoding.get_offsets().iter().map(|(_, end)| start + end));
        Ok(())
    }

    fn check_length(&self, text: &str) -> Result<(), DataError> {
        let most = self.parsed.most_text;
        if text.len() <= most {
            return Ok(());
        }
        let what = if self.added.is_some() { "without a space between words, it" } else { "it" };
        let why = format!("{what} has {} bytes; expected at most {most} at once, and {DIVIDE}", text.len());
        Err(self.cannot(text, &why))
    }

    fn cannot(&self, text: &str, why: &str) -> DataError {
        let beginning: String = text.chars().take(30).collect();
        self.tokenizer.error(&format!("cannot encode the text that begins with {beginning:?}: {why}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::NoProgress;
    use crate::synthetic::story;

    fn check(json: &str, by_word: bool) {
        let tokenizer = Tokenizer::new("test".to_owned(), json.to_owned());
        let encoder = tokenizer.encoder().unwrap();
        assert_eq!(encoder.added.is_some(), by_word);
        let library: tokenizers::Tokenizer = json.parse().unwrap();
        let odd = ["", " a", "a<|endoftext|> b", "日本 cats'll", "<|endoftext|>", "the the <|endoftext|>the"];
        for text in (0..50).map(|index| story(0, index)).chain(odd.map(str::to_owned)) {
            let expected = library.encode(text.as_str(), false).unwrap().get_ids().to_vec();
            assert_eq!(encoder.encode(&text).unwrap(), expected, "{text:?}");
            let ends: Vec<usize> =
                library.encode(text.as_str(), false).unwrap().get_offsets().iter().map(|(_, end)| *end).collect();
            assert_eq!(encoder.ends(&text).unwrap(), ends, "{text:?}");
        }
    }

    /// Of bytes alone, each token ends a byte further, but for those of a longer character, which ends with its first.
    #[test]
    fn tokens_end_where_their_text_does() {
        let json = super::super::train(257, std::iter::once(Ok("a".to_owned())), &NoProgress).unwrap();
        let tokenizer = Tokenizer::new("test".to_owned(), json);
        let ends = |text: &str| tokenizer.encoder().unwrap().ends(text).unwrap();
        assert_eq!(ends("a bc"), [1, 2, 3, 4]);
        assert_eq!(ends("aé日"), [1, 3, 3, 6, 6, 6]);
        assert_eq!(ends("a<|endoftext|>b"), [1, 14, 15]);
        assert_eq!(ends(""), [0; 0]);
    }

    #[test]
    fn ids_are_those_of_the_tokenizer() {
        let json = trained();
        check(&json, true);
        // Where the first word is treated as if a space stood before it, words alone are not what counts.
        assert!(json.contains(r#""add_prefix_space":false"#));
        check(&json.replace(r#""add_prefix_space":false"#, r#""add_prefix_space":true"#), false);
        let lowercase = json.replace(r#""normalizer":null"#, r#""normalizer":{"type":"Lowercase"}"#);
        assert_ne!(lowercase, json);
        check(&lowercase, false);
    }

    fn trained() -> String {
        super::super::train(600, (0..100).map(|index| Ok(story(0, index))), &NoProgress).unwrap()
    }
}
