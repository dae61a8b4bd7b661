//! A byte-level BPE trained on the stories.
//!
//! The tokenizers library can do this, and what comes out here is what it gives; but once begun, it cannot be stopped, and
//! its time grows with the square of the longest word.

use std::collections::{BinaryHeap, HashMap};
use std::hash::{BuildHasherDefault, Hasher};
use std::mem;

use rayon::prelude::*;
use serde_json::json;
use tokenizers::models::bpe::BPE;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::{AddedToken, OffsetReferential, OffsetType, PreTokenizedString, PreTokenizer};

use super::END_OF_TEXT;
use super::pieces::byte_level_char;
use super::words::words;
use crate::error::DataError;
use crate::guard::guarded;
use crate::progress::{Progress, check_stopped};

/// Raised whenever the same stories give another tokenizer.
pub(crate) const TRAINER: u32 = 1;
/// A pair that occurs less often is not merged.
const LEAST_COUNT: u64 = 2;
/// Text whose words are counted at once.
const CHUNK: usize = 1 << 20;
/// Letters of words that are gone through between two looks at whether to stop.
const LETTERS_AT_ONCE: usize = 1 << 22;

/// Trains a byte-level BPE of `size` tokens, or of fewer if the stories repeat too little, and gives it as the JSON of
/// a tokenizer file: the end of text, the 256 bytes, then the merges. A pair is merged only if it occurs twice.
///
/// Of the pairs that occur most often, the one of the lowest ids is merged next, within words as GPT-2 divides them. The
/// result depends on the stories only, neither on their order nor on the number of threads.
pub(crate) fn train(
    size: usize,
    stories: impl Iterator<Item = Result<String, DataError>>,
    progress: &dyn Progress,
) -> Result<String, DataError> {
    let words = count_words(stories)?;
    let mut vocabulary = Vocabulary::of_bytes();
    let mut pairs = Pairs::new(words, &vocabulary);
    let mut merges = Vec::new();
    while vocabulary.names.len() < size {
        check_stopped(progress)?;
        let Some(most) = pairs.most_frequent().filter(|most| most.count >= LEAST_COUNT) else { break };
        let merged = vocabulary.merged(most.pair);
        merges.push(most.pair);
        pairs.merge(most, merged, progress)?;
    }
    vocabulary
        .tokenizer(&merges)
        .map_err(|error| DataError::at("tokenizer", format!("no tokenizer could be trained: {error}")))
}

/// The words of all stories, each with how often it occurs, in their order.
fn count_words(stories: impl Iterator<Item = Result<String, DataError>>) -> Result<Vec<(Box<str>, u64)>, DataError> {
    let mut counts: HashMap<Box<str>, u64> = HashMap::new();
    let (mut chunk, mut length) = (Vec::new(), 0);
    let mut stories = stories;
    loop {
        let story = stories.next().transpose()?;
        let ended = story.is_none();
        length += story.as_ref().map_or(0, String::len);
        chunk.extend(story);
        if ended || length >= CHUNK {
            let parts: Result<Vec<_>, DataError> = chunk.par_iter().map(|story| words_of(story)).collect();
            for (word, count) in parts?.into_iter().flatten() {
                *counts.entry(word).or_default() += count;
            }
            (chunk, length) = (Vec::new(), 0);
        }
        if ended {
            break;
        }
    }
    let mut words: Vec<(Box<str>, u64)> = counts.into_iter().collect();
    words.sort_unstable();
    Ok(words)
}

/// The words of a story, each with how often it occurs.
fn words_of(story: &str) -> Result<HashMap<Box<str>, u64>, DataError> {
    let mut counts: HashMap<Box<str>, u64> = HashMap::new();
    let mut count = |word: &str| match counts.get_mut(word) {
        Some(known) => *known += 1,
        None => drop(counts.insert(word.into(), 1)),
    };
    if let Some(words) = words(story) {
        words.for_each(&mut count);
        return Ok(counts);
    }
    let split = guarded("tokenizers", || {
        let mut split = PreTokenizedString::from(story);
        ByteLevel::default().add_prefix_space(false).pre_tokenize(&mut split)?;
        Ok(split)
    });
    let split =
        split.map_err(|error| DataError::at("train", format!("a story cannot be divided into words: {error}")))?;
    for (_, (start, end), _) in split.get_splits(OffsetReferential::Original, OffsetType::Byte) {
        count(&story[start..end]);
    }
    Ok(counts)
}

/// The tokens so far.
struct Vocabulary {
    /// The name of each id.
    names: Vec<String>,
    ids: HashMap<String, u32>,
    /// The id of each byte.
    bytes: [u32; 256],
}

impl Vocabulary {
    /// The end of text and the 256 bytes, in the order of the characters that stand for them.
    fn of_bytes() -> Self {
        let mut chars: Vec<(char, u8)> = (0..=255).map(|byte| (byte_level_char(byte), byte)).collect();
        chars.sort_unstable();
        let names: Vec<String> =
            [END_OF_TEXT[0].to_owned()].into_iter().chain(chars.iter().map(|(char, _)| char.to_string())).collect();
        let ids = (0..).zip(&names).map(|(id, name)| (name.clone(), id)).collect();
        let mut bytes = [0; 256];
        (1..).zip(chars).for_each(|(id, (_, byte))| bytes[usize::from(byte)] = id);
        Self { names, ids, bytes }
    }

    /// The id of two tokens together: a new one, unless other merges have made the same before.
    fn merged(&mut self, (first, second): Pair) -> u32 {
        let name = format!("{}{}", self.names[first as usize], self.names[second as usize]);
        let next = self.names.len() as u32;
        let id = *self.ids.entry(name.clone()).or_insert(next);
        if id == next {
            self.names.push(name);
        }
        id
    }

    /// The JSON of a tokenizer file of these tokens and merges.
    fn tokenizer(&self, merges: &[Pair]) -> Result<String, String> {
        let name = |id: u32| self.names[id as usize].as_str();
        let merges: Vec<_> = merges.iter().map(|(first, second)| (name(*first), name(*second))).collect();
        let model = json!({"type": "BPE", "vocab": self.ids, "merges": merges}).to_string();
        guarded("tokenizers", || {
            let bytes = ByteLevel::default().add_prefix_space(false);
            let mut tokenizer = tokenizers::Tokenizer::new(serde_json::from_str::<BPE>(&model)?);
            tokenizer.with_pre_tokenizer(Some(bytes)).with_decoder(Some(bytes));
            tokenizer.add_special_tokens([AddedToken::from(END_OF_TEXT[0], true)])?;
            tokenizer.to_string(false)
        })
    }
}

/// Two ids, one behind the other.
type Pair = (u32, u32);
type PairMap<T> = HashMap<Pair, T, BuildHasherDefault<PairHasher>>;

/// A pair, how often it occurs, and words that it may be in.
struct Candidate {
    count: u64,
    pair: Pair,
    /// When it came up, in merges: of the same pair, the words that came first go first.
    round: u32,
    words: Vec<u32>,
}

impl Candidate {
    fn order(&self) -> impl Ord + use<> {
        (self.count, std::cmp::Reverse((self.pair, self.round)))
    }
}

impl PartialEq for Candidate {
    fn eq(&self, other: &Self) -> bool {
        self.order() == other.order()
    }
}
impl Eq for Candidate {}
impl PartialOrd for Candidate {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Candidate {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.order().cmp(&other.order())
    }
}

/// The words as they are merged so far, and the pairs in them.
struct Pairs {
    /// The ids of each word, and how often it occurs.
    words: Vec<(Vec<u32>, u64)>,
    counts: PairMap<u64>,
    queue: BinaryHeap<Candidate>,
    rounds: u32,
}

impl Pairs {
    fn new(words: Vec<(Box<str>, u64)>, vocabulary: &Vocabulary) -> Self {
        let ids = |word: Box<str>| word.bytes().map(|byte| vocabulary.bytes[usize::from(byte)]).collect::<Vec<u32>>();
        let words: Vec<(Vec<u32>, u64)> = words.into_iter().map(|(word, count)| (ids(word), count)).collect();
        let mut pairs = Self { words, counts: PairMap::default(), queue: BinaryHeap::new(), rounds: 0 };
        let mut found = PairMap::default();
        for (word, (ids, count)) in (0..).zip(&pairs.words) {
            for pair in ids.windows(2) {
                let pair = (pair[0], pair[1]);
                *pairs.counts.entry(pair).or_default() += count;
                note(&mut found, pair, word);
            }
        }
        pairs.enqueue(found);
        pairs
    }

    /// Queues pairs that have come up, with the words they came up in.
    fn enqueue(&mut self, found: PairMap<Vec<u32>>) {
        for (pair, words) in found {
            let count = self.counts[&pair];
            if count > 0 {
                self.queue.push(Candidate { count, pair, round: self.rounds, words });
            }
        }
    }

    /// The pair that occurs most often.
    fn most_frequent(&mut self) -> Option<Candidate> {
        loop {
            let mut most = self.queue.pop()?;
            let count = self.counts[&most.pair];
            if count == most.count {
                return Some(most);
            }
            // It has become rarer since it was queued.
            most.count = count;
            self.queue.push(most);
        }
    }

    /// Puts `merged` in the place of a pair in its words.
    fn merge(
        &mut self,
        Candidate { pair, words, .. }: Candidate,
        merged: u32,
        progress: &dyn Progress,
    ) -> Result<(), DataError> {
        let mut found = PairMap::default();
        let mut letters = 0;
        for word in words {
            let (ids, count) = &mut self.words[word as usize];
            letters += ids.len();
            if letters >= LETTERS_AT_ONCE {
                check_stopped(progress)?;
                letters = 0;
            }
            let before = mem::take(ids);
            let mut after = Vec::with_capacity(before.len());
            let mut rest = before.as_slice();
            while let Some((&id, behind)) = rest.split_first() {
                if (id, *behind.first().unwrap_or(&NONE)) != pair {
                    after.push(id);
                    rest = behind;
                    continue;
                }
                if let Some(&left) = after.last() {
                    less(&mut self.counts, (left, pair.0), *count);
                    more(&mut self.counts, &mut found, (left, merged), *count, word);
                }
                rest = &behind[1..];
                if let Some(&right) = rest.first() {
                    less(&mut self.counts, (pair.1, right), *count);
                    more(&mut self.counts, &mut found, (merged, right), *count, word);
                }
                after.push(merged);
            }
            *ids = after;
        }
        self.rounds += 1;
        self.enqueue(found);
        Ok(())
    }
}

/// No id.
const NONE: u32 = u32::MAX;

fn less(counts: &mut PairMap<u64>, pair: Pair, by: u64) {
    let count = counts.entry(pair).or_default();
    *count = count.saturating_sub(by);
}

fn more(counts: &mut PairMap<u64>, found: &mut PairMap<Vec<u32>>, pair: Pair, by: u64, word: u32) {
    *counts.entry(pair).or_default() += by;
    note(found, pair, word);
}

/// Notes that a pair came up in a word; words come in their order.
fn note(found: &mut PairMap<Vec<u32>>, pair: Pair, word: u32) {
    let words: &mut Vec<u32> = found.entry(pair).or_default();
    if words.last() != Some(&word) {
        words.push(word);
    }
}

/// Mixes the two ids of a pair: nobody can choose them so that they collide, and it is fast.
#[derive(Default)]
struct PairHasher(u64);

impl Hasher for PairHasher {
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u32((*byte).into()));
    }

    fn write_u32(&mut self, id: u32) {
        self.0 = (self.0.rotate_left(26) ^ u64::from(id)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }

    fn finish(&self) -> u64 {
        self.0 ^ self.0 >> 32
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::time::{Duration, Instant};

    use tokenizers::models::TrainerWrapper;
    use tokenizers::models::bpe::BpeTrainerBuilder;
    use tokenizers::{Model, Tokenizer};

    use super::*;
    use crate::progress::{NoProgress, Unit};
    use crate::random::Random;
    use crate::synthetic::story;

    fn stories() -> Vec<String> {
        (0..200).map(|index| story(0, index) + if index % 3 == 0 { " – 日本 ½ Ünï" } else { "" }).collect()
    }

    fn trained(size: usize, stories: Vec<String>) -> Tokenizer {
        train(size, stories.into_iter().map(Ok), &NoProgress).unwrap().parse().unwrap()
    }

    /// What the library's own way from texts to a tokenizer gives.
    fn of_library(size: usize, stories: &[String]) -> Tokenizer {
        let bytes = ByteLevel::default().add_prefix_space(false);
        let trainer = BpeTrainerBuilder::new()
            .vocab_size(size)
            .min_frequency(2)
            .special_tokens(vec![AddedToken::from("<|endoftext|>", true)])
            .initial_alphabet(ByteLevel::alphabet().into_iter().collect())
            .show_progress(false)
            .build();
        let mut expected = Tokenizer::new(BPE::default());
        expected.with_pre_tokenizer(Some(bytes)).with_decoder(Some(bytes));
        expected.train(&mut TrainerWrapper::from(trainer), stories.iter()).unwrap();
        expected
    }

    #[test]
    fn the_vocabulary_begins_with_the_end_of_text_and_the_bytes() {
        let tokenizer = trained(300, stories());
        assert_eq!(tokenizer.get_vocab_size(true), 300);
        assert_eq!(tokenizer.token_to_id("<|endoftext|>"), Some(0));
        let bytes =
            ByteLevel::alphabet().iter().map(|char| tokenizer.token_to_id(&char.to_string()).unwrap()).collect();
        let mut bytes: Vec<u32> = bytes;
        bytes.sort_unstable();
        assert_eq!(bytes, (1..=256).collect::<Vec<_>>());
        assert_eq!(trained(257, stories()).get_vocab_size(true), 257);
        // Nothing occurs twice.
        assert_eq!(trained(300, vec!["ab".to_owned()]).get_vocab_size(true), 257);
    }

    #[test]
    fn the_merges_are_those_of_the_library() {
        let expected = of_library(800, &stories()).to_string(false).unwrap();
        assert_eq!(trained(800, stories()).to_string(false).unwrap(), expected);
    }

    /// Letters that repeat themselves, so that tokens come about in several ways, and words that tie.
    #[test]
    fn the_merges_of_odd_words_are_those_of_the_library() {
        for seed in 0..200 {
            let mut random = Random::new("test bpe", &[seed]);
            let letters: &[char] = &[' ', 'a', 'b', 'c', '-', '-', '\n', 'é'][..3 + (seed % 6) as usize];
            let stories: Vec<String> = (0..random.below(30) + 1)
                .map(|_| (0..random.below(60)).map(|_| *random.pick(letters)).collect())
                .collect();
            let size = 258 + random.below(80) as usize;
            let expected = of_library(size, &stories).to_string(false).unwrap();
            assert_eq!(trained(size, stories).to_string(false).unwrap(), expected, "seed {seed}");
        }
    }

    #[test]
    fn the_order_of_the_stories_does_not_matter() {
        let mut reversed = stories();
        reversed.reverse();
        let json = |stories| trained(500, stories).to_string(false).unwrap();
        assert_eq!(json(stories()), json(reversed));
    }

    /// The library had not done with one of these after two minutes.
    #[test]
    fn a_word_of_any_length_ends_soon() {
        let mut random = Random::new("test long words", &[]);
        let letters = (0..400_000).map(|_| (b'a' + random.below(26) as u8) as char).collect::<String>();
        for word in [letters, "a".repeat(400_000), "ab".repeat(200_000)] {
            let began = Instant::now();
            let tokenizer = trained(400, vec![word.clone()]);
            assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
            assert!(tokenizer.get_vocab_size(true) > 260);
            let ids = tokenizer.get_model().tokenize(&word).unwrap();
            assert!(ids.len() < word.len());
        }
    }

    #[test]
    fn an_unreadable_story_is_an_error() {
        let error = DataError::new("unreadable");
        let stories = [Ok("a".to_owned()), Err(error.clone())];
        assert_eq!(train(300, stories.into_iter(), &NoProgress), Err(error));
    }

    /// Wants to stop.
    struct Stopped;

    impl Progress for Stopped {
        fn start(&self, _: &str, _: u64, _: Unit) {}
        fn advance(&self, _: u64) {}
        fn finish(&self) {}
        fn stopped(&self) -> bool {
            true
        }
    }

    #[test]
    fn it_can_be_stopped() {
        let error = train(300, stories().into_iter().map(Ok), &Stopped).unwrap_err();
        assert!(error.is_stopped());
    }

    #[test]
    fn pairs_are_told_apart() {
        let hash = |pair: Pair| {
            use std::hash::BuildHasher;
            BuildHasherDefault::<PairHasher>::default().hash_one(pair)
        };
        let hashes: HashSet<u64> = (0..300).flat_map(|one| (0..300).map(move |other| hash((one, other)))).collect();
        assert_eq!(hashes.len(), 90_000);
    }
}
