//! `[model] init_from`: the weights that a model starts from.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use lrx_layers::{OptionError, Registry};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::MapAccessDeserializer;
use serde::de::{self, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use toml::{Table, Value};

use crate::Known;
use crate::checkpoint;

/// How a config names a run in place of a file.
pub const RUN: &str = "run:";

/// Weights to start from, as written: where they are, and what of them is taken.
#[derive(Clone, Debug, PartialEq)]
pub struct InitFromConfig {
    /// A safetensors file, a folder that holds one or several with their index, or `run:` and the id of a finished run.
    pub path: String,
    /// What of them is taken.
    pub taken: Taken,
    /// Whether a `config.json` beside them may say otherwise than the model.
    pub config: Option<ConfigFile>,
}

/// What is taken of weights that are for a larger model.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Taken {
    /// Of more learned positions than the model has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub context: Option<TakenContext>,
    /// Of more layers than the model has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub layers: Option<TakenLayers>,
    /// Of more tokens than the model has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vocabulary: Option<TakenVocabulary>,
}

/// Which learned positions are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum TakenContext {
    /// The first, as many as the model has.
    Cut,
}

/// Which layers are taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum TakenLayers {
    /// The first, as many as the model has.
    First,
    /// These, counted from 0.
    #[serde(untagged)]
    These(Vec<usize>),
}

/// Which rows of the embedding, and of the head, are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum TakenVocabulary {
    /// Those of the tokens that the data's vocabulary has, by the ids that its tokenizer gives them.
    Select,
}

/// What a `config.json` beside the weights counts for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ConfigFile {
    /// Nothing: the model may compute otherwise than the one that the weights were trained in.
    Ignore,
}

/// The form with keys.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "InitFromKeys")]
struct Keys {
    /// A safetensors file, a checkpoint's folder, or `run:` and the id of a finished run.
    path: String,
    /// `"cut"`: of more learned positions than `context`, the first.
    #[serde(default)]
    context: Option<TakenContext>,
    /// Of more layers than `layers`, the `"first"`, or a list of those to take, counted from 0.
    #[serde(default)]
    layers: Option<TakenLayers>,
    /// `"select"`: of more tokens than the data's vocabulary has, those that it has.
    #[serde(default)]
    vocabulary: Option<TakenVocabulary>,
    /// `"ignore"`: the checkpoint's `config.json` may say otherwise than the model.
    #[serde(default)]
    config: Option<ConfigFile>,
}

impl<'de> Deserialize<'de> for InitFromConfig {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = InitFromConfig;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the path of weights, \"run:ID\", or { path = \"…\", context = \"cut\", … }")
            }

            fn visit_str<E: de::Error>(self, path: &str) -> Result<Self::Value, E> {
                Ok(InitFromConfig { path: path.to_owned(), taken: Taken::default(), config: None })
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                let Keys { path, context, layers, vocabulary, config } =
                    Keys::deserialize(MapAccessDeserializer::new(map))?;
                Ok(InitFromConfig { path, taken: Taken { context, layers, vocabulary }, config })
            }
        }
        deserializer.deserialize_any(Either)
    }
}

impl JsonSchema for InitFromConfig {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "InitFrom".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let keys = generator.subschema_for::<Keys>();
        json_schema!({ "anyOf": [{ "type": "string" }, keys] })
    }
}

impl<'de> Deserialize<'de> for TakenLayers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = TakenLayers;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("\"first\", or a list of layers such as [0, 2, 4]")
            }

            fn visit_str<E: de::Error>(self, name: &str) -> Result<Self::Value, E> {
                match name {
                    "first" => Ok(TakenLayers::First),
                    other => Err(E::unknown_variant(other, &["first"])),
                }
            }

            fn visit_seq<A: de::SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
                let mut layers = Vec::new();
                while let Some(layer) = list.next_element()? {
                    layers.push(layer);
                }
                Ok(TakenLayers::These(layers))
            }
        }
        deserializer.deserialize_any(Either)
    }
}

impl JsonSchema for TakenLayers {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "TakenLayers".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "anyOf": [{ "const": "first" }, { "type": "array", "items": { "type": "integer", "minimum": 0 } }] })
    }
}

/// Weights to start from.
#[derive(Clone, Debug)]
pub struct InitFrom {
    /// As the config has it; of a run, its whole id.
    pub written: String,
    /// The file or the folder.
    pub path: PathBuf,
    /// The files that they are in.
    pub files: Vec<PathBuf>,
    /// The hash of their content, hexadecimal: of one file its own, of several that of their hashes in the order of their names.
    pub blake3: String,
    /// What of them is taken.
    pub taken: Taken,
    /// Whether a `config.json` beside them may say otherwise.
    pub config: Option<ConfigFile>,
    /// The linear kinds that can stand for dense matrices among them.
    pub approximating: Arc<[&'static str]>,
}

impl InitFrom {
    /// The weights that a config names, of which `locate` knows where they are, for a model of so many layers.
    pub(crate) fn resolve(
        config: InitFromConfig,
        layers: usize,
        locate: &dyn Fn(&str, &str) -> Result<PathBuf, String>,
        known: &Known,
        registry: &Registry,
    ) -> Result<Self, OptionError> {
        let error = |message: String| OptionError::new("init_from", message);
        if let Some(TakenLayers::These(these)) = &config.taken.layers
            && these.len() != layers
        {
            let message = format!("{} layers are to be taken; the model has `layers` = {layers}", these.len());
            return Err(OptionError::new("init_from.layers", message).about_sizes());
        }
        let path = locate("init_from", &config.path).map_err(error)?;
        let written = match config.path.starts_with(RUN) {
            true => format!("{RUN}{}", name_of(&path)),
            false => config.path,
        };
        let cannot = |what: &dyn fmt::Display| error(format!("cannot read {written:?}: {what}"));
        let files = checkpoint::files(&path).map_err(|message| cannot(&message))?;
        let hashes = files.iter().map(|file| {
            known.hash(file).map_err(|e| match *file == path {
                true => cannot(&e),
                false => cannot(&format!("{}: {e}", name_of(file))),
            })
        });
        let blake3 = checkpoint::hash_of(hashes.collect::<Result<_, _>>()?);
        let approximating = known.approximating(registry);
        Ok(Self { written, path, files, blake3, taken: config.taken, config: config.config, approximating })
    }

    /// Its name and the beginning of its hash, as the tables show it: `model.safetensors 1a2b3c4d5e6f`.
    pub fn cell(&self) -> String {
        format!("{} {}", self.name(), &self.blake3[..12])
    }

    /// The name of the file or the folder: of a run its id.
    pub fn name(&self) -> String {
        name_of(&self.path)
    }

    /// As `resolved.toml` has it: the path as written, the hash of what is there, and what of it is taken.
    pub(crate) fn resolved(&self) -> Table {
        let mut table = self.taken_table();
        table.insert("file".into(), self.written.clone().into());
        table.insert("blake3".into(), self.blake3.clone().into());
        table
    }

    /// What numbers depend on: the content, and what of it is taken where that was said.
    pub fn identity(&self) -> Value {
        let mut table = self.taken_table();
        if table.is_empty() {
            return self.blake3.clone().into();
        }
        table.insert("blake3".into(), self.blake3.clone().into());
        table.into()
    }

    fn taken_table(&self) -> Table {
        lrx_layers::to_table(&self.taken)
    }
}

fn name_of(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use lrx_layers::deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    struct Section {
        init_from: InitFromConfig,
    }

    fn read(value: &str) -> Result<InitFromConfig, OptionError> {
        deserialize::<Section>(format!("init_from = {value}").parse().unwrap()).map(|section| section.init_from)
    }

    #[test]
    fn a_path_or_a_table_says_what_is_taken() {
        let plain = read("'a.safetensors'").unwrap();
        assert_eq!((plain.path.as_str(), plain.taken), ("a.safetensors", Taken::default()));
        let cut = read("{ path = 'gpt2', context = 'cut', layers = 'first', vocabulary = 'select' }").unwrap();
        let taken = Taken {
            context: Some(TakenContext::Cut),
            layers: Some(TakenLayers::First),
            vocabulary: Some(TakenVocabulary::Select),
        };
        assert_eq!((cut.path.as_str(), &cut.taken), ("gpt2", &taken));
        let table = lrx_layers::to_table(&taken).to_string();
        assert_eq!(table, "context = \"cut\"\nlayers = \"first\"\nvocabulary = \"select\"\n");
        let these = read("{ path = 'gpt2', layers = [0, 5], config = 'ignore' }").unwrap();
        assert_eq!(these.taken.layers, Some(TakenLayers::These(vec![0, 5])));
        assert_eq!(lrx_layers::to_table(&these.taken).to_string(), "layers = [0, 5]\n");
    }

    #[test]
    fn mistakes_are_told_at_their_key() {
        let error = read("{ path = 'gpt2', contxt = 'cut' }").unwrap_err();
        assert!(error.key == "init_from.contxt" && error.message.contains("did you mean `context`"), "{error}");
        let error = read("{ path = 'gpt2', layers = 'last' }").unwrap_err();
        assert!(error.message.contains("unknown value \"last\" (known: first)"), "{error}");
        assert!(read("{ context = 'cut' }").unwrap_err().message.contains("`path` is missing"));
        assert!(read("3").unwrap_err().message.contains("expected the path of weights"));
    }
}
