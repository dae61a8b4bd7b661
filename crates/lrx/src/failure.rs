//! Why a command ended early.

use std::process::ExitCode;

use crate::terminal::tell;

/// Why a command ended early, in words for the user.
pub(crate) enum Failure {
    /// The user's mistake: exit code 2.
    Usage(String),
    /// Something that went wrong on the way: exit code 1.
    Failed(String),
    /// A signal that came before the first run had begun: its exit code.
    Stopped(u8),
}

impl Failure {
    /// Says it, and gives the exit code that goes with it.
    pub(crate) fn told(&self) -> ExitCode {
        let (message, code) = match self {
            Self::Usage(message) => (message, 2),
            Self::Failed(message) => (message, 1),
            Self::Stopped(code) => return ExitCode::from(*code),
        };
        let prefix = if message.starts_with("error:") { "" } else { "error: " };
        tell!("{prefix}{}", message.trim_end());
        ExitCode::from(code)
    }
}
