//! What happened, and when: TensorFlow's `event.proto` and `summary.proto`.

use crate::hparams::{self, Ended, Hyperparameter};
use crate::wire::Message;

/// The fields of an `Event`.
const WALL_TIME: u64 = 1;
const STEP: u64 = 2;
const FILE_VERSION: u64 = 3;
const SUMMARY: u64 = 5;
const SESSION_LOG: u64 = 7;

/// The values of a `DataType`.
pub(crate) const FLOAT: u64 = 1;
const STRING: u64 = 7;

/// An event: when it was, in seconds since 1970, and after how many steps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event(Message);

impl Event {
    fn at(wall_time: f64, step: u64) -> Message {
        let message = Message::default().double(WALL_TIME, wall_time);
        if step == 0 { message } else { message.integer(STEP, step) }
    }

    fn summary(wall_time: f64, step: u64, values: impl IntoIterator<Item = Message>) -> Self {
        let summary = values.into_iter().fold(Message::default(), |summary, value| summary.message(1, &value));
        Self(Self::at(wall_time, step).message(SUMMARY, &summary))
    }

    /// What a file begins with.
    pub fn version(wall_time: f64) -> Self {
        Self(Self::at(wall_time, 0).text(FILE_VERSION, "brain.Event:2"))
    }

    /// What follows takes the place of all that a reader has of this run from `step` on: where a run was resumed, it may have
    /// read steps that come again.
    pub fn start(wall_time: f64, step: u64) -> Self {
        const START: u64 = 1;
        Self(Self::at(wall_time, step).message(SESSION_LOG, &Message::default().integer(1, START)))
    }

    /// Numbers by their tags, in single precision.
    pub fn scalars(wall_time: f64, step: u64, values: &[(&str, f64)]) -> Self {
        let value = |(tag, value): &(&str, f64)| Message::default().text(1, tag).float(2, *value as f32);
        Self::summary(wall_time, step, values.iter().map(value))
    }

    /// A text.
    pub fn text(wall_time: f64, step: u64, tag: &str, text: &str) -> Self {
        let tensor = Message::default().integer(1, STRING).message(2, &shape(1)).text(8, text);
        Self::summary(wall_time, step, [plugin_value(tag, "text", &Message::default(), &tensor)])
    }

    /// What a run was begun with; runs of the same `group` are repetitions of each other.
    pub fn hyperparameters(wall_time: f64, group: &str, values: &[(String, Hyperparameter)]) -> Self {
        Self::summary(wall_time, 0, [hparams::start(wall_time, group, values)])
    }

    /// How a run has ended.
    pub fn end(wall_time: f64, ended: Ended) -> Self {
        Self::summary(wall_time, 0, [hparams::end(wall_time, ended)])
    }

    /// The message.
    pub fn encode(&self) -> Vec<u8> {
        self.0.clone().encode()
    }

    /// The time of an encoded event of this crate.
    pub fn wall_time(encoded: &[u8]) -> Option<f64> {
        let (&key, rest) = encoded.split_first()?;
        let time = f64::from_le_bytes(*rest.first_chunk()?);
        (u64::from(key) == WALL_TIME << 3 | 1).then_some(time)
    }
}

/// A value of a summary that a plugin of TensorBoard's shows: with what it wants to know, and a tensor.
pub(crate) fn plugin_value(tag: &str, plugin: &str, content: &Message, tensor: &Message) -> Message {
    let data = Message::default().text(1, plugin).message(2, content);
    let metadata = Message::default().message(1, &data);
    Message::default().text(1, tag).message(8, tensor).message(9, &metadata)
}

/// A vector of so many values.
pub(crate) fn shape(size: u64) -> Message {
    let dimension = if size == 0 { Message::default() } else { Message::default().integer(1, size) };
    Message::default().message(2, &dimension)
}
