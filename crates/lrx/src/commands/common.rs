//! What the commands that take configs share.

use std::path::{Path, PathBuf};

use clap::Args;
use lrx_layers::Registry;
use lrx_spec::{Beside, ConfigErrors, Experiment, load_experiments_beside, missing_files};

use crate::corpus::Stories;
use crate::failure::Failure;
use crate::manifest::Manifest;
use crate::terminal::tell;
use crate::tuned::TuneTables;

/// What the commands that take configs share.
#[derive(Args)]
pub(crate) struct Common {
    /// Config files, one experiment each
    #[arg(value_name = "CONFIG.toml")]
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
        self.load(&self.configs, &self.set, registry)
    }

    /// As [`experiments`](Self::experiments), or the sweep of a manifest in their place, nothing of which has changed; their
    /// data is there.
    ///
    /// # Errors
    /// All that is wrong with the configs; what has changed since the manifest was written.
    pub(crate) fn sweep(&self, manifest: Option<&Path>, registry: &Registry) -> Result<Vec<Experiment>, Failure> {
        let usage = |errors: ConfigErrors| Failure::Usage(errors.to_string());
        let Some(path) = manifest else {
            let experiments = self.experiments(registry).map_err(usage)?;
            missing_files(&experiments).map_err(usage)?;
            return Ok(experiments);
        };
        if let Some(set) = self.set.first() {
            let message =
                format!("--set {set}: the values of a sweep stand in its manifest; write another with `lrx plan`");
            return Err(Failure::Usage(message));
        }
        let manifest = Manifest::read(path).map_err(Failure::Usage)?;
        manifest.check_configs().map_err(Failure::Usage)?;
        let experiments = self.load(&manifest.configs(), manifest.set(), registry).map_err(usage)?;
        missing_files(&experiments).map_err(usage)?;
        manifest.check_runs(&experiments).map_err(Failure::Usage)?;
        Ok(experiments)
    }

    fn load(&self, configs: &[PathBuf], set: &[String], registry: &Registry) -> Result<Vec<Experiment>, ConfigErrors> {
        let tuned = TuneTables::of(configs, set, &self.out);
        let beside = Beside { tuned: &tuned, corpora: &Stories::beside(&self.out), results: &self.out };
        let experiments = load_experiments_beside(configs, set, registry, &beside)?;
        experiments.iter().flat_map(|experiment| &experiment.notes).for_each(|note| tell!("note: {note}"));
        Ok(experiments)
    }
}
