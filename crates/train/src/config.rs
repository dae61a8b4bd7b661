//! The `[train]` section of a config: as written ([`TrainConfig`]) and validated ([`TrainSpec`]).

use lrx_data::{BatchSize, Sampler};
use lrx_layers::{OptionError, deserialize, to_table, without_defaults};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use toml::{Table, Value};

use crate::{OptimizerSpec, Optimizers, PrecisionName, Samples, Schedule, Update};

/// `[train]` as written. Defaults are the seed experiment's.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TrainConfig {
    /// Stories in a batch; 4 unless `batch_tokens` is given.
    pub batch_stories: Option<usize>,
    /// Or tokens in a batch, at most.
    pub batch_tokens: Option<usize>,
    /// Parts of a batch that go through the model one after the other, for less memory; the batch's update is the same but
    /// for rounding.
    pub micro_batches: usize,
    /// Passes over the stories; 1 unless `steps` is given.
    pub epochs: Option<usize>,
    /// Or steps.
    pub steps: Option<usize>,
    /// Or floating-point operations of training: the most steps that take no more. A step takes three times its forward pass,
    /// attention's own products included; each the mean of an epoch.
    pub flops: Option<f64>,
    /// The highest learning rate.
    pub learning_rate: f64,
    /// How it falls.
    pub schedule: Schedule,
    /// Steps over which it first rises from 0.
    pub warmup_steps: usize,
    /// The decay of matrices and embeddings; biases, norms and other vectors are not decayed.
    pub weight_decay: f64,
    /// Gradients are scaled down to this global norm; 0 leaves them.
    pub clip_norm: f64,
    /// The precision of matrix products: `"f32"` or `"bf16"`.
    pub precision: PrecisionName,
    /// Steps between evaluations; there is always one at the end.
    pub eval_every: usize,
    /// Steps between rows of the training curve.
    pub log_every: usize,
    /// Steps between sample texts, which go to the run's `samples.csv`; there are some at the end, too. They change nothing of
    /// the run.
    pub sample_every: Option<usize>,
    /// What the model goes on with in them. Default `["Once upon a time"]`.
    pub prompts: Option<Vec<String>>,
    /// Tokens that it adds to each, at most. Default 64.
    pub sample_tokens: Option<usize>,
    /// `kind`, the optimizer's options beside it, and groups: see [`Optimizers`].
    #[schemars(skip)] // `Optimizers::schema` describes it.
    pub optimizer: Table,
}

impl Default for TrainConfig {
    fn default() -> Self {
        Self {
            batch_stories: None,
            batch_tokens: None,
            micro_batches: 1,
            epochs: None,
            steps: None,
            flops: None,
            learning_rate: 5e-5,
            schedule: Schedule::Linear,
            warmup_steps: 0,
            weight_decay: 0.0,
            clip_norm: 1.0,
            precision: PrecisionName::F32,
            eval_every: 1000,
            log_every: 50,
            sample_every: None,
            prompts: None,
            sample_tokens: None,
            optimizer: Table::new(),
        }
    }
}

/// Counts are below this: products of them fit a machine's integer.
const MOST_STEPS: usize = 1_000_000_000;
/// More than was ever spent on one model.
const MOST_FLOPS: f64 = 1e28;

/// How long a run trains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Length {
    /// Passes over the stories.
    Epochs(usize),
    /// Steps.
    Steps(usize),
}

impl Length {
    /// Steps in all.
    pub fn steps(self, sampler: &Sampler) -> usize {
        match self {
            Length::Epochs(epochs) => sampler.steps(epochs),
            Length::Steps(steps) => steps,
        }
    }
}

/// `[train]`, validated, with every default filled in. Serialises as the section.
#[derive(Clone, Debug, Serialize)]
pub struct TrainSpec {
    #[serde(skip_serializing_if = "Option::is_none")]
    batch_stories: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    batch_tokens: Option<usize>,
    /// Parts of a batch that go through the model one after the other.
    pub micro_batches: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    epochs: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    steps: Option<usize>,
    /// What `steps` follow from, with the model and the data; nothing of it is kept once they are known.
    #[serde(skip)]
    pub flops: Option<f64>,
    /// The highest learning rate.
    pub learning_rate: f64,
    /// How it falls.
    pub schedule: Schedule,
    /// Steps over which it first rises.
    pub warmup_steps: usize,
    /// The decay of matrices and embeddings.
    pub weight_decay: f64,
    /// The largest global norm of the gradients; 0 for none.
    pub clip_norm: f64,
    /// How matrix products round their operands.
    pub precision: PrecisionName,
    /// Steps between evaluations.
    pub eval_every: usize,
    /// Steps between rows of the training curve.
    pub log_every: usize,
    /// Sample texts, which are no part of what the numbers depend on.
    #[serde(skip)]
    pub samples: Option<Samples>,
    /// How gradients become updates.
    pub optimizer: OptimizerSpec,
}

impl TrainConfig {
    /// Validates the section.
    ///
    /// # Errors
    /// A value out of range, or two that exclude each other; the key is relative to `[train]`.
    pub fn resolve(self, optimizers: &Optimizers) -> Result<TrainSpec, OptionError> {
        let excluded = |key: &str, other: &str| {
            OptionError::new(key, format!("`{key}` and `{other}` exclude each other: give one"))
        };
        let (batch_stories, batch_tokens) = match (self.batch_stories, self.batch_tokens) {
            (Some(_), Some(_)) => return Err(excluded("batch_tokens", "batch_stories")),
            (None, None) => (Some(4), None),
            one => one,
        };
        if let Some(other) = self.flops.and(self.steps.map(|_| "steps").or(self.epochs.map(|_| "epochs"))) {
            return Err(excluded("flops", other));
        }
        if let Some(flops) = self.flops.filter(|flops| !(1.0..MOST_FLOPS).contains(flops)) {
            let message = format!("`flops` is {flops}; expected a number of at least 1, below {MOST_FLOPS:e}");
            return Err(OptionError::new("flops", message));
        }
        let (epochs, steps) = match (self.epochs, self.steps) {
            (Some(_), Some(_)) => return Err(excluded("steps", "epochs")),
            (None, None) => (Some(1), None),
            one => one,
        };
        let counts = [
            ("batch_stories", batch_stories),
            ("batch_tokens", batch_tokens),
            ("micro_batches", Some(self.micro_batches)),
            ("epochs", epochs),
            ("steps", steps),
            ("eval_every", Some(self.eval_every)),
            ("log_every", Some(self.log_every)),
            ("sample_every", self.sample_every),
            ("sample_tokens", self.sample_tokens),
        ];
        for (key, value) in counts {
            let expected = match value {
                Some(0) => "at least 1".to_string(),
                Some(MOST_STEPS..) => format!("less than {MOST_STEPS}"),
                _ => continue,
            };
            let message = format!("`{key}` is {}; expected {expected}", value.unwrap_or_default());
            return Err(OptionError::new(key, message));
        }
        // A learning rate of 0 is a run that shows what the weights give as they are.
        let not_negative =
            [("learning_rate", self.learning_rate), ("weight_decay", self.weight_decay), ("clip_norm", self.clip_norm)];
        for (key, value) in not_negative {
            if !(value >= 0.0 && value.is_finite()) {
                return Err(OptionError::new(key, format!("`{key}` is {value}; expected a number of at least 0")));
            }
        }
        let samples = Samples::resolve(self.sample_every, self.prompts, self.sample_tokens)?;
        let optimizer = optimizers.resolve(self.optimizer).map_err(|error| error.inside("optimizer"))?;
        let spec = TrainSpec {
            batch_stories,
            batch_tokens,
            micro_batches: self.micro_batches,
            epochs,
            steps,
            flops: self.flops,
            learning_rate: self.learning_rate,
            schedule: self.schedule,
            warmup_steps: self.warmup_steps,
            weight_decay: self.weight_decay,
            clip_norm: self.clip_norm,
            precision: self.precision,
            eval_every: self.eval_every,
            log_every: self.log_every,
            samples,
            optimizer,
        };
        match steps {
            Some(steps) => spec.check_warmup(steps).map(|()| spec),
            None => Ok(spec),
        }
    }
}

impl TrainSpec {
    /// Whether the warm-up ends within a run of `steps` steps; where epochs are given, the data tells how many.
    ///
    /// # Errors
    /// When it does not.
    pub fn check_warmup(&self, steps: usize) -> Result<(), OptionError> {
        if self.warmup_steps <= steps {
            return Ok(());
        }
        let s = if steps == 1 { "" } else { "s" };
        let message = format!("`warmup_steps` is {}, more than the {steps} step{s} of the run", self.warmup_steps);
        Err(OptionError::new("warmup_steps", message).about_sizes())
    }

    /// What a run is known by: what is not at its default, and of the optimizer its version.
    ///
    /// Everything is in it but sample texts, which change nothing. `eval_every` and `log_every` change no weight, but they change which rows a curve has and the mean
    /// that `train_loss` is; `micro_batches` changes roundings.
    pub fn identity(&self) -> Table {
        let resolve = |table: Table| {
            let config: TrainConfig = deserialize(table).ok()?;
            config.resolve(&Optimizers::default()).ok().map(|spec| spec.without_optimizer())
        };
        let mut identity = without_defaults(&self.without_optimizer(), resolve);
        identity.extend(self.optimizer.identity().map(|table| ("optimizer".to_string(), Value::Table(table))));
        identity
    }

    fn without_optimizer(&self) -> Table {
        let mut table = to_table(self);
        table.remove("optimizer");
        table
    }

    /// The settings of the update after `step` others, of `steps` in all.
    pub fn update(&self, step: usize, steps: usize) -> Update {
        Update {
            number: step as u64 + 1,
            steps: steps as u64,
            learning_rate: self.learning_rate * self.schedule.factor(step, steps, self.warmup_steps),
            weight_decay: self.weight_decay,
            clip_norm: self.clip_norm,
            micro_batches: self.micro_batches,
        }
    }

    /// How much goes into a batch.
    pub fn batch_size(&self) -> BatchSize {
        match (self.batch_stories, self.batch_tokens) {
            (Some(stories), _) => BatchSize::Stories(stories),
            (None, tokens) => BatchSize::Tokens(tokens.expect("one of the two")),
        }
    }

    /// How long the run trains.
    pub fn length(&self) -> Length {
        match (self.epochs, self.steps) {
            (Some(epochs), _) => Length::Epochs(epochs),
            (None, steps) => Length::Steps(steps.expect("one of the two")),
        }
    }
}
