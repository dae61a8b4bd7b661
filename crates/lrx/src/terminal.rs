//! Text to the terminal, or to whatever stands in its place: a reader that has gone away, as in `lrx plan … | head`, must
//! not end a run, nor be told of; and a label that holds the terminal's own commands must not command it.

use std::borrow::Cow;
use std::fmt::Arguments;
use std::io::{self, ErrorKind, IsTerminal, Write};

/// Prints a line to standard output.
macro_rules! say {
    ($($text:tt)*) => { $crate::terminal::write_out(format_args!("{}\n", format_args!($($text)*))) };
}

/// Prints a line to standard error.
macro_rules! tell {
    ($($text:tt)*) => { $crate::terminal::write_error(format_args!("{}\n", format_args!($($text)*))) };
}

pub(crate) use {say, tell};

/// Writes what a person reads to standard output. Where that fails, on a full disk say, the process ends with exit code
/// 1: results are written before anything is said of them.
pub(crate) fn write_out(text: Arguments<'_>) {
    put(visible(&text.to_string()).as_bytes());
}

/// Writes what a program reads to standard output, byte for byte as it is, unless a terminal is there.
pub(crate) fn write_data(text: &str) {
    let text = if io::stdout().is_terminal() { visible(text) } else { Cow::Borrowed(text) };
    put(text.as_bytes());
}

fn put(bytes: &[u8]) {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            write_error(format_args!("error: cannot write to standard output: {error}\n"));
            std::process::exit(1);
        }
        _ => {}
    }
}

/// Writes to standard error, as far as that is possible: there is nowhere to say that it is not.
pub(crate) fn write_error(text: Arguments<'_>) {
    let _ = io::stderr().lock().write_all(visible(&text.to_string()).as_bytes());
}

/// The text with pictures in the place of characters that a terminal obeys instead of showing them, `␛` for an escape and
/// `␀` for a zero byte: control characters but line breaks and tabs, and those that turn the direction of writing, which
/// have no picture and become `�`.
pub(crate) fn visible(text: &str) -> Cow<'_, str> {
    let turns = |c: char| matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let obeyed = |c: char| (c.is_control() && !matches!(c, '\n' | '\t')) || turns(c);
    if !text.contains(obeyed) {
        return Cow::Borrowed(text);
    }
    let show = |c: char| match c {
        '\n' | '\t' => c,
        '\0'..='\x1f' => char::from_u32(0x2400 + c as u32).unwrap_or('\u{fffd}'),
        '\x7f' => '␡',
        c if obeyed(c) => '\u{fffd}',
        c => c,
    };
    Cow::Owned(text.chars().map(show).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_obeys_is_shown_and_the_rest_is_as_it_was() {
        assert_eq!(visible("a\u{1b}[2Jb\0\u{7f}\r\n\u{9b}\u{202e}"), "a␛[2Jb␀␡␍\n\u{fffd}\u{fffd}");
        let harmless = "Größe 3 × 4\n\t“ü” 漢字 🦀";
        assert!(matches!(visible(harmless), Cow::Borrowed(text) if text == harmless));
    }
}
