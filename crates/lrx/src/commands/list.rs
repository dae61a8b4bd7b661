//! `lrx list`

mod query;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use lrx_records::csv_text;
use lrx_spec::hint;

use self::query::Order;
pub(super) use self::query::{Condition as Filter, best, columns_known};
use super::plan::table::{Column, Line, Room, columns, table_of};
use crate::failure::Failure;
use crate::listed::{Listed, listed};
use crate::progress::{duration, thousands};
use crate::runs::{CONDITIONS, Condition};
use crate::terminal::{say, visible, write_data};
use crate::threads::use_threads;

/// `lrx list`
#[derive(Args)]
#[command(after_help = "\
Columns are those of runs.csv (docs/csv.md), and `experiment` and `state`:
  finished     trained to its end
  running      a process that lives has claimed it
  paused       stopped in order, with a checkpoint: `lrx run` goes on from there
  stopped      `lrx tune` has seen enough of it
  interrupted  its process is gone without that: `lrx run` goes on from its last checkpoint
  diverged, failed  `lrx run --retry-failed` tries again

  lrx list --sort eval_loss                                    the best first
  lrx list results/zoo --where 'hidden>=256' --where 'label~low-rank'
  lrx list --where state=paused --ids                          for xargs
  lrx list --best --ids | xargs -I{} lrx eval {} other.txt     one run of each configuration
  lrx list --best=experiment                                   the best of each experiment

A condition is a column, one of = != > >= < <= ~ (holds this text) and a value: numbers as numbers, other cells as text. Runs whose
losses cannot be compared (other held-out stories, another vocabulary) are never held against each other by --best.
A finished run's files are not checked here; `lrx show` does that.")]
pub(crate) struct ListArgs {
    /// Folders of experiments, or folders that hold such
    #[arg(value_name = "DIR", default_value = "results")]
    dirs: Vec<PathBuf>,
    /// By a column, rising; `-COLUMN` falling. Runs without a value come last
    #[arg(long, value_name = "COLUMN", allow_hyphen_values = true)]
    sort: Option<String>,
    /// The other way round
    #[arg(long)]
    reverse: bool,
    /// Only runs of which this holds, such as 'hidden>=256' or state=paused (repeatable: all of them)
    #[arg(long = "where", value_name = "CONDITION", allow_hyphen_values = true)]
    conditions: Vec<String>,
    /// Only the finished run of the lowest eval_loss of each `configuration` [default], or of each `experiment`
    #[arg(long, value_enum, value_name = "OF", num_args = 0..=1, require_equals = true, default_missing_value = "configuration")]
    best: Option<BestOf>,
    /// Print the run_id of each run, a line each, and nothing else
    #[arg(long, conflicts_with = "format")]
    ids: bool,
    /// `csv`: the columns of runs.csv
    #[arg(long, value_enum, default_value_t = ListFormat::Text)]
    format: ListFormat,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum BestOf {
    Configuration,
    Experiment,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ListFormat {
    Text,
    Csv,
}

pub(crate) fn list(args: &ListArgs) -> Result<ExitCode, Failure> {
    let known = columns_known();
    let filters = args.conditions.iter().map(|text| Filter::parse(text, &known)).collect::<Result<Vec<_>, _>>();
    let filters = filters.map_err(Failure::Usage)?;
    let order = args.sort.as_deref().map(|text| Order::parse(text, &known)).transpose().map_err(Failure::Usage)?;
    if let Some(missing) = args.dirs.iter().find(|dir| !dir.exists()) {
        return Err(Failure::Usage(format!("{}: there is no such folder{}", missing.display(), hint(missing))));
    }
    // Folders of runs are read on all cores.
    use_threads(None)?;
    let mut runs = Vec::new();
    for dir in &args.dirs {
        runs.extend(listed(dir).map_err(Failure::Failed)?);
    }
    runs.retain(|run| filters.iter().all(|filter| filter.holds(run)));
    if let Some(of) = args.best {
        runs = best(runs, of);
    }
    if let Some(order) = &order {
        order.sort(&mut runs);
    }
    if args.reverse {
        runs.reverse();
    }
    match args.format {
        _ if args.ids => runs.iter().for_each(|run| say!("{}", run.record.run_id)),
        ListFormat::Csv => write_data(&csv_text(runs.iter().map(|run| &run.record))),
        ListFormat::Text => {
            let asked = filters.iter().map(|filter| filter.column).chain(order.iter().map(|order| order.column));
            print(&runs, &asked.collect::<Vec<_>>());
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// An id of so many characters stands in the line of its run, whatever columns go for it.
const ID: usize = 60;

/// Columns that the table has anyway.
const SHOWN: [&str; 10] = [
    "run_id",
    "experiment",
    "label",
    "seed",
    "state",
    "eval_loss",
    "params",
    "steps",
    "tokens_per_second",
    "wall_seconds",
];

/// The table; `asked` are columns that it has to have.
fn print(runs: &[Listed], asked: &[&'static str]) {
    if runs.is_empty() {
        say!("no runs");
        return;
    }
    let mut more: Vec<&'static str> = Vec::new();
    for column in asked.iter().filter(|column| !SHOWN.contains(column)) {
        if !more.contains(column) {
            more.push(column);
        }
    }
    let count = |count: Option<u64>| count.map_or(String::new(), |count| thousands(count as f64));
    let line = |run: &Listed| {
        let record = &run.record;
        let mut cells = vec![
            visible(&run.experiment).into_owned(),
            visible(&record.label).into_owned(),
            record.seed.map_or(String::new(), |seed| seed.to_string()),
            run.condition.word().to_owned(),
            match &run.condition {
                Condition::Running(by) => visible(by).into_owned(),
                _ => String::new(),
            },
            record.eval_loss.map_or(String::new(), |loss| format!("{loss:.4}")),
            count(record.params),
            count(record.steps),
            record.tokens_per_second.map_or(String::new(), thousands),
            record.wall_seconds.map_or(String::new(), duration),
        ];
        cells.extend(more.iter().map(|column| visible(&run.cell(column).unwrap_or_default()).into_owned()));
        Line { label: visible(&record.run_id).into_owned(), cells }
    };
    let lines: Vec<Line> = runs.iter().map(line).collect();
    let has_several = runs.iter().any(|run| run.experiment != runs[0].experiment);
    let is_running = runs.iter().any(|run| matches!(run.condition, Condition::Running(_)));
    let if_so = |so: bool, room: Room| if so { room } else { Room::Never };
    let mut headings = vec![
        Column("experiment", if_so(has_several, Room::IfAny(1))),
        Column("label", Room::IfAny(2)),
        Column("seed", Room::IfAny(3)),
        Column("state", Room::Always),
        Column("by", if_so(is_running, Room::IfAny(4))),
        Column("eval loss", Room::Always),
        Column("params", Room::IfAny(5)),
        Column("steps", Room::IfAny(6)),
        Column("tokens/s", Room::IfAny(8)),
        Column("time", Room::IfAny(7)),
    ];
    headings.extend(more.iter().map(|&column| Column(column, Room::Always)));
    let (text, left_out) = table_of("run_id", ID, columns(), &headings, &lines);
    say!("{text}");
    let mut states: BTreeMap<usize, (&str, usize)> = BTreeMap::new();
    for run in runs {
        let word = run.condition.word();
        let place = CONDITIONS.iter().position(|known| *known == word).unwrap_or(CONDITIONS.len());
        states.entry(place).or_insert((word, 0)).1 += 1;
    }
    let states: Vec<String> =
        states.values().map(|(word, count)| format!("{} {word}", thousands(*count as f64))).collect();
    let s = if runs.len() == 1 { "" } else { "s" };
    say!("{} run{s}: {}", thousands(runs.len() as f64), states.join(", "));
    if runs.iter().any(|run| run.folder.is_none()) {
        say!("some are rows of a table alone, without a folder: no command takes them");
    }
    if !left_out.is_empty() {
        say!("no room for: {} (--format csv has all)", left_out.join(", "));
    }
    say!("lrx show RUN tells all of one");
}
