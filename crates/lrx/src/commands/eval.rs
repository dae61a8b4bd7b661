//! `lrx eval`

use std::io::{self, IsTerminal};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use lrx_data::{EvalText, LongKind, NoProgress, Progress, Reading, Stories, TextFile, find_texts};
use lrx_layers::Registry;
use lrx_model::{Model, When};
use lrx_records::{EvalRow, StoryRow, csv_header, csv_line};
use lrx_tensor::Precision;
use lrx_train::{PrecisionName, evaluate};
use serde::de::DeserializeOwned;
use toml::Value;

use super::plan::table::{Column, Line, Room, columns, table_of};
use crate::failure::Failure;
use crate::progress::{DataProgress, Lines, thousands};
use crate::runs::look;
use crate::terminal::{say, tell, visible, write_data};
use crate::threads::use_threads;
use crate::trained::Trained;

/// `lrx eval`
#[derive(Args)]
#[command(after_help = "\
Text is evaluated as in the run's training: in its vocabulary, cut, split or packed at its context, in its precision. Given the
file that the run held out, the loss is the run's eval_loss to the last digit.

  lrx eval medsa-medmlp-4l-s0-i9c valid.txt                        a file
  lrx eval medsa- 'texts/**/*.jsonl.gz' --text-key content         every form that [data] takes; a row for each file
  lrx eval medsa- valid.txt --per-story --format csv > stories.csv

loss: mean nats per target token; perplexity: exp(loss); bits per byte: loss by the bytes of text, which models of different
vocabularies can be compared by. Words that a compact vocabulary lacks are written with smaller tokens, at worst with bytes.")]
pub(crate) struct EvalArgs {
    /// The folder of a run, or its run_id in --out, or the beginning of it or of its hash
    run: String,
    /// Text: a file, a folder, a pattern in quotes, or hf://datasets/OWNER/NAME/PATH
    #[arg(value_name = "FILE", required = true)]
    files: Vec<String>,
    /// The key, or column, of the stories [default: that of the run's data, else text or story]
    #[arg(long, value_name = "KEY")]
    text_key: Option<String>,
    /// A row for each story
    #[arg(long)]
    per_story: bool,
    /// `csv`: all columns, in full
    #[arg(long, value_enum, default_value_t = EvalFormat::Text)]
    format: EvalFormat,
    /// Where runs are looked for
    #[arg(long, value_name = "DIR", default_value = "results")]
    out: PathBuf,
    /// Threads to compute on [default: all cores]. Numbers do not depend on it
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum EvalFormat {
    Text,
    Csv,
}

/// A name of so many characters stands in the line of its file.
const FILE: usize = 40;

/// How a run evaluates.
struct Evaluator<'t> {
    trained: &'t Trained,
    reading: Reading<'t>,
    precision: Precision,
}

pub(crate) fn eval(args: &EvalArgs, registry: &Registry) -> Result<ExitCode, Failure> {
    use_threads(args.threads)?;
    let trained = Trained::load(&args.run, &args.out, registry)?;
    let evaluator = Evaluator::new(&trained, args.text_key.as_deref())?;
    if args.per_story && evaluator.reading.long == LongKind::Pack {
        let message =
            "--per-story: this run packs stories, which see each other in their blocks; none has a loss of its own";
        return Err(Failure::Usage(message.into()));
    }
    let files = find_texts(&args.files).map_err(|error| Failure::Usage(error.to_string()))?;
    if let Some(key) = args.text_key.as_deref().filter(|_| !files.iter().any(TextFile::is_keyed)) {
        let message = "is of no use: text has no keys, but .jsonl, .json, .csv and .parquet have";
        return Err(Failure::Usage(format!("--text-key {key} {message}")));
    }
    match (args.per_story, args.format) {
        (true, format) => evaluator.each_story(&files, format)?,
        (false, EvalFormat::Csv) => {
            write_data(&csv_header::<EvalRow>());
            for file in &files {
                write_data(&csv_line(&evaluator.file(file)?));
            }
        }
        (false, EvalFormat::Text) => {
            let rows = files.iter().map(|file| evaluator.file(file)).collect::<Result<Vec<_>, _>>()?;
            print(&rows);
            say!("{}", evaluator.own());
        }
    }
    Ok(ExitCode::SUCCESS)
}

impl<'t> Evaluator<'t> {
    fn new(trained: &'t Trained, text_key: Option<&'t str>) -> Result<Self, Failure> {
        let own_key = trained.setting("data.text_key").and_then(Value::as_str);
        let reading = Reading {
            text_key: text_key.or(own_key),
            end_of_text: setting(trained, "data.end_of_text")?.unwrap_or(false),
            long: setting(trained, "data.long")?.unwrap_or(LongKind::Cut),
            context: trained.model.context(),
        };
        let precision = setting(trained, "train.precision")?.unwrap_or(PrecisionName::F32);
        Ok(Self { trained, reading, precision: precision.into() })
    }

    fn read(&self, file: &TextFile) -> Result<EvalText, Failure> {
        // Where nobody watches, what is printed is what was asked for, and notes.
        let shown = DataProgress::new(Lines::default(), None);
        let progress: &dyn Progress = if io::stderr().is_terminal() { &shown } else { &NoProgress };
        let read = file.read(&self.trained.vocabulary, &self.reading, progress);
        let text = read.map_err(|error| Failure::Usage(error.to_string().replace("text_key", "--text-key")))?;
        text.notes().iter().for_each(|note| tell!("note: {}: {note}", file.name()));
        Ok(text)
    }

    fn loss(&self, stories: &Stories) -> f64 {
        let model: &Model = &self.trained.model;
        evaluate(model, stories, When::DONE, self.precision, &|| false).expect("nothing stops it").loss
    }

    fn file(&self, file: &TextFile) -> Result<EvalRow, Failure> {
        let text = self.read(file)?;
        let measured = self.measure(&text.stories);
        let Measured { tokens, bytes, loss, perplexity, bits_per_byte } = measured;
        let (file, stories) = (file.name().to_owned(), text.len() as u64);
        Ok(EvalRow { file, stories, tokens, bytes, loss, perplexity, bits_per_byte })
    }

    fn measure(&self, stories: &Stories) -> Measured {
        let (context, loss) = (self.reading.context, self.loss(stories));
        Measured {
            tokens: stories.targets(context),
            bytes: stories.text_bytes(context),
            loss,
            perplexity: loss.exp(),
            bits_per_byte: stories.bits_per_byte(context, loss),
        }
    }

    /// Prints a row for each story.
    fn each_story(&self, files: &[TextFile], format: EvalFormat) -> Result<(), Failure> {
        match format {
            EvalFormat::Csv => write_data(&csv_header::<StoryRow>()),
            EvalFormat::Text => say!("{:>8}  {:>8}  {:>8}  {:>8}  file", "story", "tokens", "loss", "bits/byte"),
        }
        for file in files {
            for (story, stories) in self.read(file)?.each() {
                let Measured { tokens, bytes, loss, perplexity, bits_per_byte } = self.measure(&stories);
                let (file, story) = (file.name().to_owned(), story as u64);
                let row = StoryRow { file, story, tokens, bytes, loss, perplexity, bits_per_byte };
                match format {
                    EvalFormat::Csv => write_data(&csv_line(&row)),
                    EvalFormat::Text => {
                        let bits = row.bits_per_byte.map_or("?".into(), |bits| format!("{bits:.4}"));
                        say!("{:>8}  {:>8}  {:>8.4}  {bits:>9}  {}", row.story, row.tokens, row.loss, row.file);
                    }
                }
            }
        }
        Ok(())
    }

    /// What the run found itself, at its end.
    fn own(&self) -> String {
        let folder = &self.trained.folder;
        let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let row = look(folder);
        let loss = row.as_ref().and_then(|row| row.eval_loss);
        let label = row.map(|row| format!(" ({})", visible(&row.label))).unwrap_or_default();
        let loss = loss.map(|loss| format!(": {loss:.4} on the stories that it held out")).unwrap_or_default();
        format!("{name}{label}{loss}")
    }
}

/// What is said of some stories.
struct Measured {
    tokens: u64,
    bytes: Option<u64>,
    loss: f64,
    perplexity: f64,
    bits_per_byte: Option<f64>,
}

/// A value of the run's config; nothing where an earlier lrx left it out.
fn setting<T: DeserializeOwned>(trained: &Trained, key: &str) -> Result<Option<T>, Failure> {
    let Some(value) = trained.setting(key) else { return Ok(None) };
    T::deserialize(value.clone()).map(Some).map_err(|error: toml::de::Error| {
        Failure::Usage(format!("{}: {key} is {value}: {}", trained.folder.display(), error.message()))
    })
}

/// The table, with all files together where there are several.
fn print(rows: &[EvalRow]) {
    let line = |row: &EvalRow| Line {
        label: visible(&row.file).into_owned(),
        cells: vec![
            thousands(row.stories as f64),
            thousands(row.tokens as f64),
            row.bytes.map_or("?".into(), |bytes| thousands(bytes as f64)),
            format!("{:.4}", row.loss),
            format!("{:.2}", row.perplexity),
            row.bits_per_byte.map_or("?".into(), |bits| format!("{bits:.4}")),
        ],
    };
    let mut lines: Vec<Line> = rows.iter().map(line).collect();
    if rows.len() > 1 {
        lines.push(line(&together(rows)));
    }
    let headings = [
        Column("stories", Room::IfAny(2)),
        Column("tokens", Room::IfAny(1)),
        Column("bytes", Room::IfAny(3)),
        Column("loss", Room::Always),
        Column("perplexity", Room::Always),
        Column("bits/byte", Room::Always),
    ];
    say!("{}", table_of("file", FILE, columns(), &headings, &lines).0);
}

/// All files as one: each target counts alike.
fn together(rows: &[EvalRow]) -> EvalRow {
    let tokens: u64 = rows.iter().map(|row| row.tokens).sum();
    let bytes: Option<u64> = rows.iter().map(|row| row.bytes).sum();
    let nats: f64 = rows.iter().map(|row| row.loss * row.tokens as f64).sum();
    let loss = nats / tokens as f64;
    EvalRow {
        file: "all together".into(),
        stories: rows.iter().map(|row| row.stories).sum(),
        tokens,
        bytes,
        loss,
        perplexity: loss.exp(),
        bits_per_byte: bytes.filter(|bytes| *bytes > 0).map(|bytes| nats / (std::f64::consts::LN_2 * bytes as f64)),
    }
}
