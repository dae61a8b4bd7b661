//! The `[model]` section of a config: as written ([`ModelConfig`]) and resolved against the registry ([`ModelSpec`]).

use std::io;
use std::path::{Path, PathBuf};

use lrx_layers::{BlockShape, BlockSpec, Cost, OptionError, Place, Registry, layer_table};
use schemars::JsonSchema;
use serde::Deserialize;
use toml::{Table, Value};

/// `[model]` as written. Defaults are the seed experiment's.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ModelConfig {
    /// Features of a token.
    pub hidden: usize,
    /// Layers.
    pub layers: usize,
    /// Attention heads; they divide `hidden`.
    pub heads: usize,
    /// Learned positions: the longest story.
    pub context: usize,
    /// Tokens in the embedding, where it shall be held fast; by default those of the tokenizer.
    pub vocabulary: Option<usize>,
    /// Weights to start from.
    pub init_from: Option<String>,
    /// The attention of every layer: a layer kind and its options.
    #[schemars(skip)] // What it may hold depends on the registered kinds.
    pub attention: Table,
    /// The MLP of every layer: a layer kind and its options.
    #[schemars(skip)]
    pub mlp: Table,
}

impl Default for ModelConfig {
    fn default() -> Self {
        Self {
            hidden: 384,
            layers: 4,
            heads: 16,
            context: 2048,
            vocabulary: None,
            init_from: None,
            attention: Table::new(),
            mlp: Table::new(),
        }
    }
}

/// Weights to start from.
#[derive(Clone, Debug)]
pub struct InitFrom {
    /// The path as the config has it.
    pub written: String,
    /// Where the file is.
    pub path: PathBuf,
    /// The hash of its content, hexadecimal.
    pub blake3: String,
}

/// `[model]` with every default filled in and every layer resolved.
#[derive(Clone)]
pub struct ModelSpec {
    /// Features of a token.
    pub hidden: usize,
    /// Attention heads.
    pub heads: usize,
    /// Learned positions.
    pub context: usize,
    /// Tokens in the embedding, where the config holds it fast.
    pub vocabulary: Option<usize>,
    /// Weights to start from.
    pub init_from: Option<InitFrom>,
    /// The layers, first to last.
    pub layers: Vec<LayerSpec>,
}

/// One layer of the model.
#[derive(Clone)]
pub struct LayerSpec {
    /// Its attention.
    pub attention: BlockSpec,
    /// Its MLP.
    pub mlp: BlockSpec,
    /// The sizes of both.
    pub shape: BlockShape,
}

impl ModelConfig {
    /// Validates the section; `locate` tells where the file of a key is (`init_from`, as written).
    ///
    /// # Errors
    /// What is wrong, at a key relative to `[model]`.
    pub fn resolve(
        self,
        registry: &Registry,
        locate: &dyn Fn(&str, &str) -> PathBuf,
    ) -> Result<ModelSpec, OptionError> {
        let Self { hidden, layers, heads, context, vocabulary, init_from, attention, mlp } = self;
        check_size("hidden", hidden, 1, MOST_FEATURES)?;
        check_size("layers", layers, 1, MOST_LAYERS)?;
        check_size("heads", heads, 1, MOST_FEATURES)?;
        // A token and the one that it predicts.
        check_size("context", context, 2, MOST_ROWS)?;
        vocabulary.map_or(Ok(()), |vocabulary| check_size("vocabulary", vocabulary, 1, MOST_ROWS))?;
        if hidden % heads != 0 {
            let message = format!("{heads} heads do not divide hidden = {hidden}; the head size would not be whole");
            return Err(OptionError::new("heads", message).about_sizes());
        }
        let layers = (0..layers)
            .map(|layer| {
                let in_attention = |error| at_layer(error, &attention, layer).inside("attention");
                let in_mlp = |error| at_layer(error, &mlp, layer).inside("mlp");
                let mut own_attention = layer_table(&attention, layer, layers).map_err(|e| e.inside("attention"))?;
                let mut own_mlp = layer_table(&mlp, layer, layers).map_err(|e| e.inside("mlp"))?;
                let window = take_size(&mut own_attention, "window", 0).map_err(in_attention)?;
                let inner = take_size(&mut own_mlp, "inner", 1).map_err(in_mlp)?.unwrap_or(4 * hidden);
                let shape = BlockShape { hidden, heads, window: window.filter(|&window| window > 0), inner };
                let block = |place, table, key| {
                    registry.block(place, table, shape).map_err(|error: OptionError| error.also_known(&[key]))
                };
                Ok(LayerSpec {
                    attention: block(Place::Attention, own_attention, "window").map_err(in_attention)?,
                    mlp: block(Place::Mlp, own_mlp, "inner").map_err(in_mlp)?,
                    shape,
                })
            })
            .collect::<Result<_, OptionError>>()?;
        let init_from = init_from
            .map(|written| {
                let path = locate("init_from", &written);
                let bytes = read_regular(&path)
                    .map_err(|error| OptionError::new("init_from", format!("cannot read {written:?}: {error}")))?;
                Ok(InitFrom { blake3: blake3::hash(&bytes).to_hex().to_string(), written, path })
            })
            .transpose()?;
        Ok(ModelSpec { hidden, heads, context, vocabulary, init_from, layers })
    }
}

/// The content of a file, not of a device that never ends.
fn read_regular(path: &Path) -> io::Result<Vec<u8>> {
    if std::fs::metadata(path)?.is_file() { std::fs::read(path) } else { Err(io::Error::other("not a file")) }
}

/// The largest sizes: far beyond any machine, and products of them still fit a machine's integer.
const MOST_FEATURES: usize = 1 << 20;
const MOST_LAYERS: usize = 1 << 12;
const MOST_ROWS: usize = 1 << 26;

fn check_size(key: &str, value: usize, least: usize, most: usize) -> Result<(), OptionError> {
    if (least..=most).contains(&value) {
        return Ok(());
    }
    let expected = if value < least { format!("at least {least}") } else { format!("at most {most}") };
    Err(OptionError::new(key, format!("`{key}` is {value}; expected {expected}")))
}

fn take_size(table: &mut Table, key: &str, least: usize) -> Result<Option<usize>, OptionError> {
    let Some(value) = table.remove(key) else { return Ok(None) };
    let Some(number) = value.as_integer().and_then(|number| usize::try_from(number).ok()) else {
        let message = format!("`{key}` is {value}; expected a whole number of at least {least}");
        return Err(OptionError::new(key, message));
    };
    check_size(key, number, least, MOST_ROWS)?;
    Ok(Some(number))
}

/// The error about a layer's value, pointing to that layer's where `written` has a list of them.
fn at_layer(mut error: OptionError, written: &Table, layer: usize) -> OptionError {
    let mut keys = error.key.split('.');
    let first = keys.next().and_then(|key| written.get(key));
    let value = keys.try_fold(first, |value, key| Some(value?.as_table()?.get(key))).flatten();
    if value.is_some_and(Value::is_array) && !error.is_about_the_key() {
        error.key = format!("{}.{layer}", error.key);
    }
    error
}

impl ModelSpec {
    /// Numbers trained in the two embeddings, tokens and positions. The head is tied to the former.
    pub fn embedding_parameters(&self, vocabulary: usize) -> usize {
        (vocabulary + self.context) * self.hidden
    }

    /// Numbers trained outside the embeddings.
    pub fn body_parameters(&self) -> usize {
        let norms = (2 * self.layers.len() + 1) * 2 * self.hidden;
        self.body_cost().parameters + norms
    }

    /// Floating-point operations a token in the forward pass: 2 for each multiply-add of the products with the
    /// matrices of the layers and with the head. Attention scores, which depend on the story's length, are not counted.
    pub fn flops_per_token(&self, vocabulary: usize) -> usize {
        self.body_cost().flops + 2 * vocabulary * self.hidden
    }

    /// Floating-point operations of the products of attention itself (scores, and weights times values) in the forward
    /// pass over stories of these lengths: only what the causal mask and the window leave.
    pub fn attention_flops(&self, story_lengths: impl Iterator<Item = usize> + Clone) -> usize {
        let seen = |length: usize, window: Option<usize>| -> usize {
            (1..=length).map(|position| position.min(window.unwrap_or(length))).sum()
        };
        let pairs =
            |layer: &LayerSpec| story_lengths.clone().map(|length| seen(length, layer.shape.window)).sum::<usize>();
        self.layers.iter().map(|layer| 4 * self.hidden * pairs(layer)).sum()
    }

    fn body_cost(&self) -> Cost {
        self.layers.iter().map(|layer| layer.attention.cost + layer.mlp.cost).sum()
    }

    /// One kind for all layers, or each layer's in order, as the tables show it.
    pub fn kind_cell(&self, block: impl Fn(&LayerSpec) -> &BlockSpec) -> String {
        let kinds: Vec<&str> = self.layers.iter().map(|layer| block(layer).kind.as_str()).collect();
        if kinds.windows(2).all(|pair| pair[0] == pair[1]) { kinds[0].to_string() } else { kinds.join(", ") }
    }

    /// The rank of each layer, separated by spaces; empty where no layer has one.
    pub fn rank_cell(&self, block: impl Fn(&LayerSpec) -> &BlockSpec) -> String {
        let ranks: Vec<&str> = self.layers.iter().map(|layer| block(layer).rank.as_str()).collect();
        if ranks.iter().all(|rank| rank.is_empty()) {
            return String::new();
        }
        ranks.iter().map(|rank| if rank.is_empty() { "-" } else { rank }).collect::<Vec<_>>().join(" ")
    }

    /// The section with every default filled in: `init_from` by the path as written and its content's hash.
    pub fn resolved(&self) -> Table {
        let number = |number: usize| Value::Integer(number as i64);
        let mut table = Table::new();
        table.insert("hidden".into(), number(self.hidden));
        table.insert("layers".into(), number(self.layers.len()));
        table.insert("heads".into(), number(self.heads));
        table.insert("context".into(), number(self.context));
        if let Some(vocabulary) = self.vocabulary {
            table.insert("vocabulary".into(), number(vocabulary));
        }
        if let Some(InitFrom { written, blake3, .. }) = &self.init_from {
            let file = [("file", written), ("blake3", blake3)];
            let file = file.into_iter().map(|(key, value)| (key.to_string(), Value::String(value.clone()))).collect();
            table.insert("init_from".into(), Value::Table(file));
        }
        let layers = |own: &dyn Fn(&LayerSpec) -> Table| {
            let own: Vec<Table> = self.layers.iter().map(own).collect();
            Value::Table(merge_layers(&own))
        };
        let attention = |layer: &LayerSpec| {
            let mut own = layer.attention.options.clone();
            own.insert("window".into(), number(layer.shape.window.unwrap_or(0)));
            own
        };
        let mlp = |layer: &LayerSpec| {
            let mut own = layer.mlp.options.clone();
            own.insert("inner".into(), number(layer.shape.inner));
            own
        };
        table.insert("attention".into(), layers(&attention));
        table.insert("mlp".into(), layers(&mlp));
        table
    }
}

/// The inverse of [`layer_table`]: a value that all layers share stands once, others become lists, with an empty text
/// for layers without it.
fn merge_layers(layers: &[Table]) -> Table {
    let mut merged = Table::new();
    for key in layers.iter().flat_map(Table::keys) {
        let own: Vec<Option<&Value>> = layers.iter().map(|table| table.get(key)).collect();
        let value = if own.iter().all(|value| *value == own[0]) {
            own[0].cloned().expect("a key of some layer")
        } else if own.iter().all(|value| matches!(value, Some(Value::Table(_)))) {
            let tables: Vec<Table> = own.iter().filter_map(|value| value.and_then(Value::as_table).cloned()).collect();
            Value::Table(merge_layers(&tables))
        } else {
            let none = || Value::String(String::new());
            Value::Array(own.into_iter().map(|value| value.cloned().unwrap_or_else(none)).collect())
        };
        merged.insert(key.clone(), value);
    }
    merged
}
