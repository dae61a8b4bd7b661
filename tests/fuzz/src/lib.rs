//! What must not panic, hang or take memory without bound, whatever bytes it is given: one function each, and what holds
//! of its answer.

use lrx_data::fuzz::{cache_sections, cached_stories, sealed, stories_of_lines, stories_of_text};
use lrx_model::TensorFile;

/// Takes any bytes.
pub type Target = fn(&[u8]);

/// All targets, each with the name of its folder in `corpus/`.
pub const TARGETS: [(&str, Target); 5] = [
    ("config", config),
    ("stories_text", stories_text),
    ("stories_lines", stories_lines),
    ("weights", weights),
    ("cache", cache),
];

/// The parser and resolver of configs. What is wrong is said; what is right describes runs.
pub fn config(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    match lrx::check_config(text) {
        Ok(runs) => assert!(runs > 0),
        Err(message) => assert!(message.starts_with("error: "), "{message}"),
    }
}

/// The reader of stories between separators: stories read, written again and read again are the same.
pub fn stories_text(bytes: &[u8]) {
    let Ok(stories) = stories_of_text(bytes) else { return };
    check_stories(&stories, bytes.len());
    let again = stories.join("\n<|endoftext|>\n");
    assert_eq!(stories_of_text(again.as_bytes()), Ok(stories));
}

/// The reader of stories in JSON lines.
pub fn stories_lines(bytes: &[u8]) {
    if let Ok(stories) = stories_of_lines(bytes) {
        check_stories(&stories, bytes.len());
    }
}

fn check_stories(stories: &[String], bytes: usize) {
    assert!(stories.iter().all(|story| !story.is_empty() && story.trim() == story));
    assert!(stories.iter().map(String::len).sum::<usize>() <= bytes);
}

/// The reader of weights and checkpoints: it holds no more numbers than the file does.
pub fn weights(bytes: &[u8]) {
    if let Ok(file) = TensorFile::parse(bytes, "fuzzed".as_ref()) {
        assert!(4 * file.numbers() <= bytes.len());
    }
}

/// The reader of cache files, of the bytes as they are and under the checksum that a damaged file would not have.
pub fn cache(bytes: &[u8]) {
    for bytes in [bytes, &sealed(bytes)] {
        if let Some(sections) = cache_sections(bytes, "key") {
            assert!(sections.iter().all(|section| section.start <= section.end && section.end <= bytes.len()));
        }
        if let Some((stories, size)) = cached_stories(bytes, "key") {
            assert!(stories.iter().flatten().all(|id| (*id as usize) < size));
        }
    }
}
