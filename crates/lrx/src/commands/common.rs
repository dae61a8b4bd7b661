//! What `run`, `plan` and `tune` share.

use std::path::PathBuf;

use clap::Args;
use lrx_layers::Registry;
use lrx_spec::{Beside, ConfigErrors, Experiment, load_experiments_beside};

use crate::corpus::Stories;
use crate::terminal::tell;
use crate::tuned::TuneTables;

/// What `run`, `plan` and `tune` share.
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

impl Common {
    /// What the configs describe; runs that stand in them more than once are told.
    ///
    /// # Errors
    /// All that is wrong with them.
    pub(crate) fn experiments(&self, registry: &Registry) -> Result<Vec<Experiment>, ConfigErrors> {
        let tuned = TuneTables::of(self);
        let beside = Beside { tuned: &tuned, corpora: &Stories::beside(&self.out), results: &self.out };
        let experiments = load_experiments_beside(&self.configs, &self.set, registry, &beside)?;
        experiments.iter().flat_map(|experiment| &experiment.notes).for_each(|note| tell!("note: {note}"));
        Ok(experiments)
    }
}
