//! `lrx export`

mod card;
mod folder;
mod model;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use lrx_layers::Registry;

use self::model::export_model;
use crate::failure::Failure;
use crate::threads::use_threads;

/// `lrx export`
#[derive(Args)]
#[command(after_help = "\
  lrx export fullsa exported
and in Python, with nothing of lrx:
  model = AutoModelForCausalLM.from_pretrained(\"exported\")
  tokenizer = AutoTokenizer.from_pretrained(\"exported\")
The model is a GPT-Neo, a GPT-2 or a Llama, whichever computes the same; factors are multiplied out. What no architecture of
transformers computes is an error that names the key of [model] in the way. A compact vocabulary gets a tokenizer of its own tokens.")]
pub(crate) struct ExportArgs {
    /// The folder of a run, or its run_id (or the beginning of it) in --out
    #[arg(value_name = "RUN")]
    pub(crate) run: String,
    /// The folder to make: config, weights, tokenizer and model card, as transformers loads them
    #[arg(value_name = "DIR")]
    pub(crate) dir: PathBuf,
    /// Put it in the place of an earlier export, of this run or of another
    #[arg(long)]
    pub(crate) force: bool,
    /// Where runs are looked for
    #[arg(long, value_name = "DIR", default_value = "results")]
    pub(crate) out: PathBuf,
}

pub(crate) fn export(args: &ExportArgs, registry: &Registry) -> Result<ExitCode, Failure> {
    use_threads(None)?;
    export_model(args, registry)
}
