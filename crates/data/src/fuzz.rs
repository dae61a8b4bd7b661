//! For the fuzz targets: the readers of files, given bytes.

use std::ops::Range;
use std::path::Path;

use crate::source::{Form, Key, read_all};
use crate::{cache, store};

/// The stories of a file of this name with this content, under this key of its rows or a known one.
///
/// # Errors
/// What is wrong, and where.
pub fn stories(name: &str, bytes: &[u8], text_key: Option<&str>) -> Result<Vec<String>, String> {
    read_all(Form::of(Path::new(name))?, bytes, Key::new(text_key))
}

/// Where the sections of a cache file lie, if it is one of `key`.
pub fn cache_sections(bytes: &[u8], key: &str) -> Option<Vec<Range<usize>>> {
    cache::check(bytes, key)
}

/// The ids of all stories of a cache file of `key`, each below the size of the vocabulary, if it holds any.
pub fn cached_stories(bytes: &[u8], key: &str) -> Option<(Vec<Vec<u32>>, usize)> {
    let tokenized = store::parse(&cache::Entry::from_bytes(bytes.to_vec(), key)?)?;
    let ids = |i| {
        let mut ids = Vec::new();
        tokenized.store.append(i, 0..usize::MAX, |id| id, &mut ids);
        assert!(!tokenized.digest(i).is_empty());
        ids
    };
    Some(((0..tokenized.store.len()).map(ids).collect(), tokenized.facts.size))
}

/// `body` between the beginning and the checksum of a cache file.
pub fn sealed(body: &[u8]) -> Vec<u8> {
    let mut file = [cache::MAGIC, body].concat();
    let hash = blake3::hash(&file);
    file.extend(hash.as_bytes());
    file
}
