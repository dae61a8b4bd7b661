//! The JSON schema of `[train.optimizer]`.

use std::collections::BTreeMap;

use lrx_layers::{About, options_schema};
use serde_json::{Map, Value, json};

use super::Optimizers;
use super::groups::GroupKeys;
use super::spec::DEFAULT;

impl Optimizers {
    /// The schema of `[train.optimizer]`: the registered optimizers, the options of each, and groups.
    ///
    /// Nothing is required: what a file leaves out may come from the one that it extends.
    pub fn schema(&self) -> Value {
        let kinds: Vec<(About, Map<String, Value>)> =
            self.iter().map(|(about, schema)| (about, properties(schema.as_value()))).collect();
        let mut options: BTreeMap<String, Vec<Value>> = BTreeMap::new();
        for (key, option) in kinds.iter().flat_map(|(_, options)| options) {
            let known = options.entry(key.clone()).or_default();
            if !known.contains(option) {
                known.push(option.clone());
            }
        }
        let options = options.into_iter().map(|(key, mut schemas)| {
            let one = schemas.len() == 1;
            (key, if one { schemas.remove(0) } else { json!({"anyOf": schemas}) })
        });
        let options: Map<String, Value> = options.collect();

        let mut group = options.clone();
        group.extend(properties(options_schema::<GroupKeys>().as_value()));
        let group = json!({"type": "object", "properties": group, "additionalProperties": false});
        let names = kinds.iter().map(|(about, _)| json!({"const": about.name, "description": about.summary}));
        let names: Vec<Value> = names.collect();
        let mut own = options;
        own.insert("kind".into(), json!({"description": "The optimizer.", "default": DEFAULT, "anyOf": names}));
        own.insert(
            "group".into(),
            json!({"description": "Parameters with settings of their own; later ones win.", "type": "array", "items": group}),
        );
        let only_its_own = kinds.iter().map(|(about, options)| {
            let allowed: Vec<&str> = ["kind", "group"].into_iter().chain(options.keys().map(String::as_str)).collect();
            let is_meant = json!({"properties": {"kind": {"const": about.name}}, "required": ["kind"]});
            json!({"if": is_meant, "then": {"propertyNames": {"enum": allowed}}})
        });
        json!({
            "description": "How gradients become updates: AdamW unless said otherwise.",
            "type": "object",
            "properties": own,
            "additionalProperties": false,
            "allOf": only_its_own.collect::<Vec<_>>(),
        })
    }
}

fn properties(schema: &Value) -> Map<String, Value> {
    schema["properties"].as_object().cloned().unwrap_or_default()
}
