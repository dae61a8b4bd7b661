//! A trained model for `transformers`: its weights dense, under their names.

use std::path::Path;

use lrx_layers::{OptionError, Parameters, PlacedLinear, Progress};
use lrx_tensor::{Matrix, dims, matrix, values};
use serde_json::Value;

use super::config::{Tokens, config, generation};
use super::express::{AttentionForm, Expressed, Family, express};
use super::names::{GPT2_OTHERS, LLAMA_LAYER, LLAMA_OUTSIDE, PARTS, transposed};
use crate::config::Positions;
use crate::tensor_file::{NamedTensor, Numbers, TensorFileError, write_tensors};
use crate::weights::{EMBEDDING, HEAD};
use crate::{Model, ModelSpec};

/// A model as `transformers` reads it.
pub struct Exported {
    /// Its architecture.
    pub family: Family,
    /// `config.json`.
    pub config: Value,
    /// `generation_config.json`.
    pub generation_config: Value,
    /// What was done to the model beside giving its weights other names: a sentence each.
    pub remarks: Vec<String>,
    tensors: Vec<Tensor>,
}

impl Exported {
    /// Writes the weights, as `model.safetensors` has them.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write_weights(&self, path: &Path) -> Result<(), TensorFileError> {
        let tensors = self.tensors.iter().map(|Tensor { name, shape, values }| NamedTensor {
            name: name.clone(),
            shape: shape.clone(),
            numbers: Numbers::Real(values),
        });
        write_tensors(path, &tensors.collect::<Vec<_>>(), None)
    }

    /// How many numbers the weights are.
    pub fn numbers(&self) -> usize {
        self.tensors.iter().map(|tensor| tensor.values.len()).sum()
    }
}

struct Tensor {
    name: String,
    shape: Vec<usize>,
    values: Vec<f32>,
}

/// A trained model in the architecture of `transformers` that computes the same. Factors become the matrices that they stand
/// for; heads of keys and values, scales of scores and biases that the architecture has otherwise are brought to its form.
///
/// # Errors
/// The key, relative to `[model]`, that no architecture has.
pub fn export(model: &Model, tokens: &Tokens) -> Result<Exported, OptionError> {
    let spec = model.spec();
    let expressed = express(spec)?;
    let mut work = Work { model, expressed: &expressed, tokens, tensors: Vec::new(), remarks: Vec::new() };
    work.outside();
    for layer in 0..spec.layers.len() {
        work.layer(layer)?;
    }
    let Work { tensors, remarks, .. } = work;
    Ok(Exported {
        family: expressed.family,
        config: config(spec, &expressed, tokens),
        generation_config: generation(spec, model.vocabulary(), tokens),
        tensors: in_names_of(expressed.family, tensors),
        remarks,
    })
}

struct Work<'m> {
    model: &'m Model,
    expressed: &'m Expressed,
    tokens: &'m Tokens,
    /// Under our names, outputs × inputs.
    tensors: Vec<Tensor>,
    remarks: Vec<String>,
}

impl Work<'_> {
    fn spec(&self) -> &ModelSpec {
        self.model.spec()
    }

    fn parameters(&self) -> &Parameters {
        self.model.parameters()
    }

    fn put(&mut self, name: String, shape: Vec<usize>, values: Vec<f32>) {
        self.tensors.push(Tensor { name, shape, values });
    }

    /// Says what was done, once.
    fn remark(&mut self, remark: &str) {
        if !self.remarks.iter().any(|said| said == remark) {
            self.remarks.push(remark.to_owned());
        }
    }

    fn values_of(&self, name: &str) -> Option<Vec<f32>> {
        self.parameters().find(name).map(|id| self.parameters()[id].values().to_vec())
    }

    /// Embeddings, the head, and all norms.
    fn outside(&mut self) {
        let (hidden, context) = (self.spec().hidden, self.spec().context);
        let rows = self.tokens.rows.max(self.model.vocabulary());
        for table in [EMBEDDING, HEAD] {
            if let Some(mut values) = self.values_of(table) {
                let never = self.tokens.never.unwrap_or_default() as usize;
                let filling = values[never * hidden..][..hidden].to_vec();
                values.extend((self.model.vocabulary()..rows).flat_map(|_| filling.iter().copied()));
                self.put(table.to_owned(), vec![rows, hidden], values);
            }
        }
        let positions = "transformer.wpe.weight";
        if let Some(values) = self.values_of(positions) {
            self.put(positions.to_owned(), vec![context, hidden], values);
        } else if self.spec().positions == Positions::None {
            self.put(positions.to_owned(), vec![context, hidden], vec![0.0; context * hidden]);
            self.remark("the model has no positions: the architecture's are zeros");
        }
        let names: Vec<String> = self.parameters().iter().map(|entry| entry.name.clone()).collect();
        for name in names.into_iter().filter(|name| name.contains(".ln_")) {
            if let Some(values) = self.values_of(&name) {
                self.put(name, vec![hidden], values);
            }
        }
    }

    fn layer(&mut self, layer: usize) -> Result<(), OptionError> {
        let Expressed { inner, kv_heads, mlp_bias, attention_bias, family, .. } = *self.expressed;
        let form = self.expressed.attention[layer];
        let hidden = self.spec().hidden;
        let of_keys = kv_heads * (hidden / self.spec().heads);
        let inner_bias = attention_bias && family != Family::GptNeo;
        let block = format!("transformer.h.{layer}.attn.attention");
        let (q, bias) = self.scaled(form, self.matrix(layer, "q")?, self.bias(layer, "q"));
        self.linear(&format!("{block}.q_proj"), &q, bias, inner_bias.then_some(hidden));
        for (key, up) in [("k", "k_up"), ("v", "v_up")] {
            let whole = match form.is_latent {
                true => self.matrix(layer, up)?.product(&self.matrix(layer, "kv_down")?),
                false => self.matrix(layer, key)?,
            };
            let (whole, bias) = self.for_each_head(form, whole, self.bias(layer, key));
            self.linear(&format!("{block}.{key}_proj"), &whole, bias, inner_bias.then_some(of_keys));
        }
        let out = self.matrix(layer, "out")?;
        let bias = self.bias(layer, "out");
        self.linear(&format!("{block}.out_proj"), &out, bias, attention_bias.then_some(hidden));
        let mut slots = vec![("c_fc", inner), ("c_proj", hidden)];
        if family == Family::Llama {
            slots.push(("gate", inner));
        }
        for (slot, outputs) in slots {
            let whole = self.matrix(layer, slot)?;
            let bias = self.bias(layer, slot);
            self.linear(&format!("transformer.h.{layer}.mlp.{slot}"), &whole, bias, mlp_bias.then_some(outputs));
        }
        Ok(())
    }

    /// A matrix, and the bias that the architecture has there: zeros where the model has none.
    fn linear(&mut self, name: &str, whole: &Matrix, bias: Option<Vec<f32>>, has_bias: Option<usize>) {
        let (rows, columns) = dims(whole);
        self.put(format!("{name}.weight"), vec![rows, columns], values(whole).to_vec());
        if let Some(outputs) = has_bias {
            if bias.is_none() {
                self.remark("biases that the architecture has and the model has not are zeros");
            }
            self.put(format!("{name}.bias"), vec![outputs], bias.unwrap_or_else(|| vec![0.0; outputs]));
        }
    }

    fn slot(&self, layer: usize, key: &str) -> Option<&PlacedLinear> {
        self.model.linears().find(|(of, linear)| *of == layer && linear.key() == key).map(|(_, linear)| linear)
    }

    /// The matrix that what stands in a slot is.
    fn matrix(&self, layer: usize, key: &str) -> Result<Matrix, OptionError> {
        let slot = self.slot(layer, key).expect("a slot of the block");
        slot.linear().dense_equivalent(self.parameters(), Progress::DONE).ok_or_else(|| {
            let kind = slot.spec().kind;
            let place = if slot.prefix().contains(".mlp.") { "mlp" } else { "attention" };
            let message = format!(
                "\"{kind}\" (layer {layer}, slot {key}) is not linear, so no matrix is its equivalent, and no architecture of \
                 transformers has such a layer"
            );
            OptionError::new(format!("{place}.kind"), message)
        })
    }

    fn bias(&self, layer: usize, key: &str) -> Option<Vec<f32>> {
        self.values_of(&format!("{}.bias", self.slot(layer, key)?.prefix()))
    }

    /// q, so that scores are what they were where the architecture scales them otherwise.
    fn scaled(&mut self, form: AttentionForm, q: Matrix, bias: Option<Vec<f32>>) -> (Matrix, Option<Vec<f32>>) {
        let head_size = (self.spec().hidden / self.spec().heads) as f32;
        let scale = match (form.scaled, self.expressed.scaled) {
            (true, false) => head_size.sqrt().recip(),
            (false, true) => head_size.sqrt(),
            _ => return (q, bias),
        };
        self.remark("queries are scaled, as the architecture scales its scores otherwise than the model");
        let times = |numbers: &[f32]| numbers.iter().map(|x| x * scale).collect::<Vec<_>>();
        let (rows, columns) = dims(&q);
        (matrix(times(values(&q)), rows, columns), bias.map(|bias| times(&bias)))
    }

    /// Keys or values for as many heads as the architecture has them.
    fn for_each_head(
        &mut self,
        form: AttentionForm,
        whole: Matrix,
        bias: Option<Vec<f32>>,
    ) -> (Matrix, Option<Vec<f32>>) {
        let times = self.expressed.kv_heads / form.kv_heads;
        if times == 1 {
            return (whole, bias);
        }
        self.remark("heads of keys and values are repeated for the heads of queries that share them");
        let head_size = self.spec().hidden / self.spec().heads;
        let repeated = |numbers: &[f32], width: usize| -> Vec<f32> {
            numbers
                .chunks_exact(head_size * width)
                .flat_map(|head| std::iter::repeat_n(head, times))
                .flatten()
                .copied()
                .collect()
        };
        let (rows, columns) = dims(&whole);
        let wider = matrix(repeated(values(&whole), columns), times * rows, columns);
        (wider, bias.map(|bias| repeated(&bias, 1)))
    }
}

/// The tensors under the names, and in the orientation, of a family.
fn in_names_of(family: Family, tensors: Vec<Tensor>) -> Vec<Tensor> {
    match family {
        Family::GptNeo => tensors,
        Family::Gpt2 => fused(tensors),
        Family::Llama => {
            tensors.into_iter().map(|tensor| Tensor { name: llama_name(&tensor.name), ..tensor }).collect()
        }
    }
}

fn llama_name(ours: &str) -> String {
    if let Some((theirs, _)) = LLAMA_OUTSIDE.iter().find(|(_, known)| *known == ours) {
        return format!("model.{theirs}");
    }
    let of_layer =
        ours.strip_prefix("transformer.h.").and_then(|rest| rest.split_once('.')).and_then(|(layer, rest)| {
            let (theirs, known) = LLAMA_LAYER
                .iter()
                .find(|(_, known)| rest.strip_prefix(known).is_some_and(|end| end.starts_with('.')))?;
            Some(format!("model.layers.{layer}.{theirs}{}", &rest[known.len()..]))
        });
    of_layer.unwrap_or_else(|| ours.to_owned())
}

/// GPT-2's: inputs × outputs, those of q, k and v as one.
fn fused(tensors: Vec<Tensor>) -> Vec<Tensor> {
    let mut made: Vec<Tensor> = Vec::with_capacity(tensors.len());
    let mut parts: Vec<Tensor> = Vec::new();
    for tensor in tensors {
        let Some((layer, rest)) = tensor.name.split_once(".attn.attention.").or(tensor.name.split_once(".mlp.")) else {
            made.push(tensor);
            continue;
        };
        let (slot, end) = rest.split_once('.').unwrap_or((rest, ""));
        if PARTS.contains(&slot) {
            parts.push(tensor);
            continue;
        }
        let theirs =
            GPT2_OTHERS.iter().find(|(_, ours)| ours.ends_with(&format!(".{slot}"))).map_or(rest, |(theirs, _)| theirs);
        made.push(inputs_first(format!("{layer}.{theirs}.{end}"), tensor.shape, &tensor.values));
    }
    let layers = parts.iter().filter_map(|part| part.name.strip_suffix(".attn.attention.q_proj.weight"));
    for layer in layers.map(str::to_owned).collect::<Vec<_>>() {
        for end in ["weight", "bias"] {
            let of =
                |part: &&str| parts.iter().find(|tensor| tensor.name == format!("{layer}.attn.attention.{part}.{end}"));
            let own: Vec<&Tensor> = PARTS.iter().filter_map(of).collect();
            let whole: Vec<f32> = own.iter().flat_map(|tensor| tensor.values.iter().copied()).collect();
            let mut shape = own[0].shape.clone();
            shape[0] *= PARTS.len();
            made.push(inputs_first(format!("{layer}.attn.c_attn.{end}"), shape, &whole));
        }
    }
    made
}

/// A matrix with its inputs first; a vector as it is.
fn inputs_first(name: String, shape: Vec<usize>, values: &[f32]) -> Tensor {
    match shape[..] {
        [rows, columns] => Tensor { name, shape: vec![columns, rows], values: transposed(values, rows, columns) },
        _ => Tensor { name, shape, values: values.to_vec() },
    }
}
