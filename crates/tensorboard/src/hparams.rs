//! Hyperparameters, as TensorBoard's plugin `hparams` has them (its `plugin_data.proto`).

use crate::event::{FLOAT, plugin_value, shape};
use crate::wire::Message;

const PLUGIN: &str = "hparams";

/// The value of a hyperparameter.
#[derive(Clone, Debug, PartialEq)]
pub enum Hyperparameter {
    /// A number.
    Number(f64),
    /// A text.
    Text(String),
    /// Yes or no.
    Truth(bool),
}

/// How a run has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// As it should.
    Success,
    /// It has failed.
    Failure,
}

/// The value of a summary that a run begins with.
pub(crate) fn start(wall_time: f64, group: &str, values: &[(String, Hyperparameter)]) -> Message {
    let info = values.iter().fold(Message::default(), |info, (name, value)| {
        // An entry of a map: a key, and a `google.protobuf.Value`.
        let value = match value {
            Hyperparameter::Number(number) => Message::default().double(2, *number),
            Hyperparameter::Text(text) => Message::default().text(3, text),
            Hyperparameter::Truth(truth) => Message::default().integer(4, u64::from(*truth)),
        };
        info.message(1, &Message::default().text(1, name).message(2, &value))
    });
    let info = info.text(4, group).double(5, wall_time);
    value("_hparams_/session_start_info", 3, &info)
}

/// The value of a summary that a run ends with.
pub(crate) fn end(wall_time: f64, ended: Ended) -> Message {
    let status = match ended {
        Ended::Success => 1,
        Ended::Failure => 2,
    };
    value("_hparams_/session_end_info", 4, &Message::default().integer(1, status).double(2, wall_time))
}

fn value(tag: &str, field: u64, info: &Message) -> Message {
    // The plugin looks at its own data only; a value has to have a tensor all the same.
    let nothing = Message::default().integer(1, FLOAT).message(2, &shape(0));
    plugin_value(tag, PLUGIN, &Message::default().message(field, info), &nothing)
}
