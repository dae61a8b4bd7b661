//! The folder that an export makes: whole or not at all, and never in the place of what it did not make.

use std::fs;
use std::path::{Path, PathBuf};

use lrx_files::{TempDir, folder_of, temporary_folder_in};
use serde_json::Value;

use crate::failure::Failure;

pub(super) const CONFIG: &str = "config.json";
pub(super) const WEIGHTS: &str = "model.safetensors";
pub(super) const TOKENIZER: &str = "tokenizer.json";
pub(super) const TOKENIZER_CONFIG: &str = "tokenizer_config.json";
pub(super) const GENERATION_CONFIG: &str = "generation_config.json";
pub(super) const CARD: &str = "README.md";
/// All that an export makes.
const FILES: [&str; 6] = [CONFIG, WEIGHTS, TOKENIZER, TOKENIZER_CONFIG, GENERATION_CONFIG, CARD];
/// The key of `config.json` by which an export is known.
pub(super) const MARK: &str = "lrx_run";

/// A folder on its way to its name.
pub(super) struct NewFolder {
    temporary: TempDir,
    target: PathBuf,
}

impl NewFolder {
    /// A folder that is to be `target`, of which nothing is there before it is whole.
    ///
    /// # Errors
    /// When something is there that must not be replaced.
    pub(super) fn new(target: &Path, force: bool) -> Result<Self, Failure> {
        check(target, force).map_err(|why| Failure::Usage(format!("{}: {why}", target.display())))?;
        let parent = folder_of(target);
        let cannot = |error: std::io::Error| Failure::Failed(format!("{}: {error}", parent.display()));
        fs::create_dir_all(parent).map_err(cannot)?;
        let temporary = temporary_folder_in(parent).map_err(cannot)?;
        Ok(Self { temporary, target: target.to_path_buf() })
    }

    /// Where a file of it is until then.
    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.temporary.path().join(name)
    }

    /// Gives it its name.
    ///
    /// # Errors
    /// When that is not possible; what was there before is there still, or beside it under a name that the message tells.
    pub(super) fn finish(self) -> Result<(), Failure> {
        let failed = |what: String| move |error: std::io::Error| Failure::Failed(format!("{what}: {error}"));
        let target = &self.target;
        let at_target = || target.display().to_string();
        if !target.exists() {
            fs::rename(self.temporary.keep(), target).map_err(failed(at_target()))?;
            return Ok(());
        }
        // Exchanged by two renames: a process that is killed between them leaves the earlier export under a temporary name.
        let aside = temporary_folder_in(folder_of(target)).map_err(failed(at_target()))?;
        let earlier = aside.path().join("earlier");
        fs::rename(target, &earlier).map_err(failed(at_target()))?;
        if let Err(error) = fs::rename(self.temporary.path(), target) {
            let back = fs::rename(&earlier, target);
            let left =
                if back.is_err() { format!("; what was there is {}", aside.keep().display()) } else { String::new() };
            return Err(Failure::Failed(format!("{}: {error}{left}", at_target())));
        }
        let _ = self.temporary.keep();
        Ok(())
    }
}

/// Whether an export may be there.
fn check(target: &Path, force: bool) -> Result<(), String> {
    let entries = match fs::read_dir(target) {
        Ok(entries) => entries,
        Err(_) if !target.exists() => return Ok(()),
        Err(error) => return Err(format!("expected a folder, or nothing: {error}")),
    };
    let names: Vec<String> = entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    if names.is_empty() {
        return Ok(());
    }
    if !force {
        let hint = if is_export(target) { "; --force puts another export in its place" } else { "" };
        return Err(format!("the folder is not empty{hint}"));
    }
    if !is_export(target) {
        return Err(format!(
            "the folder is not empty, and its {CONFIG} is not one that lrx export made: --force leaves it alone"
        ));
    }
    match names.iter().find(|name| !FILES.contains(&name.as_str())) {
        Some(other) => Err(format!("{other} lies in it, which lrx export did not make: --force leaves it alone")),
        None => Ok(()),
    }
}

fn is_export(folder: &Path) -> bool {
    let config = lrx_files::read(&folder.join(CONFIG)).ok();
    let config: Option<Value> = config.and_then(|text| serde_json::from_slice(&text).ok());
    config.is_some_and(|config| config.get(MARK).is_some())
}
