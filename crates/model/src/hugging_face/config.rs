//! `config.json` and `generation_config.json`.

use serde_json::{Map, Value, json};

use super::express::{Expressed, Family};
use crate::ModelSpec;

/// The tokens that a model's other half, its tokenizer, has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tokens {
    /// Rows that the embedding is to have: those of the model and more, for tokens that no text of its own tokens has.
    pub rows: usize,
    /// The token of the model whose row the others get: one that no text has.
    pub never: Option<u32>,
    /// The token that ends a text.
    pub end_of_text: Option<u32>,
}

/// What `config.json` says of a model.
pub(super) fn config(spec: &ModelSpec, expressed: &Expressed, tokens: &Tokens) -> Value {
    let Expressed { activation, inner, kv_heads, scaled, attention_bias, mlp_bias, .. } = *expressed;
    let (layers, heads, dropout) = (spec.layers.len(), spec.heads, spec.dropout);
    let of_family = match expressed.family {
        Family::GptNeo => json!({
            "architectures": ["GPTNeoForCausalLM"],
            "model_type": "gpt_neo",
            "hidden_size": spec.hidden,
            "num_layers": layers,
            "num_heads": heads,
            "intermediate_size": inner,
            "max_position_embeddings": spec.context,
            "attention_types": [[attention_types(expressed), 1]],
            "window_size": expressed.window.unwrap_or(256),
            "activation_function": activation,
            "layer_norm_epsilon": spec.norm_epsilon,
            "resid_dropout": dropout,
            "embed_dropout": dropout,
            "attention_dropout": 0.0,
        }),
        Family::Gpt2 => json!({
            "architectures": ["GPT2LMHeadModel"],
            "model_type": "gpt2",
            "n_embd": spec.hidden,
            "n_layer": layers,
            "n_head": heads,
            "n_inner": inner,
            "n_positions": spec.context,
            "scale_attn_weights": scaled,
            "activation_function": activation,
            "layer_norm_epsilon": spec.norm_epsilon,
            "resid_pdrop": dropout,
            "embd_pdrop": dropout,
            "attn_pdrop": 0.0,
        }),
        Family::Llama => json!({
            "architectures": ["LlamaForCausalLM"],
            "model_type": "llama",
            "hidden_size": spec.hidden,
            "num_hidden_layers": layers,
            "num_attention_heads": heads,
            "num_key_value_heads": kv_heads,
            "intermediate_size": inner,
            "max_position_embeddings": spec.context,
            "hidden_act": activation,
            "rms_norm_eps": spec.norm_epsilon,
            // As transformers has it from its version 5 on, and before.
            "rope_parameters": {"rope_type": "default", "rope_theta": rotary_theta(spec)},
            "rope_theta": rotary_theta(spec),
            "attention_bias": attention_bias,
            "mlp_bias": mlp_bias,
            "attention_dropout": 0.0,
        }),
    };
    let common = json!({
        "vocab_size": tokens.rows,
        "tie_word_embeddings": spec.tied,
        "bos_token_id": tokens.end_of_text,
        "eos_token_id": tokens.end_of_text,
        "dtype": "float32",
        "torch_dtype": "float32",
        "use_cache": true,
    });
    merged(of_family, common)
}

/// What `generation_config.json` says: where a text ends, and that tokens which the model does not have are never drawn.
pub(super) fn generation(spec: &ModelSpec, vocabulary: usize, tokens: &Tokens) -> Value {
    let own = json!({
        "bos_token_id": tokens.end_of_text,
        "eos_token_id": tokens.end_of_text,
        "pad_token_id": tokens.end_of_text,
        "max_length": spec.context,
    });
    let Value::Object(own) = own else { return own };
    let mut said: Map<String, Value> = own.into_iter().filter(|(_, value)| !value.is_null()).collect();
    if tokens.rows > vocabulary {
        said.insert("suppress_tokens".into(), (vocabulary..tokens.rows).collect::<Vec<_>>().into());
    }
    Value::Object(said)
}

fn attention_types(expressed: &Expressed) -> Vec<&'static str> {
    expressed.attention.iter().map(|form| if form.window > 0 { "local" } else { "global" }).collect()
}

fn rotary_theta(spec: &ModelSpec) -> f64 {
    spec.scalars().get("rotary_theta").and_then(toml::Value::as_float).unwrap_or(10_000.0)
}

fn merged(one: Value, other: Value) -> Value {
    match (one, other) {
        (Value::Object(mut one), Value::Object(other)) => {
            one.extend(other);
            Value::Object(one)
        }
        (one, _) => one,
    }
}
