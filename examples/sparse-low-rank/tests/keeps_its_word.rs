//! The kind keeps its word.

use lrx::layers::{Registry, checks};

#[test]
fn it_keeps_its_word() {
    let mut registry = Registry::empty();
    registry.register(sparse_low_rank::SparseLowRank).unwrap();
    checks::every_kind(&registry);
}
