//! Stories as token ids, in one block of bytes: a cached file or memory.

use std::ops::Range;
use std::sync::Arc;

use rayon::prelude::*;
use serde::Serialize;

use crate::cache::{Bytes, Cache, Entry, Writer};
use crate::error::DataError;
use crate::progress::Progress;
use crate::source::{Source, SourceIdentity, StoryReader};
use crate::tokenizer::{Facts, Tokenizer};

/// To be raised whenever what is stored for the same key changes.
const FORMAT: u32 = 1;
/// Text that each thread has to tokenise between two reports of progress.
const CHUNK_PER_THREAD: usize = 1 << 17;

/// The ids of many stories end to end, and where each begins.
#[derive(Clone)]
pub(crate) struct Store {
    bytes: Arc<Bytes>,
    ids: Range<usize>,
    /// The first id of each story, and behind them the number of ids: 8 bytes each, little endian.
    offsets: Range<usize>,
    width: Width,
}

/// How many bytes an id takes, little endian.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Width {
    Two,
    Four,
}

impl Width {
    /// The least that holds each id of a vocabulary.
    fn of(vocabulary: usize) -> Self {
        if vocabulary <= 1 << 16 { Self::Two } else { Self::Four }
    }

    fn bytes(self) -> usize {
        match self {
            Self::Two => 2,
            Self::Four => 4,
        }
    }

    fn append(self, ids: &[u32], bytes: &mut Vec<u8>) {
        match self {
            Self::Two => bytes.extend(ids.iter().flat_map(|id| {
                let id = u16::try_from(*id).expect("an id lies below the size of its vocabulary");
                id.to_le_bytes()
            })),
            Self::Four => bytes.extend(ids.iter().flat_map(|id| id.to_le_bytes())),
        }
    }
}

impl Store {
    /// A store in memory.
    pub(crate) fn from_ids<I: AsRef<[u32]>>(stories: impl IntoIterator<Item = I>) -> Self {
        let (mut ids, mut offsets) = (Vec::new(), vec![0_u8; 8]);
        for story in stories {
            Width::Four.append(story.as_ref(), &mut ids);
            offsets.extend((ids.len() as u64 / 4).to_le_bytes());
        }
        let split = ids.len();
        ids.append(&mut offsets);
        let end = ids.len();
        Self { bytes: Arc::new(Box::new(ids)), ids: 0..split, offsets: split..end, width: Width::Four }
    }

    /// The number of stories.
    pub(crate) fn len(&self) -> usize {
        self.offsets.len() / 8 - 1
    }

    /// The number of tokens of story `i`.
    pub(crate) fn tokens(&self, i: usize) -> usize {
        self.story(i).len()
    }

    /// Which ids of the store are those of story `i`.
    fn story(&self, i: usize) -> Range<usize> {
        let offset = |i: usize| {
            let (bytes, _) = self.all()[self.offsets.clone()][8 * i..].split_first_chunk().expect("story in range");
            u64::from_le_bytes(*bytes) as usize
        };
        offset(i)..offset(i + 1)
    }

    /// Appends the first ids of story `i`, `limit` at most, each as `number` has it.
    pub(crate) fn append(&self, i: usize, limit: usize, number: impl Fn(u32) -> u32, ids: &mut Vec<u32>) {
        let Range { start, end } = self.story(i);
        let width = self.width.bytes();
        let bytes = &self.all()[self.ids.clone()][width * start..width * end.min(start.saturating_add(limit))];
        match self.width {
            Width::Two => ids.extend(bytes.as_chunks().0.iter().map(|id| number(u16::from_le_bytes(*id).into()))),
            Width::Four => ids.extend(bytes.as_chunks().0.iter().map(|id| number(u32::from_le_bytes(*id)))),
        }
    }

    fn all(&self) -> &[u8] {
        (**self.bytes).as_ref()
    }
}

/// A store and what else was found out when its stories were tokenised.
pub(crate) struct Tokenized {
    pub(crate) store: Store,
    /// The ids that occur, ascending.
    pub(crate) used: Vec<u32>,
    pub(crate) facts: Facts,
}

/// What a tokenised source depends on.
#[derive(Serialize)]
struct Key<'a> {
    format: u32,
    source: SourceIdentity<'a>,
    tokenizer: &'a str,
    end_of_text: bool,
}

/// The stories of `source` as ids of `tokenizer`: from the cache, else tokenised and put there.
pub(crate) fn tokenize(
    source: &Source,
    tokenizer: &Tokenizer,
    end_of_text: bool,
    cache: &Cache,
    progress: &dyn Progress,
) -> Result<Tokenized, DataError> {
    let key = Key { format: FORMAT, source: source.identity(), tokenizer: tokenizer.hash(), end_of_text };
    let key = serde_json::to_string(&key).expect("a key is plain data");
    let entry = cache.open_or_build("tokens", &key, |writer| {
        let mut reader = source.open()?;
        let (total, unit) = reader.total();
        progress.start(&format!("tokenize {}", source.name()), total, unit);
        let result = build(source, &mut reader, tokenizer, end_of_text, writer, progress);
        progress.finish();
        result?;
        reader.verify()
    })?;
    open(&entry).ok_or_else(|| DataError::new(format!("the data cache of {} is not as it should be", source.name())))
}

fn open(entry: &Entry) -> Option<Tokenized> {
    let facts: Facts = serde_json::from_slice(entry.section(3)).ok()?;
    let store =
        Store { bytes: entry.bytes(), ids: entry.range(0), offsets: entry.range(1), width: Width::of(facts.size) };
    let used = entry.section(2).as_chunks().0.iter().map(|id| u32::from_le_bytes(*id)).collect();
    Some(Tokenized { store, used, facts })
}

fn build(
    source: &Source,
    reader: &mut StoryReader,
    tokenizer: &Tokenizer,
    end_of_text: bool,
    writer: &mut Writer,
    progress: &dyn Progress,
) -> Result<(), DataError> {
    let facts = tokenizer.facts()?;
    let appended = match facts.end_of_text {
        _ if !end_of_text => None,
        Some(id) => Some(id),
        None => return Err(DataError::at("end_of_text", "end_of_text = true, but the tokenizer has no such token")),
    };
    let width = Width::of(facts.size);
    let encode = tokenizer.encoder()?;
    let mut used = vec![false; facts.size];
    let mut offsets = 0_u64.to_le_bytes().to_vec();
    let (mut count, mut position) = (0, 0);
    let mut bytes = Vec::new();
    loop {
        let chunk = read_chunk(reader, CHUNK_PER_THREAD * rayon::current_num_threads())?;
        if chunk.is_empty() {
            break;
        }
        let encoded = chunk.par_iter().map(|story| encode(story)).collect::<Result<Vec<_>, _>>()?;
        bytes.clear();
        for mut ids in encoded {
            ids.extend(appended);
            ids.iter().for_each(|id| used[*id as usize] = true);
            width.append(&ids, &mut bytes);
            count += ids.len() as u64;
            offsets.extend(count.to_le_bytes());
        }
        writer.write(&bytes)?;
        progress.advance(reader.done() - position);
        position = reader.done();
    }
    if offsets.len() == 8 {
        return Err(source.error(" holds no story"));
    }
    writer.end_section();
    writer.write(&offsets)?;
    writer.end_section();
    for id in (0..).zip(&used).filter_map(|(id, used): (u32, _)| used.then_some(id)) {
        writer.write(&id.to_le_bytes())?;
    }
    writer.end_section();
    writer.write(&serde_json::to_vec(&facts).expect("facts are plain data"))?;
    writer.end_section();
    Ok(())
}

/// The next stories, about `size` bytes of them; none at the end.
fn read_chunk(reader: &mut StoryReader, size: usize) -> Result<Vec<String>, DataError> {
    let (mut chunk, mut length) = (Vec::new(), 0);
    while length < size {
        let Some(story) = reader.next().transpose()? else { break };
        length += story.len();
        chunk.push(story);
    }
    Ok(chunk)
}
