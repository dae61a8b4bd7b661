//! `lrx export`

mod card;
mod folder;
mod model;
mod tensorboard;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use lrx_layers::Registry;

use self::model::{ModelExport, export_model};
use self::tensorboard::export_tensorboard;
use crate::failure::Failure;
use crate::threads::use_threads;

/// `lrx export`
#[derive(Args)]
#[command(
    override_usage = "lrx export [OPTIONS] RUN DIR\n       lrx export [OPTIONS] --tensorboard DIR [RUN]...",
    after_help = "\
  lrx export fullsa exported
and in Python, with nothing of lrx:
  model = AutoModelForCausalLM.from_pretrained(\"exported\")
  tokenizer = AutoTokenizer.from_pretrained(\"exported\")
The model is a GPT-Neo, a GPT-2 or a Llama, whichever computes the same; factors are multiplied out. What no architecture of
transformers computes is an error that names the key of [model] in the way. A compact vocabulary gets a tokenizer of its own tokens.

  lrx export --tensorboard events                    every run in results, as far as it is
  lrx export --tensorboard events RUN RUN            these
  tensorboard --logdir events
Runs lie in DIR/<experiment>/<run_id>/. Scalars have the names of the columns of curves.csv (train/loss, eval/loss, learning_rate, …), sample
texts are texts, the config is the run's hyperparameters, and seeds of one configuration are repetitions of each other. With
[log] tensorboard = true in the config, a run writes the same file into its own folder while it is trained."
)]
pub(crate) struct ExportArgs {
    /// The folder of a run, its run_id in --out, or the beginning of it or of its hash; and the folder DIR to make: config, weights,
    /// tokenizer and model card, as transformers loads them. With --tensorboard: runs [default: all]
    #[arg(value_name = "RUN")]
    names: Vec<PathBuf>,
    /// Write event files, as TensorBoard reads them, into DIR
    #[arg(long, value_name = "DIR", conflicts_with = "force")]
    tensorboard: Option<PathBuf>,
    /// Put the model in the place of an earlier export, of this run or of another
    #[arg(long)]
    force: bool,
    /// Where runs are looked for
    #[arg(long, value_name = "DIR", default_value = "results")]
    out: PathBuf,
}

pub(crate) fn export(args: &ExportArgs, registry: &Registry) -> Result<ExitCode, Failure> {
    use_threads(None)?;
    let name = |path: &PathBuf| path.to_string_lossy().into_owned();
    match (&args.tensorboard, &args.names[..]) {
        (Some(dir), runs) => export_tensorboard(dir, &runs.iter().map(name).collect::<Vec<_>>(), &args.out),
        (None, [run, dir]) => {
            export_model(&ModelExport { run: &name(run), dir, force: args.force, out: &args.out }, registry)
        }
        (None, names) => Err(Failure::Usage(format!(
            "a RUN and a DIR are expected, {} given; lrx export --tensorboard DIR writes TensorBoard's event files",
            match names.len() {
                0 => "nothing is".to_owned(),
                1 => format!("only {:?} is", name(&names[0])),
                more => format!("{more} names are"),
            }
        ))),
    }
}
