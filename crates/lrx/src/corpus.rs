//! The stories of runs, each corpus prepared once.

use std::cell::RefCell;
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;

use lrx_data::{Cache, Corpus, DataError, DataSpec, LongKind, Vocabulary, prepare};
use lrx_files::TempDir;
use lrx_model::{Model, ModelSpec};
use lrx_spec::{ConfigError, CorpusSource, DataState, NoCorpus, RunSpec};
use lrx_train::Length;

use crate::failure::Failure;
use crate::planned::sampler;
use crate::progress::{DataProgress, Lines};
use crate::runs::initial_model;
use crate::signals::Signals;
use crate::terminal::tell;

/// Where tokenised stories are kept, inside the folder of results.
pub(crate) const CACHE_FOLDER: &str = ".cache";

/// Corpora by what they were made from. Runs of a sweep mostly share one.
#[derive(Default)]
pub(crate) struct Corpora {
    known: Vec<(Rc<DataSpec>, Arc<Corpus>)>,
    /// What was split or packed for contexts of so many tokens, beside what it was made of.
    arranged: Vec<(Arc<Corpus>, usize, Arc<Corpus>)>,
    /// What their owner was told, once each; and of which corpora in which context, as all stories are looked at for that.
    told: HashSet<String>,
    noted: HashSet<(*const Corpus, usize)>,
    /// What ends their preparation; none where the process does not watch for signals, which then end it by themselves.
    signals: Option<Signals>,
    /// What is shown meanwhile stands among these.
    lines: Lines,
    /// Where they are kept if the folder of results cannot take them; none where it has to.
    elsewhere: Option<TempDir>,
    may_be_elsewhere: bool,
}

impl Corpora {
    /// Corpora whose preparation the first signal ends, shown among `lines`.
    pub(crate) fn until(signals: &Signals, lines: &Lines) -> Self {
        Self { signals: Some(signals.clone()), lines: lines.clone(), ..Self::default() }
    }

    /// Corpora of who writes no results: where their folder cannot be written, they are kept in a temporary one.
    pub(crate) fn to_look_at() -> Self {
        Self { may_be_elsewhere: true, ..Self::default() }
    }

    /// The corpus of a run. What is left out of it is told.
    ///
    /// # Errors
    /// What is wrong with the data, at its place in the config; that the cache cannot be written; or that a signal came.
    pub(crate) fn of(&mut self, run: &RunSpec, out: &Path) -> Result<Arc<Corpus>, Failure> {
        let corpus = self.prepared(run, out)?;
        let corpus = self.in_context(corpus, run.model.context);
        if self.noted.insert((Arc::as_ptr(&corpus), run.model.context)) {
            for note in corpus.notes(run.model.context) {
                if !self.told.contains(&note) {
                    tell!("note: {note}");
                    self.told.insert(note);
                }
            }
        }
        Ok(corpus)
    }

    /// Those that were asked for, each once.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Arc<Corpus>> {
        self.known.iter().map(|(_, corpus)| corpus)
    }

    fn in_context(&mut self, whole: Arc<Corpus>, context: usize) -> Arc<Corpus> {
        if whole.long == LongKind::Cut {
            return whole;
        }
        let same = |(of, at, _): &&(Arc<Corpus>, usize, _)| Arc::ptr_eq(of, &whole) && *at == context;
        if let Some((_, _, known)) = self.arranged.iter().find(same) {
            return known.clone();
        }
        let arranged = Arc::new(whole.in_context(context));
        self.arranged.push((whole, context, arranged.clone()));
        arranged
    }

    fn prepared(&mut self, run: &RunSpec, out: &Path) -> Result<Arc<Corpus>, Failure> {
        let spec = match &run.data {
            DataState::Ready(spec) => spec,
            DataState::Missing(errors) => return Err(Failure::Usage(errors.to_string())),
        };
        self.of_data(spec, out).map_err(|error| match error.key() {
            Some(key) => Failure::Usage(run.error_at(&format!("data.{key}"), error.to_string()).to_string()),
            None => match self.signals.as_ref().and_then(|signals| Some((signals, signals.stop()?))) {
                Some((signals, code)) if error.is_stopped() => {
                    signals.wait_until_told();
                    Failure::Stopped(code)
                }
                // What no key is to blame for has gone wrong on this machine.
                _ => Failure::Failed(error.to_string()),
            },
        })
    }

    fn of_data(&mut self, spec: &Rc<DataSpec>, out: &Path) -> Result<Arc<Corpus>, DataError> {
        if let Some((_, corpus)) = self.known.iter().find(|(known, _)| **known == **spec) {
            return Ok(corpus.clone());
        }
        let corpus = Arc::new(self.prepare(spec, &out.join(CACHE_FOLDER))?);
        self.known.push((spec.clone(), corpus.clone()));
        Ok(corpus)
    }

    fn prepare(&mut self, spec: &DataSpec, folder: &Path) -> Result<Corpus, DataError> {
        let progress = DataProgress::new(self.lines.clone(), self.signals.clone());
        let prepare = |folder: &Path| prepare(spec, &Cache { dir: folder }, &progress);
        let elsewhere = self.elsewhere.as_ref().map(TempDir::path);
        match prepare(elsewhere.unwrap_or(folder)) {
            // No key is to blame: the folder cannot be written, or has no room.
            Err(error) if self.may_be_elsewhere && elsewhere.is_none() && error.key().is_none() => {
                let Ok(other) = TempDir::new() else { return Err(error) };
                let corpus = prepare(other.path());
                self.elsewhere = Some(other);
                // Where that does not help, what is wrong with the folder that was named is worth more.
                corpus.map_err(|_| error)
            }
            corpus => corpus,
        }
    }
}

/// The stories of configs that have sizes or lengths to be solved for, before their runs are known.
pub(crate) struct Stories {
    corpora: RefCell<Corpora>,
    out: PathBuf,
}

impl Stories {
    /// Kept in the folder of results, where it can be written.
    pub(crate) fn beside(out: &Path) -> Self {
        Self { corpora: RefCell::new(Corpora::to_look_at()), out: out.to_path_buf() }
    }
}

impl CorpusSource for Stories {
    fn corpus(&self, data: &Rc<DataSpec>) -> Result<Arc<Corpus>, NoCorpus> {
        Ok(self.corpora.borrow_mut().of_data(data, &self.out)?)
    }
}

/// The number of tokens of a run's model.
///
/// # Errors
/// When the config does not fit the corpus: it holds the number fast at another, or warms up for longer than the run.
pub(crate) fn vocabulary(run: &RunSpec, corpus: &Corpus) -> Result<usize, ConfigError> {
    let sampler = sampler(run, corpus);
    if let Length::Epochs(epochs) = run.train.length()
        && !sampler.can_count(epochs)
    {
        let stories = corpus.train.len();
        let message = format!(
            "{epochs} epochs of {stories} stories have too many steps to count, as each epoch has a number of its own with \
             `batch_tokens`; give `steps` instead"
        );
        return Err(run.error_at("train.epochs", message));
    }
    let steps = run.train.length().steps(&sampler);
    run.train.check_warmup(steps).map_err(|error| run.error_at("train.warmup_steps", error.message))?;
    check_groups(run)?;
    check_prompts(run, corpus)?;
    let size = corpus.vocabulary.size();
    match run.model.vocabulary {
        Some(given) if given != size => {
            let message = format!("the config asks for a vocabulary of {given} tokens, the data has {size}");
            Err(run.error_at("model.vocabulary", message))
        }
        _ => Ok(size),
    }
}

/// Whether models can start from the weights that their configs name: asked once for each model, whatever its seeds.
#[derive(Default)]
pub(crate) struct Starts(Vec<(Arc<ModelSpec>, usize)>);

impl Starts {
    /// Whether the model of a run can start, with `size` tokens: those of `vocabulary`, where that is known.
    ///
    /// # Errors
    /// When its weights are not for it.
    pub(crate) fn check(
        &mut self,
        run: &RunSpec,
        size: usize,
        vocabulary: Option<&Vocabulary>,
    ) -> Result<(), ConfigError> {
        let is_known = self.0.iter().any(|(model, known)| Arc::ptr_eq(model, &run.model) && *known == size);
        if run.model.init_from.is_none() || is_known {
            return Ok(());
        }
        initial_model(&run.model, size, vocabulary, run.seed)
            .map_err(|error| run.error_at("model.init_from", error))?;
        self.0.push((run.model.clone(), size));
        Ok(())
    }
}

/// Whether the prompts of sample texts leave the model something to add.
///
/// # Errors
/// When the vocabulary cannot write one, or it fills the context.
fn check_prompts(run: &RunSpec, corpus: &Corpus) -> Result<(), ConfigError> {
    let prompts = run.train.samples.iter().flat_map(|samples| &samples.prompts);
    for (place, prompt) in prompts.enumerate() {
        let wrong = |message: String| Err(run.error_at(&format!("train.prompts.{place}"), message));
        match corpus.vocabulary.encode(prompt) {
            Err(error) => return wrong(format!("the prompt {prompt:?}: {error}")),
            Ok(tokens) if tokens.is_empty() => return wrong(format!("the prompt {prompt:?} has no token")),
            Ok(tokens) if tokens.len() >= run.model.context => {
                let (tokens, context) = (tokens.len(), run.model.context);
                return wrong(format!(
                    "the prompt {prompt:?} has {tokens} tokens; the context of the model is {context}"
                ));
            }
            Ok(_) => {}
        }
    }
    Ok(())
}

/// Whether each group of the optimizer has parameters in the model.
///
/// # Errors
/// When one has none.
fn check_groups(run: &RunSpec) -> Result<(), ConfigError> {
    // The weights of another run may have other parameters; training finds out then.
    if !run.train.optimizer.has_groups() || run.model.init_from.is_some() {
        return Ok(());
    }
    // Their names do not depend on the vocabulary, nor on the seed.
    let model = Model::new(&run.model, 1, 0);
    let checked = run.train.optimizer.check(model.parameters());
    checked.map_err(|error| run.error_at(&format!("train.optimizer.{}", error.key), error.message))
}
