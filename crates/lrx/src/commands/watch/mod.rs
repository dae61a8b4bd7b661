//! `lrx watch`
//!
//! ```text
//! sweep   what there is to see: every run, how far it is, how long all will take
//! choice  what of it is shown: order, filter, the run that the cursor is on
//! keys    what a key does
//! view    draws it
//! screen  the terminal: reads, draws and listens until it is enough
//! ```

mod choice;
mod keys;
mod screen;
mod sweep;
mod view;

use std::io::{self, IsTerminal};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, value_parser};
use lrx_spec::hint;

use self::sweep::{Seen, Sweep};
use super::plan::table::columns;
use crate::failure::Failure;
use crate::terminal::say;
use crate::threads::use_threads;

/// `lrx watch`
#[derive(Args)]
#[command(after_help = "\
Runs that the last `lrx run` of a folder has set out to train are shown before they begin. The time left is what there is still to
compute over the speed of all processes that train now; it says nothing of processes that are still to come. Memory is that of processes
on this machine.

Keys: ↑ ↓ PgUp PgDn Home End  another run     Enter, Esc  open it, back     s S  sort by the next or last column     r  the other way
      / 'low-rank', '/ eval_loss<4'  filter by text or by a condition of `lrx list --where`     ?  all keys     q  end

  lrx watch results/zoo-mlp
  lrx watch results/zoo-mlp/tune            what `lrx tune` trains
  lrx watch --once results/zoo-mlp          print it once, for a log")]
pub(crate) struct WatchArgs {
    /// Folders of experiments, or folders that hold such
    #[arg(value_name = "DIR", default_value = "results")]
    dirs: Vec<PathBuf>,
    /// Seconds between looks; more where one takes long
    #[arg(long, value_name = "SECONDS", default_value_t = 2, value_parser = value_parser!(u64).range(1..=86_400))]
    every: u64,
    /// Print one picture and end: what is done where no terminal is there
    #[arg(long)]
    once: bool,
}

pub(crate) fn watch(args: &WatchArgs) -> Result<ExitCode, Failure> {
    if let Some(missing) = args.dirs.iter().find(|dir| !dir.is_dir()) {
        return Err(Failure::Usage(format!("{}: there is no such folder{}", missing.display(), hint(missing))));
    }
    // Folders of runs are read on all cores.
    use_threads(None)?;
    if args.once || !io::stdout().is_terminal() || !io::stdin().is_terminal() {
        let sweep = Sweep::read(&args.dirs, &mut Seen::default()).map_err(Failure::Failed)?;
        say!("{}", view::still(&sweep, columns()));
        return Ok(ExitCode::SUCCESS);
    }
    let ended = screen::show(&args.dirs, Duration::from_secs(args.every))
        .map_err(|error| Failure::Failed(format!("the terminal: {error}")))?;
    Ok(ended.and_then(|signal| u8::try_from(128 + signal).ok()).map_or(ExitCode::SUCCESS, ExitCode::from))
}
