//! What is written, read back by a reader that shares nothing with the writer.

use std::collections::BTreeMap;

use lrx_tensorboard::{Ended, Event, Hyperparameter, record, records};

/// The fields of a message: numbers as they stand, and what has a length as its bytes.
#[derive(Debug, Clone, PartialEq)]
enum Field {
    Number(u64),
    Bytes(Vec<u8>),
}

type Message = BTreeMap<u64, Vec<Field>>;

fn varint(bytes: &mut &[u8]) -> u64 {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first().expect("a byte of a number");
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return value;
        }
    }
    panic!("a number of more than ten bytes")
}

fn read(mut bytes: &[u8]) -> Message {
    let mut message = Message::new();
    while !bytes.is_empty() {
        let key = varint(&mut bytes);
        let field = match key & 7 {
            0 => Field::Number(varint(&mut bytes)),
            kind @ (1 | 2 | 5) => {
                let length = match kind {
                    1 => 8,
                    5 => 4,
                    _ => varint(&mut bytes) as usize,
                };
                let (value, rest) = bytes.split_at(length);
                bytes = rest;
                Field::Bytes(value.to_vec())
            }
            kind => panic!("a field of kind {kind}"),
        };
        message.entry(key >> 3).or_default().push(field);
    }
    message
}

fn inner(message: &Message, field: u64) -> Vec<Message> {
    message
        .get(&field)
        .into_iter()
        .flatten()
        .map(|field| match field {
            Field::Bytes(bytes) => read(bytes),
            Field::Number(number) => panic!("{number} is no message"),
        })
        .collect()
}

fn bytes(message: &Message, field: u64) -> &[u8] {
    match &message[&field][..] {
        [Field::Bytes(bytes)] => bytes,
        other => panic!("{other:?}"),
    }
}

fn text(message: &Message, field: u64) -> &str {
    std::str::from_utf8(bytes(message, field)).unwrap()
}

fn double(message: &Message, field: u64) -> f64 {
    f64::from_le_bytes(bytes(message, field).try_into().unwrap())
}

fn float(message: &Message, field: u64) -> f32 {
    f32::from_le_bytes(bytes(message, field).try_into().unwrap())
}

/// Printed by TensorFlow's own encoder, `Event(wall_time=1e9, step=300, summary=Summary(value=[Summary.Value(
/// tag="train/loss", simple_value=3.25)])).SerializeToString().hex()`, of tensorboard 2.21's `event_pb2`.
const BY_TENSORBOARD: &str = "090000000065cdcd4110ac022a130a110a0a747261696e2f6c6f73731500005040";

/// Likewise, the content of `hparams_pb({"a": 1.0, "b": "x", "c": True}, trial_id="g", start_time_secs=5.0)` of
/// `tensorboard.plugins.hparams.summary_v2`.
const HPARAMS: &[u8] = b"\x1a/\n\x0e\n\x01a\x12\t\x11\0\0\0\0\0\0\xf0?\n\x08\n\x01b\x12\x03\x1a\x01x\n\x07\n\x01c\x12\x02 \x01\"\x01g)\0\0\0\0\0\0\x14@";

#[test]
fn an_event_is_what_the_library_writes() {
    let hex: String =
        Event::scalars(1e9, 300, &[("train/loss", 3.25)]).encode().iter().map(|b| format!("{b:02x}")).collect();
    assert_eq!(hex, BY_TENSORBOARD);
}

#[test]
fn events_read_back_as_they_were() {
    let events = [
        Event::version(7.5),
        Event::start(7.5, 0),
        Event::scalars(8.5, 3, &[("a", 0.1), ("b", f64::NAN)]),
        Event::text(9.5, 4, "samples/0", "Once ␊ há"),
    ];
    let file: Vec<u8> = events.iter().flat_map(|event| record(&event.encode())).collect();
    let read: Vec<Message> = records(&file).map(read).collect();
    assert_eq!(read.iter().map(|event| double(event, 1)).collect::<Vec<_>>(), [7.5, 7.5, 8.5, 9.5]);
    assert_eq!(records(&file).map(Event::wall_time).collect::<Vec<_>>(), [Some(7.5), Some(7.5), Some(8.5), Some(9.5)]);
    assert_eq!(text(&read[0], 3), "brain.Event:2");
    assert_eq!(inner(&read[1], 7), [Message::from([(1, vec![Field::Number(1)])])], "SessionLog.START");
    assert_eq!(read[2][&2], [Field::Number(3)]);
    let values = inner(&inner(&read[2], 5)[0], 1);
    assert_eq!((text(&values[0], 1), float(&values[0], 2)), ("a", 0.1_f32));
    assert_eq!(text(&values[1], 1), "b");
    assert!(float(&values[1], 2).is_nan());
    let value = &inner(&inner(&read[3], 5)[0], 1)[0];
    let tensor = &inner(value, 8)[0];
    assert_eq!((tensor[&1].as_slice(), text(tensor, 8)), (&[Field::Number(7)][..], "Once ␊ há"));
    assert_eq!(text(&inner(&inner(value, 9)[0], 1)[0], 1), "text");
}

#[test]
fn hyperparameters_are_what_the_plugin_reads() {
    let values = [
        ("model.hidden".to_string(), Hyperparameter::Number(64.0)),
        ("model.attention.kind".to_string(), Hyperparameter::Text("low-rank".into())),
        ("data.shuffle".to_string(), Hyperparameter::Truth(true)),
    ];
    let content = |event: &Event, tag: &str| {
        let value = inner(&inner(&read(&event.encode()), 5)[0], 1)[0].clone();
        assert_eq!(text(&value, 1), tag);
        let data = inner(&inner(&value, 9)[0], 1)[0].clone();
        assert_eq!(text(&data, 1), "hparams");
        inner(&data, 2)[0].clone()
    };
    let start =
        inner(&content(&Event::hyperparameters(5.0, "g", &values), "_hparams_/session_start_info"), 3)[0].clone();
    assert_eq!((text(&start, 4), double(&start, 5)), ("g", 5.0));
    let entries = inner(&start, 1);
    let value = |i: usize| (text(&entries[i], 1).to_string(), inner(&entries[i], 2)[0].clone());
    assert_eq!((value(0).0, double(&value(0).1, 2)), ("model.hidden".to_string(), 64.0));
    assert_eq!((value(1).0, text(&value(1).1, 3)), ("model.attention.kind".to_string(), "low-rank"));
    assert_eq!(value(2), ("data.shuffle".to_string(), Message::from([(4, vec![Field::Number(1)])])));
    let short = [
        ("a", Hyperparameter::Number(1.0)),
        ("b", Hyperparameter::Text("x".into())),
        ("c", Hyperparameter::Truth(true)),
    ];
    let short = short.map(|(name, value)| (name.to_string(), value));
    let encoded = Event::hyperparameters(5.0, "g", &short).encode();
    assert!(encoded.windows(HPARAMS.len()).any(|part| part == HPARAMS), "{encoded:?}");
    for (ended, status) in [(Ended::Success, 1), (Ended::Failure, 2)] {
        let end = inner(&content(&Event::end(6.0, ended), "_hparams_/session_end_info"), 4)[0].clone();
        assert_eq!((&end[&1][..], double(&end, 2)), (&[Field::Number(status)][..], 6.0));
    }
}
