//! The standard blocks of GPT-Neo, with a linear kind in each slot.

mod attention;
mod fused;
mod mlp;

pub(crate) use attention::{ATTENTION_SLOTS, standard_attention};
pub(crate) use mlp::{MLP_SLOTS, standard_mlp};

use toml::{Table, Value};

use crate::{Cost, LinearShape, LinearSpec, OptionError, Registry};

/// A slot of a standard block: its name in the config, in the weights file, and its shape.
struct Slot {
    key: &'static str,
    weights: &'static str,
    shape: LinearShape,
}

/// The slots of a standard block, each with its kind and options.
struct Slots {
    specs: Vec<LinearSpec>,
    kind: String,
    rank: String,
    options: Table,
    cost: Cost,
}

/// Reads a block's table as options of the linear kind `kind` for all slots, and of slots that have a table of their
/// own. `rest` is what remains of the block's table when the block has taken its own keys.
fn resolve_slots(registry: &Registry, kind: &str, mut rest: Table, slots: &[Slot]) -> Result<Slots, OptionError> {
    let own_tables: Vec<Option<Value>> = slots.iter().map(|slot| rest.remove(slot.key)).collect();
    let keys: Vec<&str> = std::iter::once("kind").chain(slots.iter().map(|slot| slot.key)).collect();
    let linear = |name: &str, options: Table, shape| {
        registry.linear(name, options, shape).map_err(|error| error.also_known(&keys))
    };
    let mut specs = Vec::with_capacity(slots.len());
    let mut options = Table::new();
    options.insert("kind".into(), kind.into());
    for (slot, own) in slots.iter().zip(own_tables) {
        let spec = match own {
            None => linear(kind, rest.clone(), slot.shape)?,
            Some(Value::Table(mut own)) => {
                let own_kind = take_kind(&mut own).map_err(|error| error.inside(slot.key))?;
                let own_kind = own_kind.unwrap_or_else(|| kind.to_string());
                let inherited = if own_kind == kind { rest.clone() } else { Table::new() };
                let written_outside = |key: &str| inherited.contains_key(key) && !own.contains_key(key);
                let own_options = inherited.iter().chain(&own).map(|(key, value)| (key.clone(), value.clone()));
                let spec = registry.linear(&own_kind, own_options.collect(), slot.shape).map_err(|error| {
                    if written_outside(&error.key) {
                        error.also_known(&keys)
                    } else {
                        error.also_known(&["kind"]).inside(slot.key)
                    }
                })?;
                let mut resolved = spec.options.clone();
                resolved.insert("kind".into(), own_kind.into());
                options.insert(slot.key.into(), Value::Table(resolved));
                spec
            }
            Some(other) => {
                let key = slot.key;
                let message =
                    format!("`{key}` is {other}; expected a table such as {{ kind = \"low-rank\", rank = 8 }}");
                return Err(OptionError::new(slot.key, message));
            }
        };
        specs.push(spec);
    }
    // The block's own kind with its options: read off a slot that uses them, checked even where none does.
    let base = slots.iter().zip(&specs).find(|(slot, _)| !options.contains_key(slot.key));
    let (base_options, base_rank) = match base {
        Some((_, spec)) => (spec.options.clone(), spec.rank),
        None if rest.is_empty() => (Table::new(), None),
        None => (linear(kind, rest, slots[0].shape)?.options, None),
    };
    let apart = |f: &dyn Fn(&LinearSpec) -> Option<String>| -> Vec<String> {
        let named = slots.iter().zip(&specs).filter(|(slot, _)| options.contains_key(slot.key));
        named.filter_map(|(slot, spec)| f(spec).map(|text| format!("{}={text}", slot.key))).collect()
    };
    let kinds = apart(&|spec| (spec.kind != kind).then(|| spec.kind.to_string()));
    let ranks = apart(&|spec| (spec.rank != base_rank).then(|| spec.rank?.to_string().into()).flatten());
    let kind_cell = std::iter::once(kind.to_string()).chain(kinds).collect::<Vec<_>>().join(" ");
    let rank = base_rank.map(|rank| rank.to_string()).into_iter().chain(ranks).collect::<Vec<_>>().join("/");
    options.extend(base_options);
    Ok(Slots { cost: specs.iter().map(|spec| spec.cost).sum(), kind: kind_cell, rank, options, specs })
}

/// Takes `kind` out of a table.
pub(crate) fn take_kind(table: &mut Table) -> Result<Option<String>, OptionError> {
    match table.remove("kind") {
        None => Ok(None),
        Some(Value::String(kind)) => Ok(Some(kind)),
        Some(other) => {
            Err(OptionError::new("kind", format!("`kind` is {other}; expected the name of a layer kind in quotes")))
        }
    }
}
