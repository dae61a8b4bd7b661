//! `lrx prepare`

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{ArgGroup, Args};
use lrx_layers::Registry;

use super::common::Common;
use crate::corpus::{CACHE_FOLDER, Corpora};
use crate::failure::Failure;
use crate::progress::{Lines, thousands};
use crate::signals::Signals;
use crate::terminal::say;
use crate::threads::use_threads;

/// `lrx prepare`
#[derive(Args)]
#[command(group(ArgGroup::new("sweep").args(["configs", "manifest"]).required(true)))]
#[command(after_help = "\
`lrx run` makes them itself, and tasks that start together wait for the first of them; made beforehand, no task of an array
has idle cores meanwhile. They lie in DIR/.cache, and may be deleted at any time.")]
pub(crate) struct PrepareArgs {
    #[command(flatten)]
    common: Common,
    /// Of the sweep of FILE, which `lrx plan CONFIG.toml --manifest FILE` has written
    #[arg(long, value_name = "FILE")]
    manifest: Option<PathBuf>,
}

pub(crate) fn prepare(args: &PrepareArgs, registry: &Registry) -> Result<ExitCode, Failure> {
    use_threads(args.common.threads)?;
    let experiments = args.common.sweep(args.manifest.as_deref(), registry)?;
    let lines = Lines::default();
    let signals = Signals::watch(lines.clone(), None)
        .map_err(|error| Failure::Failed(format!("cannot watch for signals: {error}")))?;
    let mut corpora = Corpora::until(&signals, &lines);
    for run in experiments.iter().flat_map(|experiment| &experiment.runs) {
        corpora.of(run, &args.common.out)?;
    }
    for corpus in corpora.all() {
        let [train, valid] = [&corpus.train, &corpus.valid].map(|stories| thousands(stories.len() as f64));
        let tokens = thousands(corpus.train.targets(usize::MAX) as f64);
        let vocabulary = thousands(corpus.vocabulary.size() as f64);
        say!(
            "{}: {train} stories to train on ({tokens} targets), {valid} to evaluate on, {vocabulary} tokens in the vocabulary",
            corpus.data_hash()
        );
    }
    say!("prepared in {}", args.common.out.join(CACHE_FOLDER).display());
    Ok(ExitCode::SUCCESS)
}
