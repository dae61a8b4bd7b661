//! GPT-Neo (Black et al. 2021): a pre-LayerNorm decoder with learned positions and a head tied to the embedding.

use lrx_layers::{Block, Builder, ParameterId, Parameters, Pass, Past};
use lrx_tensor::{Activation, Matrix, Offsets, Parameter, Scalar, Tape, activation, matrix, ops, values};

use crate::ModelSpec;

/// The epsilon of every LayerNorm.
const LAYER_NORM_EPSILON: f32 = 1e-5;
/// The standard deviation of the initial embeddings.
const EMBEDDING_STD: f32 = 0.02;

/// The model: its layers, and all its parameters.
pub struct GptNeo {
    parameters: Parameters,
    token_embedding: ParameterId,
    position_embedding: ParameterId,
    layers: Vec<Layer>,
    final_norm: Norm,
    context: usize,
}

/// A text on its way: its tokens so far, and what the blocks keep of them.
#[derive(Clone, Debug, Default)]
pub struct Continuation {
    tokens: Vec<u32>,
    /// Of each layer's attention and MLP.
    pasts: Vec<Past>,
    /// Some block keeps nothing.
    from_the_start: bool,
}

struct Layer {
    attention_norm: Norm,
    attention: Box<dyn Block>,
    mlp_norm: Norm,
    mlp: Box<dyn Block>,
}

struct Norm {
    weight: ParameterId,
    bias: ParameterId,
}

impl GptNeo {
    /// The model in its initial state, which depends on `seed` alone.
    pub fn new(spec: &ModelSpec, vocabulary: usize, seed: u64) -> Self {
        let hidden = spec.hidden;
        let mut parameters = Parameters::new();
        let mut root = Builder::new(&mut parameters, seed);
        let mut root = root.scope("transformer");
        let mut embedding = |name: &str, rows: usize| {
            let mut scope = root.scope(name);
            let values = scope.normal("weight", rows * hidden, EMBEDDING_STD);
            scope.matrix("weight", rows, hidden, values)
        };
        let token_embedding = embedding("wte", vocabulary);
        let position_embedding = embedding("wpe", spec.context);
        let layers = spec
            .layers
            .iter()
            .enumerate()
            .map(|(i, layer)| {
                let mut scope = root.scope(&format!("h.{i}"));
                Layer {
                    attention_norm: Norm::new(&mut scope.scope("ln_1"), hidden),
                    attention: layer.attention.build(&mut scope.scope("attn.attention")),
                    mlp_norm: Norm::new(&mut scope.scope("ln_2"), hidden),
                    mlp: layer.mlp.build(&mut scope.scope("mlp")),
                }
            })
            .collect();
        let final_norm = Norm::new(&mut root.scope("ln_f"), hidden);
        Self { parameters, token_embedding, position_embedding, layers, final_norm, context: spec.context }
    }

    /// All parameters, by name.
    pub fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    /// All parameters, for the optimizer.
    pub fn parameters_mut(&mut self) -> &mut Parameters {
        &mut self.parameters
    }

    /// The matrices of all layers: the layer, `attn.attention` or `mlp`, the slot's name, and the dense equivalent.
    pub(crate) fn matrices(&self) -> Vec<(usize, &'static str, &'static str, Matrix)> {
        let of = |layer: usize, place, block: &dyn Block| {
            let matrices = block.matrices(&self.parameters).into_iter();
            matrices.map(|(slot, matrix)| (layer, place, slot, matrix)).collect::<Vec<_>>()
        };
        let layers = self.layers.iter().enumerate();
        layers.flat_map(|(i, l)| [of(i, "attn.attention", &*l.attention), of(i, "mlp", &*l.mlp)].concat()).collect()
    }

    /// The longest story.
    pub fn context(&self) -> usize {
        self.context
    }

    /// The mean loss, in nats per token, of predicting `targets` from `inputs`: the stories' tokens end to end, story s
    /// in `offsets[s]..offsets[s + 1]`.
    ///
    /// On a timed tape the phases are `embedding`, `attention`, `mlp` (each with the LayerNorm before it and the residual
    /// sum behind it) and `head` (with the final LayerNorm and the loss).
    pub fn loss(&self, inputs: &[u32], targets: &[u32], offsets: &Offsets, tape: &Tape) -> Scalar {
        let x = self.hidden_states(inputs, offsets, tape); // tokens × hidden
        ops::head_cross_entropy(x, self.embedding(), targets)
    }

    /// The logits of the token that follows `tokens`, one for each token of the vocabulary.
    pub fn next_logits(&self, tokens: &[u32]) -> Vec<f32> {
        let offsets: Offsets = [0, tokens.len()].into();
        self.last_logits(&self.hidden_states(tokens, &offsets, &Tape::silent()))
    }

    /// The logits of the token that follows `tokens`, which follow those of earlier calls with the same `continuation`.
    pub fn continue_logits(&self, tokens: &[u32], continuation: &mut Continuation) -> Vec<f32> {
        let before = continuation.tokens.len();
        continuation.tokens.extend_from_slice(tokens);
        if continuation.pasts.len() != 2 * self.layers.len() {
            continuation.pasts = vec![Past::default(); 2 * self.layers.len()];
        }
        if !continuation.from_the_start {
            if let Some(logits) = self.extend(tokens, before, &mut continuation.pasts) {
                return logits;
            }
            continuation.from_the_start = true;
        }
        self.next_logits(&continuation.tokens)
    }

    /// `None` when a block cannot go on from its past.
    fn extend(&self, tokens: &[u32], before: usize, pasts: &mut [Past]) -> Option<Vec<f32>> {
        let hidden = self.embedding().dims().1;
        let [wte, wpe] = [self.token_embedding, self.position_embedding].map(|id| self.parameters[id].values());
        let row = |table: &'_ [f32], i: usize| table[i * hidden..][..hidden].to_vec();
        let embedded = tokens.iter().zip(before..).flat_map(|(&token, position)| {
            row(wte, token as usize).into_iter().zip(row(wpe, position)).map(|(token, position)| token + position)
        });
        let tape = Tape::silent();
        let mut x = activation(matrix(embedded.collect(), tokens.len(), hidden), &tape);
        let offsets: Offsets = [0, tokens.len()].into();
        let pass = Pass { parameters: &self.parameters, offsets: &offsets };
        for (layer, pasts) in self.layers.iter().zip(pasts.chunks_exact_mut(2)) {
            let h = layer.attention_norm.forward(&pass, x.clone());
            x = ops::add(x, layer.attention.extend(&pass, h, &mut pasts[0])?);
            let h = layer.mlp_norm.forward(&pass, x.clone());
            x = ops::add(x, layer.mlp.extend(&pass, h, &mut pasts[1])?);
        }
        Some(self.last_logits(&self.final_norm.forward(&pass, x)))
    }

    fn last_logits(&self, x: &Activation) -> Vec<f32> {
        let (rows, hidden) = lrx_tensor::dims(x);
        let last = values(x)[(rows - 1) * hidden..].to_vec();
        values(&ops::head_logits(&matrix(last, 1, hidden), self.embedding())).to_vec()
    }

    fn hidden_states(&self, tokens: &[u32], offsets: &Offsets, tape: &Tape) -> Activation {
        let pass = Pass { parameters: &self.parameters, offsets };
        let (wte, wpe) = (&pass[self.token_embedding], &pass[self.position_embedding]);
        let mut phases = tape.clone();
        phases.begin("embedding");
        let mut x = ops::embedding(tokens, offsets, wte, Some(wpe), 0, tape); // tokens × hidden
        for layer in &self.layers {
            phases.begin("attention");
            let h = layer.attention_norm.forward(&pass, x.clone());
            x = layer.attention.forward_onto(&pass, x, h);
            phases.begin("mlp");
            let h = layer.mlp_norm.forward(&pass, x.clone());
            x = layer.mlp.forward_onto(&pass, x, h);
        }
        phases.begin("head");
        self.final_norm.forward(&pass, x)
    }

    fn embedding(&self) -> &Parameter {
        &self.parameters[self.token_embedding]
    }
}

impl Norm {
    fn new(scope: &mut Builder<'_>, features: usize) -> Self {
        let weight = scope.vector("weight", vec![1.0; features]);
        Self { weight, bias: scope.vector("bias", vec![0.0; features]) }
    }

    fn forward(&self, pass: &Pass<'_>, x: Activation) -> Activation {
        ops::layer_norm(x, &pass[self.weight], Some(&pass[self.bias]), LAYER_NORM_EPSILON)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn continuing_gives_what_the_whole_text_gives() {
        let registry = lrx_layers::Registry::builtin();
        let config: crate::ModelConfig = toml::from_str(
            "hidden = 16\nlayers = 2\nheads = 4\ncontext = 12\n[attention]\nkind = \"low-rank\"\nrank = 3\nwindow = [0, 3]",
        )
        .expect("a config");
        let spec = config.resolve(&registry, &|_, path| path.into()).expect("a model");
        let model = GptNeo::new(&spec, 30, 5);
        let text: Vec<u32> = (0..11).map(|i| i * 7 % 30).collect();
        let mut continuation = Continuation::default();
        for cut in [0..4, 4..5, 5..9, 9..11] {
            let end = cut.end;
            let continued = model.continue_logits(&text[cut], &mut continuation);
            assert!(!continuation.from_the_start, "the built-in blocks keep their past");
            for (is, should) in continued.iter().zip(model.next_logits(&text[..end])) {
                assert!((is - should).abs() < 1e-5, "{is} instead of {should} after {end} tokens");
            }
        }
    }
}
