//! `lrx man`

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Command};
use clap_mangen::Man;
use lrx_files::write_unflushed;

use crate::failure::Failure;
use crate::results::about;
use crate::terminal::tell;

/// `lrx man`
#[derive(Args)]
#[command(after_help = "\
  lrx man ~/.local/share/man/man1        then: man lrx, man lrx-run, man lrx-tune, …")]
pub(crate) struct ManArgs {
    /// The folder that the pages are written to; made where it is not there
    #[arg(value_name = "DIR")]
    folder: PathBuf,
}

/// Writes a page for `command` and one for each of its commands, in section 1: `lrx.1`, `lrx-run.1` and so on.
pub(crate) fn man(args: &ManArgs, mut command: Command) -> Result<ExitCode, Failure> {
    command.build();
    fs::create_dir_all(&args.folder).map_err(about(&args.folder)).map_err(Failure::Failed)?;
    let commands: Vec<Command> = command.get_subcommands().cloned().collect();
    let pages = commands.len() + 1;
    for page in [command].into_iter().chain(commands) {
        let page = Man::new(page);
        let path = args.folder.join(page.get_filename());
        let mut text = Vec::new();
        let written = page.render(&mut text).and_then(|()| write_unflushed(&path, &text));
        written.map_err(about(&path)).map_err(Failure::Failed)?;
    }
    tell!("{}: {pages} pages", args.folder.display());
    Ok(ExitCode::SUCCESS)
}
