//! The command line.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use lrx_layers::Registry;

use crate::commands;
use crate::terminal::tell;

/// Train small language models whose attention and MLP matrices are low-rank or otherwise structured, and find out what
/// that does.
#[derive(Parser)]
#[command(
    name = "lrx",
    version,
    after_help = "\
Start with:  lrx run configs/quickstart.toml
Then change a rank in it and run again: finished runs are skipped, new ones are trained."
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Train every run that the configs describe; skip finished runs, resume interrupted ones
    Run(RunArgs),
    /// Train nothing: list the runs with parameters, FLOPs, memory and estimated time
    Plan(PlanArgs),
    /// Tables, plots and one HTML page from results folders
    Report(ReportArgs),
    /// The layer kinds that a config can name; with NAME, its mathematics and options
    Layers {
        /// A kind
        name: Option<String>,
    },
    /// Text from a trained run
    Generate(GenerateArgs),
    /// How fast a training step is on this machine, where its time goes, and what the machine could do at best
    Bench(BenchArgs),
    /// The JSON schema of configs, for completion and checks in an editor
    #[command(after_help = "\
Write it to a file:  lrx schema > lrx.schema.json
and name that in the first line of a config, for editors that know Taplo:  #:schema lrx.schema.json")]
    Schema,
    /// Completions for a shell: bash, zsh, fish, …
    #[command(after_help = "For bash, in ~/.bashrc:  source <(lrx completions bash)")]
    Completions {
        /// Which shell
        shell: Shell,
    },
}

/// What `run` and `plan` share.
#[derive(Args)]
pub(crate) struct Common {
    /// Config files, one experiment each
    #[arg(required = true, value_name = "CONFIG.toml")]
    pub(crate) configs: Vec<PathBuf>,
    /// Results go to DIR/<name>/
    #[arg(long, value_name = "DIR", default_value = "results")]
    pub(crate) out: PathBuf,
    /// Override a key, TOML syntax on the right: --set train.learning_rate=1e-3 --set 'data.train="a.txt"'
    #[arg(long, value_name = "KEY=VALUE")]
    pub(crate) set: Vec<String>,
    /// Threads to compute on [default: all cores]. Numbers do not depend on it
    #[arg(long, value_name = "N")]
    pub(crate) threads: Option<usize>,
}

/// `lrx run`
#[derive(Args)]
pub(crate) struct RunArgs {
    #[command(flatten)]
    pub(crate) common: Common,
    /// Seconds between checkpoints; more where writing one takes so long that it would cost over 1 %
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    pub(crate) checkpoint_every: u64,
    /// Also write a checkpoint after every N steps
    #[arg(long, value_name = "N")]
    pub(crate) checkpoint_steps: Option<usize>,
    /// Train again what diverged or failed before
    #[arg(long)]
    pub(crate) retry_failed: bool,
    /// Only this run (repeatable): lrx plan --ids CONFIG.toml | xargs -P2 -n1 lrx run CONFIG.toml --only
    #[arg(long, value_name = "RUN_ID")]
    pub(crate) only: Vec<String>,
    /// Runs side by side, each with its part of the threads. Numbers do not depend on it
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) jobs: usize,
    /// Go on with other runs when one fails: the default
    #[arg(long, conflicts_with = "fail_fast")]
    pub(crate) keep_going: bool,
    /// Stop all runs, with checkpoints, when one fails
    #[arg(long)]
    pub(crate) fail_fast: bool,
    /// Leave runs that other processes are training to them, instead of waiting until they end
    #[arg(long)]
    pub(crate) no_wait: bool,
}

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

/// `lrx report`
#[derive(Args)]
pub(crate) struct ReportArgs {
    /// Folders of experiments, or folders that hold such
    #[arg(value_name = "DIR", default_value = "results")]
    pub(crate) dirs: Vec<PathBuf>,
    /// Where report.html, the plots, summary.csv and twins.csv go [default: the first DIR]
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// The configuration that others are compared with [default: the all-dense one]
    #[arg(long, value_name = "LABEL")]
    pub(crate) baseline: Option<String>,
    /// `text`: print the tables, write nothing
    #[arg(long, value_enum, default_value_t = ReportFormat::Html)]
    pub(crate) format: ReportFormat,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ReportFormat {
    Html,
    Text,
}

/// `lrx generate`
#[derive(Args)]
pub(crate) struct GenerateArgs {
    /// The folder of a run, or its run_id (or the beginning of it) in --out
    pub(crate) run: String,
    /// Text to continue
    #[arg(long)]
    pub(crate) prompt: String,
    /// Tokens to add at most
    #[arg(long, default_value_t = 200)]
    pub(crate) tokens: usize,
    /// Below 1 sharper, above 1 flatter; 0 always takes the likeliest token
    #[arg(long, default_value_t = 0.8)]
    pub(crate) temperature: f32,
    /// Draw from the K likeliest tokens only; 0 for all
    #[arg(long, value_name = "K", default_value_t = 40)]
    pub(crate) top_k: usize,
    /// The same seed gives the same text
    #[arg(long, default_value_t = 0)]
    pub(crate) seed: u64,
    /// Where runs are looked for
    #[arg(long, value_name = "DIR", default_value = "results")]
    pub(crate) out: PathBuf,
    /// Threads to compute on [default: all cores]
    #[arg(long, value_name = "N")]
    pub(crate) threads: Option<usize>,
}

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

/// Why a command ended early.
pub(crate) enum Failure {
    /// The user's mistake: exit code 2.
    Usage(String),
    /// Something that went wrong on the way: exit code 1.
    Failed(String),
}

/// Parses the command line and runs the command.
pub(crate) fn run(registry: &Registry) -> ExitCode {
    let result = match Cli::parse().command {
        Command::Run(args) => commands::run::run(&args, registry),
        Command::Plan(args) => commands::plan::plan(&args, registry),
        Command::Report(args) => commands::report::report(&args),
        Command::Layers { name } => commands::layers::layers(name.as_deref(), registry),
        Command::Generate(args) => commands::generate::generate(&args, registry),
        Command::Bench(args) => commands::bench::bench(&args, registry),
        Command::Schema => commands::schema::schema_of_configs(registry),
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Cli::command(), binary_name(), &mut std::io::stdout());
            Ok(ExitCode::SUCCESS)
        }
    };
    match result {
        Ok(code) => code,
        Err(Failure::Usage(message)) => fail(&message, 2),
        Err(Failure::Failed(message)) => fail(&message, 1),
    }
}

/// What this program is called: not `lrx` where others have built it with kinds of their own.
fn binary_name() -> String {
    let path = std::env::args_os().next().map(PathBuf::from);
    path.as_deref().and_then(Path::file_stem).map_or("lrx".into(), |name| name.to_string_lossy().into_owned())
}

fn fail(message: &str, code: u8) -> ExitCode {
    let prefix = if message.starts_with("error:") { "" } else { "error: " };
    tell!("{prefix}{}", message.trim_end());
    ExitCode::from(code)
}

/// Sets the number of threads of the whole process.
pub(crate) fn use_threads(threads: Option<usize>) -> Result<(), Failure> {
    if threads == Some(0) {
        return Err(Failure::Usage("--threads 0: expected at least 1".into()));
    }
    rayon::ThreadPoolBuilder::new()
        .num_threads(threads.unwrap_or(0))
        // This thread computes, too, instead of waking others for each operation and sleeping until they are done.
        .use_current_thread()
        .build_global()
        .map_err(|error| Failure::Failed(format!("cannot start the threads: {error}")))
}
