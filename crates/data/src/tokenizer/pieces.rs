//! How a token is written with smaller ones.
//!
//! Byte-level tokenizers (GPT-2's) have a token for each byte, under the name of a printable character; those with byte
//! fallback (Llama's) have one for each byte, named `<0x00>` to `<0xFF>`. Both can write any text with these 256 tokens.
//! Any other tokenizer has to make do with its tokens of one character and the one for the unknown.

use std::collections::HashMap;
use std::sync::LazyLock;

use tokenizers::Tokenizer;
use tokenizers::decoders::DecoderWrapper;

const UNKNOWN: [&str; 3] = ["<unk>", "[UNK]", "<|unk|>"];
/// What stands for a space in the tokens of SentencePiece.
const SENTENCEPIECE_SPACE: char = '▁';

/// The tokens that any text can be written with.
pub(super) fn alphabet(tokenizer: &Tokenizer, vocabulary: &HashMap<String, u32>) -> Vec<u32> {
    let byte_names: Vec<String> = match byte_level(tokenizer) {
        true => (0..=255).map(|byte| byte_level_char(byte).to_string()).collect(),
        false => (0..=255).map(byte_fallback_name).collect(),
    };
    let bytes: Vec<u32> = byte_names.iter().filter_map(|name| vocabulary.get(name).copied()).collect();
    if bytes.len() == 256 {
        return bytes;
    }
    let single = |name: &str| name.chars().nth(1).is_none() || UNKNOWN.contains(&name);
    vocabulary.iter().filter(|(name, _)| single(name)).map(|(_, id)| *id).collect()
}

/// The token `id` in tokens that `number` knows, as what it makes of them. None if there is no way to write it.
pub(super) fn split(tokenizer: &Tokenizer, id: u32, number: impl Fn(u32) -> Option<u32>) -> Option<Vec<u32>> {
    let known = |name: &str| tokenizer.token_to_id(name).and_then(&number);
    let mut name = tokenizer.id_to_token(id)?;
    let added = tokenizer.get_added_vocabulary().get_added_tokens_decoder().contains_key(&id);
    if added && byte_level(tokenizer) {
        // An added token's name is plain text.
        name = byte_level_name(&name);
    }
    let mut pieces = Vec::new();
    let mut rest = name.as_str();
    while let Some(first) = rest.chars().next() {
        let ends = rest.char_indices().map(|(start, char)| start + char.len_utf8()).rev();
        let longest = ends.filter_map(|end| Some((end, known(&rest[..end])?))).next();
        let taken = if let Some((end, piece)) = longest {
            pieces.push(piece);
            end
        } else {
            let text = if first == SENTENCEPIECE_SPACE { ' ' } else { first }.to_string();
            let bytes: Option<Vec<u32>> = text.bytes().map(|byte| known(&byte_fallback_name(byte))).collect();
            pieces.extend(bytes.or_else(|| UNKNOWN.iter().find_map(|name| known(name)).map(|id| vec![id]))?);
            first.len_utf8()
        };
        rest = &rest[taken..];
    }
    Some(pieces)
}

pub(super) fn byte_level(tokenizer: &Tokenizer) -> bool {
    fn within(decoder: &DecoderWrapper) -> bool {
        match decoder {
            DecoderWrapper::ByteLevel(_) => true,
            DecoderWrapper::Sequence(sequence) => sequence.get_decoders().iter().any(within),
            _ => false,
        }
    }
    tokenizer.get_decoder().is_some_and(within)
}

pub(super) fn byte_fallback_name(byte: u8) -> String {
    format!("<0x{byte:02X}>")
}

/// GPT-2's name of a text: that of each of its bytes.
fn byte_level_name(text: &str) -> String {
    static CHARS: LazyLock<[char; 256]> = LazyLock::new(|| std::array::from_fn(|byte| byte_level_char(byte as u8)));
    text.bytes().map(|byte| CHARS[byte as usize]).collect()
}

/// GPT-2's name of a byte: the character of that code if it is printable, else the next one from U+0100 on.
pub(super) fn byte_level_char(byte: u8) -> char {
    let printable = |byte: u8| matches!(byte, b'!'..=b'~' | 0xA1..=0xAC | 0xAE..=0xFF);
    if printable(byte) {
        return byte.into();
    }
    let before = (0..byte).filter(|byte| !printable(*byte)).count();
    char::from_u32(0x100 + before as u32).expect("no surrogate lies so low")
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use tokenizers::pre_tokenizers::byte_level::ByteLevel;

    use super::*;

    #[test]
    fn byte_names_are_those_of_gpt2() {
        let names: HashSet<char> = (0..=255).map(byte_level_char).collect();
        assert_eq!(names, ByteLevel::alphabet().into_iter().collect());
        assert_eq!([b'a', b' ', b'\n', 0xAD].map(byte_level_char), ['a', 'Ġ', 'Ċ', 'Ń']);
    }
}
