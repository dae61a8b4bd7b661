//! `lrx show`

mod chart;

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use lrx_records::{CurveRow, RunRecord, SampleRow, Split, csv_text, parse_rows};

use self::chart::chart;
use super::plan::table::columns;
use crate::failure::Failure;
use crate::find::find_run;
use crate::listed::{Listed, file_of, listed_run};
use crate::progress::{duration, thousands};
use crate::results::{RESOLVED_FILE, SAMPLES_FILE};
use crate::runs::{Condition, State, current_attempt, read_run};
use crate::shell::quoted;
use crate::terminal::{say, visible, write_data};

/// `lrx show`
#[derive(Args)]
#[command(after_help = "\
  lrx show medsa-medmlp-4l-s0-i9c      state, figures, model, config, files, the end of the curve, sample texts
  lrx show RUN --format csv            its row, in the columns of runs.csv
Every file of a finished run is held against its checksum.")]
pub(crate) struct ShowArgs {
    /// The folder of a run, or its run_id in --out, or the beginning of it or of its hash
    run: String,
    /// Rows of the curve, of the last: 0 for all
    #[arg(long, value_name = "N", default_value_t = 8)]
    rows: usize,
    /// Draw the curve also where no terminal is there
    #[arg(long)]
    chart: bool,
    /// `csv`: the run's row, in the columns of runs.csv
    #[arg(long, value_enum, default_value_t = ShowFormat::Text)]
    format: ShowFormat,
    /// Where runs are looked for
    #[arg(long, value_name = "DIR", default_value = "results")]
    out: PathBuf,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ShowFormat {
    Text,
    Csv,
}

/// A chart is no higher, and no wider.
const CHART: (usize, usize) = (100, 12);

pub(crate) fn show(args: &ShowArgs) -> Result<ExitCode, Failure> {
    let folder = find_run(&args.run, &args.out).map_err(Failure::Usage)?;
    let run = read_run(&folder, None);
    let damage = match &run.state {
        State::Damaged(what) | State::Unreadable(what) => Some(what.clone()),
        _ => None,
    };
    let Some(listed) = listed_run(&folder) else {
        let why = damage.unwrap_or_else(|| "its row cannot be read: `lrx run` begins it anew".into());
        return Err(Failure::Failed(format!("{}: {why}", folder.display())));
    };
    if args.format == ShowFormat::Csv {
        write_data(&csv_text([&listed.record]));
        return Ok(ExitCode::SUCCESS);
    }
    print_figures(&listed, &folder, damage.as_deref());
    print_files(&folder);
    if let Ok(config) = lrx_files::read_to_string(&file_of(&folder, RESOLVED_FILE)) {
        say!("\n{RESOLVED_FILE}\n{}", indented(&config));
    }
    let curve = crate::listed::curve(&folder);
    print_curve(&curve, args);
    print_samples(&folder);
    // What is to be done next with it.
    let id = quoted(&listed.record.run_id);
    match listed.condition {
        Condition::Finished => say!("\nlrx generate {id} --prompt 'Once upon a time'; lrx eval {id} FILE; lrx rm {id}"),
        Condition::Running(_) => {}
        _ => say!("\n`lrx run` of its config goes on with it, or begins it anew; lrx rm {id} deletes it"),
    }
    Ok(if damage.is_some() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn indented(text: &str) -> String {
    text.trim_end().lines().map(|line| format!("  {line}\n")).collect::<String>().trim_end().to_string()
}

fn print_figures(listed: &Listed, folder: &Path, damage: Option<&str>) {
    let Listed { experiment, record, condition, .. } = listed;
    let seed = record.seed.map(|seed| format!(" seed {seed}")).unwrap_or_default();
    say!("{}{seed}, of {}", visible(&record.label), visible(experiment));
    let state = damage.map_or(condition.to_string(), |damage| format!("damaged: {damage}"));
    let mut lines: Vec<(&str, String)> = vec![
        ("run_id", record.run_id.clone()),
        ("state", state),
        ("note", record.note.clone()),
        ("loss", losses(record)),
        ("trained", trained(record)),
        ("speed", speed(record)),
        ("model", model(record)),
        ("attention", kinds(&record.attention, &record.attention_ranks)),
        ("mlp", kinds(&record.mlp, &record.mlp_ranks)),
        ("slots", record.slots.clone()),
        ("parameters", parameters(record)),
        ("starts from", record.init_from.clone()),
        ("optimizer", optimizer(record)),
        ("tuned", record.tuned.clone()),
        ("data", data(record)),
        ("folder", folder.display().to_string()),
    ];
    lines.retain(|(_, text)| !text.is_empty());
    let width = lines.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    lines.iter().for_each(|(name, text)| say!("  {name:width$}  {}", visible(text)));
}

/// Texts that are there, with commas between.
fn joined(parts: impl IntoIterator<Item = Option<String>>) -> String {
    parts.into_iter().flatten().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(", ")
}

fn counted(count: Option<u64>, what: &str) -> Option<String> {
    count.map(|count| format!("{} {what}", thousands(count as f64)))
}

fn losses(record: &RunRecord) -> String {
    joined([
        record.eval_loss.map(|loss| format!("{loss:.4} nats/token held out, perplexity {:.2}", loss.exp())),
        record.bits_per_byte.map(|bits| format!("{bits:.4} bits/byte")),
        record.train_loss.map(|loss| format!("{loss:.4} in training")),
    ])
}

fn trained(record: &RunRecord) -> String {
    joined([
        counted(record.steps, "steps"),
        Some(record.batch.clone()).filter(|batch| !batch.is_empty()).map(|batch| format!("{batch} each")),
        counted(record.tokens, "tokens"),
    ])
}

fn speed(record: &RunRecord) -> String {
    joined([
        record.tokens_per_second.map(|rate| format!("{} tokens/s", thousands(rate))),
        record.wall_seconds.map(duration),
        record.peak_rss_mb.map(|peak| format!("{} MB", thousands(peak))),
        record.threads.map(|threads| format!("{threads} thread{}", if threads == 1 { "" } else { "s" })),
        Some(record.machine.clone()),
    ])
}

fn model(record: &RunRecord) -> String {
    joined([
        counted(record.layers, "layers"),
        record.hidden.map(|hidden| format!("hidden {hidden}")),
        record.context.map(|context| format!("context {context}")),
        Some(record.precision.clone()),
    ])
}

fn kinds(kind: &str, ranks: &str) -> String {
    if ranks.is_empty() { kind.to_owned() } else { format!("{kind}, rank {ranks}") }
}

fn parameters(record: &RunRecord) -> String {
    let flops = record.flops_per_token.map(|flops| format!("{:.2} MFLOP/token", flops as f64 / 1e6));
    joined([
        record.params.map(|params| thousands(params as f64)),
        counted(record.params_embedding, "in embeddings"),
        counted(record.params_body, "in the body"),
        counted(record.params_untrained.filter(|count| *count > 0), "that no story reaches"),
        flops,
    ])
}

fn optimizer(record: &RunRecord) -> String {
    joined([
        Some(record.optimizer.clone()),
        record.learning_rate.map(|rate| format!("learning rate {rate:e}")),
        Some(record.schedule.clone()),
        record.warmup_steps.filter(|steps| *steps > 0).map(|steps| format!("warm-up {steps} steps")),
    ])
}

fn data(record: &RunRecord) -> String {
    let share = record.cut_share.filter(|share| *share > 0.0);
    joined([
        counted(record.stories, "stories"),
        share.map(|share| format!("{:.1} % of their targets cut off", 100.0 * share)),
        Some(record.data.clone()),
    ])
}

fn print_files(folder: &Path) {
    let attempt = current_attempt(folder).ok().flatten();
    say!("\nfiles");
    for place in attempt.iter().map(PathBuf::as_path).chain([folder]) {
        let mut files: Vec<(String, u64)> = std::fs::read_dir(place)
            .into_iter()
            .flatten()
            .flatten()
            .filter_map(|entry| Some((entry.file_name().to_string_lossy().into_owned(), entry.metadata().ok()?)))
            .filter(|(_, file)| file.is_file())
            .map(|(name, file)| (name, file.len()))
            .collect();
        files.sort();
        for (name, length) in files {
            say!("  {:>14} bytes  {}", thousands(length as f64), visible(&place.join(name).display().to_string()));
        }
    }
}

fn print_curve(curve: &[CurveRow], args: &ShowArgs) {
    if curve.is_empty() {
        return;
    }
    let first = if args.rows == 0 { 0 } else { curve.len().saturating_sub(args.rows) };
    say!("\ncurve, {} of {} rows", curve.len() - first, thousands(curve.len() as f64));
    say!("  {:>9}  {:<5}  {:>9}  {:>12}  {:>13}  {:>9}", "step", "split", "loss", "tokens", "learning rate", "time");
    for row in &curve[first..] {
        let split = if row.split == Split::Train { "train" } else { "eval" };
        let tokens = row.tokens.map_or(String::new(), |tokens| thousands(tokens as f64));
        let rate = row.learning_rate.map_or(String::new(), |rate| format!("{rate:.4e}"));
        let time = row.elapsed_seconds.map_or(String::new(), duration);
        say!("  {:>9}  {split:<5}  {:>9.4}  {tokens:>12}  {rate:>13}  {time:>9}", row.step, row.loss);
    }
    if args.chart || std::io::stdout().is_terminal() {
        let of = |split| curve.iter().filter(move |row| row.split == split).map(|row| (row.step as f64, row.loss));
        let (train, eval): (Vec<_>, Vec<_>) = (of(Split::Train).collect(), of(Split::Eval).collect());
        let (width, height) = CHART;
        say!("\n{}", chart(&train, &eval, columns().min(width), height));
    }
}

fn print_samples(folder: &Path) {
    let path = file_of(folder, SAMPLES_FILE);
    let Ok(content) = lrx_files::read(&path) else { return };
    let rows: Vec<SampleRow> = parse_rows(&content, &path).unwrap_or_default();
    let Some(last) = rows.last().map(|row| row.step) else { return };
    let steps: std::collections::BTreeSet<u64> = rows.iter().map(|row| row.step).collect();
    say!("\nsample texts after {last} steps ({SAMPLES_FILE} has those of {} times)", steps.len());
    for row in rows.iter().filter(|row| row.step == last) {
        // Line breaks stand in a cell as their pictures.
        say!("{}\n", indented(&row.text.replace('␊', "\n")));
    }
}
