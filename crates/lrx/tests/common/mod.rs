//! What the tests of the `lrx` binary share: a folder of its own for each test, a tiny config, and running lrx there.
#![allow(dead_code)] // Each test binary uses a part.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// A model and data so small that a step takes milliseconds.
pub const TINY: &str = r#"
[data]
train = "synthetic"
stories = 40
valid_fraction = 0.1
tokenizer = { train_bpe = 300 }

[model]
hidden = 16
layers = 2
heads = 2
context = 64

[train]
batch_stories = 4
steps = 12
learning_rate = 1e-3
eval_every = 5
log_every = 1
"#;

/// Longer than any command here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

const LRX: &str = env!("CARGO_BIN_EXE_lrx");

/// A folder that lrx runs in; it is gone with the value.
pub struct Lab(TempDir);

/// How a command ended.
#[derive(Debug)]
pub struct Done {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

/// A row of a CSV file by its columns.
pub type Row = HashMap<String, String>;

impl Lab {
    pub fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    /// A folder with `TINY` and what follows it as `tiny.toml`.
    pub fn tiny(more: &str) -> Self {
        let lab = Self::new();
        lab.write("tiny.toml", format!("{more}\n{TINY}"));
        lab
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Writes a file, and the folders that it lies in.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// Runs lrx in the folder.
    pub fn lrx<'a>(&self, arguments: impl IntoIterator<Item = &'a str>) -> Done {
        let mut command = assert_cmd::Command::new(LRX);
        let output = command.args(arguments).current_dir(self.0.path()).timeout(PATIENCE).output().unwrap();
        Done {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Runs lrx in the folder, with arguments separated by white space, and expects the exit code.
    pub fn expect(&self, code: i32, arguments: &str) -> Done {
        let done = self.lrx(arguments.split_whitespace());
        assert_eq!(done.code, Some(code), "lrx {arguments}\n{}{}", done.stdout, done.stderr);
        done
    }

    /// The rows that `lrx plan --format csv` prints.
    pub fn plan(&self, arguments: &str) -> Vec<Row> {
        rows(&self.expect(0, &format!("plan --format csv {arguments}")).stdout)
    }

    /// Starts lrx in the folder and leaves it running.
    pub fn start(&self, arguments: &str) -> Child {
        let mut command = std::process::Command::new(LRX);
        command.args(arguments.split_whitespace()).current_dir(self.0.path());
        command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    }

    /// The only folder of a run in the experiment's folder.
    pub fn only_run(&self, experiment: &str) -> PathBuf {
        let folders = self.runs(experiment);
        assert_eq!(folders.len(), 1, "{folders:?}");
        folders[0].clone()
    }

    /// The folders of runs in the experiment's folder, by name.
    pub fn runs(&self, experiment: &str) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.path(experiment)).into_iter().flatten().map(|entry| entry.unwrap().path());
        let mut folders: Vec<PathBuf> = entries.filter(|path| path.is_dir()).collect();
        folders.sort();
        folders
    }
}

/// The rows of a CSV file with a header.
pub fn rows(csv: &str) -> Vec<Row> {
    csv::Reader::from_reader(csv.as_bytes()).deserialize().map(Result::unwrap).collect()
}

/// All numbers of finished runs but their times, and the weights of each.
pub type Numbers = (Vec<String>, Vec<Vec<u8>>);

/// The numbers of the experiment `tiny` in the folder `out`.
pub fn numbers(lab: &Lab, out: &str) -> Numbers {
    let mut texts = Vec::new();
    for (file, timed) in [
        ("runs.csv", &["tokens_per_second", "wall_seconds", "peak_rss_mb", "threads", "machine", "others_share"][..]),
        ("curves.csv", &["elapsed_seconds"][..]),
    ] {
        for mut row in rows(&lab.read(&format!("{out}/tiny/{file}"))) {
            assert!(timed.iter().all(|column| row.remove(*column).is_some()));
            let mut cells: Vec<String> = row.into_iter().map(|(name, cell)| format!("{name}={cell}")).collect();
            cells.sort();
            texts.push(cells.join(" "));
        }
    }
    let weights = lab.runs(&format!("{out}/tiny")).into_iter().map(|run| run.join("model.safetensors"));
    (texts, weights.map(|file| fs::read(file).unwrap()).collect())
}

/// The folder in which a run's work goes on: its current attempt while it is not finished, else its own.
pub fn current(run: &Path) -> PathBuf {
    let number = |path: &PathBuf| path.file_name()?.to_str()?.strip_prefix("attempt.")?.parse::<u64>().ok();
    let entries = fs::read_dir(run).into_iter().flatten().flatten().map(|entry| entry.path());
    entries.filter_map(|path| Some((number(&path)?, path))).max().map_or(run.to_path_buf(), |(_, path)| path)
}

/// Copies a folder with all that is in it.
pub fn copy(from: &Path, to: &Path) {
    for file in files(from) {
        let to = to.join(&file);
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::copy(from.join(file), to).unwrap();
    }
}

/// A column of rows.
pub fn column<'r>(rows: &'r [Row], name: &str) -> Vec<&'r str> {
    rows.iter().map(|row| row[name].as_str()).collect()
}

/// All files in a folder and the folders in it, by their path from there.
pub fn files(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(&next).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.push(path.strip_prefix(folder).unwrap().to_string_lossy().into_owned());
            }
        }
    }
    found.sort();
    found
}

/// Waits until `happened`, which has to be before the process ends.
pub fn wait_until(process: &mut Child, what: &str, happened: impl Fn() -> bool) {
    let began = Instant::now();
    while !happened() {
        assert!(process.try_wait().unwrap().is_none(), "lrx ended before {what}");
        assert!(began.elapsed() < PATIENCE, "too long until {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// What is wrong, the config, its place as `LINE:COLUMN`, what stands there, and the beginning of the message.
pub type Bad = (&'static str, &'static str, &'static str, &'static str, &'static str);

/// Runs a config that is wrong and checks all that holds for every message.
pub fn refuse(lab: &Lab, name: &str, arguments: &[&str]) -> String {
    let done = lab.lrx(["run", "--out", "out"].iter().chain(arguments).copied());
    assert_eq!(done.code, Some(2), "{name}: {}", done.stderr);
    assert!(done.stderr.contains("error: "), "{name}: {}", done.stderr);
    assert!(!done.stderr.contains("panicked"), "{name}: {}", done.stderr);
    assert_eq!(done.stdout, "", "{name}");
    let written: Vec<String> = files(&lab.path("out")).into_iter().filter(|file| !file.starts_with(".cache")).collect();
    assert!(written.is_empty(), "{name}: {written:?}");
    done.stderr
}

/// The message, the place, the line itself, and a mark under what is wrong in it.
pub fn shown(file: &str, config: &str, place: &str, marked: &str) -> String {
    let (line, column) = place.split_once(':').unwrap();
    let (number, before) = (line.parse::<usize>().unwrap(), column.parse::<usize>().unwrap() - 1);
    let text = config.lines().nth(number - 1).unwrap();
    let mark = "^".repeat(marked.chars().count().max(1));
    assert!(text.chars().skip(before).collect::<String>().starts_with(marked), "{marked} at {place} of {config}");
    format!(" --> {file}:{place}\n  |\n{line} | {text}\n  | {:before$}{mark}\n", "")
}

/// Checks that each config of the table is refused with its message, at its place; each config with all that is said.
pub fn check(table: &[Bad]) -> String {
    let lab = Lab::new();
    let mut transcript = String::new();
    for (name, config, place, marked, message) in table {
        lab.write("bad.toml", config);
        let error = refuse(&lab, name, &["bad.toml"]);
        assert!(error.starts_with(&format!("error: {message}")), "{name}: {error}");
        assert!(error.ends_with(&shown("bad.toml", config, place, marked)), "{name}: {error}");
        assert_eq!(error.matches("error: ").count(), 1, "{name}: {error}");
        assert!(!lab.path("out").exists(), "{name}: nothing is written");
        transcript += &format!("# {name}\n{config}\n\n{error}\n\n");
    }
    transcript
}
