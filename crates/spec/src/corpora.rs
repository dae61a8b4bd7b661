//! Stories and vocabularies, for what of a run follows from them.

use std::rc::Rc;
use std::sync::Arc;

use lrx_data::{Corpus, DataSpec};

/// Gives the stories of a `[data]`: sizes and lengths of training that are solved for depend on them.
pub trait CorpusSource {
    /// The corpus that `data` describes.
    ///
    /// # Errors
    /// Why there is none.
    fn corpus(&self, data: &Rc<DataSpec>) -> Result<Arc<Corpus>, NoCorpus>;
}

/// Why there are no stories.
#[derive(Clone, Debug)]
pub struct NoCorpus {
    /// The key under `[data]` that has to change; none where no key is at fault.
    pub key: Option<&'static str>,
    /// A sentence.
    pub message: String,
}

impl From<lrx_data::DataError> for NoCorpus {
    fn from(error: lrx_data::DataError) -> Self {
        Self { key: error.key(), message: error.to_string() }
    }
}

/// None.
pub struct NoCorpora;

impl CorpusSource for NoCorpora {
    fn corpus(&self, _: &Rc<DataSpec>) -> Result<Arc<Corpus>, NoCorpus> {
        let message = "what follows from the stories and their tokens is not known here: give `steps` and sizes".into();
        Err(NoCorpus { key: None, message })
    }
}
