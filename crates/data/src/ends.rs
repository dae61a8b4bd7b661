//! How many bytes of text tokens stand for: what losses per byte are taken over, which models of different vocabularies share.

use std::sync::Arc;

use rayon::prelude::*;
use serde::Serialize;

use crate::cache::{Cache, Entry, Writer};
use crate::error::DataError;
use crate::progress::{Progress, check_stopped};
use crate::source::{Source, SourceIdentity, StoryReader};
use crate::split::HeldOut;
use crate::store::Store;
use crate::tokenizer::Tokenizer;

/// To be raised whenever what is stored for the same key changes.
const FORMAT: u32 = 1;
/// Stories that are measured between two reports of progress.
const STORIES_AT_ONCE: usize = 256;

/// Where the text of each token of some stories ends, in bytes from the beginning of its story. The last token of a story ends
/// with it.
#[derive(Debug, Clone)]
pub(crate) struct Ends {
    /// Of all stories, end to end.
    ends: Arc<[u32]>,
    /// Where each story begins, and behind the last their number.
    starts: Arc<[usize]>,
}

/// What measured stories depend on.
#[derive(Serialize)]
struct Key<'a> {
    format: u32,
    source: SourceIdentity<'a>,
    tokenizer: &'a str,
    held_out: Option<HeldOut>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tune: Option<HeldOut>,
}

/// Some stories of a source.
pub(crate) struct Measured<'a> {
    pub(crate) source: &'a Source<'a>,
    /// Which, ascending.
    pub(crate) positions: &'a [u32],
    /// How they were drawn; all were taken where they were not.
    pub(crate) held_out: Option<HeldOut>,
    /// How they were drawn from what those left, where they are for tuning.
    pub(crate) tune: Option<HeldOut>,
}

impl Ends {
    /// Measures stories: from the cache, else from their text. Each has `appended` tokens behind its text in the store.
    pub(crate) fn measure(
        Measured { source, positions, held_out, tune }: Measured,
        store: &Store,
        appended: usize,
        tokenizer: &Tokenizer,
        cache: &Cache,
        progress: &dyn Progress,
    ) -> Result<Self, DataError> {
        let key = Key { format: FORMAT, source: source.identity(), tokenizer: tokenizer.hash(), held_out, tune };
        let key = serde_json::to_string(&key).expect("a key is plain data");
        let mut starts = vec![0];
        let mut count = 0;
        for position in positions {
            count += store.tokens(*position as usize).saturating_sub(appended);
            starts.push(count);
        }
        let starts: Arc<[usize]> = starts.into();
        cache.open_or_build(
            "ends",
            &key,
            progress,
            |entry| Self::parse(entry, &starts),
            |writer| {
                let mut reader = source.open(progress)?;
                let (total, unit) = reader.total();
                progress.start(&format!("measure {}", source.name()), total, unit);
                let result = build(&mut reader, positions, tokenizer, writer, progress);
                progress.finish();
                result?;
                reader.verify()
            },
        )
    }

    /// Of stories whose tokens end at these places.
    pub(crate) fn of_each<I: AsRef<[u32]>>(stories: impl IntoIterator<Item = I>) -> Self {
        let (mut ends, mut starts) = (Vec::new(), vec![0]);
        for story in stories {
            ends.extend_from_slice(story.as_ref());
            starts.push(ends.len());
        }
        Self { ends: ends.into(), starts: starts.into() }
    }

    fn parse(entry: &Entry, starts: &Arc<[usize]>) -> Option<Self> {
        let [ends] = entry.sections()?;
        let (ends, rest) = entry.bytes()[ends].as_chunks();
        let ends: Arc<[u32]> = ends.iter().map(|end| u32::from_le_bytes(*end)).collect();
        let whole = rest.is_empty() && Some(&ends.len()) == starts.last();
        let ascend = || starts.windows(2).all(|story| ends[story[0]..story[1]].is_sorted());
        (whole && ascend()).then(|| Self { ends, starts: Arc::clone(starts) })
    }

    /// The bytes of the text of the tokens of story `i` from the one at `from` up to the one before `to`.
    pub(crate) fn bytes(&self, i: usize, from: usize, to: usize) -> usize {
        let ends = &self.ends[self.starts[i]..self.starts[i + 1]];
        // Behind its text, a story has the token that ends it.
        let end = |tokens: usize| match tokens.checked_sub(1) {
            Some(last) => ends.get(last).or(ends.last()).map_or(0, |end| *end as usize),
            None => 0,
        };
        if from < to { end(to) - end(from) } else { 0 }
    }

    /// Of the stories at these places among those measured.
    pub(crate) fn only(&self, places: impl Iterator<Item = usize>) -> Self {
        let (mut ends, mut starts) = (Vec::new(), vec![0]);
        for place in places {
            ends.extend_from_slice(&self.ends[self.starts[place]..self.starts[place + 1]]);
            starts.push(ends.len());
        }
        Self { ends: ends.into(), starts: starts.into() }
    }
}

/// Writes where the tokens of the stories at `positions` end.
fn build(
    reader: &mut StoryReader,
    positions: &[u32],
    tokenizer: &Tokenizer,
    writer: &mut Writer,
    progress: &dyn Progress,
) -> Result<(), DataError> {
    let encoder = tokenizer.encoder()?;
    let measure = |story: &String| {
        check_stopped(progress)?;
        let mut ends = encoder.ends(story)?;
        ends.last_mut().into_iter().for_each(|last| *last = story.len());
        // No story is so long that its end would not fit.
        Ok(ends.into_iter().flat_map(|end| (end as u32).to_le_bytes()).collect::<Vec<u8>>())
    };
    let (mut next, mut done) = (0, 0);
    for positions in positions.chunks(STORIES_AT_ONCE) {
        let mut stories = Vec::with_capacity(positions.len());
        for position in positions {
            let passed_over = (position - next) as usize;
            next = position + 1;
            for story in reader.by_ref().take(passed_over) {
                story?;
            }
            stories.extend(reader.next().transpose()?);
        }
        for ends in stories.par_iter().map(measure).collect::<Result<Vec<_>, DataError>>()? {
            writer.write(&ends)?;
        }
        progress.advance(reader.done() - done);
        done = reader.done();
    }
    writer.end_section();
    Ok(())
}
