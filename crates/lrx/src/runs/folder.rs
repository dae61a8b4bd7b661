//! The folder of a run: how the run stands, and whether its files are what was written.
//!
//! While a run is not finished, all of it lies in its current attempt (see `claim`), and its row there says `running`,
//! `diverged` or `failed`. Once it is finished, its files, their checksums and last its row are moved into the run's folder
//! itself, from where nobody takes them again: a row there that says `finished` has all that belongs to it beside it, and
//! what does not match the checksums was changed afterwards.

use std::collections::HashMap;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use lrx_files::{CHECKSUMS_FILE, Checksums, Damage, flush, hash, hash_file};
use lrx_records::{RunRecord, STORIES_FILE, Status, csv_text, parse_rows};
use lrx_train::{CURVE_FILE, WEIGHTS_FILE};

use super::claim::current_attempt;
use crate::results::{
    EVENTS_FILE, RANKS_FILE, RECORD_FILE, RESOLVED_FILE, SAMPLES_FILE, VOCABULARY_FILE, about, write_text,
    write_text_unflushed,
};

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
    /// It cannot be said now: a file cannot be read. Which, and why.
    Unreadable(String),
}

/// A run as the tables of its experiment have it.
pub(crate) struct Run {
    pub(crate) state: State,
    /// Its curve and its effective ranks, as far as it has them: the very bytes that were checked.
    pub(crate) curve: Vec<u8>,
    pub(crate) ranks: Vec<u8>,
}

impl Run {
    fn only(state: State) -> Self {
        Self { state, curve: Vec::new(), ranks: Vec::new() }
    }
}

/// Files that may be deleted to save room once a run is finished.
const DISPENSABLE: [&str; 4] = [WEIGHTS_FILE, VOCABULARY_FILE, EVENTS_FILE, STORIES_FILE];
/// Files that a run has where its config asks for them, or the lrx that trained it knew of them.
pub(super) const ON_REQUEST: [&str; 3] = [STORIES_FILE, SAMPLES_FILE, EVENTS_FILE];

/// Finished runs whose large files were checked, and how they looked then: tables are assembled often while others go on.
/// Several threads read runs at once.
#[derive(Default)]
pub(crate) struct Checked(Mutex<HashMap<PathBuf, Look>>);

/// Length and time of each dispensable file.
type Look = Vec<Option<(u64, SystemTime)>>;

impl Checked {
    fn look(folder: &Path) -> Look {
        let look =
            |file: &&str| fs::metadata(folder.join(file)).and_then(|file| Ok((file.len(), file.modified()?))).ok();
        DISPENSABLE.iter().map(look).collect()
    }

    fn known(&self) -> MutexGuard<'_, HashMap<PathBuf, Look>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads how the run in `folder` stands.
pub(crate) fn read_state(folder: &Path) -> State {
    read_run(folder, None).state
}

/// The row of the run in `folder`, at a look: of a finished run no other file is read, so that it may be damaged.
pub(crate) fn look(folder: &Path) -> Option<RunRecord> {
    let (row, in_attempt) = row(folder)?;
    let record = parse_row(&row)?;
    let is_going_on = in_attempt && !matches!(record.status, Status::Failed | Status::Diverged);
    Some(if is_going_on { RunRecord { status: Status::Running, ..record } } else { record })
}

/// What changes whenever the run in `folder` stands otherwise than before, without a look at its other files.
pub(crate) fn glance(folder: &Path) -> Vec<u8> {
    let (mut row, in_attempt) = row(folder).unwrap_or_default();
    row.push(in_attempt.into());
    row.extend(lrx_files::read(&folder.join(LABEL_FILE)).unwrap_or_default());
    row
}

/// The row of a run as it stands there, and whether that is in its attempt.
fn row(folder: &Path) -> Option<(Vec<u8>, bool)> {
    let attempt = current_attempt(folder).ok()?;
    let in_attempt = attempt.and_then(|attempt| lrx_files::read(&attempt.join(RECORD_FILE)).ok());
    match in_attempt {
        Some(row) => Some((row, true)),
        None => Some((lrx_files::read(&folder.join(RECORD_FILE)).ok()?, false)),
    }
}

/// Reads the run in `folder`; of a finished one, every file that is there is checked, the large ones only if they do not
/// look as they did when `checked` saw them.
pub(crate) fn read_run(folder: &Path, checked: Option<&Checked>) -> Run {
    let unreadable = |what: &str, error: &io::Error| Run::only(State::Unreadable(format!("{what}: {error}")));
    // Each takeover moves the attempt on; who looks meanwhile looks again.
    for _ in 0..100 {
        let attempt = match current_attempt(folder) {
            Ok(attempt) => attempt,
            Err(error) if error.kind() == ErrorKind::NotFound => return Run::only(State::New),
            Err(error) => return unreadable(&folder.display().to_string(), &error),
        };
        let moved = |attempt: &Path| !attempt.exists();
        if let Some(attempt) = attempt {
            match lrx_files::read(&attempt.join(RECORD_FILE)) {
                Ok(_) if moved(&attempt) => continue,
                Ok(row) => match read_attempt(&attempt, &row) {
                    Err(_) if moved(&attempt) => continue,
                    Err((file, error)) => return unreadable(&file, &error),
                    Ok(run) => return run,
                },
                Err(error) if error.kind() == ErrorKind::NotFound && moved(&attempt) => continue,
                // Not begun, or finished and about to be cleared away.
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return unreadable(RECORD_FILE, &error),
            }
        }
        return read_ended(folder, checked);
    }
    Run::only(State::Unreadable("it changes hands all the time".into()))
}

/// A run that is not finished, from its attempt.
fn read_attempt(attempt: &Path, row: &[u8]) -> Result<Run, (String, io::Error)> {
    let Some(mut record) = parse_row(row) else { return Ok(Run::only(State::New)) };
    let curve = match lrx_files::read(&attempt.join(CURVE_FILE)) {
        Ok(curve) => curve,
        Err(error) if error.kind() == ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err((CURVE_FILE.into(), error)),
    };
    let state = match record.status {
        Status::Failed | Status::Diverged => State::Failed(record),
        _ => {
            // Sealed, perhaps, but not all of it is in its place yet.
            record.status = Status::Running;
            State::Running(record)
        }
    };
    Ok(Run { state, curve, ranks: Vec::new() })
}

/// The one row of a run's record; `None` where there is none that an lrx wrote.
fn parse_row(text: &[u8]) -> Option<RunRecord> {
    let record = parse_rows::<RunRecord>(text, Path::new(RECORD_FILE)).ok()?.into_iter().next()?;
    (!record.run_id.is_empty() && !matches!(record.status, Status::Other(_))).then_some(record)
}

/// A run that nobody works on, from its folder.
fn read_ended(folder: &Path, checked: Option<&Checked>) -> Run {
    let changed = || Run::only(State::Damaged(format!("{RECORD_FILE} has changed since it was written")));
    let row = match lrx_files::read(&folder.join(RECORD_FILE)) {
        Ok(row) => row,
        Err(error) if error.kind() != ErrorKind::NotFound => {
            return Run::only(State::Unreadable(format!("{RECORD_FILE} cannot be read: {error}")));
        }
        Err(_) if !folder.join(CHECKSUMS_FILE).exists() => return Run::only(State::New),
        Err(_) => return Run::only(State::Damaged(format!("{RECORD_FILE} is gone"))),
    };
    let Some(record) = parse_row(&row) else { return changed() };
    if record.status != Status::Finished {
        let unreadable = |(file, error)| Run::only(State::Unreadable(format!("{file} cannot be read: {error}")));
        // An earlier lrx kept what was not finished here, too.
        let earlier = !folder.join(CHECKSUMS_FILE).exists();
        return if earlier { read_attempt(folder, &row).unwrap_or_else(unreadable) } else { changed() };
    }
    match verified(folder, &row, checked) {
        Ok((curve, ranks)) => Run { state: State::Finished(relabelled(folder, record)), curve, ranks },
        Err(Damage::Changed(what)) => Run::only(State::Damaged(what)),
        Err(Damage::Unreadable(what)) => Run::only(State::Unreadable(what)),
    }
}

/// What a finished run is called now, where that is not how it was called when it was trained: the row itself has a
/// checksum, and a label says nothing of the numbers.
const LABEL_FILE: &str = "label.txt";

/// A finished run's row under the label that it was last given.
fn relabelled(folder: &Path, mut record: RunRecord) -> RunRecord {
    if let Ok(label) = lrx_files::read_to_string(&folder.join(LABEL_FILE)) {
        record.label = label.trim_end().to_string();
    }
    record
}

/// Gives a finished run the label that its config has now.
pub(crate) fn relabel(folder: &Path, record: &RunRecord, label: &str) {
    if record.label != label {
        // Where nothing can be written, the tables show the label that it had.
        let _ = write_text(&folder.join(LABEL_FILE), &format!("{label}\n"));
    }
}

/// The curve and the ranks of a finished run, all its files having been found to be what was written.
fn verified(folder: &Path, row: &[u8], checked: Option<&Checked>) -> Result<(Vec<u8>, Vec<u8>), Damage> {
    let list = Checksums::read(folder)?.ok_or_else(|| Damage::Changed(format!("{CHECKSUMS_FILE} is gone")))?;
    let look = Checked::look(folder);
    let known = checked.is_some_and(|checked| checked.known().get(folder) == Some(&look));
    let (mut curve, mut ranks) = (Vec::new(), Vec::new());
    for file in list.files() {
        if file == RECORD_FILE {
            list.check(file, row)?;
        } else if DISPENSABLE.contains(&file) {
            if !known && folder.join(file).symlink_metadata().is_ok() {
                list.check_file(folder, file)?;
            }
        } else {
            let content = lrx_files::read(&folder.join(file)).map_err(|error| Damage::of(file, &error))?;
            list.check(file, &content)?;
            match file {
                CURVE_FILE => curve = content,
                RANKS_FILE => ranks = content,
                _ => {}
            }
        }
    }
    if let Some(checked) = checked {
        checked.known().insert(folder.to_path_buf(), look);
    }
    Ok((curve, ranks))
}

/// Whether files of a finished run are what was written; so they are where the run has no checksums, as one that was put
/// together by hand.
///
/// # Errors
/// The first that is not, or cannot be read.
pub(crate) fn check_files(folder: &Path, files: &[&str]) -> Result<(), Damage> {
    match Checksums::read(folder)? {
        Some(list) => files.iter().try_for_each(|file| list.check_file(folder, file)),
        None => Ok(()),
    }
}

/// Writes the row of a run that begins, or goes on: should the machine stop before it is on the disk, the run begins anew.
pub(crate) fn write_row_of_begun(attempt: &Path, record: &RunRecord) -> Result<(), String> {
    write_text_unflushed(&attempt.join(RECORD_FILE), &csv_text(std::slice::from_ref(record)))
}

/// Writes the row of a run that is not finished.
pub(crate) fn write_row(attempt: &Path, record: &RunRecord) -> Result<(), String> {
    write_text(&attempt.join(RECORD_FILE), &csv_text(std::slice::from_ref(record)))
}

/// Writes the row of a finished run, the checksums of all its files before it.
pub(crate) fn seal(attempt: &Path, record: &RunRecord) -> Result<(), String> {
    let row = csv_text(std::slice::from_ref(record));
    let mut list = Checksums::default();
    list.add(RECORD_FILE, hash(row.as_bytes()));
    let on_request: Vec<&str> = ON_REQUEST.into_iter().filter(|file| attempt.join(file).exists()).collect();
    let always = [RESOLVED_FILE, CURVE_FILE, RANKS_FILE, WEIGHTS_FILE, VOCABULARY_FILE];
    for file in always.into_iter().chain(on_request.iter().copied()) {
        let path = attempt.join(file);
        list.add(file, hash_file(&path).map_err(about(&path))?);
    }
    write_text_unflushed(&attempt.join(CHECKSUMS_FILE), &list.text())?;
    // What was not flushed when it was written; then the row, which says that all of it is there.
    flush(attempt, &[&[RESOLVED_FILE, RANKS_FILE, CHECKSUMS_FILE], &on_request[..]].concat())
        .map_err(about(attempt))?;
    write_text(&attempt.join(RECORD_FILE), &row)
}

/// Moves the files of a sealed attempt into the run's folder, the row last: from then on the run is finished. What an
/// earlier process has moved already is found there.
///
/// # Errors
/// When a file cannot be moved; or is lost, so that the run has to be trained again.
pub(crate) fn publish(folder: &Path, attempt: &Path) -> Result<(), Unpublished> {
    let moved = |file: &str| {
        let path = attempt.join(file);
        match fs::rename(&path, folder.join(file)) {
            Err(error) if error.kind() == ErrorKind::NotFound && folder.join(file).exists() && attempt.exists() => {
                Ok(())
            }
            Err(error) => Err(Unpublished::Failed(about(&path)(error))),
            Ok(()) => Ok(()),
        }
    };
    let damaged = |damage: Damage| Unpublished::Damaged(damage.to_string());
    let here = if attempt.join(CHECKSUMS_FILE).exists() { attempt } else { folder };
    let list = Checksums::read(here).map_err(damaged)?;
    let list = list.ok_or_else(|| Unpublished::Damaged(format!("{CHECKSUMS_FILE} is gone")))?;
    for file in list.files().filter(|file| *file != RECORD_FILE) {
        moved(file)?;
    }
    // Nothing is said to be finished that is not.
    for file in list.files().filter(|file| *file != RECORD_FILE) {
        list.check_file(folder, file).map_err(damaged)?;
    }
    list.check_file(attempt, RECORD_FILE).map_err(damaged)?;
    moved(CHECKSUMS_FILE)?;
    moved(RECORD_FILE)?;
    // Where folders cannot be flushed, the system will in its time.
    let _ = fs::File::open(folder).and_then(|folder| folder.sync_all());
    Ok(())
}

/// Why a sealed attempt is not in the run's folder.
pub(crate) enum Unpublished {
    /// A file cannot be moved.
    Failed(String),
    /// A file is not what was sealed.
    Damaged(String),
}

/// Whether the attempt is sealed: all that is missing is that its files are moved.
pub(crate) fn is_sealed(attempt: &Path) -> bool {
    let row = lrx_files::read(&attempt.join(RECORD_FILE)).ok();
    row.as_deref().and_then(parse_row).is_some_and(|record| record.status == Status::Finished)
}
