//! Which architecture of `transformers` computes what a model does, and what stands in the way of one.

use lrx_layers::{BlockSpec, OptionError, Place};
use toml::Value;

use crate::config::{ModelSpec, Norm, Positions};

/// An architecture that `transformers` has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// Learned positions, layer norm, scores not scaled, no bias in q, k and v; windows.
    GptNeo,
    /// Learned positions, layer norm, biases everywhere; no windows.
    Gpt2,
    /// Rotary positions, RMSNorm, a gated MLP; fewer heads of keys and values; no windows.
    Llama,
}

impl Family {
    /// As its authors call it.
    pub fn name(self) -> &'static str {
        match self {
            Family::GptNeo => "GPT-Neo",
            Family::Gpt2 => "GPT-2",
            Family::Llama => "Llama",
        }
    }
}

/// A model as a family has it.
pub(super) struct Expressed {
    pub(super) family: Family,
    pub(super) attention: Vec<AttentionForm>,
    /// Features inside the MLPs.
    pub(super) inner: usize,
    /// Their function, as `transformers` calls it.
    pub(super) activation: &'static str,
    /// Heads of keys and values in all layers: as many as queries where the family knows no other.
    pub(super) kv_heads: usize,
    /// The window of all layers that have one.
    pub(super) window: Option<usize>,
    /// Whether scores are divided by √head size, in all layers: q is scaled where a layer's own are otherwise.
    pub(super) scaled: bool,
    /// Whether the family's q, k, v and output have a bias: zeros where the model has none.
    pub(super) attention_bias: bool,
    pub(super) mlp_bias: bool,
}

/// What matters of a layer's attention.
#[derive(Clone, Copy)]
pub(super) struct AttentionForm {
    /// Whether keys and values are of a latent vector.
    pub(super) is_latent: bool,
    pub(super) window: usize,
    pub(super) kv_heads: usize,
    pub(super) scaled: bool,
    /// Whether q, k and v have a bias.
    inner_bias: bool,
    out_bias: bool,
}

/// The family that computes what a model of this spec does.
///
/// # Errors
/// The key that stands in the way.
pub(super) fn express(spec: &ModelSpec) -> Result<Expressed, OptionError> {
    let attention: Vec<AttentionForm> =
        spec.blocks(Place::Attention).map(|block| attention_form(block, spec.heads)).collect::<Result<_, _>>()?;
    let mlps: Vec<MlpForm> = spec.blocks(Place::Mlp).map(mlp_form).collect::<Result<_, _>>()?;
    let (inner, activation) =
        (same("mlp.inner", &mlps, |mlp| mlp.inner)?, same("mlp.activation", &mlps, |mlp| mlp.activation)?);
    let gated = same("mlp.block", &mlps, |mlp| mlp.gated)?;
    let windows: Vec<usize> = attention.iter().map(|form| form.window).filter(|window| *window > 0).collect();
    let has_inner_bias = attention.iter().any(|form| form.inner_bias);
    let any_scaled = attention.iter().any(|form| form.scaled);
    let family = match (spec.positions, spec.norm, gated) {
        (Positions::Rotary, Norm::RmsNorm, true) if windows.is_empty() => Family::Llama,
        (Positions::Rotary, Norm::RmsNorm, true) => {
            let message = format!("a window of {} and rotary positions: Llama has no windows", windows[0]);
            return Err(OptionError::new("attention.window", message));
        }
        (Positions::Rotary, Norm::LayerNorm, _) => {
            return Err(in_the_way("norm", "\"layer-norm\"", "rotary positions", "Llama", "\"rms-norm\""));
        }
        (Positions::Rotary, Norm::RmsNorm, false) => {
            return Err(in_the_way("mlp.block", "\"mlp\"", "rotary positions", "Llama", "\"gated-mlp\""));
        }
        (positions, Norm::RmsNorm, _) => {
            return Err(in_the_way("norm", "\"rms-norm\"", of(positions), "GPT-Neo and GPT-2", "\"layer-norm\""));
        }
        (positions, _, true) => {
            return Err(in_the_way("mlp.block", "\"gated-mlp\"", of(positions), "GPT-Neo and GPT-2", "\"mlp\""));
        }
        _ if windows.is_empty() && !has_inner_bias && !any_scaled => Family::GptNeo,
        _ if windows.is_empty() => Family::Gpt2,
        _ if has_inner_bias => {
            let message =
                "biases in q, k and v beside windows: GPT-Neo, which has windows, has none there, and GPT-2 no windows";
            return Err(OptionError::new("attention.bias", message));
        }
        _ => Family::GptNeo,
    };
    if let Some(other) = windows.iter().find(|window| **window != windows[0]) {
        let message =
            format!("windows of {} and of {other}: GPT-Neo has one size for all its local layers", windows[0]);
        return Err(OptionError::new("attention.window", message));
    }
    let common = attention.iter().all(|form| form.kv_heads == attention[0].kv_heads);
    Ok(Expressed {
        family,
        inner,
        activation,
        kv_heads: if family == Family::Llama && common { attention[0].kv_heads } else { spec.heads },
        window: windows.first().copied(),
        scaled: match family {
            Family::GptNeo => false,
            Family::Gpt2 => any_scaled,
            Family::Llama => true,
        },
        attention_bias: match family {
            Family::Llama => has_inner_bias || attention.iter().any(|form| form.out_bias),
            _ => true,
        },
        mlp_bias: family != Family::Llama || mlps.iter().any(|mlp| mlp.bias),
        attention,
    })
}

struct MlpForm {
    gated: bool,
    inner: usize,
    activation: &'static str,
    bias: bool,
}

fn attention_form(block: &BlockSpec, heads: usize) -> Result<AttentionForm, OptionError> {
    let number = |key: &str| block.options.get(key).and_then(Value::as_integer).map(|number| number as usize);
    let is = |key: &str| block.options.get(key).and_then(Value::as_bool).unwrap_or_default();
    let bias = block.options.get("bias").and_then(Value::as_str);
    let form = AttentionForm {
        is_latent: block.kind == "latent-attention",
        window: number("window").unwrap_or_default(),
        kv_heads: number("kv_heads").unwrap_or(heads),
        scaled: is("scaled"),
        inner_bias: bias == Some("all"),
        out_bias: matches!(bias, Some("all" | "out")) || is("bias"),
    };
    match block.kind {
        "attention" | "latent-attention" => Ok(form),
        other => Err(unknown_block("attention.block", other)),
    }
}

fn mlp_form(block: &BlockSpec) -> Result<MlpForm, OptionError> {
    let activation = match block.options.get("activation").and_then(Value::as_str) {
        Some("gelu-tanh") => "gelu_new",
        Some("gelu") => "gelu",
        Some("silu") => "silu",
        Some("relu") => "relu",
        Some("relu2") => "relu2",
        other => {
            let message = format!("no architecture of transformers has the activation {other:?}");
            return Err(OptionError::new("mlp.activation", message));
        }
    };
    let inner = block.slots.iter().find(|slot| slot.key == "c_fc").map_or(0, |slot| slot.linear.shape.outputs);
    let bias = block.options.get("bias").and_then(Value::as_bool).unwrap_or_default();
    match block.kind {
        "mlp" => Ok(MlpForm { gated: false, inner, activation, bias }),
        "gated-mlp" => Ok(MlpForm { gated: true, inner, activation, bias }),
        other => Err(unknown_block("mlp.block", other)),
    }
}

fn unknown_block(key: &str, name: &str) -> OptionError {
    OptionError::new(key, format!("no architecture of transformers has the block \"{name}\""))
}

/// What all layers have to have in common.
fn same<T: PartialEq + Copy>(key: &str, forms: &[MlpForm], of: impl Fn(&MlpForm) -> T) -> Result<T, OptionError> {
    let first = of(&forms[0]);
    match forms.iter().position(|form| of(form) != first) {
        None => Ok(first),
        Some(layer) => {
            let message = format!(
                "layer {layer} has another than layer 0; architectures of transformers have one for all layers"
            );
            Err(OptionError::new(key, message))
        }
    }
}

fn in_the_way(key: &str, is: &str, beside: &str, family: &str, needs: &str) -> OptionError {
    OptionError::new(
        key,
        format!(
            "{is} beside {beside}: of the architectures of transformers, {family} could do the rest but needs {needs}"
        ),
    )
}

fn of(positions: Positions) -> &'static str {
    match positions {
        Positions::Learned => "learned positions",
        Positions::Rotary => "rotary positions",
        Positions::None => "no positions",
    }
}
