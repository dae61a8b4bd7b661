//! Training a tokenizer on the stories.

use tokenizers::models::bpe::{BPE, BpeTrainerBuilder};
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::{AddedToken, OffsetReferential, OffsetType, PreTokenizedString, PreTokenizer, Tokenizer, Trainer};

use super::END_OF_TEXT;
use super::pieces::byte_level_name;
use super::words::words;
use crate::error::DataError;

/// Trains a byte-level BPE of `size` tokens, or of fewer if the stories repeat too little, and gives it as the JSON of
/// a tokenizer file: the end of text, the 256 bytes, then the merges. A pair is merged only if it occurs twice.
///
/// The result depends on the stories only, neither on their order nor on the number of threads.
pub(crate) fn train(
    size: usize,
    stories: impl Iterator<Item = Result<String, DataError>> + Send,
) -> Result<String, DataError> {
    let mut unreadable = None;
    let readable = stories.map_while(|story| story.map_err(|error| unreadable = Some(error)).ok());
    let trained = train_readable(size, readable);
    match unreadable {
        Some(error) => Err(error),
        None => trained.map_err(|error| DataError::at("tokenizer", format!("no tokenizer could be trained: {error}"))),
    }
}

fn train_readable(size: usize, stories: impl Iterator<Item = String> + Send) -> tokenizers::Result<String> {
    let bytes = ByteLevel::default().add_prefix_space(false);
    let mut trainer = BpeTrainerBuilder::new()
        .vocab_size(size)
        .min_frequency(2)
        .special_tokens(vec![AddedToken::from(END_OF_TEXT[0], true)])
        .initial_alphabet(ByteLevel::alphabet().into_iter().collect())
        .show_progress(false)
        .build();
    trainer.feed(stories, |story| match words(story) {
        Some(words) => Ok(words.map(byte_level_name).collect()),
        None => {
            let mut split = PreTokenizedString::from(story);
            bytes.pre_tokenize(&mut split)?;
            let words = split.get_splits(OffsetReferential::Original, OffsetType::Byte);
            Ok(words.into_iter().map(|(word, ..)| word.to_owned()).collect())
        }
    })?;
    let mut model = BPE::default();
    let special_tokens = trainer.train(&mut model)?;
    let mut tokenizer = Tokenizer::new(model);
    tokenizer.with_pre_tokenizer(Some(bytes)).with_decoder(Some(bytes));
    tokenizer.add_special_tokens(special_tokens)?;
    tokenizer.to_string(false)
}

#[cfg(test)]
mod tests {
    use tokenizers::models::TrainerWrapper;

    use super::*;
    use crate::synthetic::story;

    fn stories() -> Vec<String> {
        (0..200).map(|index| story(0, index) + if index % 3 == 0 { " – 日本 ½ Ünï" } else { "" }).collect()
    }

    fn trained(size: usize, stories: Vec<String>) -> Tokenizer {
        train(size, stories.into_iter().map(Ok)).unwrap().parse().unwrap()
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

    /// What the library's own way from texts to a tokenizer gives.
    #[test]
    fn the_merges_are_those_of_the_library() {
        let bytes = ByteLevel::default().add_prefix_space(false);
        let trainer = BpeTrainerBuilder::new()
            .vocab_size(800)
            .min_frequency(2)
            .special_tokens(vec![AddedToken::from("<|endoftext|>", true)])
            .initial_alphabet(ByteLevel::alphabet().into_iter().collect())
            .show_progress(false)
            .build();
        let mut expected = Tokenizer::new(BPE::default());
        expected.with_pre_tokenizer(Some(bytes)).with_decoder(Some(bytes));
        expected.train(&mut TrainerWrapper::from(trainer), stories().iter()).unwrap();
        assert_eq!(trained(800, stories()).to_string(false).unwrap(), expected.to_string(false).unwrap());
    }

    #[test]
    fn the_order_of_the_stories_does_not_matter() {
        let mut reversed = stories();
        reversed.reverse();
        let json = |stories| trained(500, stories).to_string(false).unwrap();
        assert_eq!(json(stories()), json(reversed));
    }

    #[test]
    fn an_unreadable_story_is_an_error() {
        let error = DataError::new("unreadable");
        assert_eq!(train(300, [Ok("a".to_owned()), Err(error.clone())].into_iter()), Err(error));
    }
}
