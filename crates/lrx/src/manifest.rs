//! A sweep as it was when it was planned: which runs, in which order, of which configs and which data. Every task of a
//! scheduler's array finds by it that it works on the same sweep as the others.

use std::collections::{BTreeSet, HashSet};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;

use lrx_files::folder_of;
use lrx_spec::{DataState, Experiment, NUMERICS, hint, sources};
use serde::{Deserialize, Serialize};
use toml::{Table, Value};

use crate::results::{about, write_text};
use crate::shell;

/// What this version writes.
const VERSION: u32 = 1;
/// A manifest of 100,000 runs has 20 MB.
const MOST_BYTES: u64 = 1 << 28;

/// A manifest, as it stands in its file.
#[derive(Serialize, Deserialize)]
pub(crate) struct Manifest {
    lrx_manifest: u32,
    /// What wrote it, which may number runs in another way than what reads it.
    program: String,
    /// The configs, in their order; paths are relative to the manifest's folder, or absolute.
    configs: Vec<PathBuf>,
    /// `--set` of all of them.
    set: Vec<String>,
    /// The configs and the files that they extend, with their content.
    files: Vec<ConfigFile>,
    /// All other files that numbers depend on, with their hashes.
    data: Vec<DataFile>,
    /// The runs; task N of M takes every M-th of them, from the N-th on.
    runs: Vec<Run>,
    /// Where it lies, and what it is called.
    #[serde(skip)]
    path: PathBuf,
}

#[derive(Serialize, Deserialize)]
struct ConfigFile {
    file: PathBuf,
    content: String,
}

/// A file that a key names, as it was written there.
#[derive(PartialEq, Eq, PartialOrd, Ord, Clone, Serialize, Deserialize)]
struct DataFile {
    key: String,
    file: String,
    blake3: String,
}

#[derive(PartialEq, Eq, Serialize, Deserialize)]
struct Run {
    run_id: String,
    experiment: String,
    label: String,
    seed: u64,
}

impl Manifest {
    /// That of configs with `set` on top, and of what they describe; its file will be `path`.
    ///
    /// # Errors
    /// When the configs cannot be read again, `path` is in no folder, or something else lies there.
    pub(crate) fn of(
        path: &Path,
        configs: &[PathBuf],
        set: &[String],
        experiments: &[Experiment],
    ) -> Result<Self, String> {
        check_place(path)?;
        if let Some(config) = configs.iter().find(|config| config.to_str().is_none()) {
            return Err(format!("{}: a manifest is a text; expected a path in UTF-8", config.display()));
        }
        let folder = folder_of(path);
        let folder =
            folder.canonicalize().map_err(|_| format!("--manifest {}: {}", path.display(), nowhere(folder)))?;
        let mut files: Vec<ConfigFile> = Vec::new();
        for config in configs {
            for (file, content) in sources(config).map_err(|errors| errors.to_string())? {
                let file = relative(&folder, &file);
                if !files.iter().any(|known| known.file == file) {
                    files.push(ConfigFile { file, content });
                }
            }
        }
        Ok(Self {
            lrx_manifest: VERSION,
            program: program(),
            configs: configs.iter().map(|config| relative(&folder, config)).collect(),
            set: set.to_vec(),
            files,
            data: data_files(experiments),
            runs: runs(experiments),
            path: path.to_path_buf(),
        })
    }

    /// Writes it to `path`.
    ///
    /// # Errors
    /// When that cannot be written.
    pub(crate) fn write(&self, path: &Path) -> Result<(), String> {
        let text = serde_json::to_string_pretty(self).expect("texts and numbers");
        write_text(path, &(text + "\n"))
    }

    /// Reads the manifest at `path`.
    ///
    /// # Errors
    /// When it cannot be read, or is none.
    pub(crate) fn read(path: &Path) -> Result<Self, String> {
        let none = |why: String| format!("{}: not a manifest that `lrx plan --manifest` writes: {why}", path.display());
        let content = lrx_files::read_regular(path, MOST_BYTES)
            .map_err(|error| format!("cannot read the manifest {}{}", about(path)(error), hint(path)))?;
        let mut manifest: Self = serde_json::from_slice(&content).map_err(|error| none(error.to_string()))?;
        if manifest.lrx_manifest != VERSION {
            return Err(none(format!("its version is {}; expected {VERSION}", manifest.lrx_manifest)));
        }
        manifest.path = path.to_path_buf();
        Ok(manifest)
    }

    /// How many runs it has.
    pub(crate) fn len(&self) -> usize {
        self.runs.len()
    }

    /// Its configs, from here.
    pub(crate) fn configs(&self) -> Vec<PathBuf> {
        self.configs.iter().map(|config| self.place(config)).collect()
    }

    pub(crate) fn set(&self) -> &[String] {
        &self.set
    }

    /// Whether its configs say what they said; a comment may have changed.
    ///
    /// # Errors
    /// Which has changed, and where.
    pub(crate) fn check_configs(&self) -> Result<(), String> {
        for ConfigFile { file, content } in &self.files {
            let path = self.place(file);
            let now = lrx_files::read_to_string(&path)
                .map_err(|error| self.changed(&format!("{}{}", about(&path)(error), hint(&path))))?;
            let now = now.strip_prefix('\u{feff}').unwrap_or(&now).replace("\r\n", "\n");
            if now != *content && now.parse::<Table>().ok() != content.parse::<Table>().ok() {
                return Err(self.changed(&first_difference(&path.display().to_string(), content, &now)));
            }
        }
        Ok(())
    }

    /// Whether the configs come to its data and to its runs, in its order.
    ///
    /// # Errors
    /// Which data, or else which run, is another.
    pub(crate) fn check_runs(&self, experiments: &[Experiment]) -> Result<(), String> {
        let data = data_files(experiments);
        if let Some(file) = data.iter().find(|file| !self.data.contains(file)) {
            let before = self.data.iter().find(|before| (&before.key, &before.file) == (&file.key, &file.file));
            let was = before.map_or("was not there".into(), |before| format!("was {}", short(&before.blake3)));
            let DataFile { key, file, blake3 } = file;
            return Err(
                self.changed(&format!("`{key}` = {file:?}: the BLAKE3 of its content is {} and {was}", short(blake3)))
            );
        }
        let now = runs(experiments);
        if now == self.runs {
            return Ok(());
        }
        let at = now.iter().zip(&self.runs).take_while(|(now, then)| now == then).count();
        let name = |run: Option<&Run>| match run {
            Some(run) => format!("{} ({} seed {})", run.run_id, run.label, run.seed),
            None => "no run".to_string(),
        };
        let mut what = format!("run {} is {} and was {}", at + 1, name(now.get(at)), name(self.runs.get(at)));
        if self.program != program() {
            what += &format!("; this is {}, the manifest was written by {}", program(), self.program);
        } else {
            what +=
                "; neither configs nor data have changed: a value that `lrx tune` has chosen has, or a kind of layer";
        }
        Err(self.changed(&what))
    }

    fn changed(&self, what: &str) -> String {
        let path = self.path.display();
        let mut words = vec!["lrx".to_string(), "plan".into()];
        words.extend(self.configs().iter().map(|config| config.display().to_string()));
        words.extend(self.set.iter().flat_map(|set| ["--set".into(), set.clone()]));
        words.extend(["--manifest".into(), path.to_string()]);
        format!("the sweep is not what {path} holds: {what}. To freeze it as it is now: {}", shell::line(words))
    }

    /// Where a file lies that it names, as one would write it here.
    fn place(&self, file: &Path) -> PathBuf {
        let path = folder_of(&self.path).join(file);
        let Some(folder) = path.parent().and_then(|folder| folder.canonicalize().ok()) else { return path };
        let here = std::env::current_dir().and_then(|here| here.canonicalize());
        let folder = here.ok().and_then(|here| Some(folder.strip_prefix(here).ok()?.to_path_buf())).unwrap_or(folder);
        folder.join(file.file_name().unwrap_or_default())
    }
}

/// Whether a manifest may be written to `path`: where there is something else, that stays.
///
/// # Errors
/// What is there.
fn check_place(path: &Path) -> Result<(), String> {
    let taken = |what: &str| Err(format!("--manifest {}: {what}; expected a new file, or a manifest", path.display()));
    match path.symlink_metadata() {
        Err(_) => Ok(()),
        Ok(_) if path.is_dir() => taken("it is a folder"),
        Ok(_) if Manifest::read(path).is_err() => taken("a file that is no manifest lies there"),
        Ok(_) => Ok(()),
    }
}

fn program() -> String {
    format!("lrx {}, numerics {NUMERICS}", env!("CARGO_PKG_VERSION"))
}

fn nowhere(folder: &Path) -> String {
    format!("there is no folder {}", folder.display())
}

/// The first ten digits of a hash.
fn short(hash: &str) -> &str {
    hash.get(..10).unwrap_or(hash)
}

/// The path of a file from `folder`, which is canonical. The file's own name stays, whatever it links to.
fn relative(folder: &Path, file: &Path) -> PathBuf {
    let Some(own) = folder_of(file).canonicalize().ok().zip(file.file_name()) else { return file.to_path_buf() };
    let (own, name) = own;
    let common = own.components().zip(folder.components()).take_while(|(a, b)| a == b).count();
    if common == 0 {
        return own.join(name);
    }
    let up = folder.components().skip(common).map(|_| Path::new(".."));
    let down: PathBuf = own.components().skip(common).collect();
    up.collect::<PathBuf>().join(down).join(name)
}

fn runs(experiments: &[Experiment]) -> Vec<Run> {
    let of = |experiment: &Experiment| {
        let name = experiment.name.clone();
        let run = move |run: &lrx_spec::RunSpec| Run {
            run_id: run.run_id.clone().unwrap_or_default(),
            experiment: name.clone(),
            label: run.label.clone(),
            seed: run.seed,
        };
        experiment.runs.iter().map(run).collect::<Vec<_>>()
    };
    experiments.iter().flat_map(of).collect()
}

/// The files whose content the runs depend on: whatever `resolved.toml` has the hash of.
fn data_files(experiments: &[Experiment]) -> Vec<DataFile> {
    let (mut found, mut known) = (BTreeSet::new(), HashSet::new());
    for run in experiments.iter().flat_map(|experiment| &experiment.runs) {
        // Data and model are the same of many runs.
        let DataState::Ready(data) = &run.data else { continue };
        if !known.insert((Rc::as_ptr(data), Arc::as_ptr(&run.model))) {
            continue;
        }
        collect("", &Value::Table(run.resolved("")), &mut found);
    }
    found.into_iter().collect()
}

fn collect(key: &str, value: &Value, found: &mut BTreeSet<DataFile>) {
    match value {
        Value::Table(table) => {
            let text = |name: &str| table.get(name).and_then(Value::as_str).map(str::to_string);
            if let (Some(file), Some(blake3)) = (text("file"), text("blake3")) {
                found.insert(DataFile { key: key.to_string(), file, blake3 });
            }
            for (name, value) in table {
                collect(&if key.is_empty() { name.clone() } else { format!("{key}.{name}") }, value, found);
            }
        }
        Value::Array(values) => values.iter().for_each(|value| collect(key, value, found)),
        _ => {}
    }
}

/// The first line with something else in it than there was, comments left out.
fn first_difference(file: &str, then: &str, now: &str) -> String {
    let lines = |text: &str| -> Vec<(usize, String)> {
        let numbered = text.lines().enumerate().map(|(i, line)| (i + 1, line.trim().to_string()));
        numbered.filter(|(_, line)| !line.is_empty() && !line.starts_with('#')).collect()
    };
    let (then, now) = (lines(then), lines(now));
    let at = then.iter().zip(&now).take_while(|((_, then), (_, now))| then == now).count();
    match (then.get(at), now.get(at)) {
        (Some((_, then)), Some((number, now))) => format!("{file}:{number} says `{now}` and said `{then}`"),
        (None, Some((number, now))) => format!("{file}:{number} says `{now}`, which was not there"),
        (Some((_, then)), None) => format!("{file} ended with `{then}`, which is not there"),
        (None, None) => format!("{file} has changed"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_lead_from_the_manifest_to_the_configs() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().canonicalize().unwrap();
        std::fs::create_dir_all(folder.join("a/b")).unwrap();
        std::fs::create_dir_all(folder.join("c")).unwrap();
        for (from, file, expected) in
            [("", "a.toml", "a.toml"), ("a/b", "a.toml", "../../a.toml"), ("a", "c/x.toml", "../c/x.toml")]
        {
            assert_eq!(relative(&folder.join(from), &folder.join(file)), Path::new(expected), "{from} {file}");
        }
        // A file in a folder that is not there is named as it was.
        assert_eq!(relative(&folder, Path::new("nowhere/x.toml")), Path::new("nowhere/x.toml"));
    }

    #[test]
    fn the_line_that_differs_is_shown() {
        let then = "# a\n[train]\nsteps = 3\nseed = 1\n";
        let of = |now: &str| first_difference("a.toml", then, now);
        assert_eq!(of("# b\n\n[train]\nsteps = 4\nseed = 1"), "a.toml:4 says `steps = 4` and said `steps = 3`");
        assert_eq!(of("[train]\nsteps = 3"), "a.toml ended with `seed = 1`, which is not there");
        assert_eq!(of(&format!("{then}x = 1")), "a.toml:5 says `x = 1`, which was not there");
    }
}
