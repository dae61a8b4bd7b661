//! Event files as TensorBoard reads them, and as W&B, Aim and others import them: scalars, texts and hyperparameters.
//!
//! ```text
//! wire      Protocol Buffers' wire format, as far as events need it
//! event     what happened: an Event of TensorFlow's `event.proto`
//! hparams   hyperparameters, as the plugin of that name has them
//! crc       CRC-32C, masked
//! record    the framing of a file, TFRecord: length, checksum, content, checksum
//! ```
//!
//! The messages are written by hand. There are nine of them, of few fields each, which have not changed since 2019; a library
//! would bring generated code for all of TensorFlow's, or a build step with a compiler of its own. What is written is read back
//! in the tests by a reader that shares nothing with the writer, and by TensorBoard's own (`tests/parity/tensorboard_events.py`).
//!
//! ```
//! use lrx_tensorboard::{Event, record};
//!
//! let mut file = record(&Event::version(1e9).encode());
//! file.extend(record(&Event::scalars(1e9 + 2.5, 10, &[("train/loss", 3.25)]).encode()));
//! std::fs::write(tempfile::tempdir()?.path().join("events.out.tfevents.1000000000.host"), file)?;
//! # Ok::<(), std::io::Error>(())
//! ```

mod crc;
mod event;
mod hparams;
mod record;
mod wire;

pub use crc::{crc32c, masked_crc32c};
pub use event::Event;
pub use hparams::{Ended, Hyperparameter};
pub use record::{record, records};
