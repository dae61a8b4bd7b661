//! JSON schemas of what a config may say about layers, for editors and for `lrx layers`.

use std::collections::BTreeMap;

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema};
use serde_json::{Map, Value, json};

use crate::budget::BUDGET;
use crate::rules::RuleOf;
use crate::{About, Place, Registry};

/// The schema of a kind's options, without references: it is to be taken apart.
pub fn options_schema<O: JsonSchema>() -> Schema {
    let settings = SchemaSettings::draft07().with(|settings| settings.inline_subschemas = true);
    settings.into_generator().into_root_schema_for::<O>()
}

/// The options of a kind: their names, and which are lists.
pub(crate) struct OptionKeys {
    pub(crate) schema: Schema,
    lists: BTreeMap<String, bool>,
}

impl OptionKeys {
    pub(crate) fn new(schema: Schema) -> Self {
        let options = schema.as_value()["properties"].as_object();
        let lists = options.into_iter().flatten().map(|(key, option)| (key.clone(), may_be_list(option))).collect();
        Self { schema, lists }
    }

    pub(crate) fn has(&self, key: &str) -> bool {
        self.lists.contains_key(key)
    }

    /// Whether one value of the option is a list.
    pub(crate) fn is_list(&self, key: &str) -> bool {
        self.lists.get(key).copied().unwrap_or(false)
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.lists.keys().map(String::as_str)
    }
}

fn may_be_list(option: &Value) -> bool {
    let is_list = |kind: &Value| kind == "array";
    let of_type = match &option["type"] {
        Value::Array(types) => types.iter().any(is_list),
        one => is_list(one),
    };
    let alternatives = ["anyOf", "oneOf"].into_iter().filter_map(|key| option[key].as_array()).flatten();
    of_type || alternatives.into_iter().any(may_be_list)
}

impl Registry {
    /// The schema of `[model.attention]` or `[model.mlp]`: the registered kinds, the options of each, the slots, the rules, and
    /// which layers and slots are meant.
    ///
    /// Nothing is required: what a file leaves out may come from the one that it extends.
    pub fn block_schema(&self, place: Place) -> Value {
        let kinds = self.kinds_where(|of| of.is_none());
        let blocks = self.kinds_where(|of| of == Some(place));
        let slot = kinds_schema(&kinds, &self.common_schema());
        let mut own = self.common_schema();
        for (about, options) in &blocks {
            for (key, option) in options {
                either(own.entry(key.clone()).or_insert(Value::Null), per_layer(option.clone()));
            }
            own.extend(self.slots(about.name).iter().map(|name| (name.to_string(), slot.clone())));
        }
        let names = blocks.iter().map(|(about, _)| json!({"const": about.name, "description": about.summary}));
        let block = json!({"description": "The block itself.", "anyOf": names.collect::<Vec<_>>()});
        own.insert("block".into(), per_layer(block));
        let layers = json!({
            "description": "The layers where the kind stands, dense elsewhere: early, late, first, last, even, odd, all, or \
                numbers from 0 such as \"0,2-3\".",
            "type": ["string", "integer", "array"],
        });
        let slots = json!({
            "description": "The slots where the kind stands, dense elsewhere.",
            "type": ["string", "array"],
        });
        own.extend([("layers".to_string(), layers), ("slots".to_string(), slots)]);
        // A block kind may be named as a kind, too: it then stands with dense matrices in its slots.
        let either: Vec<_> =
            kinds.into_iter().chain(blocks.into_iter().map(|(about, _)| (about, Map::new()))).collect();
        let over = kinds_schema(&either, &own);
        own.insert(
            "override".into(),
            json!({"description": "What stands in some layers and slots instead.", "type": "array", "items": over}),
        );
        kinds_schema(&either, &own)
    }

    /// The kinds that stand where `fits` says, each with the schema of its options.
    fn kinds_where(&self, fits: impl Fn(Option<Place>) -> bool) -> Vec<(About, Map<String, Value>)> {
        let fitting = self.iter().filter(|(_, place)| fits(*place));
        let with_options = fitting.map(|(about, _)| {
            let (_, _, schema) = self.describe(about.name).expect("a registered kind");
            let options = schema.as_value()["properties"].as_object().cloned().unwrap_or_default();
            (about, options)
        });
        with_options.collect()
    }

    /// What may be said of every kind: the rules, and a budget in the place of its sizes.
    fn common_schema(&self) -> BTreeMap<String, Value> {
        let part = json!({"type": "number", "exclusiveMinimum": 0, "maximum": 1});
        let of_either = json!({
            "type": "object",
            "properties": {"parameters": part, "flops": part},
            "additionalProperties": false,
        });
        let budget = json!({
            "description": "The part of the dense matrix's numbers, or floating-point operations, that the kind may have: in \
                the place of ranks and blocks.",
            "anyOf": [part, of_either],
        });
        let schema = |of: RuleOf| {
            let own = self.rules().iter().filter(move |(is, ..)| *is == of);
            let mut any: Vec<Value> =
                own.map(|(_, about, _)| json!({"const": about.name, "description": about.summary})).collect();
            any.push(
                json!({"type": "object", "description": "`rule` and its options, or rules for single parameters."}),
            );
            if of != RuleOf::Init {
                any.push(json!({"type": "number", "minimum": 0, "description": "A factor."}));
            }
            let what = match of {
                RuleOf::Init => "How the parameters start.",
                RuleOf::LearningRate => "How fast the parameters learn.",
                RuleOf::Decay => "How the parameters decay.",
            };
            (of.key().to_string(), per_layer(json!({"description": what, "anyOf": any})))
        };
        RuleOf::ALL.into_iter().map(schema).chain([(BUDGET.to_string(), per_layer(budget))]).collect()
    }
}

/// Widens a schema by another: several kinds have an option of one name.
fn either(known: &mut Value, other: Value) {
    *known = match known.take() {
        Value::Null => other,
        one if one == other => one,
        one => json!({"anyOf": [one, other]}),
    };
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
