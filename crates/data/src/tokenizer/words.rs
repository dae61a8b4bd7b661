//! GPT-2's division of a text into words, by hand.
//!
//! Byte-level tokenizers divide a text with a regular expression before they look at a word at all:
//! ```text
//! 's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
//! ```
//! A general engine spends nine tenths of the time of tokenising on it. What follows gives the same words for texts of the
//! characters that English stories are made of, and says so where it meets another.

/// What the expression tells apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    Letter,
    Number,
    Space,
    Other,
}

/// The class of a character of ASCII, Latin-1's letters, or the dashes, quotes and dots of printed text.
fn class(char: char) -> Option<Class> {
    match char {
        'a'..='z' | 'A'..='Z' | 'À'..='Ö' | 'Ø'..='ö' | 'ø'..='ÿ' => Some(Class::Letter),
        '0'..='9' => Some(Class::Number),
        ' ' | '\t'..='\r' => Some(Class::Space),
        '\0'..='\x7f' | '\u{2010}'..='\u{2027}' => Some(Class::Other),
        _ => None,
    }
}

/// Whether [`words`] divides a text that holds this character.
fn known(char: char) -> bool {
    class(char).is_some()
}

/// The words of a text, end to end; none if it holds a character whose class is not known here.
pub(super) fn words(text: &str) -> Option<impl Iterator<Item = &str>> {
    let mut rest = text;
    text.chars().all(known).then(|| {
        std::iter::from_fn(move || {
            let (word, behind) = rest.split_at(first_word(rest));
            rest = behind;
            (!word.is_empty()).then_some(word)
        })
    })
}

/// The length of the first word.
fn first_word(text: &str) -> usize {
    const CONTRACTIONS: [&str; 7] = ["'s", "'t", "'re", "'ve", "'m", "'ll", "'d"];
    if text.starts_with('\'')
        && let Some(contraction) = CONTRACTIONS.iter().find(|contraction| text.starts_with(**contraction))
    {
        return contraction.len();
    }
    let space = usize::from(text.starts_with(' '));
    match text[space..].chars().next().and_then(class) {
        Some(of_word) if of_word != Class::Space => space + run(&text[space..], of_word),
        // White space keeps its last character for the next word, unless it has but one or nothing follows.
        _ => {
            let run = run(text, Class::Space);
            let last = text[..run].chars().next_back().map_or(0, char::len_utf8);
            if run < text.len() && run > last { run - last } else { run }
        }
    }
}

/// The length of the characters of one class that the text begins with.
fn run(text: &str, of_run: Class) -> usize {
    text.find(|char| class(char) != Some(of_run)).unwrap_or(text.len())
}

#[cfg(test)]
mod tests {
    use tokenizers::pre_tokenizers::byte_level::ByteLevel;
    use tokenizers::{OffsetReferential, OffsetType, PreTokenizedString, PreTokenizer};

    use super::*;
    use crate::random::Random;

    /// The words that the tokenizers library finds.
    fn expected(text: &str) -> Vec<&str> {
        let mut split = PreTokenizedString::from(text);
        ByteLevel::default().add_prefix_space(false).pre_tokenize(&mut split).unwrap();
        let splits = split.get_splits(OffsetReferential::Original, OffsetType::Byte);
        splits.into_iter().map(|(_, (start, end), _)| &text[start..end]).collect()
    }

    fn check(text: &str) {
        assert_eq!(words(text).unwrap().collect::<Vec<_>>(), expected(text), "{text:?}");
    }

    #[test]
    fn every_known_character_has_the_class_of_the_library() {
        let all = ('\0'..='\u{ffff}').filter(|char| known(*char));
        for char in all {
            for context in
                [format!("a{char}a"), format!("1{char}1"), format!(".{char}."), format!(" {char} {char}{char}")]
            {
                check(&context);
            }
        }
    }

    #[test]
    fn texts_have_the_words_of_the_library() {
        for text in [
            "",
            " ",
            "   ",
            "\n\n",
            "Once upon a time,  there was\n\n  a cat. \n",
            "It's he'll'd we've '' ''s 'S 'tis don't' x'y 'll're 've",
            "a1b2 3.5 $4,000!! (yes) -- \"quoted\" “curly” it’s — … 12ab ’s",
            "\t\ttabs \t mixed\r\nlines\u{b}\u{c} end ",
            "Café déjà × ÷".trim_end_matches(" × ÷"),
        ] {
            check(text);
        }
    }

    #[test]
    fn random_texts_have_the_words_of_the_library() {
        let mut random = Random::new("test words", &[]);
        let alphabet: Vec<char> = "  \n\t'''stremvldaB 019.,!-“’é\u{1c}\u{0}".chars().collect();
        for _ in 0..20_000 {
            let length = random.below(14);
            check(&(0..length).map(|_| *random.pick(&alphabet)).collect::<String>());
        }
    }

    #[test]
    fn other_characters_are_left_to_the_library() {
        for text in ["日本", "a\u{a0}b", "½", "ª", "🙂", "a\u{2028}", "\u{200b}"] {
            assert!(words(text).is_none(), "{text:?}");
        }
    }
}
