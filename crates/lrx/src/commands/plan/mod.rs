//! `lrx plan`

mod estimate;
pub(super) mod table;

use std::process::ExitCode;

use clap::{Args, ValueEnum};
use lrx_layers::Registry;
use lrx_records::{RunRecord, csv_text};
use lrx_spec::{DataState, RunSpec};

use self::estimate::{Estimate, Estimator, Planned};
use self::table::{Column, Line, seeds, table};
use super::common::Common;
use crate::corpus::{Corpora, vocabulary};
use crate::failure::Failure;
use crate::memory::{self, Verdict, needed};
use crate::planned::{evaluations, record};
use crate::progress::{duration, thousands};
use crate::terminal::{say, tell, visible, write_data, write_out};
use crate::threads::use_threads;

/// `lrx plan`
#[derive(Args)]
pub(crate) struct PlanArgs {
    #[command(flatten)]
    pub(crate) common: Common,
    /// `csv`: the columns of runs.csv, as far as they can be known
    #[arg(long, value_enum, default_value_t = PlanFormat::Text)]
    pub(crate) format: PlanFormat,
    /// Print the run_id of every run, a line each, and nothing else
    #[arg(long, conflicts_with = "format")]
    pub(crate) ids: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum PlanFormat {
    Text,
    Csv,
}

pub(crate) fn plan(args: &PlanArgs, registry: &Registry) -> Result<ExitCode, Failure> {
    use_threads(args.common.threads)?;
    let experiments = args.common.experiments(registry).map_err(|errors| Failure::Usage(errors.to_string()))?;
    let mut corpora = Corpora::to_look_at();
    let mut rows = Vec::new();
    for experiment in &experiments {
        for run in &experiment.runs {
            rows.push(row(run, &mut corpora, args)?);
        }
    }
    if args.ids {
        rows.iter().for_each(|row| say!("{}", row.record.run_id));
        return Ok(ExitCode::SUCCESS);
    }
    match args.format {
        PlanFormat::Csv => {
            write_data(&csv_text(rows.iter().map(|row| &row.record)));
        }
        PlanFormat::Text => print_table(&rows, args),
    }
    match memory::check(rows.iter().map(|row| (row.record.label.as_str(), needed(row.run, &row.record))), 1) {
        Verdict::Enough => {}
        Verdict::Doubtful(message) | Verdict::Impossible(message) => tell!("warning: {message}"),
    }
    Ok(ExitCode::SUCCESS)
}

/// One run.
struct Row<'r> {
    run: &'r RunSpec,
    record: RunRecord,
    /// How often it evaluates, and on how many targets; nothing without its data.
    evaluations: (usize, u64),
}

impl Row<'_> {
    fn planned(&self) -> Planned<'_> {
        let (evaluations, targets) = self.evaluations;
        Planned {
            row: &self.record,
            evaluations: evaluations as f64,
            eval_targets: targets as f64,
            features: (self.run.model.hidden * self.run.model.layers.len()) as f64,
        }
    }
}

fn row<'r>(run: &'r RunSpec, corpora: &mut Corpora, args: &PlanArgs) -> Result<Row<'r>, Failure> {
    // Without its data, a run can be planned as far as its vocabulary is given.
    if let (DataState::Missing(errors), Some(given)) = (&run.data, run.model.vocabulary) {
        errors.iter().for_each(|error| tell!("warning: planned without data: {}", error.message()));
        return Ok(Row { run, record: record(run, given, None), evaluations: (0, 0) });
    }
    let corpus = corpora.of(run, &args.common.out)?;
    let size = vocabulary(run, &corpus).map_err(|error| Failure::Usage(error.to_string()))?;
    Ok(Row { run, record: record(run, size, Some(&corpus)), evaluations: evaluations(run, &corpus) })
}

/// The table of configurations: what is the same for all their seeds once.
fn print_table(planned: &[Row<'_>], args: &PlanArgs) {
    let estimator = Estimator::new(&args.common.out);
    let mut groups: Vec<Vec<&Row<'_>>> = Vec::new();
    for row in planned {
        let same = |group: &&mut Vec<&Row<'_>>| {
            let first = &group[0].record;
            (&first.label, &first.configuration) == (&row.record.label, &row.record.configuration)
        };
        match groups.iter_mut().find(same) {
            Some(group) => group.push(row),
            None => groups.push(vec![row]),
        }
    }
    let (mut total, mut by_runs, mut by_product) = (0.0, 0, 0);
    let lines: Vec<Line> = groups
        .iter()
        .map(|group| {
            let times: Option<Vec<Estimate>> = group.iter().map(|row| estimator.of(&row.planned())).collect();
            let (row, times) = (group[0], times.unwrap_or_default());
            total += times.iter().map(|time| time.seconds).sum::<f64>();
            by_runs += times.iter().filter(|time| time.by_runs).count();
            by_product += times.iter().filter(|time| !time.by_runs).count();
            let longest = times.iter().map(|time| time.seconds).reduce(f64::max);
            let count = |count: Option<u64>| count.map_or("?".into(), |count| thousands(count as f64));
            let record = &row.record;
            Line {
                label: visible(&record.label).into_owned(),
                cells: vec![
                    seeds(&group.iter().map(|row| row.run.seed).collect::<Vec<_>>()),
                    count(record.params),
                    count(record.params_body),
                    record.flops_per_token.map_or("?".into(), |flops| format!("{:.2}", flops as f64 / 1e6)),
                    count(record.steps),
                    count(record.tokens),
                    format!("{} MB", thousands((needed(row.run, record).about / 1e6).round())),
                    longest.map_or("?".into(), duration),
                ],
            }
        })
        .collect();
    let columns = [
        Column("seeds", 0),
        Column("params", 0),
        Column("body", 2),
        Column("MFLOP/token", 3),
        Column("steps", 4),
        Column("tokens", 5),
        Column("memory", 1),
        Column("time each", 0),
    ];
    let (text, left_out) = table(table::columns(), &columns, &lines);
    write_out(format_args!("{text}\n"));
    let counted = |count: usize, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
    let of_seeds = groups.len() < planned.len();
    let of = if of_seeds { format!(" of {}", counted(groups.len(), "configuration")) } else { String::new() };
    let runs = counted(planned.len(), "run");
    say!("{runs}{of}, about {} on this machine, one after the other", duration(total));
    let out = args.common.out.display();
    match (by_runs, estimator.product()) {
        (0, Some(rate)) => say!("times: by a matrix product of {:.0} GFLOP/s, measured just now", rate / 1e9),
        (_, None) if by_runs > 0 => say!("times: by finished runs like them in {out}"),
        (_, Some(rate)) => say!(
            "times: of {} by finished runs like them in {out}, of {by_product} by a matrix product of {:.0} GFLOP/s",
            by_runs,
            rate / 1e9
        ),
        _ => {}
    }
    if !left_out.is_empty() {
        say!("no room for: {} (--format csv has all)", left_out.join(", "));
    }
    say!("lrx plan --ids prints the run_id of each run");
}
