//! Training a tokenizer on the stories.

use tokenizers::models::TrainerWrapper;
use tokenizers::models::bpe::{BPE, BpeTrainerBuilder};
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::{AddedToken, Tokenizer};

use super::END_OF_TEXT;
use crate::error::DataError;

/// Trains a byte-level BPE of `size` tokens, or of fewer if the stories repeat too little, and gives it as the JSON of
/// a tokenizer file: the end of text, the 256 bytes, then the merges. A pair is merged only if it occurs twice.
///
/// The result depends on the stories only, neither on their order nor on the number of threads.
pub(crate) fn train(
    size: usize,
    stories: impl Iterator<Item = Result<String, DataError>> + Send,
) -> Result<String, DataError> {
    let trainer = BpeTrainerBuilder::new()
        .vocab_size(size)
        .min_frequency(2)
        .special_tokens(vec![AddedToken::from(END_OF_TEXT[0], true)])
        .initial_alphabet(ByteLevel::alphabet().into_iter().collect())
        .show_progress(false)
        .build();
    let mut tokenizer = Tokenizer::new(BPE::default());
    let bytes = ByteLevel::default().add_prefix_space(false);
    tokenizer.with_pre_tokenizer(Some(bytes)).with_decoder(Some(bytes));

    let mut unreadable = None;
    let readable = stories.map_while(|story| story.map_err(|error| unreadable = Some(error)).ok());
    let trained =
        tokenizer.train(&mut TrainerWrapper::from(trainer), readable).and_then(|tokenizer| tokenizer.to_string(false));
    match unreadable {
        Some(error) => Err(error),
        None => trained.map_err(|error| DataError::at("tokenizer", format!("no tokenizer could be trained: {error}"))),
    }
}
