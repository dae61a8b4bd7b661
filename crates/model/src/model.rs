//! A decoder: embeddings, layers of attention and MLP with a norm before each, a norm and a head.
//!
//! As it stands it is GPT-Neo (Black et al. 2021); GPT-2 and Llama are a few lines of a config.

use std::cell::RefCell;
use std::collections::BTreeMap;

use lrx_layers::{
    Builder, OptionError, ParameterId, Parameters, Pass, Past, PlacedBlock, PlacedLinear, Progress, Role, Size, Start,
};
use lrx_tensor::{Activation, Offsets, Parameter, Scalar, Tape, matrix, ops, values};

use crate::ModelSpec;
use crate::config::{Norm as NormName, Positions};

/// The standard deviation of the initial embeddings, and of a head of its own.
const EMBEDDING_STD: f32 = 0.02;

/// The model: its layers, and all its parameters.
pub struct Model {
    parameters: Parameters,
    spec: ModelSpec,
    vocabulary: usize,
    seed: u64,
    token_embedding: ParameterId,
    position_embedding: Option<ParameterId>,
    head: Option<ParameterId>,
    layers: Vec<Layer>,
    final_norm: Norm,
}

struct Layer {
    attention_norm: Norm,
    attention: PlacedBlock,
    mlp_norm: Norm,
    mlp: PlacedBlock,
}

/// A text on its way: its tokens so far, and what the blocks keep of them.
#[derive(Clone, Debug, Default)]
pub struct Continuation {
    /// How far training is; done where that is not said.
    progress: Option<Progress>,
    tokens: Vec<u32>,
    /// Of each layer's attention and MLP.
    pasts: Vec<RefCell<Past>>,
}

impl Continuation {
    /// Of a model that is so far in its training.
    pub fn at(progress: Progress) -> Self {
        Self { progress: Some(progress), ..Self::default() }
    }
}

/// When a forward pass takes place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct When {
    /// How far training is.
    pub progress: Progress,
    /// Whether the pass is part of an update: dropout drops then.
    pub training: bool,
}

impl When {
    /// In an update: `progress.step` were done before.
    pub fn training(step: u64, steps: u64) -> Self {
        Self { progress: Progress { step, steps }, training: true }
    }

    /// Between updates: `step` are done.
    pub fn evaluation(step: u64, steps: u64) -> Self {
        Self { progress: Progress { step, steps }, training: false }
    }

    /// After training.
    pub const DONE: When = When { progress: Progress::DONE, training: false };
}

/// Which part of a batch a forward pass takes, where it does not take all of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// Tokens of the batch that stand before it.
    pub before: usize,
    /// Tokens of the batch.
    pub batch: usize,
}

impl Model {
    /// The model in its initial state, which depends on `seed` alone.
    pub fn new(spec: &ModelSpec, vocabulary: usize, seed: u64) -> Self {
        let hidden = spec.hidden;
        let (mut parameters, mut shared) = (Parameters::new(), BTreeMap::new());
        let mut root = Builder::new(&mut parameters, &mut shared, seed);
        let mut scope = root.scope("transformer");
        let token_embedding = table(&mut scope.scope("wte"), vocabulary, hidden);
        let learned = spec.positions == Positions::Learned;
        let position_embedding = learned.then(|| table(&mut scope.scope("wpe"), spec.context, hidden));
        let layers = spec.layers.iter().enumerate().map(|(i, layer)| {
            let mut scope = scope.scope(&format!("h.{i}"));
            Layer {
                attention_norm: Norm::new(&mut scope.scope("ln_1"), spec),
                attention: layer.attention.build(&mut scope.scope("attn.attention")),
                mlp_norm: Norm::new(&mut scope.scope("ln_2"), spec),
                mlp: layer.mlp.build(&mut scope.scope("mlp")),
            }
        });
        let layers = layers.collect();
        let final_norm = Norm::new(&mut scope.scope("ln_f"), spec);
        let head = (!spec.tied).then(|| table(&mut root.scope("lm_head"), vocabulary, hidden));
        let spec = spec.clone();
        Self { parameters, spec, vocabulary, seed, token_embedding, position_embedding, head, layers, final_norm }
    }

    /// The same model in its initial state.
    pub(crate) fn again(&self) -> Self {
        Self::new(&self.spec, self.vocabulary, self.seed)
    }

    /// All parameters, by name.
    pub fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    /// All parameters, for the optimizer.
    pub fn parameters_mut(&mut self) -> &mut Parameters {
        &mut self.parameters
    }

    /// What it was made of.
    pub fn spec(&self) -> &ModelSpec {
        &self.spec
    }

    /// Tokens in the embedding.
    pub fn vocabulary(&self) -> usize {
        self.vocabulary
    }

    /// The longest story.
    pub fn context(&self) -> usize {
        self.spec.context
    }

    /// What stands in the slots of all blocks, first layer first, attention before MLP: the layer, and the linear layer.
    pub fn linears(&self) -> impl Iterator<Item = (usize, &PlacedLinear)> {
        self.layers.iter().enumerate().flat_map(|(i, layer)| {
            layer.attention.linears().iter().chain(layer.mlp.linears()).map(move |linear| (i, linear))
        })
    }

    fn linears_mut(&mut self) -> (&mut Parameters, impl Iterator<Item = &mut PlacedLinear>) {
        let linears = self.layers.iter_mut().flat_map(|layer| {
            let Layer { attention, mlp, .. } = layer;
            attention.linears_mut().iter_mut().chain(mlp.linears_mut())
        });
        (&mut self.parameters, linears)
    }

    /// Tells every layer how far training is, before the first update and after each: it may change. Whoever keeps something
    /// for each parameter looks afterwards which there are.
    ///
    /// # Errors
    /// When a layer has changed and the rules that the config gives it do not fit what it is now.
    pub fn on_step(&mut self, progress: Progress) -> Result<(), OptionError> {
        let (parameters, mut linears) = self.linears_mut();
        linears.try_for_each(|linear| linear.on_step(parameters, progress))
    }

    /// Adds to the gradients what does not come from the loss; `weight_decay` is the config's.
    pub fn add_gradients(&self, progress: Progress, weight_decay: f64) {
        self.linears().for_each(|(_, linear)| linear.add_gradient(&self.parameters, progress, weight_decay));
    }

    /// What layers have changed since they were made, by their place in the model.
    pub fn structures(&self) -> BTreeMap<String, String> {
        let structure = |linear: &PlacedLinear| Some((linear.prefix().to_string(), linear.linear().structure()?));
        self.linears().filter_map(|(_, linear)| structure(linear)).collect()
    }

    /// Brings layers to the structures that another model of the same spec has.
    ///
    /// # Errors
    /// When a layer cannot have its structure, or there is no such layer.
    pub(crate) fn restore(&mut self, structures: &BTreeMap<String, String>) -> Result<(), String> {
        let mut left = structures.clone();
        let (parameters, linears) = self.linears_mut();
        for linear in linears {
            if let Some(structure) = left.remove(linear.prefix()) {
                linear.restore(parameters, &structure)?;
            }
        }
        left.keys().next().map_or(Ok(()), |place| Err(format!("the model has no layer `{place}`")))
    }

    /// The mean loss, in nats per token, of predicting `targets` from `inputs`: the stories' tokens end to end, story s
    /// in `offsets[s]..offsets[s + 1]`.
    ///
    /// On a timed tape the phases are `embedding`, `attention`, `mlp` (each with the norm before it and the residual
    /// sum behind it) and `head` (with the final norm and the loss).
    pub fn loss(&self, inputs: &[u32], targets: &[u32], offsets: &Offsets, when: When, tape: &Tape) -> Scalar {
        let whole = Part { before: 0, batch: targets.len() };
        self.loss_of_part(whole, inputs, targets, offsets, when, tape)
    }

    /// What a part of a batch adds to the batch's [`loss`](Self::loss), and to its gradients: the sum over the part's tokens,
    /// divided by the number of the batch's. Dropout drops what it would in the whole batch.
    pub fn loss_of_part(
        &self,
        part: Part,
        inputs: &[u32],
        targets: &[u32],
        offsets: &Offsets,
        when: When,
        tape: &Tape,
    ) -> Scalar {
        let dropout = Dropout::new(&self.spec, self.seed, when, part.before);
        let x = self.hidden_states(inputs, offsets, when.progress, tape, dropout, None); // tokens × hidden
        ops::head_cross_entropy_of(part.batch, x, self.head_weight(), targets)
    }

    /// The [`loss`](Self::loss), and what each target adds to it, in nats.
    pub fn losses(
        &self,
        inputs: &[u32],
        targets: &[u32],
        offsets: &Offsets,
        when: When,
        tape: &Tape,
    ) -> (Scalar, Vec<f32>) {
        let dropout = Dropout::new(&self.spec, self.seed, when, 0);
        let x = self.hidden_states(inputs, offsets, when.progress, tape, dropout, None);
        ops::head_cross_entropies(x, self.head_weight(), targets)
    }

    /// The logits of the token that follows `tokens`, one for each token of the vocabulary.
    pub fn next_logits(&self, tokens: &[u32]) -> Vec<f32> {
        self.logits_at(Progress::DONE, tokens)
    }

    fn logits_at(&self, progress: Progress, tokens: &[u32]) -> Vec<f32> {
        let offsets: Offsets = [0, tokens.len()].into();
        self.last_logits(&self.hidden_states(tokens, &offsets, progress, &Tape::silent(), None, None))
    }

    /// The logits of the token that follows `tokens`, which follow those of earlier calls with the same `continuation`.
    pub fn continue_logits(&self, tokens: &[u32], continuation: &mut Continuation) -> Vec<f32> {
        let (before, progress) = (continuation.tokens.len(), continuation.progress.unwrap_or(Progress::DONE));
        continuation.tokens.extend_from_slice(tokens);
        if !self.continues() {
            return self.logits_at(progress, &continuation.tokens);
        }
        continuation.pasts.resize_with(2 * self.layers.len(), RefCell::default);
        let offsets: Offsets = [0, tokens.len()].into();
        let past = Some((before, continuation.pasts.as_slice()));
        self.last_logits(&self.hidden_states(tokens, &offsets, progress, &Tape::silent(), None, past))
    }

    /// Whether every block can go on from what it keeps of earlier tokens.
    fn continues(&self) -> bool {
        self.layers.iter().all(|layer| layer.attention.continues() && layer.mlp.continues())
    }

    fn last_logits(&self, x: &Activation) -> Vec<f32> {
        let (rows, hidden) = lrx_tensor::dims(x);
        let last = values(x)[(rows - 1) * hidden..].to_vec();
        values(&ops::head_logits(&matrix(last, 1, hidden), self.head_weight())).to_vec()
    }

    /// The one forward pass, of training, evaluation and generation: of tokens that follow `past.0` others of their story,
    /// of which the blocks keep `past.1`.
    fn hidden_states(
        &self,
        tokens: &[u32],
        offsets: &Offsets,
        progress: Progress,
        tape: &Tape,
        dropout: Option<Dropout>,
        past: Option<(usize, &[RefCell<Past>])>,
    ) -> Activation {
        let first = past.map_or(0, |(before, _)| before);
        let mut pass = Pass::new(&self.parameters, offsets, progress);
        pass.first_position = first;
        pass.dropout = dropout.as_ref().map(Dropout::key_of_blocks);
        let block = |block: &PlacedBlock, place: usize, h: Activation, x: Activation| -> Activation {
            let run = |residual| match past {
                None => block.forward(&pass, h, residual),
                Some((_, pasts)) => block.continue_from(&pass, &pasts[place], h, residual),
            };
            match &dropout {
                None => run(Some(x)),
                Some(dropout) => ops::add(x, dropout.drop(run(None), place + 1)),
            }
        };
        let mut phases = tape.clone();
        phases.begin("embedding");
        let positions = self.position_embedding.map(|id| &pass[id]);
        let mut x = ops::embedding(tokens, offsets, &pass[self.token_embedding], positions, first, tape);
        if let Some(dropout) = &dropout {
            x = dropout.drop(x, 0);
        }
        for (i, layer) in self.layers.iter().enumerate() {
            phases.begin("attention");
            let h = layer.attention_norm.forward(&pass, x.clone()); // tokens × hidden
            x = block(&layer.attention, 2 * i, h, x);
            phases.begin("mlp");
            let h = layer.mlp_norm.forward(&pass, x.clone());
            x = block(&layer.mlp, 2 * i + 1, h, x);
        }
        phases.begin("head");
        self.final_norm.forward(&pass, x)
    }

    fn head_weight(&self) -> &Parameter {
        &self.parameters[self.head.unwrap_or(self.token_embedding)]
    }
}

/// A table with a row for each token or position.
fn table(scope: &mut Builder<'_>, rows: usize, columns: usize) -> ParameterId {
    let mut plan = scope.plan();
    let start = Start::Normal { std: EMBEDDING_STD };
    let id = plan.parameter("weight", Size::Matrix(rows, columns), Role::Embedding, start);
    scope.make(&plan);
    id
}

/// What dropout draws its masks from: the run's seed and the update, so that an interrupted run draws the same.
struct Dropout {
    rate: f32,
    key: u64,
    /// Tokens of the batch that stand before those of the pass.
    before: usize,
}

impl Dropout {
    fn new(spec: &ModelSpec, seed: u64, when: When, before: usize) -> Option<Self> {
        (when.training && spec.dropout > 0.0).then(|| {
            let mut hash = blake3::Hasher::new();
            hash.update(b"dropout").update(&seed.to_le_bytes()).update(&when.progress.step.to_le_bytes());
            Self { rate: spec.dropout as f32, key: first_word(&hash), before }
        })
    }

    /// What blocks with dropout of their own draw from: another for each part of a batch.
    fn key_of_blocks(&self) -> u64 {
        if self.before == 0 {
            return self.key;
        }
        let mut hash = blake3::Hasher::new();
        hash.update(b"part").update(&self.key.to_le_bytes()).update(&(self.before as u64).to_le_bytes());
        first_word(&hash)
    }

    fn drop(&self, x: Activation, place: usize) -> Activation {
        let mut hash = blake3::Hasher::new();
        hash.update(&self.key.to_le_bytes()).update(&(place as u64).to_le_bytes());
        ops::dropout_from(self.before, x, self.rate, first_word(&hash))
    }
}

fn first_word(hash: &blake3::Hasher) -> u64 {
    let bytes = *hash.finalize().as_bytes();
    u64::from_le_bytes(bytes[..8].try_into().expect("eight bytes"))
}

/// A norm over each token's features.
struct Norm {
    weight: ParameterId,
    bias: Option<ParameterId>,
    epsilon: f32,
}

impl Norm {
    fn new(scope: &mut Builder<'_>, spec: &ModelSpec) -> Self {
        let mut plan = scope.plan();
        let size = Size::Vector(spec.hidden);
        let weight = plan.parameter("weight", size, Role::Norm, Start::Constant(1.0));
        let bias =
            (spec.norm == NormName::LayerNorm).then(|| plan.parameter("bias", size, Role::Norm, Start::Constant(0.0)));
        scope.make(&plan);
        Self { weight, bias, epsilon: spec.norm_epsilon as f32 }
    }

    fn forward(&self, pass: &Pass<'_>, x: Activation) -> Activation {
        let weight = &pass[self.weight];
        match self.bias {
            Some(bias) => ops::layer_norm(x, weight, Some(&pass[bias]), self.epsilon),
            None => ops::rms_norm(x, weight, self.epsilon),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model(config: &str) -> Model {
        let registry = lrx_layers::Registry::builtin();
        let config: crate::ModelConfig = toml::from_str(config).expect("a config");
        let spec = config.resolve(&registry, &|_, path| Ok(path.into())).expect("a model");
        Model::new(&spec, 30, 5)
    }

    #[test]
    fn continuing_gives_what_the_whole_text_gives() {
        let blocks = [
            "[attention]\nkind = \"low-rank\"\nrank = 3\nwindow = [0, 3]",
            "positions = \"rotary\"\nnorm = \"rms-norm\"\ntied = false\n[attention]\nkv_heads = 2\nscaled = true\n\
             [mlp]\nblock = \"gated-mlp\"",
            "positions = \"rotary\"\n[attention]\nblock = \"latent-attention\"\nlatent = 6",
            "positions = \"none\"\n[attention]\nbias = \"all\"\nwindow = 4",
        ];
        for block in blocks {
            let model = model(&format!("hidden = 16\nlayers = 2\nheads = 4\ncontext = 12\n{block}"));
            assert!(model.continues(), "the built-in blocks keep their past");
            let text: Vec<u32> = (0..11).map(|i| i * 7 % 30).collect();
            let mut continuation = Continuation::default();
            for cut in [0..4, 4..5, 5..9, 9..11] {
                let end = cut.end;
                let continued = model.continue_logits(&text[cut], &mut continuation);
                for (is, should) in continued.iter().zip(model.next_logits(&text[..end])) {
                    assert!((is - should).abs() < 1e-5, "{block}: {is} instead of {should} after {end} tokens");
                }
            }
        }
    }

    #[test]
    fn dropout_depends_on_the_update_and_drops_in_training_only() {
        let model = model("hidden = 16\nlayers = 1\nheads = 4\ncontext = 12\ndropout = 0.3");
        let (tokens, targets): (Vec<u32>, Vec<u32>) = ((0..9).collect(), (1..10).collect());
        let loss = |when| model.loss(&tokens, &targets, &[0, 4, 9].into(), when, &Tape::silent()).value();
        assert_eq!(loss(When::training(3, 9)), loss(When::training(3, 9)));
        assert_ne!(loss(When::training(3, 9)), loss(When::training(4, 9)));
        assert_eq!(loss(When::evaluation(3, 9)), loss(When::evaluation(4, 9)));
    }
}
