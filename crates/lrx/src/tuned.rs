//! What `lrx tune` has chosen, for configs that say `"tuned"`.

use std::cell::RefCell;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use lrx_records::{TuneRecord, read_rows};
use lrx_spec::{Tuned, TunedValues};

use crate::results::TUNE_FILE;
use crate::shell::quoted;

/// The value that was chosen: its word in the column `verdict`.
pub(crate) const CHOSEN: &str = "chosen";

/// The `tune.csv` of experiments, each read once.
pub(crate) struct TuneTables {
    out: PathBuf,
    /// What chooses values for these configs.
    command: String,
    read: RefCell<HashMap<PathBuf, Rc<Read>>>,
}

/// The rows of one, none where there is no such file; or why it cannot be read.
type Read = Result<Option<Vec<TuneRecord>>, String>;

impl TuneTables {
    /// Those of configs with `set` on top, in a folder of results.
    pub(crate) fn of(configs: &[PathBuf], set: &[String], out: &Path) -> Self {
        let mut words = vec!["lrx".to_string(), "tune".to_string()];
        words.extend(configs.iter().map(|config| quoted(&config.display().to_string())));
        words.extend(set.iter().flat_map(|set| ["--set".to_string(), quoted(set)]));
        if out != Path::new("results") {
            words.extend(["--out".to_string(), quoted(&out.display().to_string())]);
        }
        Self { out: out.to_path_buf(), command: words.join(" "), read: RefCell::default() }
    }
}

impl TunedValues for TuneTables {
    fn of(&self, experiment: &str, key: &str, within: Option<&str>, configuration: &str) -> Result<Tuned, String> {
        let path = self.out.join(experiment).join(TUNE_FILE);
        let read = self.read.borrow_mut().entry(path.clone()).or_insert_with(|| Rc::new(read(&path))).clone();
        let rows = match &*read {
            Ok(Some(rows)) => &rows[..],
            Ok(None) => &[],
            Err(error) => return Err(format!("`{key}` is \"tuned\", and what was chosen cannot be read: {error}")),
        };
        let written = pair(key, within);
        let own: Vec<&TuneRecord> =
            rows.iter().filter(|row| row.key == written && row.configuration == configuration).collect();
        if let Some(chosen) = own.iter().find(|row| row.verdict == CHOSEN) {
            return Ok(Tuned { value: chosen.value, among: among(&own, chosen), run_ids: chosen.run_ids.clone() });
        }
        let why = match &*read {
            Ok(None) => format!("there is no {} yet", path.display()),
            _ if own.is_empty() => format!("{} has no value for this configuration", path.display()),
            _ => format!("{} has not come to a value for this configuration", path.display()),
        };
        let named = |key: &str| if key == super::commands::tune::KEY { String::new() } else { format!(" --key {key}") };
        let with_key = match within {
            None => named(key),
            Some(inner) => format!("{} --with {key}=A,B", named(inner)),
        };
        Err(format!("`{key}` is \"tuned\", but {why}; this chooses one: {}{with_key}", self.command))
    }
}

/// What the column `key` has for a key: where the value of another was chosen for each of its own, both, since what is best then is best
/// beside no fixed value of the other.
pub(crate) fn pair(key: &str, within: Option<&str>) -> String {
    within.map_or(key.to_owned(), |within| format!("{key} with {within}"))
}

/// The rows of a `tune.csv`, if there is one.
///
/// # Errors
/// When there is one that cannot be read.
pub(crate) fn read(path: &Path) -> Result<Option<Vec<TuneRecord>>, String> {
    match read_rows::<TuneRecord>(path) {
        Ok(rows) => Ok(Some(rows)),
        Err(_) if !path.exists() => Ok(None),
        Err(error) => Err(error.to_string()),
    }
}

/// `one of 7 from 0.0001 to 0.0064`, with the end where it lies at one.
fn among(rows: &[&TuneRecord], chosen: &TuneRecord) -> String {
    let mut values: Vec<f64> = rows.iter().map(|row| row.value).collect();
    values.sort_by(f64::total_cmp);
    values.dedup();
    let ends = [values.first(), values.last()].map(|end| end.copied().unwrap_or(chosen.value).to_string());
    let edge = if chosen.edge.is_empty() { String::new() } else { format!(", the {}", chosen.edge) };
    format!("one of {} from {} to {}{edge}", values.len(), ends[0], ends[1])
}
