//! `[data]` of a config, as written.

use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use crate::paths::Paths;

/// `[data]` as written: nothing is checked yet but the types and the names of the keys.
/// [`resolve`](DataConfig::resolve) does the rest.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct DataConfig {
    /// Files of stories, or `"synthetic"` for generated ones, which need no file. A path, a folder (its files, by name, without
    /// those of folders within), a pattern such as `"data/**/*.jsonl"` (likewise by name), or a list of these. Names tell the
    /// format: `.jsonl` and `.ndjson` hold one JSON object a line, `.json` the same or an array of objects or strings, `.csv` and
    /// `.parquet` a table; any other is text with `<|endoftext|>` between stories. All but Parquet may be packed, with `.gz` or
    /// `.zst` behind that. Lines end with `\n`, `\r\n` or `\r`; they are learned as `\n`. Default `"synthetic"`.
    pub train: Paths,
    /// Files of stories to evaluate on, as in `train`. Without any, `valid_fraction` of the training stories is held out.
    pub valid: Option<Paths>,
    /// The key of objects, or the column of tables, that stories stand under; `"a.b"` is `b` within `a`. Default: `text` or `story`,
    /// whichever holds one.
    pub text_key: Option<String>,
    /// The part of the training stories that is held out for evaluation, above 0 and below 1. Default 0.01.
    pub valid_fraction: Option<f64>,
    /// Use the first so many stories of `train`, before any are held out; 0 uses all, or 20,000 synthetic ones.
    pub stories: usize,
    /// Where the tokenizer comes from. Default `{ train_bpe = 8192 }`.
    pub tokenizer: TokenizerConfig,
    /// Which tokens the model knows. Default `"full"`.
    pub vocabulary: VocabularyKind,
    /// True, the default: held-out stories are drawn at random and each epoch has its own order. False: the file's
    /// order everywhere, and the last stories are held out.
    pub shuffle: bool,
    /// Append the end-of-text token to each story. Default false.
    pub end_of_text: bool,
    /// What becomes of stories that are longer than the context. Default `"cut"`.
    pub long: LongKind,
    /// Draws the held-out stories and the synthetic ones. It is not the seed of a run, so that all runs of an
    /// experiment are evaluated on the same stories. Default 0.
    pub seed: u64,
    /// Which stories are evaluated on. Default `"compare"`.
    pub split: SplitKind,
    /// The part of the stories to train on that `lrx tune` holds out for itself, above 0 and below 1. A comparison trains on
    /// them. Default 0.05.
    pub tune_fraction: f64,
}

impl Default for DataConfig {
    fn default() -> Self {
        Self {
            train: "synthetic".into(),
            valid: None,
            text_key: None,
            valid_fraction: None,
            stories: 0,
            tokenizer: TokenizerConfig::TrainBpe(8192),
            vocabulary: VocabularyKind::Full,
            shuffle: true,
            end_of_text: false,
            long: LongKind::Cut,
            seed: 0,
            split: SplitKind::Compare,
            tune_fraction: 0.05,
        }
    }
}

/// What becomes of stories that are longer than the context.
///
/// Where `split` and `pack` find a single story, its end, of `valid_fraction`, is held out: a text without separators needs no
/// other file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum LongKind {
    /// Their tokens beyond it are neither trained on nor evaluated.
    Cut,
    /// They go on as further sequences of at most `context` tokens, each of which begins with the last token of the one before.
    Split,
    /// All stories, long and short, stand one behind the other with the end-of-text token behind each, and are divided into
    /// blocks of `context` tokens, each of which begins with the last token of the one before. Stories of one block see each other.
    Pack,
}

impl LongKind {
    /// As a config has it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cut => "cut",
            Self::Split => "split",
            Self::Pack => "pack",
        }
    }
}

/// Which stories a run evaluates on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SplitKind {
    /// Those of `valid` or `valid_fraction`: what configurations are compared on.
    Compare,
    /// `tune_fraction` of the others, which are then not trained on; those of the comparison are left alone. `lrx tune` trains
    /// on this split, so that what it chooses knows nothing of the stories that it will be compared on.
    Tune,
}

/// Which tokens of the tokenizer a model knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum VocabularyKind {
    /// All of them.
    Full,
    /// Those that occur in the data, and what it takes to write any other text (for a byte-level tokenizer the 256
    /// bytes), renumbered. The data's tokens stay those of the full tokenizer.
    Compact,
}

/// Where the tokenizer comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TokenizerConfig {
    /// `"tokenizer.json"`: a Hugging Face tokenizer file.
    File(String),
    /// `{ train_bpe = N }`: a byte-level BPE of at most N tokens trained on the training stories.
    TrainBpe(usize),
}

impl<'de> Deserialize<'de> for TokenizerConfig {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TokenizerVisitor)
    }
}

impl JsonSchema for TokenizerConfig {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Tokenizer".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let size = json_schema!({"type": "integer", "minimum": 257, "description": "Tokens, at most."});
        json_schema!({"anyOf": [
            {"type": "string", "description": "A Hugging Face tokenizer file."},
            {
                "type": "object",
                "description": "A byte-level BPE trained on the training stories.",
                "properties": {"train_bpe": size},
                "required": ["train_bpe"],
                "additionalProperties": false,
            },
        ]})
    }
}

struct TokenizerVisitor;

impl<'de> Visitor<'de> for TokenizerVisitor {
    type Value = TokenizerConfig;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("the path of a Hugging Face tokenizer file, or { train_bpe = N }")
    }

    fn visit_str<E: de::Error>(self, path: &str) -> Result<TokenizerConfig, E> {
        Ok(TokenizerConfig::File(path.to_owned()))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<TokenizerConfig, A::Error> {
        let mut size = None;
        while let Some(key) = map.next_key::<String>()? {
            if key != "train_bpe" {
                return Err(de::Error::unknown_field(&key, &["train_bpe"]));
            }
            size = Some(map.next_value()?);
        }
        size.map(TokenizerConfig::TrainBpe).ok_or_else(|| de::Error::missing_field("train_bpe"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<DataConfig, String> {
        toml::from_str(text).map_err(|error| error.message().to_owned())
    }

    #[test]
    fn an_empty_table_is_the_default() {
        assert_eq!(parse("").unwrap(), DataConfig::default());
    }

    #[test]
    fn every_key_is_read() {
        let config = parse(
            r#"
            train = "a.txt"
            valid = ["b.jsonl", "c"]
            text_key = "d.e"
            valid_fraction = 0.5
            stories = 25000
            tokenizer = { train_bpe = 512 }
            vocabulary = "compact"
            shuffle = false
            end_of_text = true
            long = "split"
            seed = 9
            split = "tune"
            tune_fraction = 0.2"#,
        );
        let expected = DataConfig {
            train: "a.txt".into(),
            valid: Some(Paths(vec!["b.jsonl".to_owned(), "c".to_owned()])),
            text_key: Some("d.e".to_owned()),
            valid_fraction: Some(0.5),
            stories: 25_000,
            tokenizer: TokenizerConfig::TrainBpe(512),
            vocabulary: VocabularyKind::Compact,
            shuffle: false,
            end_of_text: true,
            long: LongKind::Split,
            seed: 9,
            split: SplitKind::Tune,
            tune_fraction: 0.2,
        };
        assert_eq!(config.unwrap(), expected);
        let file = parse("tokenizer = 'gpt2.json'").unwrap().tokenizer;
        assert_eq!(file, TokenizerConfig::File("gpt2.json".to_owned()));
    }

    #[test]
    fn errors_say_what_is_expected() {
        for (text, parts) in [
            ("vocabulary = 'small'", ["`small`", "`full` or `compact`"]),
            ("long = 'packed'", ["`packed`", "one of `cut`, `split`, `pack`"]),
            ("split = 'tuned'", ["`tuned`", "`compare` or `tune`"]),
            ("tokenizer = 3", ["integer `3`", "tokenizer file, or { train_bpe = N }"]),
            ("tokenizer = { bpe = 3 }", ["`bpe`", "`train_bpe`"]),
            ("tokenizer = {}", ["missing", "`train_bpe`"]),
            ("tokenizer = { train_bpe = 'x' }", ["string \"x\"", "usize"]),
            ("trian = 'x'", ["`trian`", "`train`"]),
            ("train = 3", ["integer `3`", "a path, or a list of paths"]),
            ("valid = ['x', 3]", ["integer `3`", "string"]),
            ("stories = -1", ["`-1`", "usize"]),
        ] {
            let message = parse(text).unwrap_err();
            assert!(parts.iter().all(|part| message.contains(part)), "{text}: {message}");
        }
    }
}
