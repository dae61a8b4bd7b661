//! Stories as token ids, in one block of bytes: a cached file or memory.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::cache::{Cache, Entry, Writer};
use crate::error::DataError;
use crate::progress::{Progress, check_stopped};
use crate::source::{Source, SourceIdentity, StoryReader};
use crate::tokenizer::{Facts, Tokenizer};

/// To be raised whenever what is stored for the same key changes.
const FORMAT: u32 = 2;
/// Text that each thread has to tokenise between two reports of progress.
pub(crate) const CHUNK_PER_THREAD: usize = 1 << 17;
/// Bytes of the digest of a story's text: the first of its BLAKE3.
const DIGEST: usize = 16;
/// Ids that a thread checks at once.
const CHECKED_AT_ONCE: usize = 1 << 16;

/// What is wrong with a source of more stories than their numbers can tell apart.
pub(crate) const TOO_MANY: &str = " holds more than 4,294,967,295 stories";

/// The ids of many stories end to end, and where each begins.
#[derive(Clone)]
pub(crate) struct Store {
    bytes: Arc<Vec<u8>>,
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

    fn read(self, bytes: &[u8], each: impl FnMut(u32)) {
        match self {
            Self::Two => bytes.as_chunks().0.iter().map(|id| u16::from_le_bytes(*id).into()).for_each(each),
            Self::Four => bytes.as_chunks().0.iter().map(|id| u32::from_le_bytes(*id)).for_each(each),
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
        Self { bytes: Arc::new(ids), ids: 0..split, offsets: split..end, width: Width::Four }
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
        self.offset(i) as usize..self.offset(i + 1) as usize
    }

    /// The first id of story `i`, or for their number that of ids.
    fn offset(&self, i: usize) -> u64 {
        u64::from_le_bytes(self.bytes[self.offsets.clone()].as_chunks().0[i])
    }

    /// Appends those of the `tokens` of story `i` that there are, each as `number` has it.
    pub(crate) fn append(&self, i: usize, tokens: Range<usize>, number: impl Fn(u32) -> u32, ids: &mut Vec<u32>) {
        let Range { start, end } = self.story(i);
        let width = self.width.bytes();
        let at = |token: usize| width * end.min(start.saturating_add(token));
        let bytes = &self.bytes[self.ids.clone()][at(tokens.start)..at(tokens.end)];
        self.width.read(bytes, |id| ids.push(number(id)));
    }

    /// Whether each story lies behind the one before, all within the ids.
    fn is_whole(&self) -> bool {
        let (width, ids) = (self.width.bytes(), self.ids.len());
        if !self.offsets.len().is_multiple_of(8) || self.offsets.is_empty() || !ids.is_multiple_of(width) {
            return false;
        }
        let ends = self.offset(0) == 0 && self.offset(self.len()) == (ids / width) as u64;
        ends && (0..=self.len()).is_sorted_by_key(|i| self.offset(i))
    }

    /// The ids that occur, ascending; none if one does not lie below `size`.
    fn used(&self, size: usize) -> Option<Vec<u32>> {
        let used: Vec<AtomicBool> = (0..size).map(|_| AtomicBool::new(false)).collect();
        let chunks = self.bytes[self.ids.clone()].par_chunks(CHECKED_AT_ONCE * self.width.bytes());
        let all_within = chunks.all(|ids| {
            let mut within = true;
            self.width.read(ids, |id| match used.get(id as usize) {
                // Mostly it is known already, and looking is cheaper than writing.
                Some(used) if used.load(Relaxed) => {}
                Some(used) => used.store(true, Relaxed),
                None => within = false,
            });
            within
        });
        let used = (0..).zip(&used).filter_map(|(id, used)| used.load(Relaxed).then_some(id));
        all_within.then(|| used.collect())
    }
}

/// A store and what else was found out when its stories were tokenised.
pub(crate) struct Tokenized {
    pub(crate) store: Store,
    /// The ids that occur, ascending.
    pub(crate) used: Vec<u32>,
    pub(crate) facts: Facts,
    /// Rows of the source that held no story.
    pub(crate) empty_rows: u64,
    digests: Range<usize>,
}

impl Tokenized {
    /// What tells the text of story `i` from other texts.
    pub(crate) fn digest(&self, i: usize) -> &[u8] {
        &self.store.bytes[self.digests.clone()][i * DIGEST..][..DIGEST]
    }
}

/// What a tokenised source depends on.
#[derive(Serialize)]
struct Key<'a> {
    format: u32,
    source: SourceIdentity<'a>,
    tokenizer: &'a str,
    end_of_text: bool,
}

/// What is kept beside ids, offsets and digests.
#[derive(Serialize, Deserialize)]
struct Found {
    facts: Facts,
    empty_rows: u64,
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
    cache.open_or_build("tokens", &key, progress, parse, |writer| {
        let mut reader = source.open(progress)?;
        let (total, unit) = reader.total();
        progress.start(&format!("tokenize {}", source.name()), total, unit);
        let result = build(source, &mut reader, tokenizer, end_of_text, writer, progress);
        progress.finish();
        result?;
        reader.verify()
    })
}

/// What an entry holds, if it holds what [`build`] writes: whatever follows may rely on it.
pub(crate) fn parse(entry: &Entry) -> Option<Tokenized> {
    let [ids, offsets, digests, found] = entry.sections()?;
    let Found { facts, empty_rows } = serde_json::from_slice(&entry.bytes()[found]).ok()?;
    if !facts.are_whole() {
        return None;
    }
    let store = Store { bytes: Arc::clone(entry.bytes()), ids, offsets, width: Width::of(facts.size) };
    if !store.is_whole() || store.len() == 0 || u32::try_from(store.len()).is_err() {
        return None;
    }
    if Some(digests.len()) != store.len().checked_mul(DIGEST) {
        return None;
    }
    let used = store.used(facts.size)?;
    Some(Tokenized { store, used, facts, empty_rows, digests })
}

fn build(
    source: &Source,
    reader: &mut StoryReader,
    tokenizer: &Tokenizer,
    end_of_text: bool,
    writer: &mut Writer,
    progress: &dyn Progress,
) -> Result<(), DataError> {
    let facts = tokenizer.facts()?.clone();
    let appended = match facts.end_of_text {
        _ if !end_of_text => None,
        Some(id) => Some(id),
        None => return Err(DataError::at("end_of_text", "end_of_text = true, but the tokenizer has no such token")),
    };
    let width = Width::of(facts.size);
    let encoder = tokenizer.encoder()?;
    let mut offsets = 0_u64.to_le_bytes().to_vec();
    let mut digests = Vec::new();
    let (mut count, mut position) = (0, 0);
    let mut bytes = Vec::new();
    loop {
        let chunk = read_chunk(reader, CHUNK_PER_THREAD * rayon::current_num_threads())?;
        if chunk.is_empty() {
            break;
        }
        let encode = |story: &String| {
            check_stopped(progress)?;
            let digest: [u8; DIGEST] = *blake3::hash(story.as_bytes()).as_bytes().first_chunk().expect("a longer hash");
            Ok((encoder.encode(story)?, digest))
        };
        let encoded = chunk.par_iter().map(encode).collect::<Result<Vec<_>, DataError>>()?;
        bytes.clear();
        for (mut ids, digest) in encoded {
            ids.extend(appended);
            width.append(&ids, &mut bytes);
            count += ids.len() as u64;
            offsets.extend(count.to_le_bytes());
            digests.extend(digest);
        }
        writer.write(&bytes)?;
        progress.advance(reader.done() - position);
        position = reader.done();
    }
    match offsets.len() / 8 - 1 {
        0 => return Err(source.error(" holds no story")),
        stories if u32::try_from(stories).is_err() => return Err(source.error(TOO_MANY)),
        _ => {}
    }
    let found = Found { facts, empty_rows: reader.empty() };
    let found = serde_json::to_vec(&found).expect("facts are plain data");
    writer.end_section();
    for section in [offsets, digests, found] {
        writer.write(&section)?;
        writer.end_section();
    }
    Ok(())
}

/// The next stories, about `size` bytes of them; none at the end.
pub(crate) fn read_chunk(reader: &mut StoryReader, size: usize) -> Result<Vec<String>, DataError> {
    let (mut chunk, mut length) = (Vec::new(), 0);
    while length < size {
        let Some(story) = reader.next().transpose()? else { break };
        length += story.len();
        chunk.push(story);
    }
    Ok(chunk)
}

#[cfg(test)]
mod tests {
    use crate::fuzz::cached_stories;

    const KEY: &str = "key";

    /// An entry of these sections under a right checksum.
    fn entry(ids: &[u8], offsets: &[u64], digests: usize, found: &str) -> Vec<u8> {
        let offsets: Vec<u8> = offsets.iter().flat_map(|offset| offset.to_le_bytes()).collect();
        let sections = [KEY.as_bytes(), ids, &offsets, &vec![1; digests], found.as_bytes()];
        let lengths: Vec<u8> = sections.iter().flat_map(|section| (section.len() as u64).to_le_bytes()).collect();
        crate::fuzz::sealed(&[&sections.concat()[..], &lengths, &5_u64.to_le_bytes()].concat())
    }

    fn found(size: u64, end_of_text: &str, alphabet: &str) -> String {
        format!(
            r#"{{"facts":{{"size":{size},"end_of_text":{end_of_text},"alphabet":{alphabet},"notes":[]}},"empty_rows":0}}"#
        )
    }

    #[test]
    fn an_entry_is_what_a_builder_writes() {
        let whole = entry(&[1, 0, 2, 0, 3, 0], &[0, 2, 3], 32, &found(4, "0", "[0,3]"));
        assert_eq!(cached_stories(&whole, KEY), Some((vec![vec![1, 2], vec![3]], 4)));
        let four_bytes = entry(&[1, 0, 1, 0], &[0, 1], 16, &found(1 << 17, "null", "[]"));
        assert_eq!(cached_stories(&four_bytes, KEY), Some((vec![vec![65_537]], 1 << 17)));
    }

    /// Each has a right checksum, and would else be read beyond its end, run out of memory, or train on what is no token.
    #[test]
    fn an_entry_that_no_builder_writes_is_none() {
        let facts = || found(4, "0", "[0,3]");
        let ids: &[u8] = &[1, 0, 2, 0, 3, 0];
        for (what, bytes) in [
            ("no story", entry(&[], &[0], 0, &facts())),
            ("no offset", entry(&[], &[], 0, &facts())),
            ("the first story does not begin at 0", entry(ids, &[1, 2, 3], 32, &facts())),
            ("stories overlap", entry(ids, &[0, 3, 2, 3], 48, &facts())),
            ("a story ends behind the ids", entry(ids, &[0, 2, 4], 32, &facts())),
            ("a story ends beyond memory", entry(ids, &[0, u64::MAX, 3], 32, &facts())),
            ("ids behind the last story", entry(ids, &[0, 2], 16, &facts())),
            ("half an id", entry(&ids[..5], &[0, 2], 16, &facts())),
            ("an id that is no token", entry(&[1, 0, 4, 0], &[0, 2], 16, &facts())),
            ("a digest too few", entry(ids, &[0, 2, 3], 16, &facts())),
            ("no vocabulary", entry(ids, &[0, 2, 3], 32, &found(0, "null", "[]"))),
            ("a vocabulary beyond memory", entry(&[1, 0, 0, 0], &[0, 1], 16, &found(u64::MAX, "null", "[]"))),
            ("a vocabulary beyond any", entry(&[1, 0, 0, 0], &[0, 1], 16, &found((1 << 24) + 1, "null", "[]"))),
            ("an end of text that is no token", entry(ids, &[0, 2, 3], 32, &found(4, "4", "[]"))),
            ("letters that are no token", entry(ids, &[0, 2, 3], 32, &found(4, "0", "[0,4]"))),
            ("letters twice", entry(ids, &[0, 2, 3], 32, &found(4, "0", "[0,0]"))),
            ("other facts", entry(ids, &[0, 2, 3], 32, "{}")),
        ] {
            assert_eq!(cached_stories(&bytes, KEY), None, "{what}");
        }
    }
}
