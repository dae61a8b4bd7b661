//! What stands in the blocks of a model, in words, for labels: `low-rank 12, late, q k`.
//!
//! The words follow from the resolved layers, not from how a config was written: what stands in a slot is told whether it
//! came from the block's table, a slot's own or an `[[override]]`, and what is only the default is not.

use lrx_layers::rules::RuleOf;
use lrx_layers::{BlockSpec, Place, layers_words};
use toml::{Table, Value};

use crate::config::ModelSpec;

/// The attention, or the MLP, of a model in words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BlockWords {
    /// What is not dense, and where it stands, the most of it first: `low-rank 4`, `q`, `v low-rank 2`. Nothing where all
    /// is dense.
    pub standing: Vec<String>,
    /// What else is not at its default.
    pub others: Vec<OtherWords>,
}

/// A rule, or an option of the block itself, that is not at its default.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OtherWords {
    /// Its key in the block's table: `init`, `window`.
    pub key: String,
    /// It with its value: `init spectral`, `window 0 256`.
    pub words: String,
}

/// What stands in one slot of one layer.
#[derive(Clone)]
struct Cell {
    name: String,
    /// What is not at its default.
    options: Table,
}

/// Cells by slot and layer; `None` where nothing is to be told.
struct Grid {
    slots: Vec<&'static str>,
    cells: Vec<Vec<Option<Cell>>>,
}

/// One thing in some slots of some layers.
struct Piece {
    text: String,
    /// Whether it stands in each layer.
    layers: Vec<bool>,
    /// Places of slots.
    slots: Vec<usize>,
}

impl ModelSpec {
    /// What stands in the attention, or the MLP.
    pub fn words(&self, place: Place) -> BlockWords {
        let blocks: Vec<&BlockSpec> = self.blocks(place).collect();
        let kinds = Grid::of(&blocks, |linear| {
            let options = linear.identity.clone();
            (linear.kind != "dense" || !options.is_empty()).then(|| Cell { name: linear.kind.to_string(), options })
        });
        let called = if place == Place::Mlp { "MLP " } else { "" };
        let mut others = Vec::new();
        let without_slots = without_slots(&blocks, called);
        if without_slots.is_empty() && blocks.iter().any(|block| block.kind != place.standard()) {
            let names: Vec<String> = blocks.iter().map(|block| block.kind.to_string()).collect();
            let words = if same(&names) { names[0].clone() } else { format!("block {}", names.join(" ")) };
            others.push(OtherWords { key: "block".into(), words });
        }
        others.extend(own_options(&blocks));
        for of in RuleOf::ALL {
            let rules = Grid::of(&blocks, |linear| {
                let name = linear.rules.cell(of).replace('=', " ");
                (!name.is_empty()).then(|| Cell { name, options: Table::new() })
            });
            let words = rules.as_rule(of.key(), &kinds);
            others.extend((!words.is_empty()).then(|| OtherWords { key: of.key().into(), words }));
        }
        BlockWords { standing: without_slots.into_iter().chain(kinds.standing(called)).collect(), others }
    }
}

/// Blocks in which no kind can stand, as kinds of their own.
fn without_slots(blocks: &[&BlockSpec], called: &str) -> Vec<String> {
    let mut names: Vec<&str> = Vec::new();
    for block in blocks.iter().filter(|block| block.slots.is_empty()) {
        if !names.contains(&block.kind) {
            names.push(block.kind);
        }
    }
    let words = |name: &str| {
        let layers: Vec<bool> = blocks.iter().map(|block| block.kind == name).collect();
        joined([Some(format!("{called}{name}")), layers_words(&layers)])
    };
    names.into_iter().map(words).collect()
}

/// The options of blocks themselves that are not at their default in some layer.
fn own_options(blocks: &[&BlockSpec]) -> Vec<OtherWords> {
    let mut keys: Vec<&String> = Vec::new();
    for key in blocks.iter().flat_map(|block| block.identity.keys()) {
        if !keys.contains(&key) {
            keys.push(key);
        }
    }
    let words = |key: &String| {
        let values = blocks.iter().map(|block| block.options.get(key));
        OtherWords { key: key.clone(), words: format!("{} {}", spaced(key), each(values)) }
    };
    keys.into_iter().map(words).collect()
}

impl Grid {
    fn of(blocks: &[&BlockSpec], cell: impl Fn(&lrx_layers::LinearSpec) -> Option<Cell>) -> Self {
        let mut slots: Vec<&'static str> = Vec::new();
        for slot in blocks.iter().flat_map(|block| &block.slots) {
            if !slots.contains(&slot.key) {
                slots.push(slot.key);
            }
        }
        let of_slot = |key: &&'static str| {
            let of_layer = |block: &&BlockSpec| {
                let slot = block.slots.iter().find(|slot| slot.key == *key)?;
                cell(&slot.linear)
            };
            blocks.iter().map(of_layer).collect()
        };
        let cells = slots.iter().map(of_slot).collect();
        Self { slots, cells }
    }

    /// What stands somewhere, the most of it first, then in the order of slots and layers.
    fn pieces(&self) -> Vec<Piece> {
        let mut pieces: Vec<Piece> = Vec::new();
        for (slot, layers) in self.cells.iter().enumerate() {
            let mut names: Vec<&str> = Vec::new();
            for cell in layers.iter().flatten() {
                if !names.contains(&cell.name.as_str()) {
                    names.push(&cell.name);
                }
            }
            for name in names {
                let here: Vec<Option<&Cell>> =
                    layers.iter().map(|cell| cell.as_ref().filter(|cell| cell.name == name)).collect();
                let text = text(name, here.iter().copied().flatten());
                let is_in: Vec<bool> = here.iter().map(Option::is_some).collect();
                match pieces.iter_mut().find(|piece| (&piece.text, &piece.layers) == (&text, &is_in)) {
                    Some(piece) => piece.slots.push(slot),
                    None => pieces.push(Piece { text, layers: is_in, slots: vec![slot] }),
                }
            }
        }
        let size = |piece: &Piece| piece.slots.len() * piece.layers.iter().filter(|&&is_in| is_in).count();
        // `max_by_key` takes the last of equals; reversed, that is the first.
        if let Some((main, _)) = pieces.iter().enumerate().rev().max_by_key(|(_, piece)| size(piece)) {
            let main = pieces.remove(main);
            pieces.insert(0, main);
        }
        pieces
    }

    /// The kinds that stand in the slots: the main one as `low-rank 4`, `late`, `q k`, others as `v low-rank 2 early`.
    fn standing(&self, called: &str) -> Vec<String> {
        let pieces = self.pieces();
        let Some((main, others)) = pieces.split_first() else { return Vec::new() };
        let mut words = vec![format!("{called}{}", main.text)];
        words.extend(layers_words(&main.layers));
        // Its slots go without saying where it is in all of them, or all others are told.
        let is_told = |slot: usize| {
            let is_there = |layer: usize| !main.layers[layer] || self.cells[slot][layer].is_some();
            (0..main.layers.len()).all(is_there)
        };
        if !(0..self.slots.len()).all(is_told) {
            words.push(self.names(&main.slots));
        }
        for Piece { text, layers, slots } in others {
            let slots = if slots.len() == self.slots.len() { called.trim().into() } else { self.names(slots) };
            let layers = if *layers == main.layers { None } else { Some(in_words(layers)) };
            words.push(joined([Some(slots), Some(text.clone()), layers]));
        }
        words
    }

    /// A rule: where it stands in what is not dense, by itself; else with its slots and layers.
    fn as_rule(&self, key: &str, kinds: &Grid) -> String {
        let is_any = kinds.cells.iter().flatten().any(Option::is_some);
        let goes_without_saying = |slot: usize, layer: usize| !is_any || kinds.cells[slot][layer].is_some();
        let pieces = self.pieces();
        if let [piece] = pieces.as_slice() {
            let everywhere = (0..self.slots.len()).all(|slot| {
                (0..piece.layers.len())
                    .all(|layer| self.cells[slot][layer].is_some() == goes_without_saying(slot, layer))
            });
            if everywhere {
                return format!("{key} {}", piece.text);
            }
        }
        let phrase = |Piece { text, layers, slots }: &Piece| {
            let slots = (slots.len() < self.slots.len()).then(|| self.names(slots));
            let layers = if slots.is_some() { layers_words(layers) } else { Some(in_words(layers)) };
            joined([slots, Some(format!("{key} {text}")), layers])
        };
        pieces.iter().map(phrase).collect::<Vec<_>>().join(", ")
    }

    fn names(&self, slots: &[usize]) -> String {
        slots.iter().map(|&slot| spaced(self.slots[slot])).collect::<Vec<_>>().join(" ")
    }
}

/// A kind with its size: `low-rank 4`, where layers differ `low-rank 4 8`, with other options `monarch blocks 4`.
fn text<'c>(name: &str, cells: impl Iterator<Item = &'c Cell>) -> String {
    let cells: Vec<&Cell> = cells.collect();
    let mut keys: Vec<&String> = cells.iter().flat_map(|cell| cell.options.keys()).collect();
    keys.sort_by_key(|key| (*key != "rank", *key));
    keys.dedup();
    let mut words = vec![name.to_string()];
    for key in keys {
        let value = each(cells.iter().map(|cell| cell.options.get(key)));
        words.push(if key == "rank" { value } else { format!("{} {value}", spaced(key)) });
    }
    words.join(" ")
}

/// What all layers share, or each layer's.
fn each<'v>(values: impl Iterator<Item = Option<&'v Value>>) -> String {
    let values: Vec<String> = values.map(|value| value.map_or_else(|| "-".into(), short)).collect();
    if same(&values) {
        values[0].clone()
    } else {
        values.iter().map(|value| value.replace(' ', "/")).collect::<Vec<_>>().join(" ")
    }
}

fn same(values: &[String]) -> bool {
    values.windows(2).all(|pair| pair[0] == pair[1])
}

fn in_words(layers: &[bool]) -> String {
    layers_words(layers).unwrap_or_else(|| "all".into())
}

fn joined<const N: usize>(words: [Option<String>; N]) -> String {
    words.into_iter().flatten().filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

fn spaced(key: &str) -> String {
    key.replace('_', " ")
}

/// A value without quotes and brackets.
fn short(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(values) => values.iter().map(short).collect::<Vec<_>>().join(" "),
        Value::Table(table) => {
            table.iter().map(|(key, value)| format!("{} {}", spaced(key), short(value))).collect::<Vec<_>>().join(" ")
        }
        value => value.to_string(),
    }
}
