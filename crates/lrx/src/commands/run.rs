//! `lrx run`

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use lrx_layers::Registry;
use lrx_model::{GptNeo, load_weights};
use lrx_train::{CHECKPOINT_FILE, Job, Outcome, Report, RunRecord, Status, train};

use super::plan::{record, sampler};
use crate::cli::{Failure, RunArgs, use_threads};
use crate::config::{Experiment, RunSpec, load_experiments};
use crate::corpus::{Corpora, vocabulary};
use crate::progress::{RunProgress, thousands};
use crate::results::{RESOLVED_FILE, VOCABULARY_FILE, about, assemble, read_record, write_record, write_text};

/// How a run ended, for the exit code.
enum End {
    Finished,
    /// Diverged or failed, now or before.
    Failed,
    /// Interrupted by the user.
    Stopped,
}

pub(crate) fn run(args: &RunArgs, registry: &Registry) -> Result<ExitCode, Failure> {
    use_threads(args.common.threads)?;
    let experiments = load_experiments(&args.common.configs, &args.common.set, registry)
        .map_err(|errors| Failure::Usage(errors.to_string()))?;
    let stop = Arc::new(AtomicBool::new(false));
    let handler = stop.clone();
    // A second Ctrl-C ends the process at once.
    let _ = ctrlc::set_handler(move || {
        if handler.swap(true, Ordering::Relaxed) {
            std::process::exit(130);
        }
        eprintln!("\nstopping after this step; press again to stop at once");
    });

    let mut corpora = Corpora::default();
    // Everything that can be wrong with the data shows before the first hour is spent.
    for run in experiments.iter().flat_map(|experiment| &experiment.runs) {
        let corpus = corpora.of(run, &args.common.out).map_err(|error| Failure::Usage(error.to_string()))?;
        let size = vocabulary(run, &corpus).map_err(|error| Failure::Usage(error.to_string()))?;
        if run.model.init_from.is_some() {
            initial_model(run, size).map_err(Failure::Usage)?;
        }
    }
    let mut failures = Vec::new();
    for experiment in &experiments {
        let folder = args.common.out.join(&experiment.name);
        let ids: Vec<&str> = experiment.runs.iter().filter_map(|run| run.run_id.as_deref()).collect();
        std::fs::create_dir_all(&folder).map_err(|error| Failure::Failed(about(&folder)(error)))?;
        for (i, run) in experiment.runs.iter().enumerate() {
            let title = format!("[{}/{}] {} seed {}", i + 1, experiment.runs.len(), run.label, run.seed);
            let end = one_run(args, experiment, run, &title, &folder, &mut corpora, &stop).map_err(Failure::Failed)?;
            assemble(&folder, &ids).map_err(Failure::Failed)?;
            match end {
                End::Finished => {}
                End::Failed => failures.push(title),
                End::Stopped => {
                    eprintln!("stopped; the same command goes on from here");
                    return Ok(ExitCode::from(130));
                }
            }
        }
        summary(&folder)?;
    }
    Ok(if failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

fn summary(folder: &Path) -> Result<(), Failure> {
    let failed = |error: lrx_analysis::Error| Failure::Failed(error.to_string());
    let experiment = lrx_analysis::read_experiment(folder).map_err(failed)?;
    let summary = lrx_analysis::Summary::new(&experiment, None).map_err(failed)?;
    println!("{}", lrx_analysis::text_table(&summary));
    println!("{}: runs.csv, curves.csv; lrx report {0} draws them", folder.display());
    Ok(())
}

fn one_run(
    args: &RunArgs,
    experiment: &Experiment,
    run: &RunSpec,
    title: &str,
    experiment_folder: &Path,
    corpora: &mut Corpora,
    stop: &AtomicBool,
) -> Result<End, String> {
    let run_id = run.run_id.as_deref().expect("data that is there");
    let folder = experiment_folder.join(run_id);
    match read_record(&folder).map(|record| (record.status, record)) {
        Some((Status::Finished, record)) => {
            let loss = record.eval_loss.map(|loss| format!(", eval {loss:.3}")).unwrap_or_default();
            eprintln!("{title}  finished before{loss}");
            return Ok(End::Finished);
        }
        Some((Status::Diverged | Status::Failed, record)) if !args.retry_failed => {
            eprintln!("{title}  not tried again: {} (--retry-failed does)", record.note);
            return Ok(End::Failed);
        }
        _ => {}
    }

    let corpus = corpora.of(run, &args.common.out).map_err(|error| error.to_string())?;
    let size = vocabulary(run, &corpus).map_err(|error| error.to_string())?;
    std::fs::create_dir_all(&folder).map_err(about(&folder))?;
    write_text(&folder.join(RESOLVED_FILE), &run.resolved(&experiment.name).to_string())?;
    corpus.vocabulary.save(&folder.join(VOCABULARY_FILE)).map_err(|error| error.to_string())?;
    let planned = record(run, size, Some(&corpus));
    let mut row = RunRecord { status: Status::Running, tokens: None, steps: None, ..planned };
    write_record(&folder, &row)?;

    let mut model = initial_model(run, size)?;
    let mut progress = RunProgress::new(title);
    let job = Job {
        run_id,
        spec: &run.train,
        sampler: &sampler(run, &corpus),
        valid: &corpus.valid,
        folder: &folder,
        checkpoint_every: Duration::from_secs(args.checkpoint_every),
        stop,
    };
    let end = match train(&job, &mut model, &mut progress) {
        Ok((outcome, report)) => {
            fill(&mut row, &report);
            match outcome {
                Outcome::Finished => {
                    row.status = Status::Finished;
                    progress.end(&format!(
                        "eval {:.3}  {} tokens/s  {:.0} s",
                        report.eval_loss.unwrap_or(f64::NAN),
                        thousands(report.tokens_per_second),
                        report.wall_seconds
                    ));
                    End::Finished
                }
                Outcome::Stopped => {
                    progress.end(&format!("stopped after step {} of {}", report.step, report.steps));
                    End::Stopped
                }
                Outcome::Diverged { step, what } => {
                    row.status = Status::Diverged;
                    row.note = format!("diverged at step {step}: {what}");
                    progress.end(&row.note);
                    End::Failed
                }
            }
        }
        Err(error) => {
            row.status = Status::Failed;
            row.note = error.to_string();
            progress.end(&format!("failed: {error}"));
            End::Failed
        }
    };
    write_record(&folder, &row)?;
    // What failed, on a full disk say, can go on from its checkpoint when it is tried again.
    if matches!(row.status, Status::Finished | Status::Diverged) {
        let checkpoint = folder.join(CHECKPOINT_FILE);
        if checkpoint.exists() {
            std::fs::remove_file(&checkpoint).map_err(about(&checkpoint))?;
        }
    }
    Ok(end)
}

fn initial_model(run: &RunSpec, vocabulary: usize) -> Result<GptNeo, String> {
    let mut model = GptNeo::new(&run.model, vocabulary, run.seed);
    if let Some(file) = &run.model.init_from {
        load_weights(model.parameters_mut(), &file.path)
            .map_err(|error| run.error_at("model.init_from", error.to_string()).to_string())?;
    }
    Ok(model)
}

fn fill(row: &mut RunRecord, report: &Report) {
    let milli = |value: f64| (value * 1e3).round() / 1e3;
    row.tokens = Some(report.tokens);
    row.steps = Some(report.step);
    row.train_loss = report.train_loss;
    row.eval_loss = report.eval_loss;
    row.tokens_per_second = Some(milli(report.tokens_per_second));
    row.wall_seconds = Some(milli(report.wall_seconds));
    row.peak_rss_mb = report.peak_rss_mb.map(milli);
}
