//! `lrx plan`

mod estimate;
pub(super) mod needs;
mod power;
pub(super) mod table;

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{ArgGroup, Args, ValueEnum};
use lrx_data::Vocabulary;
use lrx_layers::Registry;
use lrx_records::{RunRecord, Status, csv_text};
use lrx_spec::{DataState, Experiment, RunSpec, Solved, missing_files};

use self::estimate::{Estimate, Estimator, Planned, finished};
use self::power::{Design, told};
use self::table::{Column, Line, Room, seeds, table};
use super::common::Common;
use crate::corpus::{Corpora, Starts, vocabulary};
use crate::failure::Failure;
use crate::manifest::Manifest;
use crate::memory::{self, Verdict, needed};
use crate::planned::{evaluations, record};
use crate::progress::{duration, thousands};
use crate::runs::look;
use crate::terminal::{say, tell, visible, write_data, write_out};
use crate::threads::use_threads;

/// `lrx plan`
#[derive(Args)]
#[command(group(ArgGroup::new("sweep").args(["configs", "manifest"]).required(true).multiple(true)))]
pub(crate) struct PlanArgs {
    #[command(flatten)]
    pub(crate) common: Common,
    /// `csv`: the columns of runs.csv, as far as they can be known
    #[arg(long, value_enum, default_value_t = PlanFormat::Text)]
    pub(crate) format: PlanFormat,
    /// Print the run_id of every run, a line each, and nothing else
    #[arg(long, conflicts_with = "format")]
    pub(crate) ids: bool,
    /// Write the sweep to FILE: its runs in an order that stays, the configs, and the hashes of their data. `lrx run
    /// --manifest FILE` trains exactly that. Without configs, list the sweep of FILE
    #[arg(long, value_name = "FILE")]
    pub(crate) manifest: Option<PathBuf>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum PlanFormat {
    Text,
    Csv,
}

pub(crate) fn plan(args: &PlanArgs, registry: &Registry) -> Result<ExitCode, Failure> {
    use_threads(args.common.threads)?;
    let experiments = experiments(args, registry)?;
    let (mut corpora, mut starts) = (Corpora::to_look_at(), Starts::default());
    let mut rows = Vec::new();
    for experiment in &experiments {
        for run in &experiment.runs {
            let row = row(experiment, run, &mut corpora, args)?;
            starts
                .check(run, row.vocabulary, row.tokens.as_ref())
                .map_err(|error| Failure::Usage(error.to_string()))?;
            rows.push(row);
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

/// What is planned; with a manifest, nothing of it has changed, or it is written there.
fn experiments(args: &PlanArgs, registry: &Registry) -> Result<Vec<Experiment>, Failure> {
    let usage = |errors: lrx_spec::ConfigErrors| Failure::Usage(errors.to_string());
    let common = &args.common;
    match &args.manifest {
        None => common.experiments(registry).map_err(usage),
        Some(path) if common.configs.is_empty() => common.sweep(Some(path), registry),
        Some(path) => {
            let experiments = common.experiments(registry).map_err(usage)?;
            missing_files(&experiments).map_err(usage)?;
            let manifest = Manifest::of(path, &common.configs, &common.set, &experiments).map_err(Failure::Usage)?;
            manifest.write(path).map_err(Failure::Failed)?;
            tell!("{}: {}", path.display(), counted(manifest.len(), "run"));
            Ok(experiments)
        }
    }
}

/// One run.
struct Row<'r> {
    experiment: &'r str,
    run: &'r RunSpec,
    /// Tokens in the vocabulary.
    vocabulary: usize,
    /// These tokens; nothing without the run's data.
    tokens: Option<Vocabulary>,
    record: RunRecord,
    /// What part of it remains to be done.
    rest: f64,
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

fn row<'r>(
    experiment: &'r Experiment,
    run: &'r RunSpec,
    corpora: &mut Corpora,
    args: &PlanArgs,
) -> Result<Row<'r>, Failure> {
    let row = |vocabulary: usize, tokens: Option<Vocabulary>, mut record: RunRecord, evaluations: (usize, u64)| {
        let standing = standing(&args.common.out, &experiment.name, &record.run_id);
        let done = standing.as_ref().and_then(|now| Some(now.tokens? as f64 / record.tokens? as f64));
        record.status = standing.map_or(Status::Planned, |now| now.status);
        let rest = match record.status {
            Status::Planned => 1.0,
            Status::Running => 1.0 - done.unwrap_or(0.0).clamp(0.0, 1.0),
            _ => 0.0,
        };
        Row { experiment: &experiment.name, run, vocabulary, tokens, record, rest, evaluations }
    };
    // Without its data, a run can be planned as far as its vocabulary is given.
    if let (DataState::Missing(errors), Some(given)) = (&run.data, run.model.vocabulary) {
        errors.iter().for_each(|error| tell!("warning: planned without data: {}", error.message()));
        return Ok(row(given, None, record(run, given, None), (0, 0)));
    }
    let corpus = corpora.of(run, &args.common.out)?;
    let size = vocabulary(run, &corpus).map_err(|error| Failure::Usage(error.to_string()))?;
    let tokens = Some(corpus.vocabulary.clone());
    Ok(row(size, tokens, record(run, size, Some(&corpus)), evaluations(run, &corpus)))
}

/// The row of a run that has begun, in its experiment, or finished in another one, from which `lrx run` takes it.
fn standing(out: &Path, experiment: &str, run_id: &str) -> Option<RunRecord> {
    if run_id.is_empty() {
        return None;
    }
    let own = look(&out.join(experiment).join(run_id));
    if own.as_ref().is_some_and(|row| row.status == Status::Finished) {
        return own;
    }
    let others = fs::read_dir(out).into_iter().flatten().flatten().map(|entry| entry.path().join(run_id));
    let is_finished = |row: &RunRecord| row.status == Status::Finished;
    let elsewhere = others.filter(|folder| folder.is_dir()).find_map(|folder| look(&folder).filter(is_finished));
    elsewhere.or(own)
}

/// The table of configurations, what is the same for all their seeds once; under it what all of them come to.
fn print_table(planned: &[Row<'_>], args: &PlanArgs) {
    let finished = finished(&args.common.out);
    let estimator = Estimator::new(&finished);
    let groups = by_configuration(planned);
    let mut sum = Sum::default();
    let mut designs: Vec<(&str, Design<'_>)> = Vec::new();
    let mut lines = Vec::new();
    for group in &groups {
        let times: Vec<Option<Estimate>> = group.iter().map(|row| estimator.of(&row.planned())).collect();
        group.iter().zip(&times).for_each(|(row, time)| sum.add(row, *time));
        if designs.last().is_none_or(|(experiment, _)| *experiment != group[0].experiment) {
            designs.push((group[0].experiment, Design { runs: Vec::new(), seconds: Some(0.0) }));
        }
        let (_, design) = designs.last_mut().expect("there is one now");
        design.runs.extend(group.iter().map(|row| &row.record));
        design.seconds = design
            .seconds
            .and_then(|seconds| times.iter().try_fold(seconds, |sum, time| time.map(|time| sum + time.seconds)));
        lines.push(line(group, &times));
    }
    let has_several = planned.iter().any(|row| row.experiment != planned[0].experiment);
    let has_begun = planned.iter().any(|row| row.record.status != Status::Planned);
    let columns = [
        Column("experiment", if has_several { Room::Always } else { Room::Never }),
        Column("seeds", Room::Always),
        Column("status", if has_begun { Room::Always } else { Room::Never }),
        Column("params", Room::Always),
        Column("body", Room::IfAny(2)),
        Column("MFLOP/token", Room::IfAny(3)),
        Column("steps", Room::IfAny(4)),
        Column("tokens", Room::IfAny(5)),
        Column("memory", Room::IfAny(1)),
        Column("time each", Room::Always),
    ];
    let (text, left_out) = table(table::columns(), &columns, &lines);
    write_out(format_args!("{text}\n"));
    print_solved(&groups);
    let of_seeds = groups.len() < planned.len();
    let of = if of_seeds { format!(" of {}", counted(groups.len(), "configuration")) } else { String::new() };
    say!("{}{of}{}", counted(planned.len(), "run"), sum.text());
    say_what_times_rest_on(&sum, &estimator, &args.common.out);
    for (experiment, design) in &designs {
        if let Some(said) = told(design, &finished) {
            say!("{}{said}", if has_several { format!("{}: ", visible(experiment)) } else { String::new() });
        }
    }
    if !left_out.is_empty() {
        say!("no room for: {} (--format csv has all)", left_out.join(", "));
    }
    say!("lrx plan --ids prints the run_id of each run");
}

/// The runs of each configuration of an experiment, in the order in which the configurations first occur.
fn by_configuration<'p, 'r>(planned: &'p [Row<'r>]) -> Vec<Vec<&'p Row<'r>>> {
    let mut groups: Vec<Vec<&Row<'_>>> = Vec::new();
    let mut known = HashMap::new();
    for row in planned {
        let configuration = (row.experiment, &row.record.label, &row.record.configuration);
        match known.entry(configuration).or_insert(groups.len()) {
            index if *index == groups.len() => groups.push(vec![row]),
            index => groups[*index].push(row),
        }
    }
    groups
}

/// A configuration's line, from its runs and their times.
fn line(group: &[&Row<'_>], times: &[Option<Estimate>]) -> Line {
    let longest = times.iter().flatten().map(|time| time.seconds).reduce(f64::max);
    let count = |count: Option<u64>| count.map_or("?".into(), |count| thousands(count as f64));
    let row = group[0];
    let record = &row.record;
    Line {
        label: visible(&record.label).into_owned(),
        cells: vec![
            visible(row.experiment).into_owned(),
            seeds(&group.iter().map(|row| row.run.seed).collect::<Vec<_>>()),
            status(group),
            count(record.params),
            count(record.params_body),
            record.flops_per_token.map_or("?".into(), |flops| format!("{:.2}", flops as f64 / 1e6)),
            count(record.steps),
            count(record.tokens),
            format!("{} MB", thousands((needed(row.run, record).about / 1e6).round())),
            longest.map_or("?".into(), duration),
        ],
    }
}

fn say_what_times_rest_on(sum: &Sum, estimator: &Estimator, out: &Path) {
    let out = out.display();
    match (sum.by_runs, estimator.products()) {
        (0, Some(products)) if sum.by_product > 0 => say!("times: by {products}, measured just now"),
        (by_runs, None) if by_runs > 0 => say!("times: by finished runs like them in {out}"),
        (by_runs, Some(products)) if by_runs > 0 => {
            say!("times: of {by_runs} by finished runs like them in {out}, of {} by {products}", sum.by_product);
        }
        _ => {}
    }
}

/// What was solved for in each configuration, and how near its figure comes to the target.
fn print_solved(groups: &[Vec<&Row<'_>>]) {
    let lines = groups.iter().flat_map(|group| {
        let line = |solved: &Solved| Line {
            label: visible(&group[0].record.label).into_owned(),
            cells: vec![
                solved.how.clone(),
                solved.of.to_string(),
                figure(solved.figure, solved.target),
                figure(solved.target, solved.target),
                format!("{:.2} %", solved.distance()),
            ],
        };
        group[0].run.solved.iter().map(line)
    });
    let lines: Vec<Line> = lines.collect();
    if lines.is_empty() {
        return;
    }
    let columns = [
        Column("solved for", Room::Always),
        Column("at", Room::IfAny(2)),
        Column("figure", Room::Always),
        Column("target", Room::IfAny(1)),
        Column("distance", Room::Always),
    ];
    let (text, _) = table(table::columns(), &columns, &lines);
    write_out(format_args!("{text}\n"));
}

/// A count in full; where the target is too large for that, in four digits.
fn figure(number: f64, target: f64) -> String {
    if target < 1e10 { thousands(number) } else { format!("{number:.3e}") }
}

/// `finished`, or how many of them are: `1 of 3 finished`.
fn status(group: &[&Row<'_>]) -> String {
    let is = |status: Status| group.iter().filter(|row| row.record.status == status).count();
    let first = &group[0].record.status;
    if is(first.clone()) == group.len() {
        return first.to_string();
    }
    // What most wants to be known of a mixture.
    let told = [Status::Failed, Status::Diverged, Status::Running, Status::Finished];
    let told = told.into_iter().filter_map(|one| Some((is(one.clone()), one)).filter(|(count, _)| *count > 0));
    told.map(|(count, one)| format!("{count}/{} {one}", group.len())).collect::<Vec<_>>().join(", ")
}

/// What all runs together come to; a run of two files once.
#[derive(Default)]
struct Sum<'r> {
    known: HashSet<&'r str>,
    finished: usize,
    failed: usize,
    remaining: usize,
    /// Of those that remain, those whose time cannot be told.
    without_time: usize,
    seconds: f64,
    by_runs: usize,
    by_product: usize,
}

impl<'r> Sum<'r> {
    fn add(&mut self, row: &'r Row<'_>, time: Option<Estimate>) {
        // Without its data, a run has no id.
        if !row.record.run_id.is_empty() && !self.known.insert(&row.record.run_id) {
            return;
        }
        match row.record.status {
            Status::Finished => self.finished += 1,
            Status::Planned | Status::Running => {
                self.remaining += 1;
                match time {
                    Some(Estimate { seconds, by_runs }) => {
                        self.seconds += seconds * row.rest;
                        *(if by_runs { &mut self.by_runs } else { &mut self.by_product }) += 1;
                    }
                    None => self.without_time += 1,
                }
            }
            _ => self.failed += 1,
        }
    }

    /// `: 2 finished, 1 remains, about 3 min on this machine, one after the other`.
    fn text(&self) -> String {
        let mut parts = Vec::new();
        if self.finished > 0 {
            parts.push(if self.remaining + self.failed == 0 {
                "all finished".into()
            } else {
                format!("{} finished", self.finished)
            });
        }
        if self.failed > 0 {
            parts.push(format!("{} failed (lrx run --retry-failed trains what failed again)", self.failed));
        }
        if self.remaining > 0 && !parts.is_empty() {
            parts.push(format!("{} to be trained", self.remaining));
        }
        let timed = self.remaining - self.without_time;
        if timed > 0 {
            parts.push(format!("about {} on this machine, one after the other", duration(self.seconds)));
        }
        if self.without_time > 0 {
            let those = if timed > 0 { "without " } else { "no time is known of " };
            let why = if timed > 0 { ", whose tokens are not known" } else { ", as their tokens are not" };
            parts.push(format!("{those}{}{why}", counted(self.without_time, "run")));
        }
        let between = if self.finished + self.failed > 0 { ": " } else { ", " };
        if parts.is_empty() { String::new() } else { format!("{between}{}", parts.join(", ")) }
    }
}

fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}
