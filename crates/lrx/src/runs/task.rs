//! What one run needs, prepared before the first begins.

use std::path::PathBuf;
use std::sync::Arc;

use lrx_data::{Corpus, Sampler};
use lrx_model::{Model, ModelSpec};
use lrx_records::RunRecord;
use lrx_spec::{LogConfig, RunSpec};
use lrx_train::{Samples, TrainSpec};

use super::start::initial_model;
use crate::memory::{Needed, needed};
use crate::planned::{record, sampler};

/// One run, ready to be trained by any thread.
pub(crate) struct Task {
    /// `[2/10] MedSA-FullMLP-4L seed 1`
    pub(crate) title: String,
    /// The run.
    pub(crate) run_id: String,
    /// Of weights and order.
    pub(crate) seed: u64,
    /// The experiment's folder, and the runs of its config in their order.
    pub(crate) experiment: PathBuf,
    pub(crate) order: Arc<[String]>,
    /// The content of `resolved.toml`.
    pub(crate) resolved: toml::Table,
    pub(crate) model: Arc<ModelSpec>,
    pub(crate) train: Arc<TrainSpec>,
    pub(crate) corpus: Arc<Corpus>,
    pub(crate) sampler: Sampler,
    /// The row before the run has begun.
    pub(crate) planned: RunRecord,
    /// The memory that it takes.
    pub(crate) needed: Needed,
    /// What is written of it for other programs.
    pub(crate) log: LogConfig,
    /// Texts that are sampled on the way.
    pub(crate) samples: Option<Samples>,
    /// After how many steps it pauses; none where it is to be finished.
    pub(crate) pause_after: Option<usize>,
    /// Whether this process is to see to its end; else it is another's, whose it stays while that lives.
    pub(crate) is_own: bool,
}

/// Where the runs of an experiment stand.
pub(crate) struct Place {
    /// What `resolved.toml` calls the experiment.
    pub(crate) name: String,
    /// Its folder, and its runs in their order.
    pub(crate) folder: PathBuf,
    pub(crate) order: Arc<[String]>,
}

impl Task {
    /// The run `run`, whose data is there and has a vocabulary of so many tokens.
    pub(crate) fn new(run: &RunSpec, corpus: Arc<Corpus>, vocabulary: usize, place: &Place, title: String) -> Self {
        let planned = record(run, vocabulary, Some(&corpus));
        Self {
            title,
            run_id: run.run_id.clone().expect("data that is there"),
            seed: run.seed,
            experiment: place.folder.clone(),
            order: place.order.clone(),
            resolved: run.resolved(&place.name),
            model: run.model.clone(),
            train: run.train.clone(),
            sampler: sampler(run, &corpus),
            needed: needed(run, &planned),
            planned,
            corpus,
            log: run.log,
            samples: run.train.samples.clone(),
            pause_after: None,
            is_own: true,
        }
    }

    /// The run's folder.
    pub(crate) fn folder(&self) -> PathBuf {
        self.experiment.join(&self.run_id)
    }

    /// Floating-point operations of its forward passes: how much there is to do, as far as it is known.
    pub(crate) fn work(&self) -> f64 {
        self.planned.flops_per_token.unwrap_or(1) as f64 * self.planned.tokens.unwrap_or(1) as f64
    }

    /// The model before its first step.
    ///
    /// # Errors
    /// When the weights that it starts from cannot be used.
    pub(crate) fn initial_model(&self) -> Result<Model, String> {
        let vocabulary = &self.corpus.vocabulary;
        initial_model(&self.model, vocabulary.size(), Some(vocabulary), self.seed)
    }
}
