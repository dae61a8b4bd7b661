//! The command line: which command it names.

use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};
use lrx_layers::Registry;

use crate::commands::bench::{BenchArgs, bench};
use crate::commands::completions::{CompletionsArgs, completions};
use crate::commands::eval::{EvalArgs, eval};
use crate::commands::export::{ExportArgs, export};
use crate::commands::generate::{GenerateArgs, generate};
use crate::commands::layers::{LayersArgs, layers};
use crate::commands::list::{ListArgs, list};
use crate::commands::man::{ManArgs, man};
use crate::commands::optimizers::{OptimizersArgs, optimizers};
use crate::commands::plan::{PlanArgs, plan};
use crate::commands::prepare::{PrepareArgs, prepare};
use crate::commands::report::{ReportArgs, report};
use crate::commands::rm::{RmArgs, rm};
use crate::commands::rules::{RulesArgs, rules};
use crate::commands::run::{RunArgs, run};
use crate::commands::schema::schema_of_configs;
use crate::commands::show::{ShowArgs, show};
use crate::commands::submit::{SubmitArgs, submit};
use crate::commands::tune::{TuneArgs, tune};
use crate::commands::watch::{WatchArgs, watch};
use crate::failure::Failure;
use crate::terminal::write_out;

/// Train small language models whose attention and MLP matrices are low-rank or otherwise structured, and find out what
/// that does.
#[derive(Parser)]
#[command(
    name = "lrx",
    version,
    // Its own has no help of its own: `lrx help --help` would be an error.
    disable_help_subcommand = true,
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
    /// Make tokenizers and tokenise stories once, before the tasks of an array begin
    Prepare(PrepareArgs),
    /// Give the runs to a scheduler: Slurm, Kubernetes, HyperQueue, or machines that ssh reaches
    Submit(SubmitArgs),
    /// The best learning rate, or value of another key, for each configuration, on stories that no comparison sees
    Tune(TuneArgs),
    /// Tables, plots and one HTML page from results folders
    Report(ReportArgs),
    /// The runs there are: sorted, filtered, the best, their ids alone
    List(ListArgs),
    /// A live view of a sweep, over all its processes: states, curves, speed, time left
    Watch(WatchArgs),
    /// All that there is of one run: state, figures, model, config, files, curve, sample texts
    Show(ShowArgs),
    /// A trained run's loss, perplexity and bits per byte on other text
    Eval(EvalArgs),
    /// Delete runs, or their weights
    Rm(RmArgs),
    /// The layer kinds that a config can name; with NAME, its mathematics and options
    Layers(LayersArgs),
    /// The rules for how parameters start, learn and decay; with a name, its mathematics and options
    Rules(RulesArgs),
    /// The optimizers that [train.optimizer] can name; with a name, its mathematics and options
    Optimizers(OptimizersArgs),
    /// Text from a trained run
    Generate(GenerateArgs),
    /// A trained run as a folder that Hugging Face's transformers loads; curves as TensorBoard's event files
    Export(ExportArgs),
    /// How fast a training step is on this machine, where its time goes, and what the machine could do at best
    Bench(BenchArgs),
    /// The JSON schema of configs, for completion and checks in an editor
    #[command(after_help = "\
Write it to a file:  lrx schema > lrx.schema.json
and name that in the first line of a config, for editors that know Taplo:  #:schema lrx.schema.json")]
    Schema,
    /// Completions for a shell: bash, zsh, fish, …
    Completions(CompletionsArgs),
    /// Manual pages, one for each command
    Man(ManArgs),
    /// This help, or that of COMMAND
    Help {
        /// A command
        command: Option<String>,
    },
}

/// Parses the command line and runs the command.
pub(crate) fn main(registry: &Registry) -> ExitCode {
    let result = match Cli::parse().command {
        Command::Run(args) => run(&args, registry),
        Command::Plan(args) => plan(&args, registry),
        Command::Prepare(args) => prepare(&args, registry),
        Command::Submit(args) => submit(&args, registry),
        Command::Tune(args) => tune(&args, registry),
        Command::Report(args) => report(&args),
        Command::List(args) => list(&args),
        Command::Watch(args) => watch(&args),
        Command::Show(args) => show(&args),
        Command::Eval(args) => eval(&args, registry),
        Command::Rm(args) => rm(&args),
        Command::Layers(args) => layers(&args, registry),
        Command::Rules(args) => rules(&args, registry),
        Command::Optimizers(args) => optimizers(&args, registry),
        Command::Generate(args) => generate(&args, registry),
        Command::Export(args) => export(&args, registry),
        Command::Bench(args) => bench(&args, registry),
        Command::Schema => schema_of_configs(registry),
        Command::Completions(args) => completions(&args, Cli::command()),
        Command::Man(args) => man(&args, Cli::command()),
        Command::Help { command } => help(command.as_deref()),
    };
    result.unwrap_or_else(|failure| failure.told())
}

/// As `lrx --help`, or `lrx COMMAND --help`.
fn help(command: Option<&str>) -> Result<ExitCode, Failure> {
    let mut cli = Cli::command();
    cli.build();
    let names: Vec<String> = cli.get_subcommands().map(|command| command.get_name().to_string()).collect();
    let text = match command {
        None => cli.render_long_help(),
        Some(name) => match cli.find_subcommand_mut(name) {
            Some(command) => command.render_long_help(),
            None => {
                let nearest = lrx_layers::nearest(name, names.iter().map(String::as_str));
                let hint = nearest.map(|name| format!("; did you mean `{name}`?")).unwrap_or_default();
                let known = names.join(", ");
                return Err(Failure::Usage(format!("there is no command `{name}`{hint} (known: {known})")));
            }
        },
    };
    write_out(format_args!("{text}"));
    Ok(ExitCode::SUCCESS)
}
