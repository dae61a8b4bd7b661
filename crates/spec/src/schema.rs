//! The JSON schema of a config, from the types that read it and the registered layer kinds.

use lrx_data::DataConfig;
use lrx_layers::{Place, Registry};
use lrx_model::ModelConfig;
use lrx_train::{RegisterOptimizer, TrainConfig};
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::{Value, json};

use crate::claim::ClaimConfig;
use crate::compare::CompareConfig;
use crate::experiment::Top;

/// The schema: draft 7, which editors of TOML understand, and without references.
///
/// Nothing is required in it: what a file leaves out may come from the one that it extends, or has a default.
pub fn schema(registry: &Registry) -> Value {
    let mut model = of::<ModelConfig>();
    model["properties"]["attention"] = registry.block_schema(Place::Attention);
    model["properties"]["mlp"] = registry.block_schema(Place::Mlp);

    let mut train = of::<TrainConfig>();
    train["properties"]["optimizer"] = registry.optimizers().schema();
    without_null(&mut train);
    or_tuned(&mut train);

    let mut config = of::<Top>();
    config["properties"]["name"]["pattern"] = json!(r"^[^\W-][\w.-]*$");
    config["properties"]["label"]["pattern"] = json!(r"^\s*[^\s=+@-]");
    config["title"] = json!("The config of an lrx experiment");
    config["description"] = json!("One file is one experiment. `lrx plan` lists the runs that it describes.");
    let sections = [
        ("data", of::<DataConfig>(), "The stories, their tokenizer, and what is held out."),
        ("model", model, "The model: GPT-Neo unless said otherwise, with a layer kind in each place."),
        ("train", train, "Batches, length, learning rate, the optimizer, and how often is measured."),
    ];
    for (section, mut schema, description) in sections {
        schema["description"] = json!(description);
        for key in ["$schema", "title"] {
            schema.as_object_mut().expect("a schema").remove(key);
        }
        config["properties"][section] = schema;
    }
    // What it has to come to may be in the file that this one extends.
    let mut compare = of::<CompareConfig>();
    without_null(&mut compare);
    for key in ["$schema", "title", "required"] {
        compare.as_object_mut().expect("a schema").remove(key);
    }
    compare["description"] = json!("Sizes that are solved for, so that all configurations have as much of something.");
    // A case sets keys of the config, as tables or as dotted keys in quotes.
    let mut case = json!({
        "type": "object",
        "properties": config["properties"],
        "patternProperties": {DOTTED: {}},
        "additionalProperties": false,
    });
    // What an experiment has one of.
    for key in ["name", "log"] {
        case["properties"].as_object_mut().expect("properties").remove(key);
    }
    config["properties"]["compare"] = compare;
    let mut claim = of::<ClaimConfig>();
    without_null(&mut claim);
    for key in ["$schema", "title"] {
        claim.as_object_mut().expect("a schema").remove(key);
    }
    config["properties"]["claim"] = json!({
        "type": "array",
        "description": "What is expected of the experiment: written down before its runs, and answered first by the report.",
        "items": claim,
    });
    config["properties"]["extends"] =
        json!({"type": "string", "description": "A config that this one overrides, key by key."});
    config["properties"]["sweep"] = json!({
        "type": "object",
        "description": "The cross product of lists of values, each point a run; with cases, each of them at each point.",
        "properties": {
            "case": {"type": "array", "minItems": 1, "items": case},
            "dense_baseline": {
                "type": "boolean",
                "description": "A dense model beside the sweep, for each combination of the keys outside [model.attention] \
                    and [model.mlp]. Default false.",
            },
        },
        "patternProperties": {DOTTED: {"type": "array", "minItems": 1}},
        "propertyNames": {"pattern": "^(case|dense_baseline|label|seeds|data|model|train)"},
    });
    config
}

/// A key of a section in quotes: "model.hidden".
const DOTTED: &str = r"^(data|model|train)\.";

fn of<T: JsonSchema>() -> Value {
    let settings = SchemaSettings::draft07().with(|settings| settings.inline_subschemas = true);
    let mut schema = settings.into_generator().into_root_schema_for::<T>().to_value();
    for (_, property) in schema["properties"].as_object_mut().into_iter().flatten() {
        without_null(property);
    }
    schema
}

/// Numbers of `[train]` that `lrx tune` may choose.
const TUNABLE: [&str; 6] =
    ["learning_rate", "weight_decay", "clip_norm", "warmup_steps", "batch_stories", "batch_tokens"];

/// Lets numbers be `"tuned"`.
fn or_tuned(train: &mut Value) {
    for key in TUNABLE {
        let number = train["properties"][key].take();
        train["properties"][key] = json!({"description": number["description"], "anyOf": [number, {"const": "tuned"}]});
    }
}

/// TOML has no null; a key without a value is left out.
fn without_null(schema: &mut Value) {
    let Value::Object(schema) = schema else { return };
    schema.remove("format"); // Of numbers in Rust: editors do not know those.
    if schema.get("default").is_some_and(Value::is_null) {
        schema.remove("default");
    }
    if let Some(Value::Array(types)) = schema.get_mut("type") {
        types.retain(|name| name != "null");
        if let [one] = &types[..] {
            let one = one.clone();
            schema.insert("type".into(), one);
        }
    }
    schema.values_mut().for_each(|inner| match inner {
        Value::Array(several) => several.iter_mut().for_each(without_null),
        one => without_null(one),
    });
}
