//! `lrx bench`

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};
use lrx_data::Batch;
use lrx_layers::Registry;
use lrx_model::Model;
use lrx_records::{BenchRow, csv_header, csv_line};
use lrx_spec::{Beside, Experiment, NothingTuned, RunSpec, load_builtin, load_experiments_beside};
use lrx_tensor::allocator::KeepFreedMemory;
use lrx_tensor::{Tape, Timings, limits};
use lrx_train::{Optimizer, Update, memory, step};

use crate::corpus::{Corpora, Stories, vocabulary};
use crate::failure::Failure;
use crate::planned::sampler;
use crate::progress::thousands;
use crate::terminal::{say, write_data};
use crate::threads::use_threads;

/// `lrx bench`
#[derive(Args)]
#[command(after_help = "\
Without --config: the seed's baseline, LgSA-LgMLP and MedSA-MedMLP. Real stories come with
  lrx bench --set 'data.train=\"stories.txt\"' --set 'data.tokenizer=\"tokenizer.json\"'
Each row's rate stands beside the rate of the best large matrix product, measured right before and after.")]
pub(crate) struct BenchArgs {
    /// Config files whose runs are timed
    #[arg(long, value_name = "CONFIG.toml")]
    pub(crate) config: Vec<PathBuf>,
    /// Override a key, as for `lrx run`
    #[arg(long, value_name = "KEY=VALUE")]
    pub(crate) set: Vec<String>,
    /// `4x256`: 4 sequences of 256 random tokens. `stories`: the batches of the data
    #[arg(long, value_name = "SxT|stories", default_values = ["4x256", "stories"])]
    pub(crate) batch: Vec<String>,
    /// Vocabularies to time stories at [default: both where a tokenizer is given, else the data's own]
    #[arg(long, value_enum)]
    pub(crate) vocabulary: Vec<BenchVocabulary>,
    /// Timed steps
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub(crate) steps: usize,
    /// Steps before them that are not timed
    #[arg(long, value_name = "N", default_value_t = 3)]
    pub(crate) warm_up: usize,
    /// Threads to compute on [default: all cores]
    #[arg(long, value_name = "N")]
    pub(crate) threads: Option<usize>,
    /// Where tokenised stories are kept
    #[arg(long, value_name = "DIR", default_value = "results")]
    pub(crate) out: PathBuf,
    /// `csv`: every figure, one row a measurement
    #[arg(long, value_enum, default_value_t = BenchFormat::Text)]
    pub(crate) format: BenchFormat,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum BenchVocabulary {
    Full,
    Compact,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum BenchFormat {
    Text,
    Csv,
}

const BUILT_IN: &str = include_str!("bench.toml");
/// Of the built-in models' random tokens: GPT-2's.
const RANDOM_VOCABULARY: usize = 50_257;
const PHASES: [&str; 4] = ["embedding", "attention", "mlp", "head"];

/// What a step trains on.
enum Workload {
    /// So many sequences of so many random tokens.
    Random { sequences: usize, tokens: usize },
    /// The batches of the run's data.
    Stories,
}

pub(crate) fn bench(args: &BenchArgs, registry: &Registry) -> Result<ExitCode, Failure> {
    use_threads(args.threads)?;
    if args.steps == 0 {
        return Err(Failure::Usage("--steps 0: expected at least 1".into()));
    }
    let workloads: Vec<(&str, Workload)> =
        args.batch.iter().map(|text| Ok((text.as_str(), parse_batch(text)?))).collect::<Result<_, Failure>>()?;
    let memory_rate = limits::memory_rate();
    let mut corpora = Corpora::to_look_at();
    let mut told: Option<String> = None;
    for (name, workload) in &workloads {
        for experiment in experiments(args, workload, registry)? {
            for run in &experiment.runs {
                let row = measure(args, name, workload, run, &mut corpora, memory_rate)?;
                match args.format {
                    BenchFormat::Csv => {
                        if told.is_none() {
                            write_data(&csv_header::<BenchRow>());
                        }
                        write_data(&csv_line(&row));
                    }
                    BenchFormat::Text => {
                        // What the machine can do at best depends on the arithmetic.
                        if told.as_ref() != Some(&row.arithmetic) {
                            if told.is_some() {
                                say!("");
                            }
                            print_header(&row);
                        }
                        print_row(&row);
                    }
                }
                told = Some(row.arithmetic);
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn parse_batch(text: &str) -> Result<Workload, Failure> {
    if text == "stories" {
        return Ok(Workload::Stories);
    }
    let numbers: Option<Vec<usize>> = text.split('x').map(|number| number.parse().ok()).collect();
    match numbers.as_deref() {
        Some(&[sequences, tokens]) if sequences > 0 && tokens > 0 => Ok(Workload::Random { sequences, tokens }),
        _ => Err(Failure::Usage(format!("--batch {text}: expected `stories`, or sequences x tokens such as 4x256"))),
    }
}

/// The runs to time: the configs', or the built-in ones; of stories at every vocabulary that was asked for.
fn experiments(args: &BenchArgs, workload: &Workload, registry: &Registry) -> Result<Vec<Experiment>, Failure> {
    let has_tokenizer = args.set.iter().any(|set| set.trim_start().starts_with("data.tokenizer"));
    let vocabularies = match workload {
        Workload::Random { .. } => vec![None],
        Workload::Stories if !args.vocabulary.is_empty() => args.vocabulary.iter().copied().map(Some).collect(),
        Workload::Stories if has_tokenizer => vec![Some(BenchVocabulary::Full), Some(BenchVocabulary::Compact)],
        Workload::Stories => vec![None],
    };
    let mut all = Vec::new();
    for vocabulary in vocabularies {
        let mut set = args.set.clone();
        set.extend(vocabulary.map(|vocabulary| match vocabulary {
            BenchVocabulary::Full => "data.vocabulary=\"full\"".to_string(),
            BenchVocabulary::Compact => "data.vocabulary=\"compact\"".to_string(),
        }));
        let loaded = if args.config.is_empty() {
            load_builtin("bench", BUILT_IN, &set, registry).map(|experiment| vec![experiment])
        } else {
            let corpora = &Stories::beside(&args.out);
            let beside = Beside { tuned: &NothingTuned, corpora, results: &args.out };
            load_experiments_beside(&args.config, &set, registry, &beside)
        };
        all.extend(loaded.map_err(|errors| Failure::Usage(errors.to_string()))?);
    }
    Ok(all)
}

/// The vocabulary, and the batches of all steps.
fn batches(
    args: &BenchArgs,
    name: &str,
    workload: &Workload,
    run: &RunSpec,
    corpora: &mut Corpora,
) -> Result<(usize, Vec<Batch>), Failure> {
    let usage = |error: lrx_spec::ConfigError| Failure::Usage(error.to_string());
    let count = args.warm_up + args.steps;
    match *workload {
        Workload::Stories => {
            let corpus = corpora.of(run, &args.out)?;
            let size = vocabulary(run, &corpus).map_err(usage)?;
            let sampler = sampler(run, &corpus);
            Ok((size, (0..count).map(|step| sampler.batch(step)).collect()))
        }
        Workload::Random { tokens, .. } if tokens > run.model.context => {
            let message = format!("--batch {name}: the context of {} is {} tokens", run.label, run.model.context);
            Err(Failure::Usage(message))
        }
        Workload::Random { sequences, tokens } => {
            let size = match run.model.vocabulary {
                Some(given) => given,
                // The head's share of the time is that of the config's own vocabulary.
                None if !args.config.is_empty() => {
                    let corpus = corpora.of(run, &args.out)?;
                    vocabulary(run, &corpus).map_err(usage)?
                }
                None => RANDOM_VOCABULARY,
            };
            Ok((size, (0..count).map(|step| random_batch(sequences, tokens, size, step)).collect()))
        }
    }
}

/// What the steps after the warm-up took.
struct Timed {
    times: Vec<Duration>,
    phases: Vec<Timings>,
    page_faults_per_step: Option<f64>,
    peak_rss_mb: Option<f64>,
}

impl Timed {
    fn of(args: &BenchArgs, run: &RunSpec, vocabulary: usize, batches: &[Batch]) -> Result<Self, Failure> {
        let _keep_memory_of_steps = KeepFreedMemory::new();
        let mut model = Model::new(&run.model, vocabulary, run.seed);
        let mut optimizer = Optimizer::new(&run.train.optimizer, model.parameters()).map_err(|error| {
            let at = run.error_at(&format!("train.optimizer.{}", error.key), error.message);
            Failure::Usage(at.to_string())
        })?;
        let (mut times, mut phases, mut faults) = (Vec::new(), Vec::new(), None);
        for (i, batch) in batches.iter().enumerate() {
            if i == args.warm_up {
                memory::reset_peak();
                faults = memory::page_faults();
            }
            let tape = Tape::recording().with_precision(run.train.precision.into()).timed();
            let update = Update { learning_rate: run.train.learning_rate, ..run.train.update(i, batches.len()) };
            let began = Instant::now();
            let stepped = step(&mut model, &mut optimizer, batch, &update, &tape);
            let time = began.elapsed();
            if let Some(what) = stepped.not_finite() {
                return Err(Failure::Failed(format!("{}: diverged at step {}: {what}", run.label, i + 1)));
            }
            if i >= args.warm_up {
                times.push(time);
                phases.push(tape.timings().expect("a timed tape"));
            }
        }
        let faults = faults.zip(memory::page_faults()).map(|(before, after)| after - before);
        let page_faults_per_step = faults.map(|faults| faults as f64 / args.steps as f64);
        Ok(Self { times, phases, page_faults_per_step, peak_rss_mb: memory::peak_rss_mb() })
    }

    /// Milliseconds that a phase takes in the middle one of the steps, on one side.
    fn phase_ms(&self, side: fn(&Timings) -> &Vec<(&'static str, Duration)>, name: &str) -> f64 {
        let time = |timings: &Timings| {
            side(timings).iter().find(|(phase, _)| *phase == name).map(|(_, time)| *time).unwrap_or_default()
        };
        1e3 * median(&mut self.phases.iter().map(time))
    }

    /// Milliseconds outside of all phases: clipping and the optimizer.
    fn optimizer_ms(&self) -> f64 {
        let inside = |timings: &Timings| -> Duration {
            timings.forward.iter().chain(&timings.backward).map(|(_, time)| *time).sum()
        };
        let steps = self.times.iter().zip(&self.phases);
        1e3 * median(&mut steps.map(|(time, timings)| time.saturating_sub(inside(timings))))
    }
}

fn measure(
    args: &BenchArgs,
    name: &str,
    workload: &Workload,
    run: &RunSpec,
    corpora: &mut Corpora,
    memory_rate: f64,
) -> Result<BenchRow, Failure> {
    let (vocabulary, batches) = batches(args, name, workload, run, corpora)?;
    let precision = run.train.precision.into();
    let multiply_add_rate = limits::multiply_add_rate(precision);
    let rate_before = limits::matrix_product_rate(precision);
    let timed = Timed::of(args, run, vocabulary, &batches)?;
    let matrix_product_rate = rate_before.max(limits::matrix_product_rate(precision));

    let batches = &batches[args.warm_up..];
    let tokens: usize = batches.iter().map(Batch::tokens).sum();
    let seconds: f64 = timed.times.iter().map(Duration::as_secs_f64).sum();
    let attention = |batch: &Batch| run.model.attention_flops(batch.offsets.windows(2).map(|w| w[1] - w[0]));
    // Forward and backward, of so many for each token, and attention's own.
    let flops = |per_token: usize| {
        3.0 * batches.iter().map(|batch| (batch.tokens() * per_token + attention(batch)) as f64).sum::<f64>()
    };
    let total = flops(run.model.flops_per_token(vocabulary));
    let body = flops(run.model.flops_per_token(0));
    let forward = PHASES.map(|name| timed.phase_ms(|timings| &timings.forward, name));
    let backward = PHASES.map(|name| timed.phase_ms(|timings| &timings.backward, name));
    let [embedding_ms, attention_ms, mlp_ms, head_ms] = forward;
    let [embedding_backward_ms, attention_backward_ms, mlp_backward_ms, head_backward_ms] = backward;
    Ok(BenchRow {
        label: run.label.clone(),
        batch: name.to_string(),
        vocabulary: vocabulary as u64,
        hidden: run.model.hidden as u64,
        layers: run.model.layers.len() as u64,
        threads: rayon::current_num_threads() as u64,
        steps: args.steps as u64,
        tokens_per_step: tokens as f64 / args.steps as f64,
        step_ms: 1e3 * median(&mut timed.times.iter().copied()),
        tokens_per_second: tokens as f64 / seconds,
        gflop_per_step: total / args.steps as f64 / 1e9,
        gflop_per_second: total / seconds / 1e9,
        share_of_matrix_product: total / seconds / matrix_product_rate,
        embedding_ms,
        attention_ms,
        mlp_ms,
        head_ms,
        head_backward_ms,
        mlp_backward_ms,
        attention_backward_ms,
        embedding_backward_ms,
        optimizer_ms: timed.optimizer_ms(),
        body_ms: embedding_ms + attention_ms + mlp_ms + embedding_backward_ms + attention_backward_ms + mlp_backward_ms,
        body_gflop_per_step: body / args.steps as f64 / 1e9,
        page_faults_per_step: timed.page_faults_per_step,
        peak_rss_mb: timed.peak_rss_mb,
        multiply_add_gflop_per_second: multiply_add_rate / 1e9,
        matrix_product_gflop_per_second: matrix_product_rate / 1e9,
        memory_gb_per_second: memory_rate / 1e9,
        arithmetic: lrx_tensor::arithmetic(precision).into(),
    })
}

/// Sequences of pseudorandom tokens (a linear congruential generator's: speed does not depend on their quality).
fn random_batch(sequences: usize, tokens: usize, vocabulary: usize, step: usize) -> Batch {
    let mut state = step as u64;
    let mut draw = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((state >> 33) % vocabulary as u64) as u32
    };
    let mut draws = || (0..sequences * tokens).map(|_| draw()).collect();
    Batch { inputs: draws(), targets: draws(), offsets: (0..=sequences).map(|i| i * tokens).collect() }
}

/// Seconds.
fn median(times: &mut dyn Iterator<Item = Duration>) -> f64 {
    let mut sorted: Vec<f64> = times.map(|time| time.as_secs_f64()).collect();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    if sorted.len() % 2 == 1 { sorted[middle] } else { (sorted[middle - 1] + sorted[middle]) / 2.0 }
}

fn print_header(row: &BenchRow) {
    say!(
        "{} threads, {}; at best: multiply-adds in registers {:.0} GFLOP/s, large matrix products {:.0} GFLOP/s, memory {:.1} GB/s",
        row.threads,
        row.arithmetic,
        row.multiply_add_gflop_per_second,
        row.matrix_product_gflop_per_second,
        row.memory_gb_per_second
    );
    say!("Milliseconds are medians over {} steps; fwd, bwd: forward and backward pass.\n", row.steps);
    say!(
        "{:<20} {:>8} {:>6} {:>7} {:>8} {:>8} {:>7} {:>5} {:>13} {:>13} {:>13} {:>13} {:>5} {:>7} {:>7}",
        "",
        "",
        "vocab-",
        "tokens",
        "ms",
        "tokens",
        "GFLOP",
        "of",
        "embedding",
        "attention",
        "mlp",
        "head",
        "opti-",
        "page",
        "peak"
    );
    say!(
        "{:<20} {:>8} {:>6} {:>7} {:>8} {:>8} {:>7} {:>5} {:>13} {:>13} {:>13} {:>13} {:>5} {:>7} {:>7}",
        "configuration",
        "batch",
        "ulary",
        "/step",
        "/step",
        "/s",
        "/s",
        "best",
        "fwd bwd",
        "fwd bwd",
        "fwd bwd",
        "fwd bwd",
        "mizer",
        "faults",
        "MB"
    );
}

fn print_row(row: &BenchRow) {
    let pair = |forward: f64, backward: f64| format!("{forward:.1} {backward:.1}");
    let number = |number: Option<f64>| number.map_or("?".into(), thousands);
    say!(
        "{:<20} {:>8} {:>6} {:>7} {:>8.1} {:>8} {:>7.1} {:>4.0}% {:>13} {:>13} {:>13} {:>13} {:>5.1} {:>7} {:>7}",
        row.label,
        row.batch,
        thousands(row.vocabulary as f64),
        thousands(row.tokens_per_step),
        row.step_ms,
        thousands(row.tokens_per_second),
        row.gflop_per_second,
        100.0 * row.share_of_matrix_product,
        pair(row.embedding_ms, row.embedding_backward_ms),
        pair(row.attention_ms, row.attention_backward_ms),
        pair(row.mlp_ms, row.mlp_backward_ms),
        pair(row.head_ms, row.head_backward_ms),
        row.optimizer_ms,
        number(row.page_faults_per_step),
        number(row.peak_rss_mb),
    );
}
