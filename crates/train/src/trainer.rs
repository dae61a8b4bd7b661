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
    let spec = job.spec;
    let steps = spec.length().steps(job.sampler);
    let _keep_memory_of_steps = KeepFreedMemory::new();
    let (mut position, mut curve, mut optimizer) = start(job, model, steps, observer)?;
    let mut clock = Clock::start(&position);
    if position.step > 0 {
        observer.resumed(&Report::of(&position, steps));
    }

    let precision = spec.precision.into();
    let pause = job.pause_after.filter(|&pause| pause < steps);
    if position.evaluation_due.is_none() && pause.is_some_and(|pause| pause <= position.step) {
        return Ok((Outcome::Paused, Report::of(&position, steps)));
    }

    // What each story cost in the last evaluation.
    let mut held_out = Vec::new();
    while position.step < steps || position.evaluation_due.is_some() {
        let due = position.evaluation_due.take();
        let update = spec.update(if due.is_some() { position.step - 1 } else { position.step }, steps);
        let grad_norm = match due {
            Some(grad_norm_bits) => f64::from_bits(grad_norm_bits),
            None => {
                let step_began = Instant::now();
                let batch = job.sampler.batch(position.step);
                let stepped =
                    step(model, &mut optimizer, &batch, &update, &Tape::recording().with_precision(precision));
                if let Some(what) = stepped.not_finite() {
                    clock.read_all(&mut position);
                    return Ok((Outcome::Diverged { step: position.step + 1, what }, Report::of(&position, steps)));
                }
                position.step += 1;
                tell_layers(model, &mut optimizer, position.step, steps)?;
                position.tokens += batch.tokens() as u64;
                position.add_to_window(stepped.loss);
                position.train_seconds += step_began.elapsed().as_secs_f64();
                clock.read(&mut position);
                observer.updated(model, &Report::of(&position, steps)).map_err(TrainError::Kept)?;
                stepped.grad_norm
            }
        };
        let last = position.step == steps;
        let row = |split, loss, position: &Position| CurveRow {
            run_id: job.run_id.to_owned(),
            step: position.step as u64,
            split,
            loss,
            tokens: Some(position.tokens),
            learning_rate: Some(update.learning_rate),
            grad_norm: Some(grad_norm),
            elapsed_seconds: Some((position.wall_seconds * 1e3).round() / 1e3),
        };
        let mut log = |row: CurveRow, position: &mut Position| -> Result<(), TrainError> {
            curve.append(&row).map_err(|source| curve_error(job, source))?;
            observer.logged(&row, &Report::of(position, steps));
            Ok(())
        };
        if due.is_none() && (last || position.step.is_multiple_of(spec.log_every)) {
            let loss = position.close_window();
            log(row(Split::Train, loss, &position), &mut position)?;
        }
        let mut not_finite = None;
        let evaluated = last || position.step.is_multiple_of(spec.eval_every);
        if evaluated {
            let when = When::evaluation(position.step as u64, steps as u64);
            match evaluate(model, job.valid, when, precision, &|| (job.order)() != Order::GoOn) {
                Some(Evaluation { loss, nats }) => {
                    held_out = nats;
                    position.eval_loss_bits = Some(loss.to_bits());
                    clock.read_all(&mut position);
                    log(row(Split::Eval, loss, &position), &mut position)?;
                    not_finite = (!loss.is_finite()).then(|| format!("evaluation loss {loss}"));
                }
                // It may take minutes, and who has to stop has seconds: whoever goes on begins it anew.
                None => position.evaluation_due = Some(grad_norm.to_bits()),
            }
        }
        observer.stepped(&Report::of(&position, steps));

        let order = (job.order)();
        if order == Order::Abandon {
            return Ok((Outcome::Abandoned, Report::of(&position, steps)));
        }
        let pauses = pause == Some(position.step);
        let is_open = !last || position.evaluation_due.is_some();
        let save =
            is_open && (order == Order::Stop || pauses || clock.checkpoint_is_due(&job.checkpoints, position.step));
        if evaluated || save {
            // Nothing later would look at what the last update has made of the weights.
            not_finite = not_finite.or_else(|| not_finite_weight(model.parameters()));
        }
        if let Some(what) = not_finite {
            return Ok((Outcome::Diverged { step: position.step, what }, Report::of(&position, steps)));
        }
        if save {
            let began = Instant::now();
            clock.read_all(&mut position);
            // The rows that the checkpoint knows of reach the disk before it does.
            curve.sync().map_err(|source| curve_error(job, source))?;
            (position.curve_rows, position.curve_blake3) = (curve.rows(), curve.blake3());
            match checkpoint::save(job.folder, &mut position, model, &optimizer) {
                // A disk that is full now may have room again when the next is due; the run need not end for that.
                Err(error) if order == Order::GoOn && !pauses => {
                    observer.warned(&format!("no checkpoint now: {error}"))
                }
                saved => saved?,
            }
            clock.checkpoint_took(began.elapsed());
            if order == Order::Stop {
                return Ok((Outcome::Stopped, Report::of(&position, steps)));
            }
            if pauses {
                return Ok((Outcome::Paused, Report::of(&position, steps)));
            }
        }
    }

    if (job.order)() == Order::Abandon {
        return Ok((Outcome::Abandoned, Report::of(&position, steps)));
    }
    curve.finish().map_err(|source| curve_error(job, source))?;
    let stories = job.folder.join(STORIES_FILE);
    lrx_files::write_unflushed(&stories, csv_text(&rows(job.valid, model.context(), &held_out)).as_bytes())
        .map_err(|source| TrainError::Curve { file: stories.display().to_string(), source })?;
    save_weights(model, &job.folder.join(WEIGHTS_FILE))?;
    clock.read_all(&mut position);
    Ok((Outcome::Finished, Report::of(&position, steps)))
}

/// From the newest good checkpoint if there is one, else from the beginning.
fn start(
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
