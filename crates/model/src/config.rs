//! The `[model]` section of a config: as written ([`ModelConfig`]) and resolved against the registry ([`ModelSpec`]).

use std::path::PathBuf;

use lrx_layers::{BlockShape, BlockSpec, Cost, OptionError, Place, Registry, layer_table};
use serde::Deserialize;
use toml::{Table, Value};

/// `[model]` as written. Defaults are the seed experiment's.
#[derive(Clone, Debug, Deserialize)]
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
    /// `[model.attention]`
    pub attention: Table,
    /// `[model.mlp]`
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
        let sizes = [("hidden", hidden), ("layers", layers), ("heads", heads), ("context", context)];
        for (key, value) in sizes.into_iter().chain(vocabulary.map(|value| ("vocabulary", value))) {
            if value == 0 {
                return Err(OptionError::new(key, format!("`{key}` is 0; expected at least 1")));
            }
        }
        if hidden % heads != 0 {
            let message = format!("{heads} heads do not divide hidden = {hidden}; the head size would not be whole");
            return Err(OptionError::new("heads", message));
        }
        let layers = (0..layers)
            .map(|layer| {
                let own = |table, key: &str| layer_table(table, layer, layers).map_err(|e| e.inside(key));
                let (mut attention, mut mlp) = (own(&attention, "attention")?, own(&mlp, "mlp")?);
                let window = match take_integer(&mut attention, "window").map_err(|e| e.inside("attention"))? {
                    None | Some(0) => None,
                    window => window,
                };
                let inner = match take_integer(&mut mlp, "inner").map_err(|e| e.inside("mlp"))? {
                    Some(0) => return Err(OptionError::new("mlp.inner", "`inner` is 0; expected at least 1")),
                    inner => inner.unwrap_or(4 * hidden),
                };
                let shape = BlockShape { hidden, heads, window, inner };
                let block = |place, table, key: &str| registry.block(place, table, shape).map_err(|e| e.inside(key));
                Ok(LayerSpec {
                    attention: block(Place::Attention, attention, "attention")?,
                    mlp: block(Place::Mlp, mlp, "mlp")?,
                    shape,
                })
            })
            .collect::<Result<_, OptionError>>()?;
        let init_from = init_from
            .map(|written| {
                let path = locate("init_from", &written);
                let bytes = std::fs::read(&path)
                    .map_err(|error| OptionError::new("init_from", format!("cannot read {written:?}: {error}")))?;
                Ok(InitFrom { blake3: blake3::hash(&bytes).to_hex().to_string(), written, path })
            })
            .transpose()?;
        Ok(ModelSpec { hidden, heads, context, vocabulary, init_from, layers })
    }
}

fn take_integer(table: &mut Table, key: &str) -> Result<Option<usize>, OptionError> {
    let Some(value) = table.remove(key) else { return Ok(None) };
    let number = value.as_integer().and_then(|number| usize::try_from(number).ok());
    match number {
        Some(number) => Ok(Some(number)),
        None => Err(OptionError::new(key, format!("expected a whole number of at least 0, found {value}"))),
    }
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

/// The inverse of [`layer_table`]: a value that all layers share stands once, others become lists.
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
