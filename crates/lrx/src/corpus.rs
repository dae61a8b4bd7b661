//! The stories of runs, each corpus prepared once.

use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;

use lrx_data::{Cache, Corpus, DataSpec, prepare};
use lrx_spec::{ConfigError, DataState, RunSpec};
use lrx_tensor::map_file;

use crate::commands::plan::sampler;
use crate::failure::Failure;
use crate::progress::DataProgress;

/// Where tokenised stories are kept, inside the folder of results.
const CACHE_FOLDER: &str = ".cache";

/// Corpora by what they were made from. Runs of a sweep mostly share one.
#[derive(Default)]
pub(crate) struct Corpora(Vec<(Rc<DataSpec>, Arc<Corpus>)>);

impl Corpora {
    /// The corpus of a run.
    ///
    /// # Errors
    /// What is wrong with the data, at its place in the config; or that the cache cannot be written.
    pub(crate) fn of(&mut self, run: &RunSpec, out: &Path) -> Result<Arc<Corpus>, Failure> {
        let spec = match &run.data {
            DataState::Ready(spec) => spec,
            DataState::Missing(errors) => return Err(Failure::Usage(errors.to_string())),
        };
        if let Some((_, corpus)) = self.0.iter().find(|(known, _)| **known == **spec) {
            return Ok(corpus.clone());
        }
        let folder = out.join(CACHE_FOLDER);
        let cache = Cache { dir: &folder, map: &map_file };
        let corpus = prepare(spec, &cache, &DataProgress::default()).map_err(|error| {
            // What no key is to blame for has gone wrong on this machine.
            error.key().map_or(Failure::Failed(error.to_string()), |key| {
                Failure::Usage(run.error_at(&format!("data.{key}"), error.to_string()).to_string())
            })
        })?;
        let corpus = Arc::new(corpus);
        self.0.push((spec.clone(), corpus.clone()));
        Ok(corpus)
    }
}

/// The number of tokens of a run's model.
///
/// # Errors
/// When the config does not fit the corpus: it holds the number fast at another, or warms up for longer than the run.
pub(crate) fn vocabulary(run: &RunSpec, corpus: &Corpus) -> Result<usize, ConfigError> {
    let steps = run.train.length().steps(&sampler(run, corpus));
    run.train.check_warmup(steps).map_err(|error| run.error_at("train.warmup_steps", error.message))?;
    let size = corpus.vocabulary.size();
    match run.model.vocabulary {
        Some(given) if given != size => {
            let message = format!("the config asks for a vocabulary of {given} tokens, the data has {size}");
            Err(run.error_at("model.vocabulary", message))
        }
        _ => Ok(size),
    }
}
