//! A small training, and kinds of layers that change while they are trained.

use std::cell::Cell;
use std::path::Path;
use std::time::Duration;

use lrx_data::{BatchSize, Sampler, SamplerConfig, Stories};
use lrx_layers::{Registry, deserialize};
use lrx_model::{Model, ModelConfig};
use lrx_records::{CurveRow, read_rows};
use lrx_train::{
    CURVE_FILE, Checkpoints, Job, Observer, Order, Outcome, RegisterOptimizer, Report, TrainConfig, TrainError,
    TrainSpec, WEIGHTS_FILE, train,
};

use crate::kinds::{Blend, DenseThenSvd};
use crate::lion::Lion;

pub const VOCABULARY: usize = 23;
pub const SEED: u64 = 5;

/// The built-in kinds and optimizers, and those of these tests.
pub fn registry() -> Registry {
    let mut registry = Registry::builtin();
    registry.register(DenseThenSvd).unwrap();
    registry.register(Blend).unwrap();
    registry.register_optimizer(Lion).unwrap();
    registry
}

/// A model of two layers, with these lines on top.
pub fn model(lines: &str) -> Model {
    let config = format!("hidden = 12\nlayers = 2\nheads = 3\ncontext = 9\n{lines}");
    let config: ModelConfig = deserialize(config.parse().expect("TOML")).expect("a model's config");
    let spec = config.resolve(&registry(), &|_, path| Ok(path.into())).expect("a model");
    Model::new(&spec, VOCABULARY, SEED)
}

pub fn train_config(lines: &str) -> TrainConfig {
    deserialize(lines.parse().expect("TOML")).expect("a training's config")
}

/// A training of six steps of four stories, with these lines on top.
pub fn train_spec(lines: &str) -> TrainSpec {
    let scalars = "steps = 6\nlearning_rate = 1e-2\neval_every = 2\nlog_every = 1\nweight_decay = 0.1\n";
    train_config(&format!("{scalars}{lines}")).resolve(&registry().optimizers()).expect("a training")
}

/// Stories whose tokens follow each other by a rule.
pub fn stories(count: u32) -> Stories {
    Stories::from_ids(
        (0..count).map(|i| (0..2 + i % 8).map(|j| (3 * i + 5 * j + j * j) % VOCABULARY as u32).collect::<Vec<_>>()),
    )
}

pub fn sampler(size: BatchSize) -> Sampler {
    Sampler::new(stories(40), SamplerConfig { context: 9, size, shuffle: true, seed: SEED })
}

/// Keeps what it is told.
#[derive(Default)]
pub struct Told {
    pub resumed: usize,
    pub warnings: Vec<String>,
}

impl Observer for Told {
    fn resumed(&mut self, _: &Report) {
        self.resumed += 1;
    }

    fn stepped(&mut self, _: &Report) {}

    fn logged(&mut self, _: &CurveRow, _: &Report) {}

    fn warned(&mut self, message: &str) {
        self.warnings.push(message.to_string());
    }
}

/// Trains in `folder` until `order` says otherwise.
pub fn train_in(
    folder: &Path,
    model: &mut Model,
    spec: &TrainSpec,
    order: &dyn Fn() -> Order,
    told: &mut Told,
) -> Result<(Outcome, Report), TrainError> {
    train_to(None, folder, model, spec, order, told)
}

/// As [`train_in`], pausing after so many updates.
pub fn train_to(
    pause_after: Option<usize>,
    folder: &Path,
    model: &mut Model,
    spec: &TrainSpec,
    order: &dyn Fn() -> Order,
    told: &mut Told,
) -> Result<(Outcome, Report), TrainError> {
    let (sampler, valid) = (sampler(spec.batch_size()), stories(7));
    let checkpoints = Checkpoints { every: Duration::from_secs(3600), steps: None };
    let job = Job { run_id: "run", spec, sampler: &sampler, valid: &valid, folder, checkpoints, pause_after, order };
    train(&job, model, told)
}

/// What a finished run leaves: its curve without the times, and the bytes of its weights.
pub type Left = (Vec<String>, Vec<u8>);

pub fn left(folder: &Path) -> Left {
    let rows: Vec<CurveRow> = read_rows(&folder.join(CURVE_FILE)).expect("a curve");
    let row = |row: &CurveRow| {
        let numbers = [Some(row.loss), row.learning_rate, row.grad_norm].map(|number| number.map(f64::to_bits));
        format!("{} {:?} {:?} {numbers:?}", row.step, row.split, row.tokens)
    };
    (rows.iter().map(row).collect(), std::fs::read(folder.join(WEIGHTS_FILE)).expect("weights"))
}

/// A run from beginning to end.
pub fn whole(model_lines: &str, train_lines: &str) -> Left {
    let folder = tempfile::tempdir().unwrap();
    let (outcome, _) = train_in(
        folder.path(),
        &mut model(model_lines),
        &train_spec(train_lines),
        &|| Order::GoOn,
        &mut Told::default(),
    )
    .expect("a training");
    assert_eq!(outcome, Outcome::Finished);
    left(folder.path())
}

/// The same run stopped after every step, each going on in a new model, as another process would.
pub fn stopped_at_every_step(model_lines: &str, train_lines: &str) -> Left {
    let (folder, spec) = (tempfile::tempdir().unwrap(), train_spec(train_lines));
    for attempt in 0.. {
        let mut told = Told::default();
        let (outcome, report) =
            train_in(folder.path(), &mut model(model_lines), &spec, &|| Order::Stop, &mut told).expect("a training");
        assert_eq!((told.warnings, told.resumed), (vec![], usize::from(attempt > 0)), "attempt {attempt}");
        if outcome == Outcome::Finished {
            assert_eq!(attempt + 1, report.steps, "one step at a time");
            break;
        }
        assert_eq!(outcome, Outcome::Stopped);
    }
    left(folder.path())
}

/// Says stop after so many steps.
pub fn stop_after(steps: usize) -> impl Fn() -> Order {
    let asked = Cell::new(0);
    move || {
        asked.set(asked.get() + 1);
        if asked.get() >= steps { Order::Stop } else { Order::GoOn }
    }
}
