//! What a file holds, read through the program that packed it; and what grows beyond measure on the way.

use std::io::{self, BufRead, BufReader, Read};

use flate2::bufread::MultiGzDecoder;
use zstd::stream::read::Decoder;

use super::form::Packing;

/// So much may come out of any file, however small.
const ALWAYS: u64 = 16 << 20;
/// And then so many bytes for each that went in. Text is packed to a quarter, to a hundredth where it repeats itself; what
/// is made to fill a machine's memory or time, to a thousandth and less.
const MOST_TIMES: u64 = 200;
/// Bytes of the file that are read at once.
const RAW: usize = 1 << 16;

/// An error for what came out of so many bytes of a file, if that is out of all proportion.
pub(super) fn check_growth(out: u64, of: u64) -> Result<(), String> {
    if out <= ALWAYS.max(of.saturating_mul(MOST_TIMES)) {
        return Ok(());
    }
    Err(format!(
        " holds more than {MOST_TIMES} times its size when it is unpacked ({} MB of {of} bytes): not read any further; if that \
         is meant, unpack it first",
        out >> 20
    ))
}

/// The most that may come out of `of` bytes.
pub(super) fn most_from(of: usize) -> usize {
    usize::try_from(ALWAYS.max((of as u64).saturating_mul(MOST_TIMES))).unwrap_or(usize::MAX)
}

/// What a file holds.
pub(super) enum Unpacked<R: Read> {
    /// Itself.
    Plain(Counted<R>),
    /// What `gzip` packed, also in several parts, as `pigz` and `cat` make it.
    Gzip(Box<MultiGzDecoder<Counted<R>>>, u64),
    /// What `zstd` packed.
    Zstd(Decoder<'static, Counted<R>>, u64),
}

impl<R: Read> Unpacked<R> {
    pub(super) fn new(input: Counted<R>, packing: Packing) -> io::Result<Self> {
        Ok(match packing {
            Packing::None => Self::Plain(input),
            Packing::Gzip => Self::Gzip(Box::new(MultiGzDecoder::new(input)), 0),
            Packing::Zstd => Self::Zstd(Decoder::with_buffer(input)?, 0),
        })
    }

    /// Bytes of the file that were read so far.
    pub(super) fn consumed(&self) -> u64 {
        match self {
            Self::Plain(input) => input.consumed,
            Self::Gzip(decoder, _) => decoder.get_ref().consumed,
            Self::Zstd(decoder, _) => decoder.get_ref().consumed,
        }
    }

    /// The file, with what is left of it.
    pub(super) fn into_inner(self) -> BufReader<R> {
        match self {
            Self::Plain(input) => input.inner,
            Self::Gzip(decoder, _) => decoder.into_inner().inner,
            Self::Zstd(decoder, _) => decoder.finish().inner,
        }
    }
}

impl<R: Read> Read for Unpacked<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let (name, count, out, consumed) = match self {
            Self::Plain(input) => return input.read(buffer),
            Self::Gzip(decoder, out) => ("gzip", decoder.read(buffer), out, decoder.get_ref().consumed),
            Self::Zstd(decoder, out) => {
                let count = decoder.read(buffer);
                ("zstd", count, out, decoder.get_ref().consumed)
            }
        };
        let count = count.map_err(|error| broken(name, &error, consumed))?;
        *out += count as u64;
        check_growth(*out, consumed).map_err(|message| io::Error::other(Message(format!("it{message}"))))?;
        Ok(count)
    }
}

/// What is wrong with packed data, in place of the libraries' words for it.
fn broken(name: &str, error: &io::Error, consumed: u64) -> io::Error {
    let text = error.to_string();
    let short = error.kind() == io::ErrorKind::UnexpectedEof || text.contains("incomplete frame");
    let message = if short {
        format!("the {name} data ends too early, after {consumed} bytes: the file is cut short")
    } else if text.contains("too much memory") {
        "the zstd data asks for a window of more than 128 MB; pack it with `--long=27` at most".to_owned()
    } else {
        format!("the {name} data is damaged, within the first {consumed} bytes: {text}")
    };
    io::Error::other(Message(message))
}

/// A message that is an error.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Message(String);

/// Counts what is taken out of a buffer.
pub(super) struct Counted<R> {
    inner: BufReader<R>,
    consumed: u64,
}

impl<R: Read> Counted<R> {
    pub(super) fn new(input: R) -> Self {
        Self { inner: BufReader::with_capacity(RAW, input), consumed: 0 }
    }
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.consumed += count as u64;
        Ok(count)
    }
}

impl<R: Read> BufRead for Counted<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.inner.fill_buf()
    }

    fn consume(&mut self, amount: usize) {
        self.consumed += amount as u64;
        self.inner.consume(amount);
    }
}
