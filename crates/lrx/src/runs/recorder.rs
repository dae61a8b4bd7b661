//! What is written of a run beside its curve while it is trained: sample texts, and TensorBoard's events. Both are cut back as the
//! curve is when a run is resumed, so that they hold each step once.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use lrx_files::{folder_of, temporary_in};
use lrx_layers::Progress;
use lrx_model::Model;
use lrx_records::{CurveRow, SampleRow, csv_line, csv_text, parse_rows, read_rows};
use lrx_tensorboard::Ended;
use lrx_train::{CURVE_FILE, Observer, Report};

use super::Task;
use crate::events::{Head, began, hyperparameters};
use crate::progress::RunProgress;
use crate::results::{EVENTS_FILE, SAMPLES_FILE};

/// Shows a run, and writes what its config asks for beside its curve.
pub(super) struct Recorder<'a, 'p> {
    progress: &'a mut RunProgress<'p>,
    task: &'a Task,
    attempt: &'a Path,
    /// The prompts of sample texts as tokens; none where no texts are sampled.
    prompts: Vec<Vec<u32>>,
    /// Whether the files are those of where training stands.
    begun: bool,
    samples: Option<File>,
    events: Option<Events>,
    /// The first that could not be written.
    failed: Option<io::Error>,
}

/// An event file that rows are appended to.
struct Events {
    head: Head,
    file: File,
    /// The step of the last row of the curve.
    before: Option<u64>,
}

impl<'a, 'p> Recorder<'a, 'p> {
    /// Of the run of `task` in its attempt. Nothing is written yet: training tells where it begins.
    ///
    /// # Errors
    /// When a prompt cannot be written in the run's vocabulary.
    pub(super) fn new(task: &'a Task, attempt: &'a Path, progress: &'a mut RunProgress<'p>) -> Result<Self, String> {
        let prompts = task.samples.iter().flat_map(|samples| &samples.prompts);
        let encode = |prompt: &String| task.corpus.vocabulary.encode(prompt).map_err(|error| error.to_string());
        let prompts = prompts.map(encode).collect::<Result<_, _>>()?;
        Ok(Self { progress, task, attempt, prompts, begun: false, samples: None, events: None, failed: None })
    }

    /// Notes how the run has ended, after so many seconds.
    ///
    /// # Errors
    /// When something could not be written.
    pub(super) fn end(mut self, ended: Ended, seconds: f64) -> Result<(), String> {
        if let Some(events) = &mut self.events {
            let end = events.head.end(ended, rounded(seconds));
            let written = events.file.write_all(&end).map_err(about(&self.attempt.join(EVENTS_FILE)));
            self.keep(written);
        }
        self.failed.take().map_or(Ok(()), |error| Err(error.to_string()))
    }

    /// Brings the files to where training begins: after `step` updates, so many seconds after the run's beginning.
    fn begin(&mut self, step: usize, seconds: f64) {
        if !std::mem::replace(&mut self.begun, true) {
            let begun = self.cut_back(step as u64, seconds);
            self.keep(begun);
        }
    }

    fn cut_back(&mut self, step: u64, seconds: f64) -> io::Result<()> {
        let path = self.attempt.join(SAMPLES_FILE);
        let mut kept: Vec<SampleRow> = match lrx_files::read(&path) {
            Ok(content) => {
                // A last line may not be whole. What no lrx can read is none of this run's.
                let whole = content.iter().rposition(|byte| *byte == b'\n').map_or(0, |newline| newline + 1);
                parse_rows(&content[..whole], &path).unwrap_or_default()
            }
            Err(error) if error.kind() == ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(about(&path)(error)),
        };
        kept.retain(|row| row.step <= step);
        self.samples = if self.prompts.is_empty() && kept.is_empty() {
            remove(&path)?;
            None
        } else {
            let file = replaced(&path, csv_text(&kept).as_bytes())?;
            file.sync_data().map_err(about(&path))?;
            Some(file)
        };
        let path = self.attempt.join(EVENTS_FILE);
        if !self.task.log.tensorboard {
            return remove(&path);
        }
        // The curve has been cut back before.
        let curve: Vec<CurveRow> = read_rows(&self.attempt.join(CURVE_FILE)).map_err(io::Error::other)?;
        // A run that begins anew begins now.
        let before = if step == 0 { None } else { lrx_files::read(&path).ok().and_then(|file| began(&file)) };
        let head = Head {
            began: before.unwrap_or_else(|| now() - seconds),
            group: self.task.planned.configuration.clone(),
            hyperparameters: hyperparameters(&self.task.resolved),
        };
        let file = replaced(&path, &head.file(&curve, &kept, None))?;
        self.events = Some(Events { head, file, before: curve.last().map(|row| row.step) });
        Ok(())
    }

    fn keep(&mut self, result: io::Result<()>) {
        if let Err(error) = result {
            self.failed.get_or_insert(error);
        }
    }

    /// Samples a text for each prompt.
    fn sample(&mut self, model: &Model, report: &Report) -> io::Result<()> {
        let Some((samples, file)) = self.task.samples.as_ref().zip(self.samples.as_mut()) else { return Ok(()) };
        let vocabulary = &self.task.corpus.vocabulary;
        let progress = Progress { step: report.step as u64, steps: report.steps as u64 };
        let mut text = String::new();
        for (place, (prompt, tokens)) in samples.prompts.iter().zip(&self.prompts).enumerate() {
            let tokens = samples.text(model, progress, tokens, vocabulary.end_of_text(), self.task.seed);
            let row = SampleRow {
                run_id: self.task.run_id.clone(),
                step: report.step as u64,
                prompt: prompt.clone(),
                text: vocabulary.decode(&tokens).map_err(io::Error::other)?,
            };
            text += &csv_line(&row);
            if let Some(events) = &mut self.events {
                let event = events.head.sample(&row, place, rounded(report.wall_seconds));
                events.file.write_all(&event).map_err(about(&self.attempt.join(EVENTS_FILE)))?;
            }
        }
        // A checkpoint that follows says that they are there.
        file.write_all(text.as_bytes()).and_then(|()| file.sync_data()).map_err(about(&self.attempt.join(SAMPLES_FILE)))
    }
}

impl Observer for Recorder<'_, '_> {
    fn resumed(&mut self, report: &Report) {
        self.begin(report.step, report.wall_seconds);
        self.progress.resumed(report);
    }

    fn updated(&mut self, model: &Model, report: &Report) -> io::Result<()> {
        self.begin(0, report.wall_seconds);
        if self.failed.is_none()
            && self.task.samples.as_ref().is_some_and(|samples| samples.are_due(report.step, report.steps))
        {
            let sampled = self.sample(model, report);
            self.keep(sampled);
        }
        self.failed.take().map_or(Ok(()), Err)
    }

    fn stepped(&mut self, report: &Report) {
        self.progress.stepped(report);
    }

    fn logged(&mut self, row: &CurveRow, report: &Report) {
        if let Some(events) = &mut self.events {
            let event = events.head.row(row, events.before);
            events.before = Some(row.step);
            let written = events.file.write_all(&event).map_err(about(&self.attempt.join(EVENTS_FILE)));
            self.keep(written);
        }
        self.progress.logged(row, report);
    }

    fn warned(&mut self, message: &str) {
        self.progress.warned(message);
    }
}

/// As the curve has it.
fn rounded(seconds: f64) -> f64 {
    (seconds * 1e3).round() / 1e3
}

fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |time| time.as_secs_f64())
}

/// A new file in the place of the old, as of the curve: a late owner's rows go to a file that has no name any more.
fn replaced(path: &Path, content: &[u8]) -> io::Result<File> {
    let replaced = || {
        let mut file = temporary_in(folder_of(path))?;
        file.write_all(content)?;
        file.persist(path).map_err(|error| error.error)
    };
    replaced().map_err(about(path))
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(about(path)(error)),
        _ => Ok(()),
    }
}

fn about(path: &Path) -> impl FnOnce(io::Error) -> io::Error + use<> {
    let path = PathBuf::from(path);
    move |error| io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}
