//! The training loop.

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use lrx_data::{Sampler, Stories};
use lrx_model::{GptNeo, TensorFileError, save_weights};
use lrx_tensor::Tape;
use lrx_tensor::allocator::KeepFreedMemory;

use crate::checkpoint::{self, CHECKPOINT_FILE, Position};
use crate::curve::{CURVE_FILE, CurveRow, CurveWriter};
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
    /// Time between checkpoints.
    pub checkpoint_every: Duration,
    /// Set from outside to stop at the next step, with a checkpoint.
    pub stop: &'a AtomicBool,
}

/// How a call of [`train`] ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// All steps are done; the weights are written.
    Finished,
    /// `stop` was set; the checkpoint says where to go on.
    Stopped,
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
    fn logged(&mut self, row: &CurveRow<'_>, report: &Report);
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
pub fn train(job: &Job<'_>, model: &mut GptNeo, observer: &mut dyn Observer) -> Result<(Outcome, Report), TrainError> {
    let spec = job.spec;
    let steps = spec.length().steps(job.sampler);
    let _keep_memory_of_steps = KeepFreedMemory::new();
    memory::reset_peak();
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
            run_id: job.run_id,
            step: position.step,
            split,
            loss,
            tokens: position.tokens,
            learning_rate,
            grad_norm: stepped.grad_norm,
            elapsed_seconds: (position.wall_seconds * 1e3).round() / 1e3,
        };
        let mut log = |row: CurveRow<'_>, position: &mut Position| -> Result<(), TrainError> {
            curve.append(&row).map_err(|source| curve_error(job, source))?;
            position.curve_rows = curve.rows();
            observer.logged(&row, &report(position, steps));
            Ok(())
        };
        if last || position.step.is_multiple_of(spec.log_every) {
            let loss = position.close_window();
            log(row("train", loss, &position), &mut position)?;
        }
        if last || position.step.is_multiple_of(spec.eval_every) {
            let loss = evaluate(model, job.valid);
            position.eval_loss_bits = Some(loss.to_bits());
            clock.read(&mut position);
            log(row("eval", loss, &position), &mut position)?;
        }
        observer.stepped(&report(&position, steps));

        let stop = job.stop.load(Ordering::Relaxed);
        if !last && (stop || clock.since_checkpoint.elapsed() >= job.checkpoint_every) {
            // The rows that the checkpoint knows of reach the disk before it does.
            curve.sync().map_err(|source| curve_error(job, source))?;
            checkpoint::save(&job.folder.join(CHECKPOINT_FILE), &position, model.parameters(), &optimizer)?;
            clock.since_checkpoint = Instant::now();
            if stop {
                return Ok((Outcome::Stopped, report(&position, steps)));
            }
        }
    }

    save_weights(model.parameters(), &job.folder.join(WEIGHTS_FILE))?;
    clock.read(&mut position);
    Ok((Outcome::Finished, report(&position, steps)))
}

/// From the checkpoint if there is a good one, else from the beginning.
fn start(
    job: &Job<'_>,
    model: &mut GptNeo,
    optimizer: &mut AdamW,
    observer: &mut dyn Observer,
) -> Result<(Position, CurveWriter), TrainError> {
    let checkpoint = job.folder.join(CHECKPOINT_FILE);
    let curve = job.folder.join(CURVE_FILE);
    if checkpoint.exists() {
        match checkpoint::load(&checkpoint, job.run_id, model.parameters_mut(), optimizer) {
            Ok(position) => {
                let writer = CurveWriter::open(&curve, position.curve_rows).map_err(|e| curve_error(job, e))?;
                return Ok((position, writer));
            }
            Err(error) => observer.warned(&format!("the checkpoint cannot be used, the run starts anew: {error}")),
        }
    }
    let position = Position { run_id: job.run_id.to_string(), ..Position::default() };
    let writer = CurveWriter::open(&curve, 0).map_err(|error| curve_error(job, error))?;
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

/// Wall time over interruptions, and since the last checkpoint.
struct Clock {
    began: Instant,
    before: f64,
    since_checkpoint: Instant,
}

impl Clock {
    fn start(position: &Position) -> Self {
        Self { began: Instant::now(), before: position.wall_seconds, since_checkpoint: Instant::now() }
    }

    fn read(&self, position: &mut Position) {
        position.wall_seconds = self.before + self.began.elapsed().as_secs_f64();
        let peaks = [position.peak_rss_mb, memory::peak_rss_mb()];
        position.peak_rss_mb = peaks.into_iter().flatten().reduce(f64::max);
    }
}
