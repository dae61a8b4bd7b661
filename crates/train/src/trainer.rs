//! The training loop.

use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use lrx_data::{Sampler, Stories};
use lrx_model::{Model, TensorFileError, When, save_weights};
use lrx_records::{CurveRow, Split};
use lrx_tensor::Tape;
use lrx_tensor::allocator::KeepFreedMemory;

use crate::checkpoint::{self, Position};
use crate::curve::{CURVE_FILE, CurveWriter};
use crate::{AdamW, TrainSpec, Update, WEIGHTS_FILE, evaluate, memory, step};

/// What to train, on what, and where the files go.
pub struct Job<'a> {
    /// The run.
    pub run_id: &'a str,
    /// `[train]`.
    pub spec: &'a TrainSpec,
    /// Gives the batch of every step.
    pub sampler: &'a Sampler,
    /// Held-out stories.
    pub valid: &'a Stories,
    /// The run's folder; it exists.
    pub folder: &'a Path,
    /// When to write checkpoints.
    pub checkpoints: Checkpoints,
    /// Asked after every step, and before anything is written: whether to go on.
    pub order: &'a dyn Fn() -> Order,
}

/// When checkpoints are written.
#[derive(Clone, Copy, Debug)]
pub struct Checkpoints {
    /// Time between two; longer where writing one takes more than a hundredth of it, so that it costs less than 1 %.
    pub every: Duration,
    /// Also after every so many steps.
    pub steps: Option<usize>,
}

/// What a run is told from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Nothing.
    GoOn,
    /// Write a checkpoint and stop.
    Stop,
    /// Stop and write nothing: the run is in somebody else's hands.
    Abandon,
}

/// How a call of [`train`] ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// All steps are done; the weights are written.
    Finished,
    /// On [`Order::Stop`]; the checkpoint says where to go on.
    Stopped,
    /// On [`Order::Abandon`].
    Abandoned,
    /// At this update (1 for the first), the loss or the gradient was not a finite number.
    Diverged {
        /// Which update.
        step: usize,
        /// What was not finite, and its value.
        what: String,
    },
}

/// Where a run stands.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Updates done.
    pub step: usize,
    /// Updates in all.
    pub steps: usize,
    /// The mean training loss since the last row of the curve.
    pub loss: f64,
    /// The last row of the training curve.
    pub train_loss: Option<f64>,
    /// The last evaluation.
    pub eval_loss: Option<f64>,
    /// Targets trained on.
    pub tokens: u64,
    /// Targets per second of training.
    pub tokens_per_second: f64,
    /// Of the whole run, interruptions left out.
    pub wall_seconds: f64,
    /// Of the whole run.
    pub peak_rss_mb: Option<f64>,
}

/// Is told how a run goes.
pub trait Observer {
    /// A checkpoint was found: the run goes on after `report.step`.
    fn resumed(&mut self, report: &Report);
    /// An update was done.
    fn stepped(&mut self, report: &Report);
    /// A row of the curve, of either split, was written.
    fn logged(&mut self, row: &CurveRow, report: &Report);
    /// Something that the user should know.
    fn warned(&mut self, message: &str);
}

/// Why a run could not go on.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// The curve could not be written.
    #[error("the curve {file}: {source}")]
    Curve {
        /// Which file.
        file: String,
        /// Why.
        source: io::Error,
    },
    /// A checkpoint or the weights could not be written.
    #[error(transparent)]
    Tensors(#[from] TensorFileError),
}

/// Trains `model` as `job` says; continues from the checkpoint in the run's folder if there is one.
///
/// Numbers do not depend on interruptions, nor on the number of threads.
///
/// # Errors
/// When files in the run's folder cannot be written.
pub fn train(job: &Job<'_>, model: &mut Model, observer: &mut dyn Observer) -> Result<(Outcome, Report), TrainError> {
    let spec = job.spec;
    let steps = spec.length().steps(job.sampler);
    let _keep_memory_of_steps = KeepFreedMemory::new();
    let mut optimizer = AdamW::new(model.parameters());
    let (mut position, mut curve) = start(job, model, &mut optimizer, observer)?;
    let mut clock = Clock::start(&position);
    if position.step > 0 {
        observer.resumed(&report(&position, steps));
    }

    while position.step < steps {
        let step_began = Instant::now();
        let batch = job.sampler.batch(position.step);
        let learning_rate = spec.learning_rate * spec.schedule.factor(position.step, steps, spec.warmup_steps);
        let update = Update {
            number: position.step as u64 + 1,
            steps: steps as u64,
            learning_rate,
            weight_decay: spec.weight_decay,
            clip_norm: spec.clip_norm,
        };
        let stepped = step(model, &mut optimizer, &batch, &update, &Tape::recording());
        if let Some(what) = stepped.not_finite() {
            clock.read(&mut position);
            return Ok((Outcome::Diverged { step: position.step + 1, what }, report(&position, steps)));
        }

        position.step += 1;
        position.tokens += batch.tokens() as u64;
        position.add_to_window(stepped.loss);
        position.train_seconds += step_began.elapsed().as_secs_f64();
        clock.read(&mut position);
        let last = position.step == steps;
        let row = |split, loss, position: &Position| CurveRow {
            run_id: job.run_id.to_owned(),
            step: position.step as u64,
            split,
            loss,
            tokens: Some(position.tokens),
            learning_rate: Some(learning_rate),
            grad_norm: Some(stepped.grad_norm),
            elapsed_seconds: Some((position.wall_seconds * 1e3).round() / 1e3),
        };
        let mut log = |row: CurveRow, position: &mut Position| -> Result<(), TrainError> {
            curve.append(&row).map_err(|source| curve_error(job, source))?;
            observer.logged(&row, &report(position, steps));
            Ok(())
        };
        if last || position.step.is_multiple_of(spec.log_every) {
            let loss = position.close_window();
            log(row(Split::Train, loss, &position), &mut position)?;
        }
        if last || position.step.is_multiple_of(spec.eval_every) {
            let loss = evaluate(model, job.valid, When::evaluation(position.step as u64, steps as u64));
            position.eval_loss_bits = Some(loss.to_bits());
            clock.read(&mut position);
            log(row(Split::Eval, loss, &position), &mut position)?;
        }
        observer.stepped(&report(&position, steps));

        let order = (job.order)();
        if order == Order::Abandon {
            return Ok((Outcome::Abandoned, report(&position, steps)));
        }
        if !last && (order == Order::Stop || clock.checkpoint_is_due(&job.checkpoints, position.step)) {
            let began = Instant::now();
            // The rows that the checkpoint knows of reach the disk before it does.
            curve.sync().map_err(|source| curve_error(job, source))?;
            (position.curve_rows, position.curve_blake3) = (curve.rows(), curve.blake3());
            match checkpoint::save(job.folder, &mut position, model, &optimizer) {
                // A disk that is full now may have room again when the next is due; the run need not end for that.
                Err(error) if order == Order::GoOn => observer.warned(&format!("no checkpoint now: {error}")),
                saved => saved?,
            }
            clock.checkpoint_took(began.elapsed());
            if order == Order::Stop {
                return Ok((Outcome::Stopped, report(&position, steps)));
            }
        }
    }

    if (job.order)() == Order::Abandon {
        return Ok((Outcome::Abandoned, report(&position, steps)));
    }
    curve.finish().map_err(|source| curve_error(job, source))?;
    save_weights(model, &job.folder.join(WEIGHTS_FILE))?;
    clock.read(&mut position);
    Ok((Outcome::Finished, report(&position, steps)))
}

/// From the newest good checkpoint if there is one, else from the beginning.
fn start(
    job: &Job<'_>,
    model: &mut Model,
    optimizer: &mut AdamW,
    observer: &mut dyn Observer,
) -> Result<(Position, CurveWriter), TrainError> {
    let curve = job.folder.join(CURVE_FILE);
    for path in checkpoint::present(job.folder) {
        let reopen = |position: &Position| {
            CurveWriter::reopen(&curve, position.curve_rows, &position.curve_blake3)
                .map_err(|error| format!("the curve {} does not belong to it: {error}", curve.display()))
        };
        match checkpoint::load(&path, job.run_id, model, optimizer, reopen) {
            Ok(start) => return Ok(start),
            Err(error) => observer.warned(&format!("a checkpoint cannot be used: {error}")),
        }
    }
    let position = Position { run_id: job.run_id.to_string(), ..Position::default() };
    let writer = CurveWriter::create(&curve).map_err(|error| curve_error(job, error))?;
    Ok((position, writer))
}

fn curve_error(job: &Job<'_>, source: io::Error) -> TrainError {
    TrainError::Curve { file: job.folder.join(CURVE_FILE).display().to_string(), source }
}

fn report(position: &Position, steps: usize) -> Report {
    let train_loss = position.train_loss_bits.map(f64::from_bits);
    Report {
        step: position.step,
        steps,
        loss: position.window_mean().or(train_loss).unwrap_or(f64::NAN),
        train_loss,
        eval_loss: position.eval_loss_bits.map(f64::from_bits),
        tokens: position.tokens,
        tokens_per_second: position.tokens as f64 / position.train_seconds.max(1e-9),
        wall_seconds: position.wall_seconds,
        peak_rss_mb: position.peak_rss_mb,
    }
}

impl Position {
    fn add_to_window(&mut self, loss: f64) {
        self.window_sum_bits = (f64::from_bits(self.window_sum_bits) + loss).to_bits();
        self.window_count += 1;
    }

    fn window_mean(&self) -> Option<f64> {
        (self.window_count > 0).then(|| f64::from_bits(self.window_sum_bits) / self.window_count as f64)
    }

    fn close_window(&mut self) -> f64 {
        let mean = self.window_mean().expect("a step since the last row");
        (self.window_sum_bits, self.window_count) = (0, 0);
        self.train_loss_bits = Some(mean.to_bits());
        mean
    }
}

/// Wall time over interruptions, and when the next checkpoint is due.
struct Clock {
    began: Instant,
    before: f64,
    last_checkpoint: Instant,
    checkpoint_cost: Duration,
}

impl Clock {
    fn start(position: &Position) -> Self {
        let now = Instant::now();
        Self { began: now, before: position.wall_seconds, last_checkpoint: now, checkpoint_cost: Duration::ZERO }
    }

    fn read(&self, position: &mut Position) {
        position.wall_seconds = self.before + self.began.elapsed().as_secs_f64();
        let peaks = [position.peak_rss_mb, memory::peak_rss_mb()];
        position.peak_rss_mb = peaks.into_iter().flatten().reduce(f64::max);
    }

    fn checkpoint_is_due(&self, checkpoints: &Checkpoints, step: usize) -> bool {
        let by_steps = checkpoints.steps.is_some_and(|steps| step.is_multiple_of(steps));
        let every = if checkpoints.every.is_zero() {
            Duration::ZERO // Asked for after every step, whatever it costs.
        } else {
            checkpoints.every.max(100 * self.checkpoint_cost)
        };
        by_steps || self.last_checkpoint.elapsed() >= every
    }

    fn checkpoint_took(&mut self, time: Duration) {
        (self.last_checkpoint, self.checkpoint_cost) = (Instant::now(), time);
    }
}
