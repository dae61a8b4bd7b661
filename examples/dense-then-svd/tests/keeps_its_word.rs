//! The kind keeps its word, before and after it has changed.

use lrx::layers::{Registry, checks};

#[test]
fn it_keeps_its_word() {
    let mut registry = Registry::empty();
    registry.register(dense_then_svd::DenseThenSvd).unwrap();
    checks::every_kind(&registry);
}
