//! What models of a sweep share: resolved once, and kept once.

use std::cell::{OnceCell, RefCell};
use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use lrx_layers::{BlockShape, BlockSpec, OptionError, Place, Registry};
use toml::Table;

/// Blocks that are resolved and files whose hashes are known. A file that changes meanwhile is found out when it is read:
/// see [`load_initial`](crate::load_initial).
#[derive(Default)]
pub struct Known {
    blocks: RefCell<HashMap<String, Arc<[Arc<BlockSpec>]>>>,
    hashes: RefCell<HashMap<PathBuf, String>>,
    approximating: OnceCell<Arc<[&'static str]>>,
}

impl Known {
    /// The attention or the MLP of every layer.
    pub(crate) fn blocks(
        &self,
        registry: &Registry,
        place: Place,
        table: &Table,
        shapes: &[BlockShape],
    ) -> Result<Arc<[Arc<BlockSpec>]>, OptionError> {
        // All layers have the sizes of the first.
        let key = format!("{place:?} {} {:?}\n{table}", shapes.len(), shapes.first());
        if let Some(blocks) = self.blocks.borrow().get(&key) {
            return Ok(blocks.clone());
        }
        let blocks = registry.blocks(place, table, shapes)?;
        let blocks: Arc<[Arc<BlockSpec>]> = blocks.into_iter().map(Arc::new).collect();
        self.blocks.borrow_mut().insert(key, blocks.clone());
        Ok(blocks)
    }

    /// The BLAKE3 of a file, hexadecimal.
    pub(crate) fn hash(&self, path: &Path) -> io::Result<String> {
        if let Some(hash) = self.hashes.borrow().get(path) {
            return Ok(hash.clone());
        }
        let mut hasher = blake3::Hasher::new();
        hasher.update_reader(lrx_files::open_regular(path)?)?;
        let hash = hasher.finalize().to_hex().to_string();
        self.hashes.borrow_mut().insert(path.to_path_buf(), hash.clone());
        Ok(hash)
    }

    /// The linear kinds that can stand for a dense matrix.
    pub(crate) fn approximating(&self, registry: &Registry) -> Arc<[&'static str]> {
        self.approximating.get_or_init(|| registry.approximating().into()).clone()
    }
}
