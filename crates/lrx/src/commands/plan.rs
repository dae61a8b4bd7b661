//! `lrx plan`

use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, ValueEnum};
use indicatif::HumanDuration;
use lrx_data::{BatchSize, Corpus, Sampler, SamplerConfig};
use lrx_layers::rules::RuleOf;
use lrx_layers::{Place, Registry};
use lrx_records::{RunRecord, Status, csv_text};
use lrx_spec::{DataState, RunSpec};
use lrx_tensor::limits;

use super::common::Common;
use crate::corpus::{Corpora, vocabulary};
use crate::failure::Failure;
use crate::memory::{self, Verdict, needed};
use crate::progress::thousands;
use crate::terminal::{say, tell, write_data};
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
    let mut corpora = Corpora::default();
    let mut rows = Vec::new();
    for experiment in &experiments {
        for run in &experiment.runs {
            let row = row(run, &mut corpora, args)?;
            rows.push((run, row));
        }
    }
    if args.ids {
        rows.iter().for_each(|(_, row)| say!("{}", row.run_id));
        return Ok(ExitCode::SUCCESS);
    }
    match args.format {
        PlanFormat::Csv => {
            write_data(&csv_text(rows.iter().map(|(_, row)| row)));
        }
        PlanFormat::Text => print_table(&rows),
    }
    match memory::check(rows.iter().map(|(run, row)| (row.label.as_str(), needed(run, row))), 1) {
        Verdict::Enough => {}
        Verdict::Doubtful(message) | Verdict::Impossible(message) => tell!("warning: {message}"),
    }
    Ok(ExitCode::SUCCESS)
}

fn row(run: &RunSpec, corpora: &mut Corpora, args: &PlanArgs) -> Result<RunRecord, Failure> {
    // Without its data, a run can be planned as far as its vocabulary is given.
    if let (DataState::Missing(errors), Some(given)) = (&run.data, run.model.vocabulary) {
        errors.iter().for_each(|error| tell!("warning: planned without data: {}", error.message()));
        return Ok(record(run, given, None));
    }
    let corpus = corpora.of(run, &args.common.out)?;
    let size = vocabulary(run, &corpus).map_err(|error| Failure::Usage(error.to_string()))?;
    Ok(record(run, size, Some(&corpus)))
}

/// The row of a run before it has begun.
pub(crate) fn record(run: &RunSpec, vocabulary: usize, corpus: Option<&Corpus>) -> RunRecord {
    let model = &run.model;
    let (embedding, body) = (model.embedding_parameters(vocabulary), model.body_parameters());
    let steps = corpus.map(|corpus| run.train.length().steps(&sampler(run, corpus)));
    let cut = corpus.map(|corpus| corpus.train.cut(model.context));
    RunRecord {
        run_id: run.run_id.clone().unwrap_or_default(),
        label: run.label.clone(),
        seed: Some(run.seed),
        status: Status::Planned,
        layers: Some(model.layers.len() as u64),
        hidden: Some(model.hidden as u64),
        attention: model.kind_cell(Place::Attention),
        attention_ranks: model.rank_cell(Place::Attention).into(),
        mlp: model.kind_cell(Place::Mlp),
        mlp_ranks: model.rank_cell(Place::Mlp).into(),
        params: Some((embedding + body) as u64),
        params_embedding: Some(embedding as u64),
        params_body: Some(body as u64),
        flops_per_token: Some(model.flops_per_token(vocabulary) as u64),
        stories: corpus.map(|corpus| corpus.train.len() as u64),
        tokens: corpus.zip(steps).and_then(|(corpus, steps)| tokens(run, corpus, steps)),
        steps: steps.map(|steps| steps as u64),
        configuration: run.configuration.clone(),
        optimizer: "adamw".to_owned(),
        learning_rate: Some(run.train.learning_rate),
        schedule: run.train.schedule.name().to_owned(),
        warmup_steps: Some(run.train.warmup_steps as u64),
        batch: batch(run.train.batch_size()),
        context: Some(model.context as u64),
        data: corpus.map(Corpus::data_hash).unwrap_or_default(),
        vocabulary: corpus.map(|corpus| corpus.vocabulary.hash()).unwrap_or_default(),
        eval_data: corpus.map(|corpus| corpus.eval_data(model.context)).unwrap_or_default(),
        stories_cut: cut.map(|cut| cut.stories_cut),
        tokens_cut: cut.map(|cut| cut.tokens_cut),
        slots: model.slots_cell(),
        init: model.rule_cell(RuleOf::Init),
        lr_rule: model.rule_cell(RuleOf::LearningRate),
        decay_rule: model.rule_cell(RuleOf::Decay),
        deploy_params: Some((embedding + model.deploy_body_parameters()) as u64),
        deploy_flops_per_token: Some(model.deploy_flops_per_token(vocabulary) as u64),
        ..RunRecord::default()
    }
}

fn batch(size: BatchSize) -> String {
    match size {
        BatchSize::Stories(1) => "1 story".to_owned(),
        BatchSize::Stories(stories) => format!("{stories} stories"),
        BatchSize::Tokens(tokens) => format!("{tokens} tokens"),
    }
}

/// Gives the batches of a run.
pub(crate) fn sampler(run: &RunSpec, corpus: &Corpus) -> Sampler {
    let DataState::Ready(data) = &run.data else { unreachable!("a corpus comes from data that is there") };
    let config = SamplerConfig {
        context: run.model.context,
        size: run.train.batch_size(),
        shuffle: data.shuffle(),
        seed: run.seed,
    };
    Sampler::new(corpus.train.clone(), config)
}

/// Targets in all steps of a run; none where it would take too long to count them.
fn tokens(run: &RunSpec, corpus: &Corpus, steps: usize) -> Option<u64> {
    let sampler = sampler(run, corpus);
    if !sampler.can_reach(steps) {
        return None;
    }
    let (epochs, rest) = sampler.position(steps);
    let begun = (steps - rest..steps).map(|step| sampler.batch(step).tokens() as u64);
    (epochs as u64).checked_mul(sampler.targets_per_epoch())?.checked_add(begun.sum())
}

fn print_table(rows: &[(&RunSpec, RunRecord)]) {
    let rate = limits::square_product_rate(768);
    let label_width = rows.iter().map(|(_, row)| row.label.len()).max().unwrap_or(5).max(5);
    say!(
        "{:label_width$}  {:>4}  {:>12}  {:>12}  {:>11}  {:>7}  {:>12}  {:>8}  {:>12}",
        "label",
        "seed",
        "params",
        "body",
        "MFLOP/token",
        "steps",
        "tokens",
        "memory",
        "time, about"
    );
    let mut total = Duration::ZERO;
    for (run, row) in rows {
        let time = row.tokens.map(|tokens| estimated_time(row, tokens, rate));
        total += time.unwrap_or_default();
        say!(
            "{:label_width$}  {:>4}  {:>12}  {:>12}  {:>11.2}  {:>7}  {:>12}  {:>5} MB  {:>12}",
            row.label,
            run.seed,
            thousands(number(row.params)),
            thousands(number(row.params_body)),
            number(row.flops_per_token) / 1e6,
            row.steps.map_or("?".into(), |steps| thousands(steps as f64)),
            row.tokens.map_or("?".into(), |tokens| thousands(tokens as f64)),
            (needed(run, row).about / 1e6).round(),
            time.map_or("?".into(), |time| HumanDuration(time).to_string()),
        );
    }
    say!("\n{} runs, about {} on this machine at {:.0} GFLOP/s", rows.len(), HumanDuration(total), rate / 1e9);
}

/// A count that is known of every planned run.
fn number(count: Option<u64>) -> f64 {
    count.unwrap_or(0) as f64
}

/// Forward and backward passes take three times the forward's operations; three quarters of the rate of a large matrix
/// product is what a training step reaches.
fn estimated_time(row: &RunRecord, tokens: u64, rate: f64) -> Duration {
    Duration::from_secs_f64(3.0 * number(row.flops_per_token) * tokens as f64 / (0.75 * rate))
}
