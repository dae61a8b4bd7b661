//! `lrx completions`

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use clap_complete::Shell;

use crate::failure::Failure;
use crate::terminal::write_data;

/// `lrx completions`
#[derive(Args)]
#[command(after_help = "For bash, in ~/.bashrc:  source <(lrx completions bash)")]
pub(crate) struct CompletionsArgs {
    /// Which shell
    shell: Shell,
}

/// Prints what `shell` needs to complete the arguments of `command`.
pub(crate) fn completions(args: &CompletionsArgs, mut command: clap::Command) -> Result<ExitCode, Failure> {
    // Into memory first: written at once, it may go to a reader that has gone away.
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut command, binary_name(), &mut script);
    write_data(&String::from_utf8_lossy(&script));
    Ok(ExitCode::SUCCESS)
}

/// What this program is called: not `lrx` where others have built it with kinds of their own.
fn binary_name() -> String {
    let path = std::env::args_os().next().map(PathBuf::from);
    path.as_deref().and_then(Path::file_stem).map_or("lrx".into(), |name| name.to_string_lossy().into_owned())
}
