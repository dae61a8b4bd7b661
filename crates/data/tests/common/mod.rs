//! What several tests need.
#![allow(dead_code, reason = "each test uses a part")]

use std::path::{Path, PathBuf};

use lrx_data::{Cache, Corpus, DataConfig, DataError, DataSpec, NoProgress, Stories, prepare};

/// The spec of a config whose files lie in `dir`.
pub fn resolve(dir: &Path, config: &str) -> Result<DataSpec, DataError> {
    toml::from_str::<DataConfig>(config).unwrap().resolve(&|_, written| dir.join(written))
}

/// The corpus of a config whose files lie in `dir`, with the cache in `dir/cache`.
pub fn corpus(dir: &Path, config: &str) -> Result<Corpus, DataError> {
    let cache = Cache { dir: &dir.join("cache") };
    prepare(&resolve(dir, config)?, &cache, &NoProgress)
}

/// All ids of some stories.
pub fn ids(stories: &Stories) -> Vec<Vec<u32>> {
    (0..stories.len()).map(|i| stories.get(i, usize::MAX)).collect()
}

/// The texts of some stories.
pub fn texts(corpus: &Corpus, stories: &Stories) -> Vec<String> {
    ids(stories).iter().map(|ids| corpus.vocabulary.decode(ids).unwrap()).collect()
}

/// The folder of real data beside the repository; none where it is absent, which is then said.
pub fn shared_data() -> Option<PathBuf> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    if dir.is_dir() {
        return Some(dir);
    }
    eprintln!("skipped: there is no {}", dir.display());
    None
}
