//! The `[model]` section of a config: as written ([`ModelConfig`]) and resolved against the registry ([`ModelSpec`]).

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use lrx_layers::rules::RuleOf;
use lrx_layers::{
    Attends, BlockShape, BlockSpec, Cost, OptionError, Place, Registry, blocks_table, deserialize, to_table,
    without_defaults,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use toml::{Table, Value};

use crate::Known;
use crate::init_from::{InitFrom, InitFromConfig};

/// `[model]` as written. Defaults are the seed experiment's.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ModelConfig {
    /// Features of a token.
    pub hidden: usize,
    /// Layers.
    pub layers: usize,
    /// Attention heads; they divide `hidden`.
    pub heads: usize,
    /// The longest story, in tokens; with learned positions, so many are learned.
    pub context: usize,
    /// Tokens in the embedding, where it shall be held fast; by default those of the tokenizer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vocabulary: Option<usize>,
    /// The norm before each block and before the head.
    pub norm: Norm,
    /// What is added to the variance (the mean square) before the root.
    pub norm_epsilon: f64,
    /// How a token knows its place.
    pub positions: Positions,
    /// The base of rotary positions.
    pub rotary_theta: f64,
    /// Whether the head's matrix is the token embedding; else it has one of its own.
    pub tied: bool,
    /// The part of the embedding's and each block's output that is dropped in training, at random, the rest scaled up.
    pub dropout: f64,
    /// Weights to start from: a safetensors file, a checkpoint's folder, `"run:ID"` of a finished run, or a table with `path` and what
    /// of a larger model is taken.
    #[serde(skip_serializing)]
    pub init_from: Option<InitFromConfig>,
    /// The attention of every layer: a layer kind and its options.
    #[schemars(skip)] // What it may hold depends on the registered kinds.
    #[serde(skip_serializing)]
    pub attention: Table,
    /// The MLP of every layer: a layer kind and its options.
    #[schemars(skip)]
    #[serde(skip_serializing)]
    pub mlp: Table,
}

/// The norm before each block and before the head.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Norm {
    /// (x − mean) / √(variance + ε) · weight + bias (Ba, Kiros & Hinton 2016).
    LayerNorm,
    /// x / √(mean of x² + ε) · weight (Zhang & Sennrich 2019).
    RmsNorm,
}

/// How a token knows its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Positions {
    /// A learned vector for each place is added to the token's.
    Learned,
    /// Queries and keys are turned by their place (Su et al. 2021).
    Rotary,
    /// Not at all but by the causal mask.
    None,
}

impl Default for ModelConfig {
    fn default() -> Self {
        Self {
            hidden: 384,
            layers: 4,
            heads: 16,
            context: 2048,
            vocabulary: None,
            norm: Norm::LayerNorm,
            norm_epsilon: 1e-5,
            positions: Positions::Learned,
            rotary_theta: 10_000.0,
            tied: true,
            dropout: 0.0,
            init_from: None,
            attention: Table::new(),
            mlp: Table::new(),
        }
    }
}

/// `[model]` with every default filled in and every layer resolved.
#[derive(Clone)]
pub struct ModelSpec {
    /// Features of a token.
    pub hidden: usize,
    /// Attention heads.
    pub heads: usize,
    /// The longest story.
    pub context: usize,
    /// Tokens in the embedding, where the config holds it fast.
    pub vocabulary: Option<usize>,
    /// The norm before each block and before the head.
    pub norm: Norm,
    /// The norm's epsilon.
    pub norm_epsilon: f64,
    /// How a token knows its place.
    pub positions: Positions,
    /// Whether the head's matrix is the token embedding.
    pub tied: bool,
    /// The part that is dropped in training.
    pub dropout: f64,
    /// Weights to start from.
    pub init_from: Option<InitFrom>,
    /// The layers, first to last.
    pub layers: Vec<LayerSpec>,
    /// The keys of the section beside `init_from` and the layers' own.
    scalars: Table,
}

/// One layer of the model.
#[derive(Clone)]
pub struct LayerSpec {
    /// Its attention.
    pub attention: Arc<BlockSpec>,
    /// Its MLP.
    pub mlp: Arc<BlockSpec>,
}

impl ModelConfig {
    /// Validates the section; `locate` tells where the file or folder of a key is (`init_from`, as written), or why it cannot.
    ///
    /// # Errors
    /// What is wrong, at a key relative to `[model]`.
    pub fn resolve(
        self,
        registry: &Registry,
        locate: &dyn Fn(&str, &str) -> Result<PathBuf, String>,
    ) -> Result<ModelSpec, OptionError> {
        self.resolve_beside(registry, locate, &Known::default())
    }

    /// As [`resolve`](Self::resolve), for a model that may share blocks and files with others that were resolved with the
    /// same `known` and registry.
    ///
    /// # Errors
    /// As of `resolve`.
    pub fn resolve_beside(
        self,
        registry: &Registry,
        locate: &dyn Fn(&str, &str) -> Result<PathBuf, String>,
        known: &Known,
    ) -> Result<ModelSpec, OptionError> {
        let scalars = to_table(&self);
        let Self { hidden, layers, heads, context, vocabulary, norm, norm_epsilon, .. } = self;
        let Self { positions, rotary_theta, tied, dropout, init_from, attention, mlp, .. } = self;
        check_size("hidden", hidden, 1, MOST_FEATURES)?;
        check_size("layers", layers, 1, MOST_LAYERS)?;
        check_size("heads", heads, 1, MOST_FEATURES)?;
        // A token and the one that it predicts.
        check_size("context", context, 2, MOST_ROWS)?;
        vocabulary.map_or(Ok(()), |vocabulary| check_size("vocabulary", vocabulary, 1, MOST_ROWS))?;
        check_number("norm_epsilon", norm_epsilon, 0.0, 1.0)?;
        check_number("rotary_theta", rotary_theta, 1.0, 1e12)?;
        check_number("dropout", dropout, 0.0, 0.99)?;
        if hidden % heads != 0 {
            let message = format!("{heads} heads do not divide hidden = {hidden}; the head size would not be whole");
            return Err(OptionError::new("heads", message).about_sizes());
        }
        let rotary = (positions == Positions::Rotary).then_some(rotary_theta);
        let shape = |layer| BlockShape { hidden, heads, rotary, layer, layers };
        let shapes: Vec<BlockShape> = (0..layers).map(shape).collect();
        let blocks = |place: Place, table: &Table| {
            known.blocks(registry, place, table, &shapes).map_err(|error| error.inside(place.key()))
        };
        let (attention, mlp) = (blocks(Place::Attention, &attention)?, blocks(Place::Mlp, &mlp)?);
        let blocks = attention.iter().cloned().zip(mlp.iter().cloned());
        let blocks = blocks.map(|(attention, mlp)| LayerSpec { attention, mlp }).collect();
        let init_from = init_from.map(|from| InitFrom::resolve(from, layers, locate, known, registry)).transpose()?;
        Ok(ModelSpec {
            hidden,
            heads,
            context,
            vocabulary,
            norm,
            norm_epsilon,
            positions,
            tied,
            dropout,
            init_from,
            layers: blocks,
            scalars,
        })
    }
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

fn check_number(key: &str, value: f64, least: f64, most: f64) -> Result<(), OptionError> {
    if (least..=most).contains(&value) {
        return Ok(());
    }
    Err(OptionError::new(key, format!("`{key}` is {value}; expected a number from {least} to {most}")))
}

impl ModelSpec {
    /// Numbers trained in the embeddings of tokens and positions, and in the head where it is not tied to the former.
    pub fn embedding_parameters(&self, vocabulary: usize) -> usize {
        let positions = if self.positions == Positions::Learned { self.context } else { 0 };
        let tables = if self.tied { 1 } else { 2 };
        (tables * vocabulary + positions) * self.hidden
    }

    /// Of the numbers in the embeddings, those that get no gradient where the longest training story gives `positions` inputs, and
    /// `tokens` different ones of the vocabulary occur among all inputs: rows that no input reaches. A tied embedding has none
    /// such for tokens, since the head reaches all.
    pub fn untrained_parameters(&self, vocabulary: usize, positions: usize, tokens: impl FnOnce() -> usize) -> usize {
        let of_positions =
            if self.positions == Positions::Learned { self.context.saturating_sub(positions) } else { 0 };
        let of_tokens = if self.tied { 0 } else { vocabulary.saturating_sub(tokens()) };
        (of_positions + of_tokens) * self.hidden
    }

    /// Numbers trained outside the embeddings.
    pub fn body_parameters(&self) -> usize {
        self.body_cost().parameters + self.norm_parameters()
    }

    /// Numbers outside the embeddings that the trained model needs.
    pub fn deploy_body_parameters(&self) -> usize {
        self.body_cost().deploy_parameters + self.norm_parameters()
    }

    fn norm_parameters(&self) -> usize {
        let of_each = match self.norm {
            Norm::LayerNorm => 2,
            Norm::RmsNorm => 1,
        };
        (2 * self.layers.len() + 1) * of_each * self.hidden
    }

    /// Floating-point operations a token in the forward pass: 2 for each multiply-add of the products with the
    /// matrices of the layers and with the head. Attention scores, which depend on the story's length, are not counted.
    pub fn flops_per_token(&self, vocabulary: usize) -> usize {
        self.body_cost().flops + 2 * vocabulary * self.hidden
    }

    /// [`flops_per_token`](Self::flops_per_token) of the trained model.
    pub fn deploy_flops_per_token(&self, vocabulary: usize) -> usize {
        self.body_cost().deploy_flops + 2 * vocabulary * self.hidden
    }

    /// Floating-point operations of the products of attention itself (scores, and weights times values) in the forward
    /// pass over stories of these lengths: only what the causal mask and the window leave.
    pub fn attention_flops(&self, story_lengths: impl Iterator<Item = usize> + Clone) -> usize {
        let seen = |length: usize, window: Option<usize>| -> usize {
            // Position p sees p tokens, up to the window.
            let rising = length.min(window.unwrap_or(length));
            rising * (rising + 1) / 2 + (length - rising) * rising
        };
        let blocks = self.layers.iter().flat_map(|layer| [&*layer.attention, &*layer.mlp]);
        // Most blocks have the same window: each pass over the stories is for all that do.
        let mut by_window = BTreeMap::<Option<usize>, usize>::new();
        for Attends { flops, window } in blocks.filter_map(|block| block.attends) {
            *by_window.entry(window).or_default() += flops;
        }
        let of = |(window, flops): (Option<usize>, usize)| {
            flops * story_lengths.clone().map(|length| seen(length, window)).sum::<usize>()
        };
        by_window.into_iter().map(of).sum()
    }

    /// The widest that a token's features become inside the layers' blocks, layer by layer.
    pub fn inner_features(&self) -> impl Iterator<Item = usize> + '_ {
        let widest = |layer: &LayerSpec| layer.mlp.slots.iter().map(|slot| slot.linear.shape.outputs).max();
        self.layers.iter().map(move |layer| widest(layer).unwrap_or(4 * self.hidden))
    }

    fn body_cost(&self) -> Cost {
        let costs: Cost = self.layers.iter().map(|layer| layer.attention.cost + layer.mlp.cost).sum();
        // What several layers share was counted with each of them.
        let slots = self.layers.iter().flat_map(|layer| layer.attention.slots.iter().chain(&layer.mlp.slots));
        let shared = slots
            .flat_map(|slot| slot.linear.declared.iter())
            .filter_map(|d| Some((d.shared.clone()?, d.size.count())));
        let (mut known, mut twice) = (std::collections::BTreeSet::new(), 0);
        for (name, count) in shared {
            if !known.insert(name) {
                twice += count;
            }
        }
        Cost {
            parameters: costs.parameters - twice,
            deploy_parameters: costs.deploy_parameters.saturating_sub(twice),
            ..costs
        }
    }

    /// One kind for all layers, or each layer's in order, as the tables show it.
    pub fn kind_cell(&self, place: Place) -> String {
        let kinds: Vec<String> = self.blocks(place).map(|block| block.kind_cell(place)).collect();
        one_or_each(&kinds, ", ")
    }

    /// The rank of each layer ([`BlockSpec::rank_cell`]), separated by spaces, `-` for a layer without; empty where no layer
    /// has one.
    pub fn rank_cell(&self, place: Place) -> String {
        let ranks: Vec<String> = self.blocks(place).map(BlockSpec::rank_cell).collect();
        if ranks.iter().all(String::is_empty) {
            return String::new();
        }
        ranks.iter().map(|rank| if rank.is_empty() { "-" } else { rank }).collect::<Vec<_>>().join(" ")
    }

    /// Each slot with the kind and the size of what stands in it; where layers differ, each layer's, separated by ` | `.
    pub fn slots_cell(&self) -> String {
        let layer = |layer: &LayerSpec| format!("{} {}", layer.attention.slots_cell(), layer.mlp.slots_cell());
        one_or_each(&self.layers.iter().map(layer).collect::<Vec<_>>(), " | ")
    }

    /// The rules of one sort: `attention: spectral`, `attention: spectral; mlp: normal`; empty where there is none.
    pub fn rule_cell(&self, of: RuleOf) -> String {
        let cell = |place: Place| {
            let rules: Vec<String> = self.blocks(place).map(|block| block.rule_cell(of)).collect();
            let rule = one_or_each(&rules, " | ");
            rules.iter().any(|rule| !rule.is_empty()).then(|| format!("{}: {rule}", place.key()))
        };
        [Place::Attention, Place::Mlp].into_iter().filter_map(cell).collect::<Vec<_>>().join("; ")
    }

    /// The attention, or the MLP, of each layer.
    pub fn blocks(&self, place: Place) -> impl Iterator<Item = &BlockSpec> {
        self.layers.iter().map(move |layer| match place {
            Place::Attention => &*layer.attention,
            Place::Mlp => &*layer.mlp,
        })
    }

    /// The keys of the section beside `init_from` and the blocks' tables, every default filled in.
    pub fn scalars(&self) -> &Table {
        &self.scalars
    }

    /// The section with every default filled in: `init_from` by the path as written and its content's hash.
    pub fn resolved(&self) -> Table {
        let mut table = self.scalars.clone();
        if let Some(from) = &self.init_from {
            table.insert("init_from".into(), Value::Table(from.resolved()));
        }
        for place in [Place::Attention, Place::Mlp] {
            let blocks: Vec<BlockSpec> = self.blocks(place).cloned().collect();
            table.insert(place.key().into(), Value::Table(blocks_table(place, &blocks)));
        }
        table
    }

    /// What the model's numbers depend on, the seed apart: what is not at its default, kinds and rules with their versions,
    /// and the weights it starts from by their content.
    pub fn identity(&self) -> Table {
        let mut table = self.frame();
        for place in [Place::Attention, Place::Mlp] {
            let blocks = self.blocks(place).map(|block| Value::Table(block.identity())).collect();
            table.insert(place.key().into(), Value::Array(blocks));
        }
        table
    }

    /// What of the [`identity`](Self::identity) stands outside the blocks.
    pub fn frame(&self) -> Table {
        let fill = |table: Table| Some(to_table(&deserialize::<ModelConfig>(table).ok()?));
        let mut table = without_defaults(&self.scalars, fill);
        if let Some(from) = &self.init_from {
            table.insert("init_from".into(), from.identity());
        }
        table
    }
}

/// What all share, or each.
fn one_or_each(cells: &[String], between: &str) -> String {
    if cells.windows(2).all(|pair| pair[0] == pair[1]) { cells[0].clone() } else { cells.join(between) }
}
