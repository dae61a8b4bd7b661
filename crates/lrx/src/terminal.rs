//! Text to the terminal, or to whatever stands in its place: a reader that has gone away, as in `lrx plan … | head`, must
//! not end a run, nor be told of.

use std::fmt::Arguments;
use std::io::{self, ErrorKind, Write};

/// Prints a line to standard output.
macro_rules! say {
    ($($text:tt)*) => { $crate::terminal::write_out(format_args!("{}\n", format_args!($($text)*))) };
}

/// Prints a line to standard error.
macro_rules! tell {
    ($($text:tt)*) => { $crate::terminal::write_error(format_args!("{}\n", format_args!($($text)*))) };
}

pub(crate) use {say, tell};

/// Writes to standard output. Where that fails, on a full disk say, the process ends with exit code 1: results are
/// written before anything is said of them.
pub(crate) fn write_out(text: Arguments<'_>) {
    let mut stdout = io::stdout().lock();
    match stdout.write_fmt(text).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            write_error(format_args!("error: cannot write to standard output: {error}\n"));
            std::process::exit(1);
        }
        _ => {}
    }
}

/// Writes to standard error, as far as that is possible: there is nowhere to say that it is not.
pub(crate) fn write_error(text: Arguments<'_>) {
    let _ = io::stderr().lock().write_fmt(text);
}
