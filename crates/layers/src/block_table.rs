//! What `[model.attention]` or `[model.mlp]` says of every layer and slot.
//!
//! ```toml
//! kind = "low-rank"        # the linear kind in the slots; its options stand beside it
//! rank = [100, 50, 20, 5]  # one value for all layers, or a list with one for each
//! layers = "late"          # the kind, with all that is said here of slots, stands in these layers only: dense elsewhere
//! slots = ["q", "k"]       # ... and in these slots only
//! q = { rank = 4 }         # a slot of its own: of the same kind, it takes the options beside it, too
//! [[override]]             # these layers and slots have another kind; the last one that speaks of them holds
//! layers = "0-1"
//! kind = "dense"
//! ```

use std::collections::BTreeSet;

use toml::{Table, Value};

use crate::budget::BUDGET;
use crate::linear::Depth;
use crate::options::{join, known_names};
use crate::registry::RegisteredBlock;
use crate::rules::{RuleOf, WrittenRules};
use crate::selection::selected_layers;
use crate::{BlockShape, BlockSpec, LinearShape, OptionError, Place, Registry};

/// A value of the config, and its key within the block's table.
#[derive(Clone)]
struct Sourced {
    value: Value,
    at: String,
}

/// A linear kind with its options and rules, as written.
#[derive(Clone, Default)]
struct Entry {
    kind: Option<Sourced>,
    options: Vec<(String, Sourced)>,
    rules: Vec<(RuleOf, Sourced)>,
    /// The table that it was written in: `q`, `override.0`, or empty for the block's.
    at: String,
}

/// One layer's table, taken apart.
struct LayerTable<'r> {
    block: &'r RegisteredBlock,
    /// The block's own options.
    own: Vec<(String, Sourced)>,
    /// What stands in each slot.
    slots: Vec<(&'static str, Entry)>,
}

const DENSE: &str = "dense";

impl Registry {
    /// The attention or the MLP of every layer, from its table in the config; the shapes are those of the layers in order.
    ///
    /// # Errors
    /// What is wrong, at a key relative to the table.
    pub fn blocks(&self, place: Place, table: &Table, shapes: &[BlockShape]) -> Result<Vec<BlockSpec>, OptionError> {
        let layers = (0..shapes.len())
            .map(|layer| self.layer_table(place, table, layer, shapes.len()))
            .collect::<Result<Vec<_>, OptionError>>()?;
        self.check_all_used(&layers)?;
        layers.iter().zip(shapes).map(|(layer, shape)| self.layer_block(layer, shape)).collect()
    }

    /// Takes the table apart for one layer.
    fn layer_table(
        &self,
        place: Place,
        table: &Table,
        layer: usize,
        layers: usize,
    ) -> Result<LayerTable<'_>, OptionError> {
        let at_layer = |sourced: &Sourced| project(sourced, layer, layers, false);
        let overrides = overrides(table, layer, layers)?;
        // The block kind: `block`, or a `kind` that is one.
        let mut block = place.standard().to_string();
        let mut named_as_kind = false;
        let tables = std::iter::once((table, String::new()))
            .chain(overrides.iter().filter(|over| over.slots.is_none()).map(|over| (over.table, over.at.clone())));
        for (table, at) in tables {
            let name_at = |key: &str| table.get(key).and_then(Value::as_str);
            if let (Some(block), Some(kind)) = (name_at("block"), name_at("kind"))
                && self.is_block(kind)
                && block != kind
            {
                let message =
                    format!("`kind` is the block \"{kind}\", but `block` is \"{block}\"; expected one of the two");
                return Err(OptionError::new(join(&at, "kind"), message));
            }
            for key in ["block", "kind"] {
                let Some(written) = sourced(table, key, &at) else { continue };
                let Some(Sourced { value, at }) = at_layer(&written)? else { continue };
                let name = text(&value, key, &at)?;
                if key == "block" || self.is_block(&name) {
                    (block, named_as_kind) = (name, key == "kind");
                }
            }
        }
        let key = if named_as_kind { "kind" } else { "block" };
        let block = self.find_block(&block, place).map_err(|error| error.at(key))?;

        let mut own = Vec::new();
        let mut base = Entry::default();
        let mut slot_entries: Vec<(&'static str, Entry)> = Vec::new();
        for (key, value) in table {
            let sourced = Sourced { value: value.clone(), at: key.clone() };
            if let Some(&slot) = block.slots.iter().find(|slot| *slot == key) {
                if let Some(own) = table_of_layer(&sourced, layer, layers)? {
                    slot_entries.push((slot, entry_of_slot(slot, &own)?));
                }
            } else if block.keys.has(key) {
                own.push((key.clone(), sourced));
            } else {
                base.keep(key, sourced);
            }
        }
        if named_as_kind {
            base.kind = None;
        }

        let in_layer = match table.get("layers") {
            Some(value) => selected_layers(value, layers)?[layer],
            None => true,
        };
        let in_slots = table.get("slots").map(|value| slot_names(value, block.slots, "slots")).transpose()?;
        let mut slots = Vec::with_capacity(block.slots.len());
        for &slot in block.slots {
            let with_kind = in_layer && in_slots.as_ref().is_none_or(|slots| slots.contains(&slot));
            let mut entry = if with_kind { base.clone() } else { Entry::default() };
            if let Some((_, of_slot)) = slot_entries.iter().find(|(name, _)| *name == slot).filter(|_| in_layer) {
                entry = of_slot.over(&base);
            }
            for over in &overrides {
                let names = over.slots.map(|value| slot_names(value, block.slots, &format!("{}.slots", over.at)));
                if names.transpose()?.is_none_or(|names| names.contains(&slot)) && over.says_kind(block) {
                    let of_override = over.entry(block);
                    entry = if of_override.kind.is_some() { of_override } else { of_override.over(&base) };
                }
            }
            slots.push((slot, entry));
        }
        for over in overrides.iter().filter(|over| over.slots.is_none()) {
            for (key, value) in over.table.iter().filter(|(key, _)| block.keys.has(key)) {
                own.retain(|(known, _)| known != key);
                own.push((key.clone(), Sourced { value: value.clone(), at: format!("{}.{key}", over.at) }));
            }
        }
        Ok(LayerTable { block, own, slots })
    }

    /// Each option is one of some layer's kind.
    fn check_all_used(&self, layers: &[LayerTable<'_>]) -> Result<(), OptionError> {
        let mut used: BTreeSet<&str> = BTreeSet::new();
        let mut unused: Vec<(&str, &str, Vec<String>)> = Vec::new();
        for (i, layer) in layers.iter().enumerate() {
            for (_, entry) in &layer.slots {
                let name = entry.kind_name(i, layers.len())?;
                let kind = self.find_linear(&name).map_err(|error| entry.explain(error, i, layers.len()))?;
                for (key, Sourced { at, .. }) in &entry.options {
                    if kind.keys.has(key) || (key == BUDGET && name != DENSE) {
                        used.insert(at);
                        continue;
                    }
                    let mut known: Vec<String> = kind.keys.names().map(str::to_string).collect();
                    if at == key {
                        known.extend(
                            layer.block.keys.names().chain(layer.block.slots.iter().copied()).map(str::to_string),
                        );
                        known.extend(["kind", "block", "layers", "slots", "override"].map(str::to_string));
                    } else {
                        known.push("kind".to_string());
                    }
                    known.extend(RuleOf::ALL.map(|of| of.key().to_string()));
                    unused.push((key, at, known));
                }
            }
        }
        let Some((key, at, known)) = unused.into_iter().find(|(_, at, _)| !used.contains(at)) else { return Ok(()) };
        let owners: Vec<String> = self.owners(key).into_iter().map(|name| format!("`{name}`")).collect();
        if !owners.is_empty() {
            let message =
                format!("unknown key `{key}`: an option of {}, which is not the `kind` here", owners.join(", "));
            return Err(OptionError::new(at, message));
        }
        let known: Vec<&str> = known.iter().map(String::as_str).collect();
        Err(OptionError::unknown_key(at.to_string(), key, &known))
    }

    fn layer_block(&self, table: &LayerTable<'_>, shape: &BlockShape) -> Result<BlockSpec, OptionError> {
        let (layer, layers) = (shape.layer, shape.layers);
        let own = OwnOptions { options: &table.own, keys: &table.block.keys, layer, layers };
        let options = own.projected()?;
        let mut in_slot = false;
        let mut resolve = |key: &'static str, linear: LinearShape, depth: Depth| {
            let (_, entry) = table.slots.iter().find(|(name, _)| *name == key).expect("one of the slots of the kind");
            let spec = self.slot_spec(entry, linear, depth);
            in_slot = spec.is_err();
            spec
        };
        let spec = self.block_with(table.block, options, *shape, &mut resolve);
        spec.map_err(|error| if in_slot { error } else { own.explain(error) })
    }

    fn slot_spec(&self, entry: &Entry, shape: LinearShape, depth: Depth) -> Result<crate::LinearSpec, OptionError> {
        let (layer, layers) = (depth.layer, depth.layers);
        let name = entry.kind_name(layer, layers)?;
        let kind = self.find_linear(&name).map_err(|error| entry.explain(error, layer, layers))?;
        let mut options = Table::new();
        let is_own = |key: &str| kind.keys.has(key) || (key == BUDGET && name != DENSE);
        for (key, sourced) in entry.options.iter().filter(|(key, _)| is_own(key)) {
            if let Some(own) = project(sourced, layer, layers, kind.keys.is_list(key))? {
                options.insert(key.clone(), own.value);
            }
        }
        let mut rules = Table::new();
        for (of, sourced) in &entry.rules {
            if let Some(own) = project(sourced, layer, layers, false)? {
                rules.insert(of.key().into(), own.value);
            }
        }
        let rules = WrittenRules::take_from(&mut rules);
        let spec = self.linear_with(&name, options, &rules, shape, depth);
        spec.map_err(|error| entry.explain(error, layer, layers))
    }
}

impl Entry {
    /// Sorts a value of a table into kind, rules and options; what speaks of layers and slots is nobody's.
    fn keep(&mut self, key: &str, sourced: Sourced) {
        match (key, RuleOf::ALL.into_iter().find(|of| of.key() == key)) {
            ("block" | "layers" | "slots" | "override", _) => {}
            ("kind", _) => self.kind = Some(sourced),
            (_, Some(of)) => self.rules.push((of, sourced)),
            (key, None) => self.options.push((key.to_string(), sourced)),
        }
    }

    /// This entry where it stands in a table of `outer`: with its options where both are of one kind.
    fn over(&self, outer: &Entry) -> Entry {
        let same = match (&self.kind, &outer.kind) {
            (None, _) => true,
            (Some(own), Some(outer)) => own.value == outer.value,
            (Some(own), None) => own.value.as_str() == Some(DENSE),
        };
        if !same {
            return self.clone();
        }
        let mut entry = Entry { kind: self.kind.clone().or(outer.kind.clone()), at: self.at.clone(), ..self.clone() };
        let own_options: Vec<&String> = self.options.iter().map(|(key, _)| key).collect();
        entry.options.extend(outer.options.iter().filter(|(key, _)| !own_options.contains(&key)).cloned());
        let own_rules: Vec<RuleOf> = self.rules.iter().map(|(of, _)| *of).collect();
        entry.rules.extend(outer.rules.iter().filter(|(of, _)| !own_rules.contains(of)).cloned());
        entry
    }

    fn kind_name(&self, layer: usize, layers: usize) -> Result<String, OptionError> {
        let Some(kind) = &self.kind else { return Ok(DENSE.to_string()) };
        let own = project(kind, layer, layers, false)?;
        own.map_or(Ok(DENSE.to_string()), |Sourced { value, at }| text(&value, "kind", &at))
    }

    /// An error about this entry's options, at the place where the config has them.
    fn explain(&self, mut error: OptionError, layer: usize, layers: usize) -> OptionError {
        let (first, rest) = error.key.split_once('.').map_or((error.key.as_str(), ""), |(first, rest)| (first, rest));
        let rule = self.rules.iter().find(|(of, _)| of.key() == first).map(|(_, sourced)| sourced);
        let option = self.options.iter().find(|(key, _)| key == first).map(|(_, sourced)| sourced);
        let kind = self.kind.as_ref().filter(|_| first == "kind");
        error.key = match rule.or(option).or(kind) {
            Some(sourced) => key_of(sourced, layer, layers, rest),
            None => join(&self.at, &error.key),
        };
        error
    }
}

/// The options of the block itself, for one layer.
struct OwnOptions<'a> {
    options: &'a [(String, Sourced)],
    keys: &'a crate::schema::OptionKeys,
    layer: usize,
    layers: usize,
}

impl OwnOptions<'_> {
    fn projected(&self) -> Result<Table, OptionError> {
        let mut table = Table::new();
        for (key, sourced) in self.options {
            if let Some(own) = project(sourced, self.layer, self.layers, self.keys.is_list(key))? {
                table.insert(key.clone(), own.value);
            }
        }
        Ok(table)
    }

    fn explain(&self, mut error: OptionError) -> OptionError {
        let (first, rest) = error.key.split_once('.').map_or((error.key.as_str(), ""), |(first, rest)| (first, rest));
        if let Some((_, sourced)) = self.options.iter().find(|(key, _)| key == first) {
            error.key = key_of(sourced, self.layer, self.layers, rest);
        }
        error
    }
}

/// An `[[override]]` that speaks of a layer.
struct Override<'t> {
    table: &'t Table,
    at: String,
    slots: Option<&'t Value>,
}

impl Override<'_> {
    /// Whether it has more to say than options of the block itself.
    fn says_kind(&self, block: &RegisteredBlock) -> bool {
        let of_block = |key: &str| self.slots.is_none() && block.keys.has(key);
        self.table.keys().any(|key| !matches!(key.as_str(), "block" | "layers" | "slots") && !of_block(key))
    }

    fn entry(&self, block: &RegisteredBlock) -> Entry {
        let mut entry = Entry { at: self.at.clone(), ..Entry::default() };
        for (key, value) in self.table.iter().filter(|(key, _)| self.slots.is_some() || !block.keys.has(key)) {
            entry.keep(key, Sourced { value: value.clone(), at: format!("{}.{key}", self.at) });
        }
        entry
    }
}

/// The overrides that speak of `layer`, in their order.
fn overrides(table: &Table, layer: usize, layers: usize) -> Result<Vec<Override<'_>>, OptionError> {
    let written = match table.get("override") {
        None => return Ok(Vec::new()),
        Some(Value::Array(written)) => written,
        Some(other) => {
            let message = format!("`override` is {other}; expected tables, each as [[override]]");
            return Err(OptionError::new("override", message));
        }
    };
    let mut speaking = Vec::new();
    for (i, over) in written.iter().enumerate() {
        let at = format!("override.{i}");
        let Value::Table(table) = over else {
            return Err(OptionError::new(at, format!("`override` has {over}; expected tables, each as [[override]]")));
        };
        let key = |key: &str| format!("{at}.{key}");
        if table.contains_key("override") {
            let message = "unknown key `override`: one override does not hold others".to_string();
            return Err(OptionError::new(key("override"), message));
        }
        if table.contains_key("block") && table.contains_key("slots") {
            let message = "`block` stands beside `slots`, but replaces all of them".to_string();
            return Err(OptionError::new(key("block"), message));
        }
        if table.keys().all(|key| matches!(key.as_str(), "layers" | "slots")) {
            let message = "the override says nothing; expected a `kind`, options or rules beside `layers` and `slots`";
            return Err(OptionError::new(at, message));
        }
        let is_in = match table.get("layers") {
            Some(value) => selected_layers(value, layers).map_err(|error| error.inside(&at))?[layer],
            None => true,
        };
        if is_in {
            speaking.push(Override { table, slots: table.get("slots"), at });
        }
    }
    Ok(speaking)
}

/// One layer's own, where there is a list of tables; inside a table, each option may be a list still.
fn table_of_layer(sourced: &Sourced, layer: usize, layers: usize) -> Result<Option<Sourced>, OptionError> {
    match &sourced.value {
        Value::Array(_) => project(sourced, layer, layers, false),
        _ => Ok(Some(sourced.clone())),
    }
}

fn entry_of_slot(slot: &str, Sourced { value, at }: &Sourced) -> Result<Entry, OptionError> {
    let Value::Table(table) = value else {
        let message = format!("`{slot}` is {value}; expected a table such as {{ kind = \"low-rank\", rank = 8 }}");
        return Err(OptionError::new(at, message));
    };
    let mut entry = Entry { at: at.clone(), ..Entry::default() };
    for (key, value) in table {
        let at = format!("{at}.{key}");
        if ["block", "layers", "slots", "override"].contains(&key.as_str()) {
            return Err(OptionError::new(
                at,
                format!("unknown key `{key}`: it is said of the whole block, not of a slot"),
            ));
        }
        entry.keep(key, Sourced { value: value.clone(), at });
    }
    Ok(entry)
}

/// The slots that `value` names: a name, several with spaces or commas between them, or a list of names.
fn slot_names(value: &Value, slots: &[&'static str], at: &str) -> Result<Vec<&'static str>, OptionError> {
    let error = |message: String| OptionError::new(at, message);
    let names: Vec<&str> = match value {
        Value::String(names) => names.split([' ', ',']).filter(|name| !name.is_empty()).collect(),
        Value::Array(names) => names
            .iter()
            .map(|name| name.as_str().ok_or_else(|| error(format!("`slots` has {name}; expected names in quotes"))))
            .collect::<Result<_, _>>()?,
        other => {
            return Err(error(format!(
                "`slots` is {other}; expected a list of names such as [\"{}\"]",
                slots.join("\", \"")
            )));
        }
    };
    if names.is_empty() {
        return Err(error("`slots` is empty: the kind would stand nowhere".to_string()));
    }
    let find = |name: &&str| {
        let unknown = || error(format!("`slots` has \"{name}\", which is no slot here{}", known_names(name, slots)));
        slots.iter().find(|slot| *slot == name).copied().ok_or_else(unknown)
    };
    names.iter().map(find).collect()
}

fn sourced(table: &Table, key: &str, at: &str) -> Option<Sourced> {
    Some(Sourced { value: table.get(key)?.clone(), at: join(at, key) })
}

/// The value that one layer has: a list gives each layer its own, or none where it has an empty text. Of an option that is a
/// list itself (`is_list`), only a list of lists is one for the layers.
fn project(sourced: &Sourced, layer: usize, layers: usize, is_list: bool) -> Result<Option<Sourced>, OptionError> {
    let list = match &sourced.value {
        Value::Array(list) if !is_list || list.iter().any(Value::is_array) => list,
        Value::Table(table) => {
            // Of rules for single parameters, and options that are tables, each value may be a list.
            let mut own = Table::new();
            for (key, value) in table {
                let inner = Sourced { value: value.clone(), at: format!("{}.{key}", sourced.at) };
                if let Some(projected) = project(&inner, layer, layers, false)? {
                    own.insert(key.clone(), projected.value);
                }
            }
            return Ok(Some(Sourced { value: Value::Table(own), at: sourced.at.clone() }));
        }
        _ => return Ok(Some(sourced.clone())),
    };
    if list.len() != layers {
        let (values, layers) = (plural(list.len(), "value"), plural(layers, "layer"));
        let message = format!("the list has {values}, but the model has {layers}");
        return Err(OptionError::new(&sourced.at, message).about_sizes());
    }
    match &list[layer] {
        Value::String(text) if text.is_empty() => Ok(None),
        value => Ok(Some(Sourced { value: value.clone(), at: format!("{}.{layer}", sourced.at) })),
    }
}

/// Where the config has what a layer sees as `sourced`, or a part of it.
fn key_of(sourced: &Sourced, layer: usize, layers: usize, rest: &str) -> String {
    let is_per_layer = matches!(&sourced.value, Value::Array(list) if list.len() == layers);
    let at = if is_per_layer { format!("{}.{layer}", sourced.at) } else { sourced.at.clone() };
    join(&at, rest)
}

fn text(value: &Value, key: &str, at: &str) -> Result<String, OptionError> {
    match value {
        Value::String(text) => Ok(text.clone()),
        other => {
            let what = if key == "block" { "block kind" } else { "layer kind" };
            Err(OptionError::new(at, format!("`{key}` is {other}; expected the name of a {what} in quotes")))
        }
    }
}

fn plural(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}
