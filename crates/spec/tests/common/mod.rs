//! What the tests share: a folder of configs, and what they resolve to.
#![allow(dead_code)] // Each test binary uses a part.

use std::fs;
use std::path::PathBuf;

use lrx_layers::Registry;
use lrx_spec::{ConfigErrors, Experiment, NothingTuned, load_experiments};
use tempfile::TempDir;

/// A folder of configs; it is gone with the value.
pub struct Folder(TempDir);

impl Folder {
    pub fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        fs::create_dir_all(self.path(name).parent().unwrap()).unwrap();
        fs::write(self.path(name), content).unwrap();
    }

    pub fn load(&self, names: &[&str]) -> Result<Vec<Experiment>, ConfigErrors> {
        let files: Vec<PathBuf> = names.iter().map(|name| self.path(name)).collect();
        load_experiments(&files, &[], &Registry::builtin(), &NothingTuned)
    }

    /// What is wrong with a config of this content.
    pub fn errors(&self, content: impl AsRef<[u8]>) -> ConfigErrors {
        self.write("bad.toml", content);
        self.load(&["bad.toml"]).err().expect("it is wrong")
    }
}

/// The experiment that a text describes, with a small model beneath it.
pub fn experiment(text: &str) -> Experiment {
    let folder = Folder::new();
    folder.write("base.toml", SMALL);
    folder.write("a.toml", format!("extends = 'base.toml'\n{text}"));
    folder.load(&["a.toml"]).unwrap_or_else(|errors| panic!("{text}\n{errors}")).remove(0)
}

/// Sizes at which ranks of a few are neither the seed's large nor its medium ones.
pub const SMALL: &str = "[model]\nhidden = 64\nheads = 4\nlayers = 4\ncontext = 64\n[train]\nsteps = 10\n";

/// The labels of an experiment's configurations, each once.
pub fn labels(experiment: &Experiment) -> Vec<String> {
    let mut labels: Vec<String> = Vec::new();
    for run in &experiment.runs {
        if labels.last() != Some(&run.label) {
            labels.push(run.label.clone());
        }
    }
    labels
}
