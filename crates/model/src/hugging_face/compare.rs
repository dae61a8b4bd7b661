//! Whether a checkpoint's `config.json` says of its model what the spec says of ours: weights fit a model of other heads, or
//! of another activation, and mean nothing there.

use std::path::Path;

use lrx_layers::Place;
use serde_json::Value;

use crate::config::ModelSpec;
use crate::init_from::{Taken, TakenLayers};

/// A config has no more bytes.
const MOST_BYTES: u64 = 16 << 20;

/// The first thing in which the `config.json` in the folder `path` differs from the model; nothing where there is none, or
/// where it does not say.
///
/// # Errors
/// When it cannot be read.
pub(crate) fn differences(path: &Path, spec: &ModelSpec, taken: &Taken) -> Result<Option<String>, String> {
    let folder = if path.is_dir() { path } else { return Ok(None) };
    let file = folder.join("config.json");
    if !file.exists() {
        return Ok(None);
    }
    let text = lrx_files::read_regular(&file, MOST_BYTES).map_err(|error| format!("config.json: {error}"))?;
    let config: Value = serde_json::from_slice(&text).map_err(|error| format!("config.json: not JSON: {error}"))?;
    let found = said(&config, spec, taken).into_iter().find(|said| said.theirs != said.ours);
    Ok(found.map(|Said { key, theirs, ours }| {
        format!(
            "its config.json says {theirs} where `{key}` in [model] is {ours}, so that the weights would mean something else; write \
             {theirs}, or `config = \"ignore\"` beside the `path` of init_from"
        )
    }))
}

/// What a config says of something, and what the model has there; both as a config of ours has it.
struct Said {
    key: &'static str,
    theirs: String,
    ours: String,
}

fn said(config: &Value, spec: &ModelSpec, taken: &Taken) -> Vec<Said> {
    let number = |key: &str| config.get(key).and_then(Value::as_f64);
    let as_text = |number: f64| number.to_string();
    let kind = config.get("model_type").and_then(Value::as_str);
    let (heads, epsilon, activation) = match kind {
        Some("gpt_neo") => ("num_heads", "layer_norm_epsilon", "activation_function"),
        Some("gpt2") => ("n_head", "layer_norm_epsilon", "activation_function"),
        Some("llama" | "mistral") => ("num_attention_heads", "rms_norm_eps", "hidden_act"),
        _ => return Vec::new(),
    };
    let mut all = Vec::new();
    let mut add = |key, theirs: Option<String>, ours: Option<String>| {
        all.extend(theirs.zip(ours).map(|(theirs, ours)| Said { key, theirs, ours }));
    };
    let scalar = |key: &str| spec.scalars().get(key).and_then(toml::Value::as_float).map(as_text);
    let attention = |key: &str| each(spec, Place::Attention, key);
    add("heads", number(heads).map(as_text), Some(spec.heads.to_string()));
    add("norm_epsilon", number(epsilon).map(as_text), scalar("norm_epsilon"));
    let activation = config.get(activation).and_then(Value::as_str).and_then(our_activation);
    add("mlp.activation", activation.map(|name| format!("{name:?}")), each(spec, Place::Mlp, "activation"));
    match kind {
        Some("gpt_neo") => {
            add("attention.window", windows_of_neo(config, spec, taken), attention("window"));
            add("attention.scaled", Some("false".into()), attention("scaled"));
        }
        Some("gpt2") => {
            let is = |key: &str| config.get(key).and_then(Value::as_bool);
            let scaled = match is("scale_attn_by_inverse_layer_idx") {
                Some(true) => "true, and by the layer's number".to_owned(),
                _ => is("scale_attn_weights").unwrap_or(true).to_string(),
            };
            add("attention.scaled", Some(scaled), attention("scaled"));
            add("attention.window", Some("0".into()), attention("window"));
        }
        _ => {
            let rope = config.get("rope_parameters").or(config.get("rope_scaling")).filter(|rope| !rope.is_null());
            let theta = rope.and_then(|rope| rope.get("rope_theta")).and_then(Value::as_f64).or(number("rope_theta"));
            add("rotary_theta", theta.map(as_text), scalar("rotary_theta"));
            let kind = rope.and_then(|rope| rope.get("rope_type").or(rope.get("type"))).and_then(Value::as_str);
            let kind = kind.filter(|kind| *kind != "default").map(|kind| format!("rotary positions of type {kind:?}"));
            add("positions", kind, Some("\"rotary\"".into()));
            add("attention.scaled", Some("true".into()), attention("scaled"));
            add("attention.window", Some(as_text(number("sliding_window").unwrap_or_default())), attention("window"));
        }
    }
    all
}

/// `attention_types`, such as [[["global", "local"], 6]], and `window_size`, of the layers that are taken.
fn windows_of_neo(config: &Value, spec: &ModelSpec, taken: &Taken) -> Option<String> {
    let types = config.get("attention_types")?.as_array()?;
    let window = config.get("window_size").and_then(Value::as_u64).unwrap_or(256);
    let mut windows = Vec::new();
    for entry in types {
        let (kinds, times) = (entry.get(0)?.as_array()?, entry.get(1)?.as_u64()?.min(1 << 12));
        for _ in 0..times {
            windows.extend(kinds.iter().map(|kind| if kind.as_str() == Some("local") { window } else { 0 }));
        }
    }
    let layers: Vec<usize> = match &taken.layers {
        Some(TakenLayers::These(these)) => these.clone(),
        _ => (0..spec.layers.len()).collect(),
    };
    let taken = layers.iter().map(|layer| windows.get(*layer).map(u64::to_string)).collect::<Option<Vec<_>>>()?;
    Some(one_or_list(&taken))
}

fn our_activation(theirs: &str) -> Option<&'static str> {
    Some(match theirs {
        "gelu_new" | "gelu_pytorch_tanh" | "gelu_fast" => "gelu-tanh",
        "gelu" => "gelu",
        "silu" | "swish" => "silu",
        "relu" => "relu",
        "relu2" => "relu2",
        _ => return None,
    })
}

/// An option of the block in every layer, its default filled in; nothing where a block has none.
fn each(spec: &ModelSpec, place: Place, key: &str) -> Option<String> {
    let values: Option<Vec<String>> =
        spec.blocks(place).map(|block| block.options.get(key).map(ToString::to_string)).collect();
    values.map(|values| one_or_list(&values))
}

/// One value for all layers, or a list with each layer's.
fn one_or_list(values: &[String]) -> String {
    if values.windows(2).all(|pair| pair[0] == pair[1]) {
        values[0].clone()
    } else {
        format!("[{}]", values.join(", "))
    }
}
