//! `lrx rm`

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, BufRead, IsTerminal};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use lrx_files::{clear_leftovers, folder_of};
use lrx_records::read_runs;
use lrx_train::WEIGHTS_FILE;

use crate::failure::Failure;
use crate::find::find_folders;
use crate::listed::listed_run;
use crate::progress::thousands;
use crate::runs::{Refused, current_attempt, is_claimed, look, remove, remove_weights};
use crate::tables::{Assembler, LeftOut};
use crate::terminal::{say, tell, visible, write_error};
use crate::threads::use_threads;

/// `lrx rm`
#[derive(Args)]
#[command(after_help = "\
  lrx rm medsa-medmlp-4l-s0-i9c                            asks first
  lrx list --where state=diverged --ids | xargs lrx rm --yes
  lrx rm --weights RUN                                     the weights alone; its rows, curve and figures stay

A run that a process works on is left alone (exit code 1), as is one whose owner on another machine still renews its claim. The
experiment's tables are written anew. `lrx run` of the config trains a deleted run again, to the same numbers.")]
pub(crate) struct RmArgs {
    /// Folders of runs, or run_ids in --out, or beginnings of them or of their hashes
    #[arg(value_name = "RUN", required = true)]
    runs: Vec<String>,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
    /// Only the weights of finished runs
    #[arg(long)]
    weights: bool,
    /// Where runs are looked for
    #[arg(long, value_name = "DIR", default_value = "results")]
    out: PathBuf,
}

/// A run that is to go.
struct Doomed {
    folder: PathBuf,
    bytes: u64,
}

pub(crate) fn rm(args: &RmArgs) -> Result<ExitCode, Failure> {
    let doomed = doomed(args)?;
    for run in &doomed {
        say!("{}", described(run));
    }
    let all: u64 = doomed.iter().map(|run| run.bytes).sum();
    let what = if args.weights { "the weights of " } else { "" };
    let s = if doomed.len() == 1 { "" } else { "s" };
    let question = format!("delete {what}{} run{s}, {}?", doomed.len(), megabytes(all));
    if !args.yes && !confirmed(&question)? {
        say!("nothing was deleted");
        return Ok(ExitCode::SUCCESS);
    }
    // Tables are assembled on all cores.
    use_threads(None)?;
    let (mut experiments, mut refused, mut gone) = (BTreeSet::new(), 0, 0);
    for run in &doomed {
        let result = if args.weights {
            remove_weights(&run.folder)
        } else {
            remove(&run.folder, |by| tell!("{}: waits to see whether {by} lives", run.folder.display()))
        };
        match result {
            Ok(()) => {
                gone += 1;
                experiments.insert(folder_of(&run.folder).to_path_buf());
            }
            Err(why) => {
                refused += 1;
                match why {
                    Refused::Held(by) => tell!("error: {}: {by} works on it", run.folder.display()),
                    Refused::Usage(message) | Refused::Failed(message) => tell!("error: {message}"),
                }
            }
        }
    }
    for experiment in &experiments {
        clear_leftovers(experiment);
        if !args.weights {
            assembled(experiment)?;
        }
    }
    let s = if gone == 1 { "" } else { "s" };
    say!("{gone} run{s} deleted{}", if args.weights { ": their weights" } else { "" });
    Ok(if refused == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// All that is meant, each once: whatever is wrong with one of them, none goes.
fn doomed(args: &RmArgs) -> Result<Vec<Doomed>, Failure> {
    let mut doomed: Vec<Doomed> = Vec::new();
    let mut wrong = Vec::new();
    for run in &args.runs {
        match find_folders(run, &args.out).as_deref() {
            Ok([folder]) => {
                if let Err(why) = is_its_own(folder) {
                    wrong.push(format!("{}: {why}; nothing is deleted", folder.display()));
                } else if !doomed.iter().any(|known| known.folder == *folder) {
                    let bytes = if args.weights { length(&folder.join(WEIGHTS_FILE)) } else { size(folder) };
                    doomed.push(Doomed { folder: folder.clone(), bytes });
                }
            }
            Ok(several) => {
                let folders: Vec<String> = several.iter().map(|folder| format!("\n  {}", folder.display())).collect();
                wrong.push(format!("{run} is in several experiments; give the folder:{}", folders.concat()));
            }
            Err(message) => wrong.push(message.clone()),
        }
    }
    if args.weights {
        let has_none = doomed.iter().filter(|run| run.bytes == 0);
        wrong.extend(has_none.map(|run| format!("{}: has no {WEIGHTS_FILE}", run.folder.display())));
    }
    if wrong.is_empty() { Ok(doomed) } else { Err(Failure::Usage(wrong.join("\nerror: "))) }
}

/// Whether a folder is certainly a run's, and the run itself: what is deleted by mistake does not come back.
fn is_its_own(folder: &Path) -> Result<(), String> {
    if fs::symlink_metadata(folder).is_ok_and(|entry| entry.is_symlink()) {
        return Err("is a link; give the folder that it leads to".into());
    }
    let name = folder.file_name().map(|name| name.to_string_lossy());
    let has_row = look(folder).is_some_and(|row| name.as_deref() == Some(row.run_id.as_str()));
    // Begun, and not yet so far as to have a row.
    let is_begun = || current_attempt(folder).ok().flatten().is_some_and(|attempt| attempt.join("owner").is_file());
    if has_row || is_begun() { Ok(()) } else { Err("has no row of a run of that name".into()) }
}

/// `MedSA seed 0, of zoo: finished, 12 MB  results/zoo/medsa…`
fn described(run: &Doomed) -> String {
    let folder = run.folder.display();
    let held = is_claimed(&run.folder).map(|by| format!(" ({by} works on it: it stays)")).unwrap_or_default();
    match listed_run(&run.folder) {
        None => format!("{folder}{held}"),
        Some(listed) => {
            let seed = listed.record.seed.map(|seed| format!(" seed {seed}")).unwrap_or_default();
            let (label, experiment) = (visible(&listed.record.label), visible(&listed.experiment));
            format!(
                "{label}{seed}, of {experiment}: {}, {}{held}  {folder}",
                listed.condition.word(),
                megabytes(run.bytes)
            )
        }
    }
}

fn megabytes(bytes: u64) -> String {
    match bytes {
        0..1_000_000 => format!("{} kB", thousands((bytes as f64 / 1e3).ceil())),
        _ => format!("{} MB", thousands(bytes as f64 / 1e6)),
    }
}

fn length(file: &Path) -> u64 {
    fs::metadata(file).map_or(0, |file| file.len())
}

/// Bytes of all files in a run's folder.
fn size(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| if entry.path().is_dir() { size(&entry.path()) } else { length(&entry.path()) }).sum()
}

/// Whether the user wants it.
///
/// # Errors
/// Where nobody can be asked.
fn confirmed(question: &str) -> Result<bool, Failure> {
    if !io::stdin().is_terminal() {
        return Err(Failure::Usage(format!("{question} Nobody is there to answer; --yes does")));
    }
    write_error(format_args!("{question} [y/N] "));
    let mut answer = String::new();
    let read = io::stdin().lock().read_line(&mut answer);
    Ok(read.is_ok() && matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
}

/// Writes the tables of an experiment anew, its runs in the order that they have.
fn assembled(experiment: &Path) -> Result<(), Failure> {
    let order: Vec<String> = read_runs(&experiment.join("runs.csv"))
        .map(|rows| rows.into_iter().map(|row| row.run_id).collect())
        .unwrap_or_default();
    let left_out = Assembler::default().assemble_thoroughly(experiment, &order).map_err(Failure::Failed)?;
    for LeftOut { run_id, why } in &left_out {
        tell!("left out of the tables: {}: {why}", experiment.join(run_id).display());
    }
    Ok(())
}
