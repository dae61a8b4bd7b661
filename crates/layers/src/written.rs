//! From resolved blocks back to words: what tables show, what a config may say, and what a run is known by.

use toml::{Table, Value};

use crate::rules::RuleOf;
use crate::selection::layers_text;
use crate::{BlockSpec, LinearSpec, Place, SlotSpec};

impl BlockSpec {
    /// The kind in most slots, the first of those that are in as many.
    fn main_kind(&self) -> &'static str {
        let count = |kind: &str| self.slots.iter().filter(|slot| slot.linear.kind == kind).count();
        let most = self.slots.iter().rev().max_by_key(|slot| count(slot.linear.kind));
        most.map_or(self.kind, |slot| slot.linear.kind)
    }

    /// The kinds as the tables show them: `low-rank`, `low-rank q=dense` where slots differ, with the block's name in front
    /// where it is not the standard one.
    pub fn kind_cell(&self, place: Place) -> String {
        let main = self.main_kind();
        let block = (self.kind != place.standard() && !self.slots.is_empty()).then(|| self.kind.to_string());
        let others = self.slots.iter().filter(|slot| slot.linear.kind != main);
        let others = others.map(|slot| format!("{}={}", slot.key, slot.linear.kind));
        block.into_iter().chain([main.to_string()]).chain(others).collect::<Vec<_>>().join(" ")
    }

    /// The ranks as the tables show them: `8` where every slot has it, else each slot's in their order, `-` for one whose
    /// kind has none: `8/8/-/-`; empty where no slot's kind has one.
    pub fn rank_cell(&self) -> String {
        let ranks: Vec<Option<usize>> = self.slots.iter().map(|slot| slot.linear.rank).collect();
        match ranks.first() {
            Some(Some(rank)) if ranks.iter().all(|other| *other == Some(*rank)) => rank.to_string(),
            _ if ranks.iter().all(Option::is_none) => String::new(),
            _ => {
                let each = ranks.iter().map(|rank| rank.map_or("-".to_owned(), |rank| rank.to_string()));
                each.collect::<Vec<_>>().join("/")
            }
        }
    }

    /// The ranks as ids of runs have them, which stay as they are: `8`, `8/q=4` where slots differ from those of the kind in
    /// most slots; empty where no slot's kind has one.
    pub fn rank_in_id(&self) -> String {
        let main = self.main_kind();
        let base = self.slots.iter().find(|slot| slot.linear.kind == main).and_then(|slot| slot.linear.rank);
        let others = self.slots.iter().filter(|slot| slot.linear.rank != base);
        let others = others.filter_map(|slot| Some(format!("{}={}", slot.key, slot.linear.rank?)));
        base.map(|rank| rank.to_string()).into_iter().chain(others).collect::<Vec<_>>().join("/")
    }

    /// Each slot with the kind and the size of what stands in it: `q=low-rank:8`.
    pub fn slots_cell(&self) -> String {
        let slot = |slot: &SlotSpec| format!("{}={}", slot.key, slot.linear.size_text());
        self.slots.iter().map(slot).collect::<Vec<_>>().join(" ")
    }

    /// The rules of one sort: `spectral`, `q=spectral` where slots differ; empty where there is none.
    pub fn rule_cell(&self, of: RuleOf) -> String {
        let rules: Vec<String> = self.slots.iter().map(|slot| slot.linear.rules.cell(of)).collect();
        match rules.first() {
            Some(first) if rules.iter().all(|rule| rule == first) => first.clone(),
            _ => {
                let with_rule = self.slots.iter().zip(&rules).filter(|(_, rule)| !rule.is_empty());
                with_rule.map(|(slot, rule)| format!("{}={rule}", slot.key)).collect::<Vec<_>>().join(" ")
            }
        }
    }

    /// What the block's numbers depend on: kinds, their versions, and what is not at its default.
    pub fn identity(&self) -> Table {
        let mut table = self.identity.clone();
        table.insert("block".into(), self.kind.into());
        table.insert("version".into(), self.version.into());
        for slot in &self.slots {
            table.insert(slot.key.into(), Value::Table(slot.linear.identity()));
        }
        table
    }
}

impl LinearSpec {
    /// The kind with its size, rank or options: `low-rank:8`, `dense`, `block-diagonal:blocks=4`.
    pub fn size_text(&self) -> String {
        if let Some(rank) = self.rank {
            return format!("{}:{rank}", self.kind);
        }
        let options: Vec<String> =
            self.identity.iter().map(|(key, value)| format!("{key}={}", compact(value))).collect();
        if options.is_empty() { self.kind.to_string() } else { format!("{}:{}", self.kind, options.join(",")) }
    }

    /// What the layer's numbers depend on.
    pub fn identity(&self) -> Table {
        let mut table = self.identity.clone();
        table.insert("kind".into(), self.kind.into());
        table.insert("version".into(), self.version.into());
        table.extend(self.rules.identity.clone());
        table
    }

    /// Kind, options and rules, as a config may have them.
    fn written(&self) -> Table {
        let mut table = self.options.clone();
        table.insert("kind".into(), self.kind.into());
        table.extend(self.rules.options.clone());
        table
    }
}

/// A value without spaces.
fn compact(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(values) => values.iter().map(compact).collect::<Vec<_>>().join("-"),
        other => other.to_string(),
    }
}

/// The table of `[model.attention]` or `[model.mlp]` that says what these blocks are, layer by layer, with every default
/// filled in.
///
/// A value that all layers share stands once, one that differs is a list. Where kinds differ between layers or slots, the
/// first layer's first slot gives the kind and all others are overrides.
pub fn blocks_table(place: Place, blocks: &[BlockSpec]) -> Table {
    let first = &blocks[0];
    let one_block = blocks.iter().all(|block| block.kind == first.kind);
    let mut table = Table::new();
    if !one_block {
        table.insert("block".into(), Value::Array(blocks.iter().map(|block| block.kind.into()).collect()));
    } else if first.kind != place.standard() {
        table.insert("block".into(), first.kind.into());
    }
    table.extend(merged(&blocks.iter().map(|block| block.options.clone()).collect::<Vec<_>>()));
    let uniform = |block: &BlockSpec| {
        let mut written = block.slots.iter().map(|slot| slot.linear.written());
        let first = written.next().unwrap_or_default();
        written.all(|other| other == first).then_some(first)
    };
    let alike = |a: &Table, b: &Table| a.get("kind") == b.get("kind") && a.keys().eq(b.keys());
    match blocks.iter().map(uniform).collect::<Option<Vec<Table>>>() {
        Some(layers) if layers.iter().all(|layer| alike(layer, &layers[0])) => table.extend(merged(&layers)),
        _ => table.extend(with_overrides(blocks)),
    }
    table
}

/// What stands in the first slot of the first layer, and overrides for all that is something else.
fn with_overrides(blocks: &[BlockSpec]) -> Table {
    let mut groups: Vec<(Table, Vec<Vec<&'static str>>)> = Vec::new();
    for (layer, block) in blocks.iter().enumerate() {
        for slot in &block.slots {
            let written = slot.linear.written();
            let known = groups.iter().position(|(table, _)| *table == written);
            let group = known.unwrap_or_else(|| {
                groups.push((written, vec![Vec::new(); blocks.len()]));
                groups.len() - 1
            });
            groups[group].1[layer].push(slot.key);
        }
    }
    let mut groups = groups.into_iter();
    let (mut table, _) = groups.next().unwrap_or_default();
    let mut overrides = Vec::new();
    for (written, places) in groups {
        // Layers where the same slots are meant are said together.
        let mut rest: Vec<usize> = (0..places.len()).filter(|&layer| !places[layer].is_empty()).collect();
        while let Some(&first) = rest.first() {
            let together: Vec<bool> =
                (0..places.len()).map(|i| rest.contains(&i) && places[i] == places[first]).collect();
            let mut over = written.clone();
            over.insert("layers".into(), layers_text(&together).into());
            let all_slots = places[first].len() == blocks[first].slots.len();
            if !all_slots {
                let slots = places[first].iter().map(|&slot| Value::from(slot));
                over.insert("slots".into(), Value::Array(slots.collect()));
            }
            overrides.push(Value::Table(over));
            rest.retain(|&i| !together[i]);
        }
    }
    if !overrides.is_empty() {
        table.insert("override".into(), Value::Array(overrides));
    }
    table
}

/// One table of several with a value for each layer: what all share stands once, what differs is a list, with an empty text
/// for layers without it.
fn merged(layers: &[Table]) -> Table {
    let mut merged_table = Table::new();
    for key in layers.iter().flat_map(Table::keys) {
        let own: Vec<Option<&Value>> = layers.iter().map(|table| table.get(key)).collect();
        let value = if own.iter().all(|value| *value == own[0]) {
            own[0].cloned().expect("a key of some layer")
        } else if own.iter().all(|value| matches!(value, Some(Value::Table(_)))) {
            let tables: Vec<Table> = own.iter().filter_map(|value| value.and_then(Value::as_table).cloned()).collect();
            Value::Table(merged(&tables))
        } else {
            let none = || Value::String(String::new());
            Value::Array(own.into_iter().map(|value| value.cloned().unwrap_or_else(none)).collect())
        };
        merged_table.insert(key.clone(), value);
    }
    merged_table
}
