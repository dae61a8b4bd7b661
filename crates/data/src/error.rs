//! What can go wrong between a config and its batches.

/// An error in the data or in its configuration: one sentence for whoever wrote them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct DataError {
    cause: Cause,
    message: String,
}

/// Who can put an error right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cause {
    /// Whoever wrote this key of `[data]`, or what it names.
    Key(&'static str),
    /// Whoever keeps the machine.
    Machine,
    /// Nobody has to: the work was to stop.
    Stopped,
}

impl DataError {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { cause: Cause::Machine, message: message.into() }
    }

    /// An error to be put right at `key` of `[data]`.
    pub(crate) fn at(key: &'static str, message: impl Into<String>) -> Self {
        Self { cause: Cause::Key(key), message: message.into() }
    }

    /// The work was to stop before it was done.
    pub(crate) fn stopped() -> Self {
        Self { cause: Cause::Stopped, message: "stopped while stories were being prepared".to_owned() }
    }

    /// The key under `[data]` that has to change, such as `"train"`; none where no key is at fault.
    pub fn key(&self) -> Option<&'static str> {
        match self.cause {
            Cause::Key(key) => Some(key),
            Cause::Machine | Cause::Stopped => None,
        }
    }

    /// Whether nothing is wrong and the work was only asked to stop, by [`Progress::stopped`](crate::Progress::stopped).
    pub fn is_stopped(&self) -> bool {
        self.cause == Cause::Stopped
    }
}
