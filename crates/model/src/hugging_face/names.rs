//! The names and the orientation that other programs give to weights.

use crate::tensor_file::{TensorFile, TensorFileError};
use crate::weights::{EMBEDDING, HEAD};

/// Llama's names of what belongs to a layer, and ours.
pub(super) const LLAMA_LAYER: [(&str, &str); 9] = [
    ("input_layernorm", "ln_1"),
    ("post_attention_layernorm", "ln_2"),
    ("self_attn.q_proj", "attn.attention.q_proj"),
    ("self_attn.k_proj", "attn.attention.k_proj"),
    ("self_attn.v_proj", "attn.attention.v_proj"),
    ("self_attn.o_proj", "attn.attention.out_proj"),
    ("mlp.gate_proj", "mlp.gate"),
    ("mlp.up_proj", "mlp.c_fc"),
    ("mlp.down_proj", "mlp.c_proj"),
];

/// Llama's names of what stands outside the layers, and ours.
pub(super) const LLAMA_OUTSIDE: [(&str, &str); 2] =
    [("embed_tokens.weight", EMBEDDING), ("norm.weight", "transformer.ln_f.weight")];

/// What GPT-2 has in place of q, k and v.
const FUSED: &str = "attn.c_attn";
/// In the order in which they lie in it.
pub(super) const PARTS: [&str; 3] = ["q_proj", "k_proj", "v_proj"];
/// GPT-2's other matrices, and ours.
pub(super) const GPT2_OTHERS: [(&str, &str); 3] =
    [("attn.c_proj", "attn.attention.out_proj"), ("mlp.c_fc", "mlp.c_fc"), ("mlp.c_proj", "mlp.c_proj")];

/// Gives the weights of GPT-Neo, GPT-2 or Llama, whatever stands before their names, the names and the orientation that they
/// have here. Those of lrx stay as they are.
///
/// # Errors
/// When two tensors would have one name, or GPT-2's fused matrix is none of three.
pub(crate) fn take_over(file: &mut TensorFile) -> Result<(), TensorFileError> {
    let prefix_of = |table: &str| {
        let before = |name: &str| name.strip_suffix(table).map(str::to_owned);
        let found = file.names().filter_map(before).filter(|prefix| prefix.is_empty() || prefix.ends_with('.'));
        found.min_by_key(|prefix| (prefix.len(), prefix.clone()))
    };
    match (prefix_of("wte.weight"), prefix_of(LLAMA_OUTSIDE[0].0)) {
        (Some(prefix), _) => file.rename(|name| ours(name, &prefix, gpt_name)),
        (None, Some(prefix)) => file.rename(|name| ours(name, &prefix, llama_name)),
        (None, None) => Ok(()),
    }?;
    split_fused(file)
}

/// Our name of a tensor; `inner` is that of what stands behind the prefix.
fn ours(name: &str, prefix: &str, inner: impl Fn(&str) -> String) -> String {
    if name == HEAD || name.ends_with(&format!(".{HEAD}")) {
        return HEAD.to_owned();
    }
    name.strip_prefix(prefix).map_or_else(|| name.to_owned(), inner)
}

fn gpt_name(name: &str) -> String {
    format!("transformer.{name}")
}

fn llama_name(name: &str) -> String {
    if let Some((_, ours)) = LLAMA_OUTSIDE.iter().find(|(theirs, _)| *theirs == name) {
        return (*ours).to_owned();
    }
    let Some((layer, rest)) = name.strip_prefix("layers.").and_then(|rest| rest.split_once('.')) else {
        return gpt_name(name);
    };
    let known = LLAMA_LAYER.iter().find_map(|(theirs, ours)| {
        let end = rest.strip_prefix(theirs).filter(|end| end.starts_with('.'))?;
        Some(format!("{ours}{end}"))
    });
    format!("transformer.h.{layer}.{}", known.unwrap_or_else(|| rest.to_owned()))
}

/// GPT-2's matrices: those of q, k and v are one, and all are inputs × outputs, or outputs × inputs in programs that took over
/// its names alone.
fn split_fused(file: &mut TensorFile) -> Result<(), TensorFileError> {
    let fused = format!(".{FUSED}.weight");
    let mut layers: Vec<String> =
        file.names().filter_map(|name| name.strip_suffix(&fused).map(str::to_owned)).collect();
    layers.sort_unstable();
    for layer in layers {
        let name = format!("{layer}{fused}");
        let Some((shape, mut weight)) = file.take_real(&name) else { continue };
        let inputs_first = match shape[..] {
            [hidden, three] if three == 3 * hidden => true,
            [three, hidden] if three == 3 * hidden => false,
            _ => return Err(file.error(format!("`{name}` has the shape {shape:?}; expected [n, 3 n]"))),
        };
        let hidden = shape[0].min(shape[1]);
        if inputs_first {
            weight = transposed(&weight, hidden, 3 * hidden);
        }
        for (part, rows) in PARTS.iter().zip(weight.chunks_exact(hidden * hidden)) {
            file.put(&format!("{layer}.attn.attention.{part}.weight"), vec![hidden, hidden], rows.to_vec());
        }
        if let Some((shape, bias)) = file.take_real(&format!("{layer}.{FUSED}.bias")) {
            if shape != [3 * hidden] {
                return Err(
                    file.error(format!("`{layer}.{FUSED}.bias` has the shape {shape:?}; expected [{}]", 3 * hidden))
                );
            }
            for (part, rows) in PARTS.iter().zip(bias.chunks_exact(hidden)) {
                file.put(&format!("{layer}.attn.attention.{part}.bias"), vec![hidden], rows.to_vec());
            }
        }
        for (theirs, ours) in GPT2_OTHERS {
            if let Some((shape, weight)) = file.take_real(&format!("{layer}.{theirs}.weight")) {
                let (shape, weight) = match shape[..] {
                    [rows, columns] if inputs_first => (vec![columns, rows], transposed(&weight, rows, columns)),
                    _ => (shape, weight),
                };
                file.put(&format!("{layer}.{ours}.weight"), shape, weight);
            }
            if let Some((shape, bias)) = file.take_real(&format!("{layer}.{theirs}.bias")) {
                file.put(&format!("{layer}.{ours}.bias"), shape, bias);
            }
        }
    }
    Ok(())
}

/// Rows × columns → columns × rows.
pub(super) fn transposed(values: &[f32], rows: usize, columns: usize) -> Vec<f32> {
    (0..columns).flat_map(|j| (0..rows).map(move |i| (i, j))).map(|(i, j)| values[i * columns + j]).collect()
}
