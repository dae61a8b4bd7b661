//! Data for training small language models: from stories to batches of token ids.
//!
//! ```text
//! source (text, JSON, tables, synthetic) → tokenizer → token store (cached) → batches
//! ```
//!
//! 1. [`DataConfig`] is `[data]` of a config as written; [`DataConfig::resolve`] checks it, fills in every default and
//!    hashes the files: a [`DataSpec`].
//! 2. [`prepare`] tokenises what the spec describes, or finds it in the [`Cache`], and gives a [`Corpus`]: the training
//!    [`Stories`], the held-out ones and their [`Vocabulary`].
//!    [`Corpus::in_context`] then arranges stories for a model.
//! 3. A [`Sampler`] gives the [`Batch`] of every training step, [`evaluation_batches`] those of an evaluation.
//!
//! [`find_texts`] and [`TextFile::read`] read other text for a model that is trained.
//!
//! Everything is a function of the spec: the split, the order of the stories, a trained tokenizer and the synthetic
//! stories are the same on every machine, with every number of threads.
//!
//! ```
//! use lrx_data::{BatchSize, Cache, DataConfig, NoProgress, Sampler, SamplerConfig, prepare};
//!
//! let config = DataConfig {
//!     stories: 200,
//!     tokenizer: lrx_data::TokenizerConfig::TrainBpe(300),
//!     ..DataConfig::default()
//! };
//! let spec = config.resolve(&|_key, written| written.into())?;
//! let dir = tempfile::tempdir()?;
//! let cache = Cache { dir: dir.path() };
//! let corpus = prepare(&spec, &cache, &NoProgress)?;
//! assert_eq!((corpus.train.len(), corpus.valid.len()), (198, 2));
//!
//! let sampler = Sampler::new(
//!     corpus.train.clone(),
//!     SamplerConfig { context: 256, size: BatchSize::Stories(4), shuffle: spec.shuffle(), seed: 0 },
//! );
//! let batch = sampler.batch(0);
//! assert_eq!(batch.inputs.len(), batch.targets.len());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod arrange;
mod batch;
mod cache;
mod config;
mod corpus;
mod encoding;
mod ends;
mod error;
mod evaluation;
mod files;
mod fingerprint;
#[doc(hidden)]
pub mod fuzz;
mod guard;
#[cfg(feature = "hub")]
mod hub;
mod identity;
mod notes;
mod paths;
mod progress;
mod random;
mod record;
mod sampler;
mod source;
mod spec;
mod split;
mod store;
mod stories;
pub mod synthetic;
mod tokenizer;
mod vocabulary;

pub use batch::{Batch, evaluation_batches};
pub use cache::Cache;
pub use config::{DataConfig, LongKind, SplitKind, TokenizerConfig, VocabularyKind};
pub use corpus::{Corpus, prepare};
pub use error::DataError;
pub use evaluation::{EvalText, Reading, TextFile, find_texts};
pub use files::missing;
pub use identity::DataIdentity;
pub use paths::Paths;
pub use progress::{NoProgress, Progress, Unit};
pub use sampler::{BatchSize, Sampler, SamplerConfig};
pub use spec::DataSpec;
pub use stories::{Cut, Stories};
pub use tokenizer::TokenizerFile;
pub use vocabulary::Vocabulary;
