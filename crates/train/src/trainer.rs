//! The training loop.

use std::io;
use std::path::Path;
use std::time::Instant;

use lrx_data::{Sampler, Stories};
use lrx_layers::{OptionError, ParameterEntry, Parameters, Progress};
use lrx_model::{Model, When, save_weights};
use lrx_records::{CurveRow, STORIES_FILE, Split, csv_text};
use lrx_tensor::allocator::KeepFreedMemory;
use lrx_tensor::{Tape, arithmetic};

use crate::checkpoint::{self, Position};
use crate::clock::{Checkpoints, Clock};
use crate::curve::{CURVE_FILE, CurveWriter};
use crate::evaluate::rows;
use crate::report::{Observer, Order, Outcome, Report, TrainError};
use crate::{Evaluation, Optimizer, TrainSpec, WEIGHTS_FILE, evaluate, step};

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
    /// After how many steps the run pauses, as on [`Order::Stop`], to be continued or not; none where it is to be finished.
    pub pause_after: Option<usize>,
    /// Asked after every step, between the batches of an evaluation, and before anything is written: whether to go on.
    pub order: &'a dyn Fn() -> Order,
}

/// Trains `model` as `job` says; continues from the checkpoint in the run's folder if there is one.
///
/// Numbers do not depend on interruptions, nor on the number of threads. Layers are told of the training's progress before
/// the first update and after each, before anything is measured or written.
///
/// # Errors
/// When files in the run's folder cannot be written, the optimizer's groups do not fit the model, or a layer becomes what the
/// config does not fit.
pub fn train(job: &Job<'_>, model: &mut Model, observer: &mut dyn Observer) -> Result<(Outcome, Report), TrainError> {
    let _keep_memory_of_steps = KeepFreedMemory::new();
    let mut training = Training::start(job, model, observer)?;
    let outcome = match training.go_on() {
        Ok(()) => Outcome::Finished,
        Err(End::Early(outcome)) => outcome,
        Err(End::Failed(error)) => return Err(error),
    };
    Ok((outcome, training.report()))
}

/// A run under way.
struct Training<'a> {
    job: &'a Job<'a>,
    model: &'a mut Model,
    observer: &'a mut dyn Observer,
    optimizer: Optimizer,
    /// Updates of the whole run.
    steps: usize,
    position: Position,
    curve: CurveWriter,
    clock: Clock,
    /// What each story cost in the last evaluation, in nats.
    held_out: Vec<f64>,
}

/// Why a run does not go on to its end.
enum End {
    Early(Outcome),
    Failed(TrainError),
}

impl From<TrainError> for End {
    fn from(error: TrainError) -> Self {
        Self::Failed(error)
    }
}

/// What rows of the curve tell of the last update.
struct Updated {
    learning_rate: f64,
    grad_norm: f64,
}

impl<'a> Training<'a> {
    fn start(job: &'a Job<'a>, model: &'a mut Model, observer: &'a mut dyn Observer) -> Result<Self, TrainError> {
        let steps = job.spec.length().steps(job.sampler);
        let (position, curve, optimizer) = begin(job, model, steps, observer)?;
        if position.step > 0 {
            observer.resumed(&Report::of(&position, steps));
        }
        let clock = Clock::start(&position);
        Ok(Self { job, model, observer, optimizer, steps, position, curve, clock, held_out: Vec::new() })
    }

    fn report(&self) -> Report {
        Report::of(&self.position, self.steps)
    }

    /// To the end, if nothing comes between.
    fn go_on(&mut self) -> Result<(), End> {
        let pause = self.job.pause_after.filter(|&pause| pause < self.steps);
        if self.position.evaluation_due.is_none() && pause.is_some_and(|pause| pause <= self.position.step) {
            return Err(End::Early(Outcome::Paused));
        }
        while self.position.step < self.steps || self.position.evaluation_due.is_some() {
            let due = self.position.evaluation_due.take();
            let updated = match due {
                Some(grad_norm_bits) => Updated {
                    learning_rate: self.job.spec.update(self.position.step - 1, self.steps).learning_rate,
                    grad_norm: f64::from_bits(grad_norm_bits),
                },
                None => self.update()?,
            };
            let step = self.position.step;
            let last = step == self.steps;
            if due.is_none() && (last || step.is_multiple_of(self.job.spec.log_every)) {
                let loss = self.position.close_window();
                self.log(Split::Train, loss, &updated)?;
            }
            let evaluates = last || step.is_multiple_of(self.job.spec.eval_every);
            let mut not_finite = if evaluates { self.evaluate(&updated)? } else { None };
            let report = self.report();
            self.observer.stepped(&report);

            let order = self.order()?;
            let pauses = pause == Some(step);
            let is_open = !last || self.position.evaluation_due.is_some();
            let is_due = self.clock.checkpoint_is_due(&self.job.checkpoints, step);
            let saves = is_open && (order == Order::Stop || pauses || is_due);
            if evaluates || saves {
                // Nothing later would look at what the last update has made of the weights.
                not_finite = not_finite.or_else(|| not_finite_weight(self.model.parameters()));
            }
            if let Some(what) = not_finite {
                return Err(End::Early(Outcome::Diverged { step, what }));
            }
            if saves {
                self.save(order == Order::GoOn && !pauses)?;
                if order == Order::Stop {
                    return Err(End::Early(Outcome::Stopped));
                }
                if pauses {
                    return Err(End::Early(Outcome::Paused));
                }
            }
        }
        self.order()?;
        Ok(self.finish()?)
    }

    /// What the run is told from outside, unless that is to write nothing more.
    fn order(&self) -> Result<Order, End> {
        match (self.job.order)() {
            Order::Abandon => Err(End::Early(Outcome::Abandoned)),
            order => Ok(order),
        }
    }

    /// The next update.
    fn update(&mut self) -> Result<Updated, End> {
        let began = Instant::now();
        let update = self.job.spec.update(self.position.step, self.steps);
        let batch = self.job.sampler.batch(self.position.step);
        let tape = Tape::recording().with_precision(self.job.spec.precision.into());
        let stepped = step(self.model, &mut self.optimizer, &batch, &update, &tape);
        if let Some(what) = stepped.not_finite() {
            self.clock.read_all(&mut self.position);
            return Err(End::Early(Outcome::Diverged { step: self.position.step + 1, what }));
        }
        self.position.step += 1;
        tell_layers(self.model, &mut self.optimizer, self.position.step, self.steps)?;
        self.position.tokens += batch.tokens() as u64;
        self.position.add_to_window(stepped.loss);
        self.position.train_seconds += began.elapsed().as_secs_f64();
        self.clock.read(&mut self.position);
        let report = self.report();
        self.observer.updated(self.model, &report).map_err(TrainError::Kept)?;
        Ok(Updated { learning_rate: update.learning_rate, grad_norm: stepped.grad_norm })
    }

    /// Writes a row of the curve.
    fn log(&mut self, split: Split, loss: f64, updated: &Updated) -> Result<(), TrainError> {
        let row = CurveRow {
            run_id: self.job.run_id.to_owned(),
            step: self.position.step as u64,
            split,
            loss,
            tokens: Some(self.position.tokens),
            learning_rate: Some(updated.learning_rate),
            grad_norm: Some(updated.grad_norm),
            elapsed_seconds: Some((self.position.wall_seconds * 1e3).round() / 1e3),
        };
        self.curve.append(&row).map_err(|source| curve_error(self.job, source))?;
        let report = self.report();
        self.observer.logged(&row, &report);
        Ok(())
    }

    /// The loss on held-out stories; what of it is not finite. Where the run has to stop meanwhile, it is due when the run goes
    /// on: it may take minutes, and who has to stop has seconds.
    fn evaluate(&mut self, updated: &Updated) -> Result<Option<String>, TrainError> {
        let when = When::evaluation(self.position.step as u64, self.steps as u64);
        let precision = self.job.spec.precision.into();
        let evaluation = evaluate(self.model, self.job.valid, when, precision, &|| (self.job.order)() != Order::GoOn);
        let Some(Evaluation { loss, nats }) = evaluation else {
            self.position.evaluation_due = Some(updated.grad_norm.to_bits());
            return Ok(None);
        };
        self.held_out = nats;
        self.position.eval_loss_bits = Some(loss.to_bits());
        self.clock.read_all(&mut self.position);
        self.log(Split::Eval, loss, updated)?;
        Ok((!loss.is_finite()).then(|| format!("evaluation loss {loss}")))
    }

    /// Writes a checkpoint. Where the run goes on in any case it need not end for a full disk, which may have room again when the
    /// next is due.
    fn save(&mut self, goes_on: bool) -> Result<(), TrainError> {
        let began = Instant::now();
        self.clock.read_all(&mut self.position);
        // The rows that the checkpoint knows of reach the disk before it does.
        self.curve.sync().map_err(|source| curve_error(self.job, source))?;
        (self.position.curve_rows, self.position.curve_blake3) = (self.curve.rows(), self.curve.blake3());
        match checkpoint::save(self.job.folder, &mut self.position, self.model, &self.optimizer) {
            Err(error) if goes_on => self.observer.warned(&format!("no checkpoint now: {error}")),
            saved => saved?,
        }
        self.clock.checkpoint_took(began.elapsed());
        Ok(())
    }

    /// Writes what is kept of a finished run; the weights last.
    fn finish(&mut self) -> Result<(), TrainError> {
        self.curve.finish().map_err(|source| curve_error(self.job, source))?;
        let stories = self.job.folder.join(STORIES_FILE);
        let rows = rows(self.job.valid, self.model.context(), &self.held_out);
        lrx_files::write_unflushed(&stories, csv_text(&rows).as_bytes())
            .map_err(|source| TrainError::Curve { file: stories.display().to_string(), source })?;
        save_weights(self.model, &self.job.folder.join(WEIGHTS_FILE))?;
        self.clock.read_all(&mut self.position);
        Ok(())
    }
}

/// From the newest good checkpoint if there is one, else from the beginning.
fn begin(
    job: &Job<'_>,
    model: &mut Model,
    steps: usize,
    observer: &mut dyn Observer,
) -> Result<(Position, CurveWriter, Optimizer), TrainError> {
    let mut optimizer = Optimizer::new(&job.spec.optimizer, model.parameters()).map_err(wrong_optimizer)?;
    let arithmetic = arithmetic(job.spec.precision.into());
    let curve = job.folder.join(CURVE_FILE);
    for path in checkpoint::present(job.folder) {
        let reopen = |position: &Position| {
            CurveWriter::reopen(&curve, position.curve_rows, &position.curve_blake3)
                .map_err(|error| format!("the curve {} does not belong to it: {error}", curve.display()))
        };
        match checkpoint::load(&path, job.run_id, model, &mut optimizer, reopen) {
            Ok((mut position, curve)) => {
                if let Some(before) = position.goes_on_with(arithmetic) {
                    let message = format!(
                        "the run was computed with {before} so far, and goes on with {arithmetic}: its roundings will be those of none alone"
                    );
                    observer.warned(&message);
                }
                return Ok((position, curve, optimizer));
            }
            Err(error) => observer.warned(&format!("a checkpoint cannot be used: {error}")),
        }
    }
    let mut position = Position { run_id: job.run_id.to_string(), ..Position::default() };
    position.goes_on_with(arithmetic);
    tell_layers(model, &mut optimizer, 0, steps)?;
    let writer = CurveWriter::create(&curve).map_err(|error| curve_error(job, error))?;
    Ok((position, writer, optimizer))
}

/// Tells the layers that `step` updates are done; the optimizer follows what they change.
fn tell_layers(model: &mut Model, optimizer: &mut Optimizer, step: usize, steps: usize) -> Result<(), TrainError> {
    let progress = Progress { step: step as u64, steps: steps as u64 };
    model.on_step(progress).map_err(|error| TrainError::Layer { step, error })?;
    optimizer.follow(model.parameters()).map_err(wrong_optimizer)
}

/// The first weight that is not a finite number.
fn not_finite_weight(parameters: &Parameters) -> Option<String> {
    let of = |entry: &ParameterEntry| {
        let value = entry.parameter.values().iter().find(|value| !value.is_finite())?;
        Some(format!("a weight of {}: {value}", entry.name))
    };
    parameters.iter().find_map(of)
}

fn wrong_optimizer(error: OptionError) -> TrainError {
    TrainError::Optimizer(error.inside("optimizer"))
}

fn curve_error(job: &Job<'_>, source: io::Error) -> TrainError {
    TrainError::Curve { file: job.folder.join(CURVE_FILE).display().to_string(), source }
}
