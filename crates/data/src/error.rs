//! What can go wrong between a config and its batches.

/// An error in the data or in its configuration: one sentence for whoever wrote them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct DataError {
    key: Option<&'static str>,
    message: String,
}

impl DataError {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { key: None, message: message.into() }
    }

    /// An error to be put right at `key` of `[data]`.
    pub(crate) fn at(key: &'static str, message: impl Into<String>) -> Self {
        Self { key: Some(key), message: message.into() }
    }

    /// The key under `[data]` that has to change, such as `"train"`; none where no key is at fault.
    pub fn key(&self) -> Option<&'static str> {
        self.key
    }
}
