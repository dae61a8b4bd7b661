//! `lrx export --tensorboard`

use std::path::Path;
use std::process::ExitCode;
use std::time::UNIX_EPOCH;

use lrx_files::write_unflushed;
use lrx_records::{CurveRow, SampleRow, Status, parse_rows};
use lrx_tensorboard::Ended;
use lrx_train::CURVE_FILE;
use toml::Table;

use crate::events::{Head, began, hyperparameters};
use crate::failure::Failure;
use crate::find::{find_folders, is_run};
use crate::listed::{Listed, file_of, listed, listed_run};
use crate::results::{EVENTS_FILE, RESOLVED_FILE, SAMPLES_FILE, about};
use crate::runs::{Run, State, read_run};
use crate::terminal::{say, tell};

/// Writes the event files of `runs` in `out`, or of all that are there, into the folder `dir`.
///
/// # Errors
/// When a run is not there, or a file cannot be written.
pub(super) fn export_tensorboard(dir: &Path, runs: &[String], out: &Path) -> Result<ExitCode, Failure> {
    let mut chosen: Vec<Listed> = Vec::new();
    if runs.is_empty() {
        if !out.is_dir() {
            return Err(Failure::Usage(format!("{}: there is no such folder", out.display())));
        }
        // Rows of tables of other origin have no curves.
        chosen = listed(out).map_err(Failure::Failed)?;
        chosen.retain(|run| run.folder.is_some());
    }
    for run in runs {
        let folders = find_folders(run, out).map_err(Failure::Usage)?;
        chosen.extend(folders.iter().filter_map(|folder| listed_run(folder)));
    }
    let place = |run: &Listed| dir.join(&run.experiment).join(&run.record.run_id);
    if let Some(own) = chosen.iter().map(place).find(|place| is_run(place)) {
        return Err(Failure::Usage(format!(
            "{}: a run lies there, and its event file is its own; give a folder that has no runs",
            own.display()
        )));
    }
    let (mut written, mut empty, mut damaged) = (0, 0, 0);
    for run in &chosen {
        let Some(folder) = &run.folder else { continue };
        let file = match event_file(run, folder) {
            Ok(Some(file)) => file,
            Ok(None) => {
                empty += 1;
                continue;
            }
            Err(why) => {
                damaged += 1;
                tell!("error: left out: {}: {why}", folder.display());
                continue;
            }
        };
        let place = place(run);
        std::fs::create_dir_all(&place).map_err(|error| Failure::Failed(about(&place)(error)))?;
        let path = place.join(EVENTS_FILE);
        write_unflushed(&path, &file).map_err(|error| Failure::Failed(about(&path)(error)))?;
        written += 1;
    }
    let s = if written == 1 { "" } else { "s" };
    let without = if empty > 0 { format!("; {empty} without a curve yet") } else { String::new() };
    say!("{}: {written} run{s}{without}; tensorboard --logdir {0} shows them", dir.display());
    Ok(if damaged == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The event file of a run; none where it has no curve yet.
fn event_file(run: &Listed, folder: &Path) -> Result<Option<Vec<u8>>, String> {
    let Run { state, curve, .. } = read_run(folder, None);
    let ended = match state {
        State::Damaged(why) | State::Unreadable(why) => return Err(why),
        State::Finished(_) => Some(Ended::Success),
        State::Failed(record) if record.status == Status::Diverged => Some(Ended::Failure),
        State::New | State::Running(_) | State::Failed(_) => None,
    };
    let place = |file: &str| file_of(folder, file);
    let whole = curve.iter().rposition(|byte| *byte == b'\n').map_or(0, |newline| newline + 1);
    let rows: Vec<CurveRow> = parse_rows(&curve[..whole], Path::new(CURVE_FILE)).map_err(|error| error.to_string())?;
    if rows.is_empty() {
        return Ok(None);
    }
    let samples = lrx_files::read(&place(SAMPLES_FILE)).unwrap_or_default();
    // A text that is just being written is not whole; nor is one beyond the curve of a run that is to be cut back.
    let samples: Vec<SampleRow> = parse_rows(&samples, Path::new(SAMPLES_FILE)).unwrap_or_default();
    let resolved = place(RESOLVED_FILE);
    let resolved = lrx_files::read_to_string(&resolved).map_err(about(&resolved))?;
    let resolved: Table = resolved.parse().map_err(|error: toml::de::Error| error.message().to_string())?;
    let live = lrx_files::read(&place(EVENTS_FILE)).ok().and_then(|file| began(&file));
    let head = Head {
        began: live.unwrap_or_else(|| began_by_curve(&place(CURVE_FILE), &rows)),
        group: run.record.configuration.clone(),
        hyperparameters: hyperparameters(&resolved),
    };
    Ok(Some(head.file(&rows, &samples, ended)))
}

/// When a run began, as its curve was last written to then; interruptions are taken for none.
fn began_by_curve(path: &Path, rows: &[CurveRow]) -> f64 {
    let written = std::fs::metadata(path).and_then(|file| file.modified()).ok();
    let written = written.and_then(|time| time.duration_since(UNIX_EPOCH).ok()).map_or(0.0, |time| time.as_secs_f64());
    let elapsed = rows.last().and_then(|row| row.elapsed_seconds).unwrap_or(0.0);
    (written - elapsed).max(0.0)
}
