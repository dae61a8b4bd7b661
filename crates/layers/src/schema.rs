//! JSON schemas of what a config may say about layers, for editors and for `lrx layers`.

use std::collections::BTreeMap;

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema};
use serde_json::{Map, Value, json};

use crate::blocks::{ATTENTION_SLOTS, MLP_SLOTS};
use crate::{About, Place, Registry};

/// The schema of a kind's options, without references: it is to be taken apart.
pub(crate) fn options_schema<O: JsonSchema>() -> Schema {
    let settings = SchemaSettings::draft07().with(|settings| settings.inline_subschemas = true);
    settings.into_generator().into_root_schema_for::<O>()
}

impl Registry {
    /// The schema of `[model.attention]` or `[model.mlp]`: the registered kinds, the options of each, the slots, and the
    /// keys of the block itself (`own`, with the schema of one layer's value).
    ///
    /// Nothing is required: what a file leaves out may come from the one that it extends.
    pub fn block_schema(&self, place: Place, own: &[(&str, Value)]) -> Value {
        let in_block = self.kinds_where(|of| of.is_none_or(|of| of == place));
        let in_slot = self.kinds_where(|of| of.is_none());
        let slots: &[&str] = match place {
            Place::Attention => &ATTENTION_SLOTS,
            Place::Mlp => &MLP_SLOTS,
        };
        let slot = kinds_schema(&in_slot, &BTreeMap::new());
        let slots = slots.iter().map(|name| (name.to_string(), slot.clone()));
        let own = own.iter().map(|(name, schema)| (name.to_string(), per_layer(schema.clone())));
        kinds_schema(&in_block, &own.chain(slots).collect())
    }

    /// The kinds that stand where `fits` says, each with the schema of its options.
    fn kinds_where(&self, fits: impl Fn(Option<Place>) -> bool) -> Vec<(About, Map<String, Value>)> {
        let fitting = self.iter().filter(|(_, place)| fits(*place));
        let with_options = fitting.map(|(about, _)| {
            let (_, schema) = self.describe(about.name).expect("a registered kind");
            let options = schema.as_value()["properties"].as_object().cloned().unwrap_or_default();
            (about, options)
        });
        with_options.collect()
    }
}

/// A table with `kind`, the options of the kind, and `others`.
fn kinds_schema(kinds: &[(About, Map<String, Value>)], others: &BTreeMap<String, Value>) -> Value {
    let names = kinds.iter().map(|(about, _)| json!({"const": about.name, "description": about.summary}));
    let mut properties: BTreeMap<String, Value> = others.clone();
    properties.insert("kind".into(), per_layer(json!({"anyOf": names.collect::<Vec<_>>()})));
    let mut options: BTreeMap<&String, Vec<&Value>> = BTreeMap::new();
    for (key, option) in kinds.iter().flat_map(|(_, options)| options) {
        let known = options.entry(key).or_default();
        if !known.contains(&option) {
            known.push(option);
        }
    }
    for (key, schemas) in options {
        let schema = if let [one] = schemas[..] { one.clone() } else { json!({"anyOf": schemas}) };
        properties.insert(key.clone(), per_layer(schema));
    }
    let only_its_own = kinds.iter().map(|(about, options)| {
        let allowed: Vec<&String> = others.keys().chain(options.keys()).collect();
        let allowed = [json!("kind")].into_iter().chain(allowed.into_iter().map(|key| json!(key)));
        json!({
            "if": {"properties": {"kind": {"const": about.name}}, "required": ["kind"]},
            "then": {"propertyNames": {"enum": allowed.collect::<Vec<_>>()}},
        })
    });
    json!({
        "type": "object",
        "properties": properties,
        "additionalProperties": false,
        "allOf": only_its_own.collect::<Vec<_>>(),
    })
}

/// One value for all layers, or a list with one for each; an empty text for a layer that has none.
fn per_layer(mut schema: Value) -> Value {
    let description = schema.as_object_mut().and_then(|schema| schema.remove("description"));
    let mut either = json!({"anyOf": [schema, {"type": "array", "items": {"anyOf": [schema, {"const": ""}]}}]});
    if let (Some(description), Some(either)) = (description, either.as_object_mut()) {
        either.insert("description".into(), description);
    }
    either
}
