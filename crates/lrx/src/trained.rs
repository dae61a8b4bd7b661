//! A trained run's model, with what it takes to use it.

use std::path::{Path, PathBuf};

use lrx_data::Vocabulary;
use lrx_layers::{OptionError, Registry, deserialize};
use lrx_model::{Model, ModelConfig, ModelSpec, load_weights};
use lrx_train::WEIGHTS_FILE;
use toml::{Table, Value};

use crate::failure::Failure;
use crate::find::find_run;
use crate::results::{RESOLVED_FILE, VOCABULARY_FILE, about};
use crate::runs::check_files;

/// A trained run's model.
pub(crate) struct Trained {
    /// The run's folder.
    pub(crate) folder: PathBuf,
    pub(crate) model: Model,
    pub(crate) vocabulary: Vocabulary,
    /// Its config with every default filled in.
    pub(crate) resolved: Table,
}

impl Trained {
    /// That of a run as the command line calls it, in `out`; its files are what was written.
    ///
    /// # Errors
    /// When there is none, it is not finished, its files have changed, or no registered kind fits its config.
    pub(crate) fn load(run: &str, out: &Path, registry: &Registry) -> Result<Self, Failure> {
        let folder = find_run(run, out).map_err(Failure::Usage)?;
        let weights = folder.join(WEIGHTS_FILE);
        if !weights.exists() {
            let message = format!(
                "{} has no {WEIGHTS_FILE}: the run is not finished, or its weights were deleted",
                folder.display()
            );
            return Err(Failure::Usage(message));
        }
        // What comes of files that are not the run's would be worse than nothing.
        check_files(&folder, &[RESOLVED_FILE, VOCABULARY_FILE, WEIGHTS_FILE])
            .map_err(|damage| Failure::Usage(format!("{}: {damage}", folder.display())))?;
        let vocabulary =
            Vocabulary::load(&folder.join(VOCABULARY_FILE)).map_err(|error| Failure::Usage(error.to_string()))?;
        let path = folder.join(RESOLVED_FILE);
        let text = lrx_files::read_to_string(&path).map_err(|error| Failure::Usage(about(&path)(error)))?;
        let wrong = |error: OptionError| Failure::Usage(format!("{}: {error}", path.display()));
        let error = |message: &str| OptionError::new("model", message);
        let resolved: Table = text.parse().map_err(|e: toml::de::Error| wrong(error(e.message())))?;
        let spec = model_spec(&resolved, registry).map_err(wrong)?;
        let mut model = Model::new(&spec, vocabulary.size(), 0);
        load_weights(&mut model, &weights).map_err(|error| Failure::Usage(error.to_string()))?;
        Ok(Self { folder, model, vocabulary, resolved })
    }

    /// What its config has at a dotted key; nothing where an earlier lrx, or a default, left it out.
    pub(crate) fn setting(&self, key: &str) -> Option<&Value> {
        let mut keys = key.split('.');
        let first = self.resolved.get(keys.next()?)?;
        keys.try_fold(first, |value, key| value.as_table()?.get(key))
    }
}

/// The model of a resolved config.
fn model_spec(resolved: &Table, registry: &Registry) -> Result<ModelSpec, OptionError> {
    let Some(Value::Table(model)) = resolved.get("model") else {
        return Err(OptionError::new("model", "the section is missing"));
    };
    let mut model = model.clone();
    model.remove("init_from"); // The weights that follow replace it.
    deserialize::<ModelConfig>(model)?.resolve(registry, &|_, written| Ok(written.into()))
}
