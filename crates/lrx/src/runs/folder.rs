//! The folder of a run: how the run stands, and whether its files are what was written.
//!
//! `checksums.txt` lists the BLAKE3 of the run's files, a line each, as `b3sum --check` reads it. It is written before
//! the row that says `finished`, so that a finished row always has its checksums, and one that does not match them was
//! changed afterwards or never completed.

use std::fs;
use std::path::Path;

use lrx_records::{RunRecord, Status, csv_text, read_runs};
use lrx_train::{CURVE_FILE, WEIGHTS_FILE};
use toml::{Table, Value};

use crate::results::{CHECKSUMS_FILE, RANKS_FILE, RECORD_FILE, RESOLVED_FILE, VOCABULARY_FILE, about, write_text};

/// How a run's folder stands.
pub(crate) enum State {
    /// Nothing, or nothing whole: to be begun.
    New,
    /// Begun: to be continued.
    Running(RunRecord),
    /// Trained to its end, all its files as they were written.
    Finished(RunRecord),
    /// Diverged or failed.
    Failed(RunRecord),
    /// Finished once; a file has changed since. Which, and how.
    Damaged(String),
}

/// Files that may be deleted to save room once a run is finished.
const DISPENSABLE: [&str; 2] = [WEIGHTS_FILE, VOCABULARY_FILE];

/// Reads how the run in `folder` stands.
///
/// A run that was stopped between its checksums and its row says `running` and is continued; a row that says nothing
/// whole, beside checksums, is one that was finished and has changed.
pub(crate) fn read_state(folder: &Path) -> State {
    match read_record(folder) {
        Some(record) => match record.status {
            Status::Finished => verify_checksums(folder).map_or_else(State::Damaged, |()| State::Finished(record)),
            Status::Failed | Status::Diverged => State::Failed(record),
            _ => State::Running(record),
        },
        None if folder.join(CHECKSUMS_FILE).exists() => {
            State::Damaged(format!("{RECORD_FILE} has changed since it was written"))
        }
        None => State::New,
    }
}

/// The one row of a run's record; `None` where there is none that an lrx wrote.
fn read_record(folder: &Path) -> Option<RunRecord> {
    let record = read_runs(&folder.join(RECORD_FILE)).ok()?.into_iter().next()?;
    (!record.run_id.is_empty() && !matches!(record.status, Status::Other(_))).then_some(record)
}

/// Whether the files that `checksums.txt` lists are what they were; so it is where there is no such file.
///
/// # Errors
/// The first that is not, and how.
pub(crate) fn verify_checksums(folder: &Path) -> Result<(), String> {
    let list = match fs::read_to_string(folder.join(CHECKSUMS_FILE)) {
        Ok(list) => list,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(format!("{CHECKSUMS_FILE}: {error}")),
    };
    let damaged = || format!("{CHECKSUMS_FILE} has changed since it was written");
    // The last line is the checksum of those before it.
    let body = list.strip_suffix('\n').and_then(|list| list.rfind('\n')).map_or("", |end| &list[..=end]);
    let own = list[body.len()..].strip_suffix(&format!("  {CHECKSUMS_FILE} above\n")).ok_or_else(damaged)?;
    if own.strip_prefix("# ") != Some(blake3::hash(body.as_bytes()).to_hex().as_str()) {
        return Err(damaged());
    }
    for line in body.lines() {
        let (hash, file) = line.split_once("  ").ok_or_else(damaged)?;
        match fs::read(folder.join(file)) {
            Ok(content) if blake3::hash(&content).to_hex().as_str() == hash => {}
            Ok(_) => return Err(format!("{file} has changed since it was written")),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && DISPENSABLE.contains(&file) => {}
            Err(error) => return Err(format!("{file}: {error}")),
        }
    }
    Ok(())
}

/// The text of a `checksums.txt`.
pub(crate) fn checksum_lines<'a>(files: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> String {
    let lines = files.into_iter().map(|(file, content)| format!("{}  {file}\n", blake3::hash(content).to_hex()));
    let body: String = lines.collect();
    format!("{body}# {}  {CHECKSUMS_FILE} above\n", blake3::hash(body.as_bytes()).to_hex())
}

/// Writes the row of a run that is not finished.
pub(crate) fn write_row(folder: &Path, record: &RunRecord) -> Result<(), String> {
    let path = folder.join(CHECKSUMS_FILE);
    if path.exists() {
        fs::remove_file(&path).map_err(about(&path))?;
    }
    write_text(&folder.join(RECORD_FILE), &csv_text(std::slice::from_ref(record)))
}

/// Writes the row of a finished run, the checksums of all its files before it.
pub(crate) fn seal(folder: &Path, record: &RunRecord) -> Result<(), String> {
    let row = csv_text(std::slice::from_ref(record));
    let mut files = vec![(RECORD_FILE, row.clone().into_bytes())];
    for file in [RESOLVED_FILE, CURVE_FILE, RANKS_FILE, WEIGHTS_FILE, VOCABULARY_FILE] {
        match fs::read(folder.join(file)) {
            Ok(content) => files.push((file, content)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(about(&folder.join(file))(error)),
        }
    }
    let lines = checksum_lines(files.iter().map(|(file, content)| (*file, &content[..])));
    write_text(&folder.join(CHECKSUMS_FILE), &lines)?;
    write_text(&folder.join(RECORD_FILE), &row)
}

/// Writes `resolved.toml`, or finds that the one that is there says the same.
///
/// # Errors
/// When it says something else about the numbers: what is in the folder comes from another config.
pub(crate) fn agree_on_config(folder: &Path, resolved: &Table) -> Result<(), String> {
    let path = folder.join(RESOLVED_FILE);
    let known = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return write_text(&path, &resolved.to_string());
        }
        Err(error) => return Err(about(&path)(error)),
    };
    let difference = match known.parse::<Table>() {
        Ok(known) => first_difference("", &Value::Table(numeric(known)), &Value::Table(numeric(resolved.clone()))),
        Err(error) => Some(format!("it is not valid TOML: {}", error.message())),
    };
    match difference {
        None => Ok(()),
        Some(difference) => Err(format!(
            "{} is not what this config resolves to: {difference}. What is in its folder belongs to another config; \
             move the folder away, or delete it, to train this run",
            path.display()
        )),
    }
}

/// Without what the numbers do not depend on: names, and where files lie.
fn numeric(mut table: Table) -> Table {
    table.remove("name");
    table.remove("label");
    fn without_paths(table: &mut Table) {
        table.remove("file");
        table.iter_mut().filter_map(|(_, value)| value.as_table_mut()).for_each(without_paths);
    }
    without_paths(&mut table);
    table
}

fn first_difference(key: &str, there: &Value, here: &Value) -> Option<String> {
    let (Value::Table(there), Value::Table(here)) = (there, here) else {
        return (there != here).then(|| format!("`{key}` is {there} there and {here} here"));
    };
    let join = |name: &String| if key.is_empty() { name.clone() } else { format!("{key}.{name}") };
    there
        .iter()
        .find_map(|(name, value)| match here.get(name) {
            Some(other) => first_difference(&join(name), value, other),
            None => Some(format!("`{}` is only there", join(name))),
        })
        .or_else(|| {
            here.keys().find(|name| !there.contains_key(*name)).map(|name| format!("`{}` is only here", join(name)))
        })
}
