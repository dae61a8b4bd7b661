//! A Hugging Face tokenizer, parsed when it is first needed: with the data in the cache, training never does.

mod bpe;
mod cut;
mod encoder;
mod facts;
mod outline;
mod pieces;
mod words;

use std::path::Path;
use std::sync::OnceLock;

use lrx_files::read_regular;
use tokenizers::{ModelWrapper, PostProcessorWrapper};

pub(crate) use self::bpe::{TRAINER, train};
pub use self::cut::TokenizerFile;
pub(crate) use self::encoder::Encoder;
pub(crate) use self::facts::{Facts, MOST_TOKENS};
use self::outline::Outline;
use crate::encoding;
use crate::error::DataError;
use crate::guard::guarded;
use crate::spec::FileSpec;

/// What the end-of-text token is called, the most telling first.
const END_OF_TEXT: [&str; 5] = ["<|endoftext|>", "<|end_of_text|>", "</s>", "<eos>", "[EOS]"];
/// A tokenizer file has no more bytes: several times the largest in use.
const MOST_BYTES: u64 = 256 << 20;

/// A tokenizer as text, and parsed once it is used.
#[derive(Debug)]
pub(crate) struct Tokenizer {
    /// Where it comes from, for messages.
    name: String,
    json: String,
    hash: String,
    parsed: OnceLock<Parsed>,
}

/// A tokenizer ready for use.
#[derive(Debug)]
struct Parsed {
    library: tokenizers::Tokenizer,
    facts: Facts,
    /// The longest text that can be encoded at once, in bytes.
    most_text: usize,
    /// The longest that the names of tokens to be decoded may be together, in bytes.
    most_names: usize,
}

impl Tokenizer {
    /// Reads a tokenizer file, whose content has to be that of the spec.
    pub(crate) fn read(file: &FileSpec) -> Result<Self, DataError> {
        let bytes = read_regular(&file.path, MOST_BYTES).map_err(|error| file.error(format!(": {error}")))?;
        if blake3::hash(&bytes).to_string() != file.blake3 {
            return Err(file.changed());
        }
        encoding::check(&bytes).map_err(|what| file.error(format!(" is no tokenizer: it{what}")))?;
        let json = String::from_utf8(bytes).map_err(|_| file.error(" is no tokenizer: it is not UTF-8"))?;
        let json = json.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(json);
        Ok(Self::new(file.path.display().to_string(), json))
    }

    pub(crate) fn new(name: String, json: String) -> Self {
        let hash = blake3::hash(json.as_bytes()).to_string();
        Self { name, json, hash, parsed: OnceLock::new() }
    }

    /// Where it comes from, for messages.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The tokenizer as the JSON of a tokenizer file.
    pub(crate) fn json(&self) -> &str {
        &self.json
    }

    /// BLAKE3 of [`json`](Self::json), in hexadecimal.
    pub(crate) fn hash(&self) -> &str {
        &self.hash
    }

    pub(crate) fn facts(&self) -> Result<&Facts, DataError> {
        Ok(&self.parsed()?.facts)
    }

    /// The ids of a text, with no token added.
    pub(crate) fn encode(&self, text: &str) -> Result<Vec<u32>, DataError> {
        self.encoder()?.encode(text)
    }

    /// What gives the ids of many texts, each as [`encode`](Self::encode) does, from any thread.
    pub(crate) fn encoder(&self) -> Result<Encoder<'_>, DataError> {
        Ok(Encoder::new(self, self.parsed()?))
    }

    /// The text of some ids.
    pub(crate) fn decode(&self, ids: &[u32]) -> Result<String, DataError> {
        let Parsed { library, most_names, .. } = self.parsed()?;
        let cannot = |message: String| self.error(&format!("cannot decode its ids: {message}"));
        let names = ids.iter().filter_map(|id| library.id_to_token(*id)).map(|name| name.len());
        match names.sum::<usize>() {
            length if length > *most_names => Err(cannot(format!(
                "{} tokens of {length} bytes together may become too long a text; expected at most {most_names} bytes",
                ids.len()
            ))),
            _ => guarded("tokenizers", || library.decode(ids, false)).map_err(cannot),
        }
    }

    /// The token `id` in smaller tokens, of which `number` has to know each: the longest it knows, from the left.
    pub(crate) fn pieces(&self, id: u32, number: impl Fn(u32) -> Option<u32>) -> Result<Vec<u32>, DataError> {
        let pieces = pieces::split(&self.parsed()?.library, id, number);
        pieces.ok_or_else(|| self.error(&format!("token {id} is not in the vocabulary, nor are its pieces")))
    }

    /// As a file for other programs: whole, or cut down to the tokens `full`, which ascend.
    pub(crate) fn file(&self, full: Option<&[u32]>) -> Result<TokenizerFile, DataError> {
        let Parsed { library, facts, .. } = self.parsed()?;
        let file = match full {
            None => cut::whole(&self.json, facts.size),
            Some(full) => guarded("tokenizers", || Ok(cut::cut(library, &self.json, full))).and_then(|file| file),
        };
        file.map_err(|why| self.error(&format!("cannot be written for other programs: {why}")))
    }

    /// The tokenizer in a file that no spec names.
    pub(crate) fn open(path: &Path) -> Result<Self, DataError> {
        let error = |why: &dyn std::fmt::Display| DataError::new(format!("{}: {why}", path.display()));
        let bytes = read_regular(path, MOST_BYTES).map_err(|why| error(&why))?;
        let json = String::from_utf8(bytes).map_err(|_| error(&"it is not UTF-8"))?;
        Ok(Self::new(path.display().to_string(), json))
    }

    /// The token of a name.
    pub(crate) fn token_id(&self, name: &str) -> Result<Option<u32>, DataError> {
        Ok(self.parsed()?.library.token_to_id(name))
    }

    /// What a token is called.
    pub(crate) fn token_name(&self, id: u32) -> Result<Option<String>, DataError> {
        Ok(self.parsed()?.library.id_to_token(id))
    }

    fn parsed(&self) -> Result<&Parsed, DataError> {
        if let Some(parsed) = self.parsed.get() {
            return Ok(parsed);
        }
        let parsed = Parsed::new(&self.json).map_err(|error| self.error(&format!("is no tokenizer: {error}")))?;
        Ok(self.parsed.get_or_init(|| parsed))
    }

    fn error(&self, message: &str) -> DataError {
        DataError::at("tokenizer", format!("{} {message}", self.name))
    }
}

impl Parsed {
    fn new(json: &str) -> Result<Self, String> {
        let outline = Outline::of(json);
        if let Some(objection) = outline.objection() {
            return Err(objection);
        }
        let mut notes = Vec::new();
        let library = guarded("tokenizers", || {
            let mut library = tokenizers::Tokenizer::from_bytes(json)?;
            // A file may ask for any of these, but a story is all of its tokens and nothing else.
            library.with_truncation(None)?.with_padding(None).with_post_processor(None::<PostProcessorWrapper>);
            if let Some(dropout) = outline.dropout()
                && let ModelWrapper::BPE(bpe) = library.get_model()
            {
                let mut bpe = bpe.clone();
                bpe.dropout = None;
                library.with_model(bpe);
                notes.push(format!(
                    "its dropout of {dropout} is switched off: each text would have other tokens each time"
                ));
            }
            Ok(library)
        })?;
        let facts = guarded("tokenizers", || Ok(facts(&library, notes)))??;
        Ok(Self { library, facts, most_text: outline.most_text(), most_names: outline.most_names() })
    }
}

fn facts(library: &tokenizers::Tokenizer, notes: Vec<String>) -> Result<Facts, String> {
    let vocabulary = library.get_vocab(true);
    let Some(largest) = vocabulary.values().max() else { return Err("it has no token".to_owned()) };
    let size = *largest as usize + 1;
    if size > MOST_TOKENS {
        return Err(format!("a token of it has the id {largest}; ids have to lie below {MOST_TOKENS}"));
    }
    if let Some((one, other, id)) = homonym(library) {
        // Which of them the id stands for would be a matter of chance.
        return Err(format!("{one:?} and {other:?} have the same id, {id}"));
    }
    let end_of_text = END_OF_TEXT.iter().find_map(|name| vocabulary.get(*name).copied());
    let mut alphabet = pieces::alphabet(library, &vocabulary);
    alphabet.extend(end_of_text);
    alphabet.sort_unstable();
    alphabet.dedup();
    Ok(Facts { size, end_of_text, alphabet, notes })
}

/// Two tokens of one id, the first that there are.
fn homonym(library: &tokenizers::Tokenizer) -> Option<(String, String, u32)> {
    // An added token may share the id of one of the model's: it then goes before it.
    let mut tokens: Vec<(u32, String)> = library.get_vocab(false).into_iter().map(|(name, id)| (id, name)).collect();
    tokens.sort_unstable();
    let pair = tokens.windows(2).find(|pair| pair[0].0 == pair[1].0)?;
    Some((pair[0].1.clone(), pair[1].1.clone(), pair[0].0))
}
