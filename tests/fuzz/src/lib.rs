//! What must not panic, hang or take memory without bound, whatever bytes it is given: one function each, and what holds
//! of its answer.

use lrx_data::fuzz::{cache_sections, cached_stories, sealed, stories};
use lrx_model::TensorFile;

/// Takes any bytes.
pub type Target = fn(&[u8]);

/// All targets, each with the name of its folder in `corpus/`.
pub const TARGETS: [(&str, Target); 10] = [
    ("config", config),
    ("stories_text", stories_text),
    ("stories_lines", stories_lines),
    ("stories_array", stories_array),
    ("stories_csv", stories_csv),
    ("stories_parquet", stories_parquet),
    ("stories_gzip", stories_gzip),
    ("stories_zstd", stories_zstd),
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
    let Ok(read) = stories("x.txt", bytes, None) else { return };
    check_stories(&read, bytes.len());
    let again = read.join("\n<|endoftext|>\n");
    assert_eq!(stories("x.txt", again.as_bytes(), None), Ok(read));
}

/// The reader of stories in JSON lines.
pub fn stories_lines(bytes: &[u8]) {
    keyed("x.jsonl", bytes, bytes.len());
}

/// The reader of stories in an array.
pub fn stories_array(bytes: &[u8]) {
    keyed("x.json", bytes, bytes.len());
}

/// The reader of stories in a table as text.
pub fn stories_csv(bytes: &[u8]) {
    keyed("x.csv", bytes, bytes.len());
}

/// The reader of stories in a table by columns.
pub fn stories_parquet(bytes: &[u8]) {
    keyed("x.parquet", bytes, MOST_UNPACKED);
}

/// The readers of what gzip and zstd packed.
pub fn stories_gzip(bytes: &[u8]) {
    keyed("x.txt.gz", bytes, MOST_UNPACKED);
    keyed("x.json.gz", bytes, MOST_UNPACKED);
}

/// As [`stories_gzip`].
pub fn stories_zstd(bytes: &[u8]) {
    keyed("x.jsonl.zst", bytes, MOST_UNPACKED);
    keyed("x.csv.zst", bytes, MOST_UNPACKED);
}

/// So much may come out of a small file.
const MOST_UNPACKED: usize = 16 << 20;

/// Reads a file of rows under the known keys and under another: what is wrong is said in a line.
fn keyed(name: &str, bytes: &[u8], most: usize) {
    for key in [None, Some("a.b")] {
        match stories(name, bytes, key) {
            Ok(stories) => check_stories(&stories, most),
            Err(message) => assert!(message.starts_with([' ', ',', ':']) && message.len() < 2000, "{message}"),
        }
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
