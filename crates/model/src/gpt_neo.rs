//! GPT-Neo (Black et al. 2021): a pre-LayerNorm decoder with learned positions and a head tied to the embedding.

use lrx_layers::{Block, Builder, ParameterId, Parameters, Pass};
use lrx_tensor::{Activation, Offsets, Parameter, Scalar, Tape, matrix, ops, values};

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
        let x = self.hidden_states(tokens, &offsets, &Tape::silent());
        let (rows, hidden) = lrx_tensor::dims(&x);
        let last = values(&x)[(rows - 1) * hidden..].to_vec();
        values(&ops::head_logits(&matrix(last, 1, hidden), self.embedding())).to_vec()
    }

    fn hidden_states(&self, tokens: &[u32], offsets: &Offsets, tape: &Tape) -> Activation {
        let pass = Pass { parameters: &self.parameters, offsets };
        let (wte, wpe) = (&pass[self.token_embedding], &pass[self.position_embedding]);
        let mut phases = tape.clone();
        phases.begin("embedding");
        let mut x = ops::embedding(tokens, offsets, wte, wpe, tape); // tokens × hidden
        for layer in &self.layers {
            phases.begin("attention");
            let h = layer.attention_norm.forward(&pass, x.clone());
            x = ops::add(x, layer.attention.forward(&pass, h));
            phases.begin("mlp");
            let h = layer.mlp_norm.forward(&pass, x.clone());
            x = ops::add(x, layer.mlp.forward(&pass, h));
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
        ops::layer_norm(x, &pass[self.weight], &pass[self.bias], LAYER_NORM_EPSILON)
    }
}
