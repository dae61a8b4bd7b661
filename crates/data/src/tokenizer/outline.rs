//! What of a tokenizer file has to be looked at before the library follows it.

use serde::Deserialize;
use serde_json::Value;

/// The longest piece of text that is given to the library at once, which takes some hundred times as much memory for it.
const MOST_TEXT: usize = 4 << 20;
/// ... and what that may become on the way through normalizer and pre-tokenizer.
const MOST_GROWN: f64 = (64 << 20) as f64;
/// What NFKC and NFKD make of the worst character, U+FDFA.
const COMPATIBILITY: f64 = 12.0;
/// WordPiece's time grows with the square of the characters of a word; 100 are usual.
const MOST_WORD: u64 = 10_000;

/// The parts of a tokenizer file that may ask for the unreasonable.
#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct Outline {
    normalizer: Value,
    pre_tokenizer: Value,
    decoder: Value,
    model: Model,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Model {
    dropout: Option<f64>,
    max_input_chars_per_word: Option<u64>,
}

impl Outline {
    /// That of a file which the library could read. What it could not is no matter: the library says so.
    pub(super) fn of(json: &str) -> Self {
        serde_json::from_str(json).unwrap_or_default()
    }

    /// How probable it is that a merge is left out; none where there is no chance of it.
    pub(super) fn dropout(&self) -> Option<f64> {
        self.model.dropout.filter(|dropout| *dropout != 0.0)
    }

    /// Why the tokenizer cannot be used, if it cannot.
    pub(super) fn objection(&self) -> Option<String> {
        if let Some(most) = self.model.max_input_chars_per_word.filter(|most| *most > MOST_WORD) {
            return Some(format!("max_input_chars_per_word is {most}; expected at most {MOST_WORD}"));
        }
        for (part, value) in
            [("normalizer", &self.normalizer), ("pre-tokenizer", &self.pre_tokenizer), ("decoder", &self.decoder)]
        {
            let times = growth(value);
            if times > MOST_GROWN {
                return Some(format!("its {part} can make a text {times:.0e} times as long"));
            }
        }
        None
    }

    /// The longest text that can be encoded at once, in bytes.
    pub(super) fn most_text(&self) -> usize {
        MOST_TEXT.min((MOST_GROWN / (growth(&self.normalizer) * growth(&self.pre_tokenizer))) as usize)
    }

    /// The longest that the names of some tokens may be together for them to be decoded, in bytes.
    pub(super) fn most_names(&self) -> usize {
        (MOST_GROWN / growth(&self.decoder)) as usize
    }
}

/// How many times as long a normalizer, pre-tokenizer or decoder can make a text, at most: pieces of a byte each.
fn growth(part: &Value) -> f64 {
    for parts in ["normalizers", "pretokenizers", "decoders"] {
        if let Some(parts) = part.get(parts).and_then(Value::as_array) {
            return parts.iter().map(growth).product();
        }
    }
    let length = |key: &str| part.get(key).and_then(Value::as_str).map_or(0, str::len) as f64;
    match part.get("type").and_then(Value::as_str) {
        Some("Prepend") => 1.0 + length("prepend"),
        Some("NFKC" | "NFKD") => COMPATIBILITY,
        Some("NFC" | "NFD" | "Nmt" | "BertNormalizer" | "Lowercase" | "StripAccents") => 3.0,
        Some("ByteLevel") => 3.0,
        Some("Metaspace") => 1.0 + length("replacement"),
        Some("Precompiled") => longest_replacement(part.get("precompiled_charsmap")),
        // Without a type, the library tries which kind has the same keys.
        _ if part.get("pattern").is_some() || part.get("content").is_some() => {
            let pattern = part.get("pattern").and_then(|pattern| pattern.get("String")).and_then(Value::as_str);
            match pattern.map_or(0, str::len) {
                // An expression may fit between any two characters.
                0 => 1.0 + length("content"),
                pattern => (length("content") / pattern as f64).max(1.0),
            }
        }
        _ => 1.0 + length("prepend") + length("replacement") + length("suffix") + length("prefix"),
    }
}

/// The length of the longest text that a map of SentencePiece has in place of a character: in Base64, the length of a trie,
/// the trie, and the texts with a zero byte behind each.
fn longest_replacement(map: Option<&Value>) -> f64 {
    let bytes = base64(map.and_then(Value::as_str).unwrap_or_default());
    let Some((length, rest)) = bytes.split_first_chunk() else { return 1.0 };
    let texts = rest.get(u32::from_le_bytes(*length) as usize..).unwrap_or(rest);
    texts.split(|byte| *byte == 0).map(<[u8]>::len).max().unwrap_or_default().max(1) as f64
}

/// The bytes of a text in Base64, as far as it is.
fn base64(text: &str) -> Vec<u8> {
    let (mut bytes, mut bits, mut held) = (Vec::with_capacity(text.len() / 4 * 3), 0_u32, 0);
    for char in text.bytes() {
        let value = match char {
            b'A'..=b'Z' => char - b'A',
            b'a'..=b'z' => char - b'a' + 26,
            b'0'..=b'9' => char - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => break,
        };
        bits = bits << 6 | u32::from(value);
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push((bits >> held) as u8);
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn growth_is_bounded_from_above() {
        let replace =
            |pattern: Value, content: &str| json!({"type": "Replace", "pattern": pattern, "content": content});
        let a = replace(json!({"String": "a"}), &"a".repeat(1000));
        for (part, times) in [
            (Value::Null, 1.0),
            (a.clone(), 1000.0),
            (replace(json!({"String": "aaaa"}), "bb"), 1.0),
            (replace(json!({"Regex": "x*"}), "abc"), 4.0),
            (replace(json!({"String": ""}), "abc"), 4.0),
            (json!({"pattern": {"String": " "}, "content": "▁"}), 3.0),
            (json!({"type": "Sequence", "normalizers": [a.clone(), a.clone(), {"normalizers": [a.clone()]}]}), 1e9),
            (json!({"type": "Sequence", "normalizers": [{"type": "Prepend", "prepend": "▁"}, {"type": "NFKC"}]}), 48.0),
            (json!({"type": "Metaspace", "replacement": "▁"}), 4.0),
            // 4 bytes of a trie, then "ab", "cdefg" and "h".
            (json!({"type": "Precompiled", "precompiled_charsmap": "BAAAAHRyaWVhYgBjZGVmZwBoAA=="}), 5.0),
        ] {
            assert_eq!(growth(&part), times, "{part}");
        }
        let json = |normalizer: &Value| json!({"normalizer": normalizer, "model": {"dropout": 0.1}}).to_string();
        assert_eq!(Outline::of(&json(&a)).most_text(), (64 << 20) / 1000);
        assert_eq!(Outline::of(&json(&a)).dropout(), Some(0.1));
        assert_eq!(Outline::of(&json(&Value::Null)).most_text(), 4 << 20);
        assert_eq!(Outline::of(&json(&Value::Null)).objection(), None);
        let thrice = json!({"type": "Sequence", "normalizers": [a.clone(), a.clone(), a]});
        assert!(Outline::of(&json(&thrice)).objection().unwrap().contains("normalizer can make a text 1e9 times"));
        let word = json!({"model": {"type": "WordPiece", "max_input_chars_per_word": 1_000_000}}).to_string();
        assert!(Outline::of(&word).objection().unwrap().contains("max_input_chars_per_word is 1000000"));
    }

    #[test]
    fn base64_is_read() {
        // RFC 4648, section 10.
        for (text, bytes) in [("", ""), ("Zg==", "f"), ("Zm8=", "fo"), ("Zm9v", "foo"), ("Zm9vYmFy", "foobar")] {
            assert_eq!(base64(text), bytes.as_bytes());
        }
    }
}
